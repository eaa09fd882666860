// The sums of a matrix's columns: the gradient of a convolution's bias.
#include "device.cuh"
#include "columns.cuh"

extern "C" __global__ void column_sums(const float* __restrict__ x, float* __restrict__ parts, int rows,
                                       int columns, int slab) {
    __shared__ float shared[VECTOR * THREADS];
    float sums[VECTOR] = {};
    if (own_column() < columns) {
        down_the_rows(
            rows, slab, [&](int row) { return load(x + place(row, rows, columns)); },
            [&](const Pack& pack, int) {
                for (int k = 0; k < VECTOR; ++k) sums[k] += pack.at[k];
            });
    }
    join_threads(sums, shared, Plus());
    leave(sums, parts, columns);
}

extern "C" __global__ void finish_column_sums(const float* __restrict__ parts, float* __restrict__ sums,
                                              int columns, int slabs) {
    __shared__ float shared[FINISHERS];
    float sum[1];
    add_up_slabs(parts, slabs, columns, sum, shared);
    if (threadIdx.y == 0 && finished_column() < columns) {
        sums[size_t(blockIdx.z) * columns + finished_column()] = sum[0];
    }
}
