// Convolution and its two gradients as matrix products whose left sides never exist ("implicit GEMM").
//
// Images lie channels-last, (N, H, W, C), filters as (O, taps, C), where a tap is one position (u, v)
// of the window. Each of the three maps is a product of matrices, D = A · B:
//
//     FORWARD           D[pixel of y, o]   = Σ over (tap, c)      x[pixel + tap, c] · w[o, tap, c]
//     INPUT_GRADIENT    D[pixel of x, c]   = Σ over (tap, o)      g[pixel − tap, o] · w[o, tap, c]
//     WEIGHT_GRADIENT   D[o, (tap, c)]     = Σ over pixels of g   g[pixel, o] · x[pixel + tap, c]
//
// Written out as a matrix, the windows of x would be as many times larger than x as a window has
// taps. Here a block computes a tile of D, and fetches the pieces of A and B that it needs straight
// from the images, 32 of the products' long dimension k at a time. Most of the time goes into those
// fetches, so
//
//   - they go through shared memory: a number fetched once serves a whole row or column of the tile;
//   - they run ahead: while chunk i is multiplied, the next chunks are on their way (STAGES);
//   - in shared memory, groups of four numbers change places (`place_…`) so that the threads of a
//     warp never queue for the same bank.
//
// Where the tiles are too few to fill the card, several blocks share one, each with its part of k
// (`splits`), and `add_parts` adds up their parts in a fixed order: the same bits every time.
//
// With BFLOAT16 the factors were rounded and stored as bfloat16 beforehand (`fill_channels.cu`), two of them in
// the place of a float32: half the bytes, and twice the products of an instruction. Sums are float32.
//
// Under stride s an input gradient falls into s·s classes of pixels, by their remainders modulo s,
// each of which meets its own taps and no others.

#include "gather.cuh"

// The shape of a tile, and how its warps divide it (macros that the driver sets).
constexpr int WARP_M = TILE_M / WARPS_M, WARP_N = TILE_N / WARPS_N;  // what one warp computes
constexpr int FRAGMENTS_M = WARP_M / 16, FRAGMENTS_N = WARP_N / 8;  // tensor cores compute 16 × 8
constexpr int STAGE = (TILE_M + TILE_N) * CHUNK;                    // words in shared memory
constexpr int WIDTH_M = TILE_M / PACKED, WIDTH_N = TILE_N / PACKED;  // words of a row that lies across

// Which way round a tile lies in shared memory: k runs along its rows, or down its columns. It is the
// way in which the images themselves lie, since 16 bytes are fetched at a time. (Filters in bfloat16 are
// stored for each map in the order that it wants.)
constexpr bool A_ALONG_K = KIND != WEIGHT_GRADIENT;
constexpr bool B_ALONG_K = KIND == FORWARD || (KIND == INPUT_GRADIENT && PACKED == 2);

// The place of element (k, i) of a tile `width` wide that lies across. Of a warp, four rows are read
// at once, 4 apart; each of them has its groups in another order.
template <int width, int share>
__device__ inline int place_across(int k, int i) {
    int r = (k / 4) % 4;
    int swap = width == 16 ? r : width % 32 ? 0 : share == 8 ? (r & 1) | ((r & 2) << 1) : r << 1;
    return k * width + (((i / 4) ^ swap) * 4) + i % 4;
}

// Which rows and columns of its warp's part of D a thread holds. A tensor core gives thread
// (q, r) = (lane / 4, lane % 4) rows q and q + 8, columns 2r and 2r + 1 of each 16 × 8. We may say
// which row of the tile is row q: where a tile lies across, neighbours go to the same thread, so
// that it can fetch four at once.
__device__ inline int row_of(int i, int half, int q) {
    return A_ALONG_K ? 16 * i + 8 * half + q : q * (WARP_M / 8) + 2 * i + half;
}

__device__ inline int column_of(int j, int q) {
    return B_ALONG_K ? 8 * j + q : q * (WARP_N / 8) + j;
}

// -- the product of what is in shared memory ----------------------------------------------------------

#if defined(EXACT) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800)

