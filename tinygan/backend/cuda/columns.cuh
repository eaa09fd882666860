// Walking down the columns of a matrix: what sums and normalisations over pixels share.
//
// Images with their channels last are matrices: a row for each pixel, a column for each channel. There
// may be several of them, one after the other (`blockIdx.z`). A block takes a tile of columns
// (`blockIdx.x`) and a slab of rows (`blockIdx.y`). Its threads stand side by side along the columns
// (`threadIdx.x`), so that neighbours read neighbours, and below each other along the rows
// (`threadIdx.y`), so that narrow matrices fill a block, too.
//
// Memory is the limit here: the arithmetic is over before the next number arrives. So each thread
// takes 16 bytes at a time (VECTOR is 4; 1 where the number of columns is no multiple of 4), and asks
// for several rows before it looks at the first.
//
// A column's sum is put together in an order that depends on nothing but the matrix's shape: by each
// thread down its rows, by halves across the threads of a block, and, in a second launch, across the
// slabs. Every run gives the same bits.

#include "pack.cuh"

constexpr int THREADS = 256;      // of a block that walks over the matrix, in any shape
constexpr int UNDER_WAY = 4;      // rows that a thread asks for at a time
constexpr int FINISHERS = 512;    // threads of a block that puts slabs together

// This thread's first column.
__device__ inline int own_column() { return (blockIdx.x * blockDim.x + threadIdx.x) * VECTOR; }

// Where a matrix's row of this thread's columns begins; offsets may pass 2³¹.
__device__ inline size_t place(int row, int rows, int columns) {
    return (size_t(blockIdx.z) * rows + row) * columns + own_column();
}

// Calls `use(what, row)` with what `ask(row)` gives, for every row of this thread. Several rows are asked
// for before the first is used.
template <class Ask, class Use>
__device__ inline void down_the_rows(int rows, int slab, Ask ask, Use use) {
    int first = blockIdx.y * slab, last = min(first + slab, rows), step = blockDim.y;
    int row = first + threadIdx.y;
    for (; row + (UNDER_WAY - 1) * step < last; row += UNDER_WAY * step) {
        decltype(ask(row)) under_way[UNDER_WAY];
#pragma unroll
        for (int i = 0; i < UNDER_WAY; ++i) under_way[i] = ask(row + i * step);
#pragma unroll
        for (int i = 0; i < UNDER_WAY; ++i) use(under_way[i], row + i * step);
    }
    for (; row < last; row += step) use(ask(row), row);
}

// -- from threads to blocks, from blocks to the whole --------------------------------------------------

// Joins what the threads with the same columns have found, by halves; the thread with `threadIdx.y` 0
// gets it. `blockDim.y` is a power of 2, and `shared` holds SIZE items for every thread.
template <class Item, int SIZE, class Join>
__device__ inline void join_threads(Item (&items)[SIZE], Item* shared, Join join) {
    int thread = threadIdx.y * blockDim.x + threadIdx.x, all = blockDim.x * blockDim.y;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        bool gives = threadIdx.y >= half && threadIdx.y < 2 * half, takes = threadIdx.y < half;
        for (int k = 0; gives && k < SIZE; ++k) shared[k * all + thread] = items[k];
        __syncthreads();
        int other = thread + half * blockDim.x;
        for (int k = 0; takes && k < SIZE; ++k) items[k] = join(items[k], shared[k * all + other]);
    }  // no barrier is needed here: the next half writes where this one has not
}

struct Plus {
    __device__ float operator()(float a, float b) const { return a + b; }
};

// Where part `kind` of `kinds` of a column lies, of those that each slab's block leaves.
__device__ inline size_t part(int kind, int kinds, int slab, int slabs, int columns, int column) {
    return ((size_t(blockIdx.z) * slabs + slab) * kinds + kind) * columns + column;
}

// Leaves this block's parts, VECTOR columns of each kind.
template <int SIZE>
__device__ inline void leave(const float (&found)[SIZE], float* parts, int columns) {
    if (threadIdx.y > 0 || own_column() >= columns) return;
    for (int k = 0; k < SIZE; ++k) {
        int column = own_column() + k % VECTOR;
        parts[part(k / VECTOR, SIZE / VECTOR, blockIdx.y, gridDim.y, columns, column)] = found[k];
    }
}

// In the second launch each thread has one column, and the threads below each other share its slabs.
__device__ inline int finished_column() { return blockIdx.x * blockDim.x + threadIdx.x; }

template <int KINDS>
__device__ inline void add_up_slabs(const float* parts, int slabs, int columns, float (&sums)[KINDS],
                                    float* shared) {
    for (int kind = 0; kind < KINDS; ++kind) sums[kind] = 0.f;
    int column = finished_column();
    if (column < columns) {
#pragma unroll 4
        for (int slab = threadIdx.y; slab < slabs; slab += blockDim.y) {
            for (int kind = 0; kind < KINDS; ++kind) {
                sums[kind] += parts[part(kind, KINDS, slab, slabs, columns, column)];
            }
        }
    }
    join_threads(sums, shared, Plus());
}
