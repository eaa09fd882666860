// Numbers as the convolutions fetch them in bfloat16: the upper half of a float32, rounded; with zeros
// behind the channels of each pixel, so that they come in groups of eight, 16 bytes.

#include "device.cuh"

// To the nearest; of two, to the even one. What is not a number stays none.
__device__ inline unsigned rounded_to_bfloat16(float x) {
    unsigned bits = __float_as_uint(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// One thread writes one group of eight.
extern "C" __global__ void store_bfloat16(const float* x, uint4* out, int channels, long long count) {
    int groups = (channels + 7) / 8;
    long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        int c = i % groups * 8;
        const float* pixel = x + i / groups * channels;
        unsigned two[4] = {};
#pragma unroll
        for (int e = 0; e < 8; ++e)
            if (c + e < channels) two[e / 2] |= rounded_to_bfloat16(pixel[c + e]) << (e % 2 * 16);
        out[i] = make_uint4(two[0], two[1], two[2], two[3]);
    }
}
