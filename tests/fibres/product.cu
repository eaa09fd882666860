#include "device.cuh"

// D = A·B + D by one warp; of words of two bfloat16 with BFLOAT16.
extern "C" __global__ void product(const float* A, const float* B, float* D) {
    int q = threadIdx.x / 4, r = threadIdx.x % 4;
    float a[4] = {A[q * 8 + r], A[(q + 8) * 8 + r], A[q * 8 + r + 4], A[(q + 8) * 8 + r + 4]};
    float b[2] = {B[r * 8 + q], B[(r + 4) * 8 + q]}, d[4];
    for (int i = 0; i < 4; ++i) d[i] = D[(q + i / 2 * 8) * 8 + 2 * r + i % 2];
#ifdef BFLOAT16
    mma_bfloat16(d, a, b);
#else
    mma_tf32(d, a, b);
#endif
    for (int i = 0; i < 4; ++i) D[(q + i / 2 * 8) * 8 + 2 * r + i % 2] = d[i];
}