__device__ inline void multiply(float (&d)[FRAGMENTS_M][FRAGMENTS_N][4], const float* a,
                                const float* b, int row, int column, int q, int r) {
    for (int k = 0; k < TILE_K; ++k) {
        float left[FRAGMENTS_M][2], right[FRAGMENTS_N][2];
#pragma unroll
        for (int i = 0; i < FRAGMENTS_M; ++i)
            for (int half = 0; half < 2; ++half) {
                int m = row + row_of(i, half, q);
                left[i][half] = a[A_ALONG_K ? place_along(m, k) : place_across<TILE_M, WARP_M / 8>(k, m)];
            }
#pragma unroll
        for (int j = 0; j < FRAGMENTS_N; ++j)
            for (int e = 0; e < 2; ++e) {
                int n = column + column_of(j, 2 * r + e);
                right[j][e] = b[B_ALONG_K ? place_along(n, k) : place_across<TILE_N, WARP_N / 8>(k, n)];
            }
#pragma unroll
        for (int i = 0; i < FRAGMENTS_M; ++i)
#pragma unroll
            for (int j = 0; j < FRAGMENTS_N; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e) d[i][j][e] += left[i][e / 2] * right[j][e % 2];
    }
}

#else

// Four numbers k, k + 1, k + 2, k + 3 of row i, for thread r of those that share the row. The order of
// k in a sum is ours to choose: a thread takes four neighbours, two for each of two products.
__device__ inline void fetch_along(float (&to)[4], const float* tile, int i, int k) {
    float4 four = *reinterpret_cast<const float4*>(tile + place_along(i, k));
    to[0] = for_tensor_cores(four.x), to[1] = for_tensor_cores(four.y);
    to[2] = for_tensor_cores(four.z), to[3] = for_tensor_cores(four.w);
}

// `share` neighbours i, i + 1, … of row k.
template <int width, int share>
__device__ inline void fetch_across(float (&to)[share], const float* tile, int k, int i) {
    if constexpr (share % 4 == 0) {
#pragma unroll
        for (int s = 0; s < share; s += 4) {
            float4 four = *reinterpret_cast<const float4*>(tile + place_across<width, share>(k, i + s));
            to[s] = for_tensor_cores(four.x), to[s + 1] = for_tensor_cores(four.y);
            to[s + 2] = for_tensor_cores(four.z), to[s + 3] = for_tensor_cores(four.w);
        }
    } else if constexpr (share == 2) {
        float2 two = *reinterpret_cast<const float2*>(tile + place_across<width, share>(k, i));
        to[0] = for_tensor_cores(two.x), to[1] = for_tensor_cores(two.y);
    } else {
#pragma unroll
        for (int s = 0; s < share; ++s)
            to[s] = for_tensor_cores(tile[place_across<width, share>(k, i + s)]);
    }
}

#if defined(BFLOAT16) && KIND == WEIGHT_GRADIENT

// Words that lie across hold neighbours i, i + 1 of one pixel. Those that are multiplied hold pixels
// k, k + 1 of one i: either half of two words, one below the other.
template <int width, int share>
__device__ inline void fetch_pairs(float (&to)[2 * share], const float* tile, int k, int i) {
    float upper[share], lower[share];
    fetch_across<width, share>(upper, tile, k, i);
    fetch_across<width, share>(lower, tile, k + 1, i);
#pragma unroll
    for (int s = 0; s < share; ++s) {
        unsigned above = __float_as_uint(upper[s]), below = __float_as_uint(lower[s]);
        to[2 * s] = __uint_as_float(__byte_perm(above, below, 0x5410));
        to[2 * s + 1] = __uint_as_float(__byte_perm(above, below, 0x7632));
    }
}

