// Convolution on Hopper: FORWARD and INPUT_GRADIENT of `conv.cu`, multiplied by whole warpgroups.
//
// Four warps together multiply 64 × 8 by 8 × 64 numbers in one instruction, which reads B straight from
// shared memory and goes on while the threads fetch what comes next. Twice as fast as `mma_tf32`, if
// only the data comes: hence larger tiles, fewer bytes for each product.
//
// B, the filters, is put in order beforehand, once for all blocks (`arrange`): tile by tile and chunk by
// chunk as it is to lie in shared memory, rounded to the 10 bits of mantissa that the tensor cores see,
// and in the order of k in which a thread of A holds its four neighbours. So a chunk of B is one piece
// of memory, and one thread has it copied with one instruction.

#include "gather.cuh"

// Do the filters' channels run along k? In an input gradient they run along n, unless they were turned
// when they were stored.
constexpr bool ALONG_K = KIND == FORWARD || PACKED == 2;
constexpr int GROUPS = THREADS / 128;             // warpgroups, one below the other in the tile
constexpr int ROWS = TILE_M / 64 / GROUPS, COLUMNS = TILE_N / 64;  // products 64 × 64 of each
constexpr int STAGE = (TILE_M + TILE_N) * TILE_K;

// -- filters in order --------------------------------------------------------------------------------

// A block arranges 32 columns of D × one chunk, through shared memory, so that it reads along rows.
// `blockIdx.z` is the class. Beyond the last column there are zeros.
extern "C" __global__ void arrange(const float* filters, float* out, const int4* all_of_taps, int outer,
                                   int inner, int inner_padded, int all_taps, int filter_channels) {
    __shared__ float square[32][33];
    const int4* taps = all_of_taps + blockIdx.z * all_taps;
    // Where channels run along n, a chunk lies within one tap.
    int n0 = blockIdx.y * 32, k = blockIdx.x * TILE_K + (ALONG_K ? threadIdx.x : 0);
    int number = k / inner_padded, c = k % inner_padded;
    bool exists = number < taps[0].w;
    int place = taps[exists ? number : 0].z;
    for (int line = threadIdx.y; line < 32; line += blockDim.y) {
        float value = 0;
        if constexpr (ALONG_K) {
            if (exists && c < inner && n0 + line < outer)
                value = filters[((n0 + line) * all_taps + place) * filter_channels + c];
            square[line][threadIdx.x] = value;
        } else {
            int n = n0 + threadIdx.x;
            if (exists && c + line < inner && n < outer)
                value = filters[((c + line) * all_taps + place) * filter_channels + n];
            square[threadIdx.x][line] = value;
        }
    }
    __syncthreads();
    int tiles = gridDim.y * 32 / TILE_N;
    long long tile = (static_cast<long long>(blockIdx.z) * tiles + n0 / TILE_N) * gridDim.x + blockIdx.x;
    for (int line = threadIdx.y; line < 32; line += blockDim.y) {
        int at = threadIdx.x, p = at % 8, step = at / 8 % 2;
        // Of 16 numbers, thread r of A holds 4r … 4r + 3: two for either step, at places r and r + 4.
        int k = at / 16 * 16 + p % 4 * 4 + step * 2 + p / 4;
        float word = square[line][k];
        out[tile * TILE_N * TILE_K + place_for_group(n0 % TILE_N + line, at)] =
            PACKED == 1 ? rounded_to_tf32(word) : word;
    }
}

// -- a tile ------------------------------------------------------------------------------------------

// This thread's numbers of a chunk of A, for its warp's 16 rows of each product.
__device__ inline void load(float (&a)[ROWS][TILE_K / 8][4], const float* tile, int row, int r) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int k = 0; k < TILE_K / 16; ++k)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float4 four = *reinterpret_cast<const float4*>(
                    tile + place_along(row + 64 * i + 8 * half, 16 * k + 4 * r));
                a[i][2 * k][half] = for_tensor_cores(four.x), a[i][2 * k][half + 2] = for_tensor_cores(four.y);
                a[i][2 * k + 1][half] = for_tensor_cores(four.z), a[i][2 * k + 1][half + 2] = for_tensor_cores(four.w);
            }
}

