// CUDA's words that mean the same on a CPU: types, bits, mathematics.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

namespace {

#define VECTORS(type, name, alignment)                                                         \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                   \
    struct name##3 { type x, y, z; };                                                          \
    struct alignas(alignment) name##4 { type x, y, z, w; };                                    \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                           \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
using uint = unsigned;
VECTORS(float, float, 16)
VECTORS(double, double, 16)
VECTORS(int, int, 16)
VECTORS(unsigned, uint, 16)
#undef VECTORS

template <class To, class From>
To with_bits(From x) {
    static_assert(sizeof(To) == sizeof(From));
    To y;
    memcpy(&y, &x, sizeof y);
    return y;
}
unsigned __float_as_uint(float x) { return with_bits<unsigned>(x); }
int __float_as_int(float x) { return with_bits<int>(x); }
float __uint_as_float(unsigned x) { return with_bits<float>(x); }
float __int_as_float(int x) { return with_bits<float>(x); }
double __longlong_as_double(long long x) { return with_bits<double>(x); }
unsigned __byte_perm(unsigned x, unsigned y, unsigned which) {
    uint64_t bytes = uint64_t(y) << 32 | x;
    unsigned out = 0;
    for (int i = 0; i < 4; ++i) out |= (bytes >> (which >> 4 * i & 7) * 8 & 0xff) << 8 * i;
    return out;
}
unsigned __umulhi(unsigned a, unsigned b) { return uint64_t(a) * b >> 32; }
unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned __int128>(a) * b >> 64;
}
size_t __cvta_generic_to_shared(const void* x) { return reinterpret_cast<size_t>(x); }
template <class T> T __ldg(const T* x) { return *x; }
template <class T> T __ldcs(const T* x) { return *x; }
template <class T> void __stcs(T* x, T value) { *x = value; }

float rsqrtf(float x) { return 1 / sqrtf(x); }
double rsqrt(double x) { return 1 / sqrt(x); }
float __expf(float x) { return expf(x); }
float __logf(float x) { return logf(x); }
float __sinf(float x) { return sinf(x); }
float __cosf(float x) { return cosf(x); }
float __fdividef(float a, float b) { return a / b; }
float sinpif(float x) { return sin(M_PI * x); }
float cospif(float x) { return cos(M_PI * x); }
void sincospif(float x, float* s, float* c) { *s = sinpif(x), *c = cospif(x); }
void sincospi(double x, double* s, double* c) { *s = sin(M_PI * x), *c = cos(M_PI * x); }
float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
float __fadd_rn(float a, float b) { return a + b; }
float __fmul_rn(float a, float b) { return a * b; }
using std::isfinite, std::isinf, std::isnan;

#define EXTREMES(type)                                         \
    inline type min(type a, type b) { return b < a ? b : a; }  \
    inline type max(type a, type b) { return a < b ? b : a; }
EXTREMES(int)
EXTREMES(unsigned)
EXTREMES(long)
EXTREMES(unsigned long)
EXTREMES(long long)
EXTREMES(unsigned long long)
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
#undef EXTREMES

template <class T>
T atomicAdd(T* x, std::type_identity_t<T> value) {
    static_assert(!std::is_floating_point_v<T>, "sums of floats must not depend on who comes first");
    return std::exchange(*x, *x + value);
}

}  // namespace