__device__ inline void multiply(float (&d)[FRAGMENTS_M][FRAGMENTS_N][4], const float* a,
                                const float* b, int row, int column, int q, int r) {
    int m = (row + row_of(0, 0, q)) / 2, n = (column + column_of(0, q)) / 2;  // in words
#pragma unroll
    for (int k = 0; k < TILE_K; k += 16) {  // one product, of which thread r takes k + 4r … k + 4r + 3
        float left[2][2 * FRAGMENTS_M], right[2][FRAGMENTS_N];
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            fetch_pairs<WIDTH_M, WARP_M / 16>(left[e], a, k + 4 * r + 2 * e, m);
            fetch_pairs<WIDTH_N, WARP_N / 16>(right[e], b, k + 4 * r + 2 * e, n);
        }
#pragma unroll
        for (int i = 0; i < FRAGMENTS_M; ++i) {
            float four[4] = {left[0][2 * i], left[0][2 * i + 1], left[1][2 * i], left[1][2 * i + 1]};
#pragma unroll
            for (int j = 0; j < FRAGMENTS_N; ++j) {
                float two[2] = {right[0][j], right[1][j]};
                mma_bfloat16(d[i][j], four, two);
            }
        }
    }
}

#else

__device__ inline void multiply(float (&d)[FRAGMENTS_M][FRAGMENTS_N][4], const float* a,
                                const float* b, int row, int column, int q, int r) {
#pragma unroll
    for (int k = 0; k < TILE_K; k += 16) {  // two products, of which thread r takes k + 4r … k + 4r + 3
        float left[FRAGMENTS_M][2][4], right[FRAGMENTS_N][4];
        if constexpr (A_ALONG_K) {
#pragma unroll
            for (int i = 0; i < FRAGMENTS_M; ++i) {
                fetch_along(left[i][0], a, row + row_of(i, 0, q), k + 4 * r);
                fetch_along(left[i][1], a, row + row_of(i, 1, q), k + 4 * r);
            }
        } else {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                float rows[WARP_M / 8];
                fetch_across<TILE_M, WARP_M / 8>(rows, a, k + 4 * r + e, row + row_of(0, 0, q));
#pragma unroll
                for (int i = 0; i < FRAGMENTS_M; ++i)
                    left[i][0][e] = rows[2 * i], left[i][1][e] = rows[2 * i + 1];
            }
        }
        if constexpr (B_ALONG_K) {
#pragma unroll
            for (int j = 0; j < FRAGMENTS_N; ++j)
                fetch_along(right[j], b, column + column_of(j, q), k + 4 * r);
        } else {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                float columns[WARP_N / 8];
                fetch_across<TILE_N, WARP_N / 8>(columns, b, k + 4 * r + e, column + column_of(0, q));
#pragma unroll
                for (int j = 0; j < FRAGMENTS_N; ++j) right[j][e] = columns[j];
            }
        }
#pragma unroll
        for (int e = 0; e < 4; e += 2)
#pragma unroll
            for (int i = 0; i < FRAGMENTS_M; ++i) {
                float four[4] = {left[i][0][e], left[i][1][e], left[i][0][e + 1], left[i][1][e + 1]};
#pragma unroll
                for (int j = 0; j < FRAGMENTS_N; ++j) {
                    float two[2] = {right[j][e], right[j][e + 1]};
                    PACKED == 1 ? mma_tf32(d[i][j], four, two) : mma_bfloat16(d[i][j], four, two);
                }
            }
    }
}

#endif
#endif

// -- fetching ----------------------------------------------------------------------------------------

#if KIND != WEIGHT_GRADIENT

struct Fetch {
    static constexpr int PER_ROW = B_ALONG_K ? TILE_K / 4 : TILE_N / 4;  // groups of four
    static constexpr int ROWS = each(TILE_N * TILE_K / 4), APART = THREADS / PER_ROW;
    static constexpr int LINES = B_ALONG_K ? TILE_N : TILE_K;
    const Map& map;
    Gather gather;
    int n0, line, place;

    __device__ Fetch(const Map& map, int m0, int n0, int of_class, int first_chunk)
        : map(map), gather(map, m0, of_class, first_chunk), n0(n0), line(threadIdx.x / PER_ROW),
          place(threadIdx.x % PER_ROW * 4) {}

