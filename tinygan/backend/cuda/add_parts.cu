// The sum of several arrays that lie one behind the other, in their order: what the blocks that shared
// a tile of a convolution computed.

#include "device.cuh"

extern "C" __global__ void add_parts(const float* parts, float* out, int count, long long size) {
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x) {
        float sum = parts[i];
#pragma unroll 8
        for (int part = 1; part < count; ++part) sum += parts[part * size + i];
        out[i] = sum;
    }
}
