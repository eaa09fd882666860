// Small kernels, right ones and wrong ones, on which the fibres themselves are tested.

#include "device.cuh"

// y[i] = x[size - 1 - i] within each block, through shared memory. `missing` leaves something out.
extern "C" __global__ void reverse(const float* x, float* y, int missing) {
    __shared__ float tile[64];
    int t = threadIdx.x, base = blockIdx.x * blockDim.x;
    tile[t] = x[base + t];
    if (missing != 1) __syncthreads();
    y[base + t] = tile[blockDim.x - 1 - t];
}

// y[i] = x[i − 1]: threads that took turns in their order would do without the barrier.
extern "C" __global__ void shift(const float* x, float* y, int missing) {
    __shared__ float tile[256];
    int t = threadIdx.x;
    tile[t] = x[t];
    if (missing != 1) __syncthreads();
    y[t] = tile[max(t - 1, 0)];
}

// The same for several tiles one after the other: the second barrier keeps a tile until all have read.
extern "C" __global__ void reverse_tiles(const float* x, float* y, int missing, int tiles) {
    DYNAMIC_SHARED(float, tile);
    for (int i = 0; i < tiles; ++i, x += blockDim.x, y += blockDim.x) {
        tile[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
        if (missing != 1) __syncthreads();
    }
}

// The same again, by copies that overlap: while a tile is read, the next one is on its way.
extern "C" __global__ void reverse_ahead(const float* x, float* y, int missing, int tiles) {
    __shared__ float tile[2][64];
    int t = threadIdx.x, size = blockDim.x;
    copy_async_4(&tile[0][t], x + t, true);
    copy_async_commit();
    for (int i = 0; i < tiles; ++i) {
        if (i + 1 < tiles) copy_async_4(&tile[(i + 1) % 2][t], x + (i + 1) * size + t, true);
        copy_async_commit();
        if (missing != 1) copy_async_wait<1>();
        if (missing != 2) __syncthreads();
        y[i * size + t] = tile[i % 2][size - 1 - t];
        if (missing != 3) __syncthreads();
    }
}

// Four numbers at once; zeros where `valid` is not.
extern "C" __global__ void by_fours(const float* x, float* y, int valid) {
    __shared__ float4 tile[64];
    copy_async_16(&tile[threadIdx.x], x + 4 * threadIdx.x, threadIdx.x < valid);
    copy_async_commit();
    copy_async_wait<0>();
    reinterpret_cast<float4*>(y)[threadIdx.x] = tile[threadIdx.x];
}

// y[0] = Σ x by shuffles within warps, then through shared memory.
extern "C" __global__ void total(const float* x, float* y) {
    __shared__ float part[32];
    float sum = x[threadIdx.x];
    for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(0xffffffff, sum, step);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0.f;
        for (int step = 16; step; step /= 2) sum += __shfl_down_sync(0xffffffff, sum, step);
        if (threadIdx.x == 0) *y = sum;
    }
}

// What is not allowed; `slip` says which.
extern "C" __global__ void wrong(float* x, int slip) {
    __shared__ float tile[64];
    DYNAMIC_SHARED(float, more);
    int t = threadIdx.x;
    if (slip == 0 && t == 5) return;
    if (slip == 1) {
        if (t % 2) {
            __syncthreads();
        } else {
            __syncthreads();
        }
    }
    if (slip == 2 && t < 20) __shfl_sync(0xffffffff, 1.f, 0);
    if (slip == 3 && t < 20) __shfl_sync(0xfffff, 1.f, 31);
    if (slip == 4) tile[t + 1] = 0;
    if (slip == 5) more[t + 1] = 0;
    if (slip == 6) x[t + 1] = 0;
    if (slip == 7) x[t - 1] = 0;
    if (slip == 8) reinterpret_cast<float4*>(x + 1)[0] = make_float4(1, 1, 1, 1);
    if (slip == 9) copy_async_16(&tile[4], x + 1, true);
    if (slip == 10) copy_async_4(x, x, true);
    if (slip == 11) x[0] = 2147483600 + t;
    __syncthreads();
}