    __device__ void operator()(float* a, float* b) {
        int step = map.all_taps * map.filter_channels;
        if constexpr (B_ALONG_K) {  // row n of B is filter n, of which the same k is fetched as of A
            const float* from = map.filters + (n0 + line) * step + gather.tap.z * map.filter_channels + gather.c;
            bool exists = gather.number < gather.count && gather.c < map.inner;
#pragma unroll
            for (int i = 0; i < ROWS; ++i) {
                int n = line + i * APART;
                if (LINES % APART == 0 || n < LINES)
                    copy_async_16(b + place_along(n, place), from + i * APART * step,
                                  exists && n0 + n < map.outer);
            }
        } else {  // row o of B is one tap of filter o; a chunk lies within one tap
            int first = gather.c - threadIdx.x % (TILE_K / 4) * 4;
            bool exists = gather.number < gather.count && n0 + place < map.filter_channels;
            const float* from = map.filters + (first + line) * step + gather.tap.z * map.filter_channels;
#pragma unroll
            for (int i = 0; i < ROWS; ++i) {
                int o = line + i * APART;
                if (LINES % APART == 0 || o < LINES)
                    copy_async_16(b + place_across<TILE_N, WARP_N / 8>(o, place),
                                  from + i * APART * step + n0 + place, exists && first + o < map.inner);
            }
        }
        gather(a);
    }
};

#else

struct Fetch {
    static constexpr int PER_ROW = WIDTH_M / 4, ROWS = each(WIDTH_M * TILE_K / 4), APART = THREADS / PER_ROW;
    static constexpr int PIXELS = TILE_K * (WIDTH_N / 4) / THREADS;  // neighbours, of a thread
    static_assert(TILE_K % APART == 0 && TILE_K * (WIDTH_N / 4) % THREADS == 0);
    const Map& map;
    int m, n, shift, length, pixel, image, row, column;
    int4 tap;
    bool exists;

    __device__ Fetch(const Map& map, int m0, int n0, int, int first_chunk)
        : map(map), m(m0 / PACKED + threadIdx.x % PER_ROW * 4),
          n(n0 / PACKED + threadIdx.x % (WIDTH_N / 4) * 4) {
        length = map.count * map.rows * map.columns;
        int number = n / map.inner, c = n - number * map.inner;
        exists = number < map.all_taps;
        tap = map.taps[exists ? number : 0];
        shift = (tap.x * map.width + tap.y) * map.inner + c;
        pixel = first_chunk * TILE_K;
        int mine = pixel + threadIdx.x / (WIDTH_N / 4) * PIXELS;
        image = mine / (map.rows * map.columns);
        row = mine % (map.rows * map.columns) / map.columns, column = mine % map.columns;
    }

    __device__ void operator()(float* a, float* b) {
        int line = threadIdx.x / PER_ROW;
        const float* from = map.gradients + (pixel + line) * map.outer + m;
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {  // row k of A is a pixel of the gradient, as it lies
            int k = line % APART + i * APART;
            copy_async_16(a + place_across<WIDTH_M, WARP_M / 8 / PACKED>(k, threadIdx.x % PER_ROW * 4),
                          from + i * APART * map.outer, pixel + k < length && m < map.outer);
        }
        // Row k of B has, for each tap, the pixel of the image that the tap meets there. A thread's
        // pixels are neighbours, and lie TILE_K further in the next chunk.
        int y = row, x = column, of = image;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            int top = y * map.stride_y, left = x * map.stride_x;
            bool inside = exists && of < map.count && unsigned(top + tap.x) < unsigned(map.height) &&
                          unsigned(left + tap.y) < unsigned(map.width);
            int k = threadIdx.x / (WIDTH_N / 4) * PIXELS + i, at = threadIdx.x % (WIDTH_N / 4) * 4;
            copy_async_16(b + place_across<WIDTH_N, WARP_N / 8 / PACKED>(k, at),
                          map.images + ((of * map.height + top) * map.width + left) * map.inner + shift,
                          inside);
            if (++x == map.columns) {
                x = 0;
                if (++y == map.rows) y = 0, ++of;
            }
        }
        pixel += TILE_K, column += TILE_K;
        while (column >= map.columns) {
            column -= map.columns;
            if (++row == map.rows) row = 0, ++image;
        }
    }
};

#endif

