// CUDA's words for what threads do together, and this backend's own (device.cuh).

#include "fibres.h"

namespace {

constexpr unsigned ALL_LANES = 0xffffffff;
using fibres::Place;

void __syncthreads(Place place = HERE) { fibres::wait(fibres::at_block, 0, place); }
void __syncwarp(unsigned lanes = ALL_LANES, Place place = HERE) {
    fibres::wait(fibres::at_warp, lanes, place);
}
void __threadfence() {}
void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned lanes, T mine, int lane, int width = 32, Place place = HERE) {
    int own = fibres::current % 32;
    return fibres::from_lane(lanes, mine, own / width * width + (lane & (width - 1)), place);
}
template <class T>
T __shfl_xor_sync(unsigned lanes, T mine, int bits, int width = 32, Place place = HERE) {
    int own = fibres::current % 32, other = own ^ bits;
    return fibres::from_lane(lanes, mine, other / width > own / width ? own : other, place);
}
template <class T>
T __shfl_down_sync(unsigned lanes, T mine, int step, int width = 32, Place place = HERE) {
    int own = fibres::current % 32;
    return fibres::from_lane(lanes, mine, own % width + step < width ? own + step : own, place);
}
template <class T>
T __shfl_up_sync(unsigned lanes, T mine, int step, int width = 32, Place place = HERE) {
    int own = fibres::current % 32;
    return fibres::from_lane(lanes, mine, own % width >= step ? own - step : own, place);
}
unsigned __ballot_sync(unsigned lanes, int vote, Place place = HERE) {
    unsigned votes = 0;
    fibres::exchange(lanes, vote, place, [&](auto given) {
        for (int lane = 0; lane < 32; ++lane) {
            if (lanes >> lane & 1 && given(lane)) votes |= 1u << lane;
        }
    });
    return votes;
}
int __any_sync(unsigned lanes, int vote, Place p = HERE) { return __ballot_sync(lanes, vote, p) != 0; }
int __all_sync(unsigned lanes, int vote, Place p = HERE) {
    return __ballot_sync(lanes, vote, p) == lanes;
}

#ifdef FIBRES
void copy_async_16(void* to, const void* from, bool valid, Place place = HERE) {
    fibres::copy_async(to, from, 16, valid, place);
}
void copy_async_4(void* to, const void* from, bool valid, Place place = HERE) {
    fibres::copy_async(to, from, 4, valid, place);
}
void copy_async_commit() { ++fibres::threads[fibres::current].group; }
template <int groups>
void copy_async_wait() { fibres::arrive(groups); }

// A factor as a tensor core sees it: of a float32 not the last 13 bits of its mantissa, of a word of
// two bfloat16 either.
struct Tf32 {
    static float product(float x, float y) { return cut(x) * cut(y); }
    static float cut(float x) { return with_bits<float>(with_bits<uint32_t>(x) & 0xffffe000u); }
};
struct Bfloat16 {
    static float product(float x, float y) { return low(x) * low(y) + high(x) * high(y); }
    static float low(float x) { return with_bits<float>(with_bits<uint32_t>(x) << 16); }
    static float high(float x) { return with_bits<float>(with_bits<uint32_t>(x) & 0xffff0000u); }
};

struct Fragments {
    float a[4], b[2];
};

template <class Kind>
void mma(float (&d)[4], const float (&a)[4], const float (&b)[2], Place place) {
    Fragments mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    int q = fibres::current % 32 / 4, r = fibres::current % 4;
    fibres::exchange(ALL_LANES, mine, place, [&](auto given) {
        for (int i = 0; i < 4; ++i) {
            for (int k = 0; k < 8; ++k) {
                float left = given(q * 4 + k % 4).a[k / 4 * 2 + i / 2];
                d[i] += Kind::product(left, given((2 * r + i % 2) * 4 + k % 4).b[k / 4]);
            }
        }
    });
}
void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2], Place place = HERE) {
    mma<Tf32>(d, a, b, place);
}
void mma_bfloat16(float (&d)[4], const float (&a)[4], const float (&b)[2], Place place = HERE) {
    mma<Bfloat16>(d, a, b, place);
}

// Products by warpgroups: done at once, by the four warps one by one, since each has its own 16 rows.
float* aligned_to_1024(float* shared) {
    return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(shared) + 1023) & ~uintptr_t(1023));
}
// A word counts its pieces. What is copied is there at once for the copying thread, which is no error.
void arrivals_begin(unsigned long long* word) { *word = 0; }
void copy_bulk(void* to, const void* from, int bytes, unsigned long long* word) {
    memcpy(to, from, bytes), ++*word;
}
void arrivals_wait(unsigned long long* word, int parity, Place place = HERE) {
    while ((*word & 1) == static_cast<unsigned>(parity)) fibres::wait(fibres::ready, 0, place);
}

void group_begin() {}
void group_commit() {}
template <int batches>
void group_wait() {}
int place_for_group(int i, int k);

template <class Kind>
void group_multiply(float (&d)[32], const float (&a)[4], const float* b, int step, Place place) {
    Fragments mine = {{a[0], a[1], a[2], a[3]}, {}};
    int q = fibres::current % 32 / 4, r = fibres::current % 4;
    fibres::exchange(ALL_LANES, mine, place, [&](auto given) {
        for (int i = 0; i < 32; ++i) {
            int half = i / 2 % 2, column = i / 4 * 8 + 2 * r + i % 2;
            for (int k = 0; k < 8; ++k) {
                float left = given(q * 4 + k % 4).a[k / 4 * 2 + half];
                d[i] += Kind::product(left, b[place_for_group(column, 8 * step + k)]);
            }
        }
    });
}
void group_multiply_tf32(float (&d)[32], const float (&a)[4], const float* b, int step, Place place = HERE) {
    group_multiply<Tf32>(d, a, b, step, place);
}
void group_multiply_bfloat16(float (&d)[32], const float (&a)[4], const float* b, int step, Place place = HERE) {
    group_multiply<Bfloat16>(d, a, b, step, place);
}
#endif

}  // namespace
