// One step of an optimiser for all parameters at once.
//
// An optimiser in plain arrays reads and writes memory a dozen times: each operation of its
// equation is a pass of its own. Here a thread reads θ, g, m, v, … of a number once, does the whole
// equation in registers, and writes what has changed once. The time is that of the traffic.
//
// The equation stands nowhere in CUDA C++: `equations.py` writes it down while the optimiser's own
// Python runs on symbols, and its statements are the macro EQUATION. They are over
//     a[0], a[1], …    the numbers at one place of θ, g and what is kept
//     k[0], k[1], …    rates, decays and the like, which change from step to step: arguments
// Macros besides it and those of tensors.cuh: NUMBERS (of k), WRITTEN (a bit for each array that
// changes).

#include "tensors.cuh"

struct Numbers {
    REAL k[NUMBERS];
};

// A product that is rounded by itself. Left to the compiler, x * y + z would become one operation
// that rounds once, and the result another one than that of arrays multiplied and added in turn.
#ifdef FIBRES
__device__ REAL times(REAL x, REAL y) { return x * y; }
#else
__device__ float times(float x, float y) { return __fmul_rn(x, y); }
__device__ double times(double x, double y) { return __dmul_rn(x, y); }
#endif

__device__ REAL larger(REAL x, REAL y) { return x >= y || x != x ? x : y; }  // NaN stays NaN
__device__ REAL smaller(REAL x, REAL y) { return x <= y || x != x ? x : y; }
__device__ REAL sign(REAL x) { return x > 0 ? (REAL)1 : x < 0 ? (REAL)-1 : x; }

__device__ void change(REAL* a, const REAL* k) { EQUATION }

extern "C" __global__ void __launch_bounds__(THREADS)
apply_equation(const Table table, const Numbers numbers) {
    const int i = tensor_of(table, blockIdx.x);
    const long long start = (long long)(blockIdx.x - table.first[i]) * CHUNK;
    const long long end = start + CHUNK < table.size[i] ? start + CHUNK : table.size[i];
    const long long whole = in_fours(table, i) ? end - (end - start) % 4 : start;

    // Four neighbours per thread: fewer, wider accesses keep the memory busy with fewer threads.
    for (long long at = start + 4 * threadIdx.x; at < whole; at += 4 * THREADS) {
        Four a[ARRAYS];
#pragma unroll
        for (int j = 0; j < ARRAYS; ++j) a[j] = *(const Four*)(table.array[j][i] + at);
#pragma unroll
        for (int n = 0; n < 4; ++n) {
            REAL one[ARRAYS];
#pragma unroll
            for (int j = 0; j < ARRAYS; ++j) one[j] = a[j].at[n];
            change(one, numbers.k);
#pragma unroll
            for (int j = 0; j < ARRAYS; ++j) a[j].at[n] = one[j];
        }
#pragma unroll
        for (int j = 0; j < ARRAYS; ++j)
            if (WRITTEN >> j & 1) *(Four*)(table.array[j][i] + at) = a[j];
    }
    // The last one to three numbers of a tensor, or all of one that starts at an odd address.
    for (long long at = whole + threadIdx.x; at < end; at += THREADS) {
        REAL one[ARRAYS];
#pragma unroll
        for (int j = 0; j < ARRAYS; ++j) one[j] = table.array[j][i][at];
        change(one, numbers.k);
#pragma unroll
        for (int j = 0; j < ARRAYS; ++j)
            if (WRITTEN >> j & 1) table.array[j][i][at] = one[j];
    }
}