// -- a tile ------------------------------------------------------------------------------------------

__device__ inline void store(const float (&d)[FRAGMENTS_M][FRAGMENTS_N][4], const Map& map, float* out,
                             int m0, int n0, int q, int r, int of_class) {
    int width = KIND == WEIGHT_GRADIENT ? map.all_taps * map.inner * PACKED : map.outer;
#pragma unroll
    for (int i = 0; i < FRAGMENTS_M; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            int place = place_of_row(map, m0 + row_of(i, half, q), of_class);
            if (place < 0) continue;
#pragma unroll
            for (int j = 0; j < FRAGMENTS_N; ++j) {
                const float* two = &d[i][j][2 * half];
                if constexpr (B_ALONG_K) {  // columns 2r and 2r + 1 are neighbours
                    int n = n0 + column_of(j, 2 * r);
                    if (width % 2 == 0) {
                        if (n < width) *reinterpret_cast<float2*>(out + place + n) = make_float2(two[0], two[1]);
                    } else {
                        if (n < width) out[place + n] = two[0];
                        if (n + 1 < width) out[place + n + 1] = two[1];
                    }
                } else if (FRAGMENTS_N % 4 == 0) {  // columns of four j are
                    if (j % 4) continue;
#pragma unroll
                    for (int e = 0; e < 2; ++e) {
                        int n = n0 + column_of(j, 2 * r + e), f = 2 * half + e;
                        if (width % 4 == 0) {
                            if (n < width)
                                *reinterpret_cast<float4*>(out + place + n) =
                                    make_float4(d[i][j][f], d[i][j + 1][f], d[i][j + 2][f], d[i][j + 3][f]);
                        } else {
                            for (int s = 0; s < 4; ++s)
                                if (n + s < width) out[place + n + s] = d[i][j + s][f];
                        }
                    }
                } else {
                    for (int e = 0; e < 2; ++e) {
                        int n = n0 + column_of(j, 2 * r + e);
                        if (n < width) out[place + n] = two[e];
                    }
                }
            }
        }
}

// A block computes one tile of D, or its part of the sums there. The grid: tiles along the rows of D,
// tiles along its columns, classes × splits.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
convolve(const float* images, const float* filters, const float* gradients, float* out, const int4* taps,
         MAP_ARGUMENTS) {
    DYNAMIC_SHARED(float, shared);
    Map map = {images, filters, gradients, taps, MAP_NAMES};
    int of_class = blockIdx.z / map.splits, split = blockIdx.z % map.splits;
    int m0 = blockIdx.x * TILE_M, n0 = blockIdx.y * TILE_N;
    int chunks = chunks_to_sum(map, of_class);
    int first = static_cast<long long>(chunks) * split / map.splits;
    int last = static_cast<long long>(chunks) * (split + 1) / map.splits;
    Fetch fetch(map, m0, n0, of_class, first);

    float d[FRAGMENTS_M][FRAGMENTS_N][4] = {};
    int warp = threadIdx.x / 32, q = threadIdx.x % 32 / 4, r = threadIdx.x % 4;
    int row = warp / WARPS_N * WARP_M, column = warp % WARPS_N * WARP_N;

    for (int stage = 0; stage < STAGES - 1; ++stage) {
        float* room = shared + stage * STAGE;
        if (first + stage < last) fetch(room, room + TILE_M * CHUNK);
        copy_async_commit();
    }
    for (int chunk = first, stage = 0; chunk < last; ++chunk) {
        copy_async_wait<STAGES - 2>();  // this chunk has arrived, for this thread
        __syncthreads();                // for all threads, and all are done with the chunk before it
        int ahead = chunk + STAGES - 1;
        float* room = shared + (stage + STAGES - 1) % STAGES * STAGE;
        if (ahead < last) fetch(room, room + TILE_M * CHUNK);
        copy_async_commit();
        const float* here = shared + stage * STAGE;
        multiply(d, here, here + TILE_M * CHUNK, row, column, q, r);
        stage = (stage + 1) % STAGES;
    }
    store(d, map, out + split * map.part, m0 + row, n0 + column, q, r, of_class);
}
