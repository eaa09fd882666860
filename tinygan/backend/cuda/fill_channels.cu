// The channels of each pixel as the convolutions fetch them, 16 bytes at a time: in groups of four float32,
// or with BFLOAT16 of eight numbers, each the upper half of a float32, rounded. Zeros fill the last group.

#include "device.cuh"

// To the nearest; of two, to the even one. What is not a number stays none.
__device__ inline unsigned rounded_to_bfloat16(float x) {
    unsigned bits = __float_as_uint(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

#ifdef BFLOAT16
constexpr int GROUP = 8;
#else
constexpr int GROUP = 4;
#endif

// One thread writes one group.
extern "C" __global__ void fill_channels(const float* x, uint4* out, int channels, long long count) {
    int groups = (channels + GROUP - 1) / GROUP;
    long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        int c = i % groups * GROUP;
        const float* pixel = x + i / groups * channels;
        unsigned words[4] = {};
#pragma unroll
        for (int e = 0; e < GROUP; ++e) {
            if (c + e >= channels) break;
            if (GROUP == 8)
                words[e / 2] |= rounded_to_bfloat16(pixel[c + e]) << (e % 2 * 16);
            else
                words[e] = __float_as_uint(pixel[c + e]);
        }
        out[i] = make_uint4(words[0], words[1], words[2], words[3]);
    }
}
