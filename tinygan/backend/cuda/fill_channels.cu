// Zeros behind the channels of each pixel, so that they come in groups of four: the convolutions fetch
// 16 bytes at a time.

#include "device.cuh"

// One thread writes one group of four.
extern "C" __global__ void fill_channels(const float* x, float* out, int channels, long long count) {
    int groups = (channels + 3) / 4;
    long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        int c = i % groups * 4;
        const float* pixel = x + i / groups * channels;
        float4 four = make_float4(0.f, 0.f, 0.f, 0.f);
        if (c < channels) four.x = pixel[c];
        if (c + 1 < channels) four.y = pixel[c + 1];
        if (c + 2 < channels) four.z = pixel[c + 2];
        if (c + 3 < channels) four.w = pixel[c + 3];
        reinterpret_cast<float4*>(out)[i] = four;
    }
}