// A block computes one tile of D, or its part of the sums there. The grid is that of `conv.cu`.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
convolve(const float* images, const float* arranged, const float* gradients, float* out, const int4* taps,
         int chunks_of_filters, MAP_ARGUMENTS) {
    DYNAMIC_SHARED(float, room);
    __shared__ unsigned long long arrived[STAGES];  // of a stage's filters
    float* shared = aligned_to_1024(room);
    Map map = {images, arranged, gradients, taps, MAP_NAMES};
    int of_class = blockIdx.z / splits, split = blockIdx.z % splits;
    int m0 = blockIdx.x * TILE_M, n0 = blockIdx.y * TILE_N;
    int chunks = chunks_to_sum(map, of_class);
    int first = static_cast<long long>(chunks) * split / splits;
    int last = static_cast<long long>(chunks) * (split + 1) / splits;
    Gather gather(map, m0, of_class, first);
    const float* filters = arranged + (static_cast<long long>(of_class) * gridDim.y + blockIdx.y) *
                                          chunks_of_filters * TILE_N * TILE_K;

    int warp = threadIdx.x / 32, q = threadIdx.x % 32 / 4, r = threadIdx.x % 4;
    int row = warp / 4 * (TILE_M / GROUPS) + warp % 4 * 16 + q;
    float d[ROWS][COLUMNS][32] = {}, a[2][ROWS][TILE_K / 8][4];

    if (threadIdx.x < STAGES) arrivals_begin(&arrived[threadIdx.x]);
    __syncthreads();
    for (int stage = 0; stage < STAGES - 2; ++stage) {
        float* to = shared + stage * STAGE;
        if (first + stage < last) {
            if (threadIdx.x == 0)
                copy_bulk(to + TILE_M * TILE_K, filters + (first + stage) * TILE_N * TILE_K,
                          TILE_N * TILE_K * 4, &arrived[stage]);
            gather(to);
        }
        copy_async_commit();
    }
    int stage = 0, turns = 0;  // how often the stages were gone through
    for (int chunk = first; chunk < last; chunk += 2) {
#pragma unroll
        for (int turn = 0; turn < 2; ++turn) {  // the products of the last chunk still read its `a`
            if (chunk + turn >= last) break;
            copy_async_wait<STAGES - 3>();  // this chunk of A has arrived, for this thread
            __syncthreads();  // for all threads; and all are done with the products of two chunks before
            const float* here = shared + stage * STAGE;
            int ahead = chunk + turn + STAGES - 2, next = (stage + STAGES - 2) % STAGES;
            float* to = shared + next * STAGE;
            if (ahead < last && threadIdx.x == 0)
                copy_bulk(to + TILE_M * TILE_K, filters + ahead * TILE_N * TILE_K, TILE_N * TILE_K * 4,
                          &arrived[next]);
            load(a[turn], here, row, r);
            arrivals_wait(&arrived[stage], turns & 1);  // this chunk of B
            group_begin();
#pragma unroll
            for (int k = 0; k < TILE_K / 8; ++k)
#pragma unroll
                for (int i = 0; i < ROWS; ++i)
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) {
                        const float* b = here + (TILE_M + 64 * j) * TILE_K;
                        PACKED == 1 ? group_multiply_tf32(d[i][j], a[turn][i][k], b, k)
                                    : group_multiply_bfloat16(d[i][j], a[turn][i][k], b, k);
                    }
            group_commit();
            if (ahead < last) gather(to);
            copy_async_commit();
            group_wait<1>();  // the products of the chunk before
            if (++stage == STAGES) stage = 0, ++turns;
        }
    }
    group_wait<0>();

    out += split * part;
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            int place = place_of_row(map, m0 + row + 64 * i + 8 * half, of_class);
            if (place < 0) continue;
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j)
#pragma unroll
                for (int e = 0; e < 8; ++e) {
                    int n = n0 + 64 * j + 8 * e + 2 * r;
                    const float* two = &d[i][j][4 * e + 2 * half];
                    if (outer % 2 == 0) {
                        if (n < outer) *reinterpret_cast<float2*>(out + place + n) = make_float2(two[0], two[1]);
                    } else {
                        if (n < outer) out[place + n] = two[0];
                        if (n + 1 < outer) out[place + n + 1] = two[1];
                    }
                }
        }
}
