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

struct Fragments {
    float a[4], b[2];
};

// As on a tensor core: the last 13 bits of a factor's mantissa are not seen.
float cut_to_tf32(float x) { return with_bits<float>(with_bits<uint32_t>(x) & 0xffffe000u); }

void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2], Place place = HERE) {
    Fragments mine = {{cut_to_tf32(a[0]), cut_to_tf32(a[1]), cut_to_tf32(a[2]), cut_to_tf32(a[3])},
                      {cut_to_tf32(b[0]), cut_to_tf32(b[1])}};
    int q = fibres::current % 32 / 4, r = fibres::current % 4;
    fibres::exchange(ALL_LANES, mine, place, [&](auto given) {
        for (int i = 0; i < 4; ++i) {
            for (int k = 0; k < 8; ++k) {
                float left = given(q * 4 + k % 4).a[k / 4 * 2 + i / 2];
                float right = given((2 * r + i % 2) * 4 + k % 4).b[k / 4];
                d[i] += left * right;
            }
        }
    });
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

void group_multiply(float (&d)[32], const float (&a)[4], const float* b, int step, Place place = HERE) {
    Fragments mine = {{cut_to_tf32(a[0]), cut_to_tf32(a[1]), cut_to_tf32(a[2]), cut_to_tf32(a[3])}, {}};
    int q = fibres::current % 32 / 4, r = fibres::current % 4;
    fibres::exchange(ALL_LANES, mine, place, [&](auto given) {
        for (int i = 0; i < 32; ++i) {
            int half = i / 2 % 2, column = i / 4 * 8 + 2 * r + i % 2;
            for (int k = 0; k < 8; ++k) {
                float left = given(q * 4 + k % 4).a[k / 4 * 2 + half];
                d[i] += left * cut_to_tf32(b[place_for_group(column, 8 * step + k)]);
            }
        }
    });
}
#endif

}  // namespace
