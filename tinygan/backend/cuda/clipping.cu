// The norm of many tensors taken together, and their scaling by it: what keeps gradients in bounds.
//
// Nothing of it is seen by the host, so it does not wait: the norm and the factor stay on the GPU.
// Sums are made in one and the same order each time, without atomic additions, so that the same
// gradients always give the same bits.
//
// The norm of order p is (Σ|x|ᵖ)^(1/p), and max|x| of infinite order. Macros besides those of
// tensors.cuh: POWER (p), LARGEST (1 where p is infinite, else 0).

#include "tensors.cuh"

__device__ double contribution(double x) {
    if (LARGEST) return fabs(x);
    return POWER == 2 ? x * x : pow(fabs(x), POWER);
}

__device__ double joined(double x, double y) {
    if (LARGEST) return x >= y || x != x ? x : y;  // NaN stays NaN
    return x + y;
}

__device__ double root(double x) {
    if (LARGEST) return x;
    return POWER == 2 ? sqrt(x) : pow(x, 1 / POWER);
}

// The contributions of a block's threads, joined: half of the threads take over those of the other
// half until one is left. Result in part[0].
__device__ void join_all(double* part, double own) {
    part[threadIdx.x] = own;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] = joined(part[threadIdx.x], part[threadIdx.x + half]);
        __syncthreads();
    }
}

// What the CHUNK numbers of each block contribute, into parts[before + block].
extern "C" __global__ void __launch_bounds__(THREADS)
contributions(const Table table, double* parts, int before) {
    __shared__ double part[THREADS];
    const int i = tensor_of(table, blockIdx.x);
    const long long start = (long long)(blockIdx.x - table.first[i]) * CHUNK;
    const long long end = start + CHUNK < table.size[i] ? start + CHUNK : table.size[i];
    double own = 0;
    for (long long at = start + threadIdx.x; at < end; at += THREADS) {
        const double x = table.array[0][i][at];
        own = joined(own, contribution(x));
    }
    join_all(part, own);
    if (threadIdx.x == 0) parts[before + blockIdx.x] = part[0];
}

// One block: the norm, and the factor that brings it down to `most` (1 where it is not above).
extern "C" __global__ void __launch_bounds__(THREADS)
norm_and_factor(const double* parts, int n, double most, REAL* norm, REAL* factor) {
    __shared__ double part[THREADS];
    double own = 0;
    for (int i = threadIdx.x; i < n; i += THREADS) own = joined(own, parts[i]);
    join_all(part, own);
    if (threadIdx.x == 0) {
        const double total = root(part[0]), share = most / (total + 1e-6);
        *norm = total;
        *factor = share < 1 || share != share ? share : 1;
    }
}

// All tensors times the factor.
extern "C" __global__ void __launch_bounds__(THREADS)
scale(const Table table, const REAL* factor) {
    const int i = tensor_of(table, blockIdx.x);
    const long long start = (long long)(blockIdx.x - table.first[i]) * CHUNK;
    const long long end = start + CHUNK < table.size[i] ? start + CHUNK : table.size[i];
    const REAL by = *factor;
    for (long long at = start + threadIdx.x; at < end; at += THREADS) table.array[0][i][at] *= by;
}
