// Philox's words for any counters.

#include "philox.cuh"

extern "C" __global__ void words(const uint4* counters, unsigned long long key, uint4* out) {
    out[threadIdx.x] = philox(counters[threadIdx.x], key);
}
