// What the kernels of convolution share: the geometry, the order of numbers in shared memory, and the
// fetching of windows.

#include "device.cuh"

#define FORWARD 0
#define INPUT_GRADIENT 1
#define WEIGHT_GRADIENT 2

constexpr int THREADS = 32 * WARPS_M * WARPS_N;

// What a tensor core takes for one factor is a word of 32 bits: a float32, of which it sees TF32, or two
// neighbours stored as bfloat16. It finds words in the same places either way; so here "numbers" along
// k are words, and channels are counted in words, where nothing else is said.
#ifdef BFLOAT16
constexpr int PACKED = 2;
#else
constexpr int PACKED = 1;
#endif

// Of the sums, a chunk: 32 words of each row where k runs along them, as many pixels as give so many
// words where it runs down.
constexpr int CHUNK = 32, TILE_K = KIND == WEIGHT_GRADIENT ? CHUNK * PACKED : CHUNK;

// The geometry, as the driver describes it.
#define MAP_ARGUMENTS                                                                                   \
    int count, int height, int width, int rows, int columns, int stride_y, int stride_x, int inner,     \
        int inner_padded, int all_taps, int filter_channels, int outer, int out_height, int out_width,  \
        int step_y, int step_x, int splits, long long part
#define MAP_NAMES                                                                                       \
    count, height, width, rows, columns, stride_y, stride_x, inner, inner_padded, all_taps,             \
        filter_channels, outer, out_height, out_width, step_y, step_x, splits, part

struct Map {
    const float *images, *filters, *gradients;
    const int4* taps;               // (dy, dx, tap of the filter, how many taps has the class)
    int count, height, width;       // of the images that are gathered from: of `gradients` in
                                    // INPUT_GRADIENT, else of `images`
    int rows, columns;              // positions at which windows lie, or pixels of one class
    int stride_y, stride_x;         // of those positions, in the gathered images
    int inner, inner_padded;        // channels summed over; with which distance between taps in k
    int all_taps, filter_channels;  // of a filter: (O, all_taps, filter_channels)
    int outer;                      // channels of the result
    int out_height, out_width, step_y, step_x;  // of the result; steps between the pixels of a class
    int splits;                                 // blocks that share a tile
    long long part;                             // numbers between their results
};

// Tensor cores cut a float32 after 10 bits of its mantissa. This makes up for the half bit that they
// cut on average, and leaves what has no more than 10 bits as it is.
__device__ inline float for_tensor_cores(float x) {
    return PACKED == 1 ? x * (1.f + 0.693f / 2048.f) : x;
}

// Where row m of D begins in the result, −1 where there is no such row.
__device__ inline int place_of_row(const Map& map, int m, int of_class) {
    if (KIND == WEIGHT_GRADIENT)
        return m < map.outer * PACKED ? m * map.all_taps * map.inner * PACKED : -1;
    int image = m / (map.rows * map.columns), position = m % (map.rows * map.columns);
    int y = position / map.columns * map.step_y + of_class / map.step_x;
    int x = position % map.columns * map.step_x + of_class % map.step_x;
    if (image >= map.count || y >= map.out_height || x >= map.out_width) return -1;
    return ((image * map.out_height + y) * map.out_width + x) * map.outer;
}

// How many groups of four a thread fetches of a tile with so many.
__device__ constexpr int each(int groups) { return (groups + THREADS - 1) / THREADS; }

// The place of element (i, k) of a tile that lies along k: row i has 8 groups of four numbers, and
// odd rows have their halves exchanged.
__device__ inline int place_along(int i, int k) {
    return i * TILE_K + (((k / 4) ^ ((i & 1) << 2)) * 4) + k % 4;
}

// Of the sums for one class of pixels, or for the filters.
__device__ inline int chunks_to_sum(const Map& map, int of_class) {
    int length = KIND == WEIGHT_GRADIENT ? map.count * map.rows * map.columns
                                         : map.taps[of_class * map.all_taps].w * map.inner_padded;
    return (length + TILE_K - 1) / TILE_K;
}

// Rows of windows: row m of A belongs to position m, and its k = (tap, c) is what the tap finds there,
// zero where it reaches beyond the image. A thread fetches the same 4 of each chunk's 32 numbers for
// some rows, so that 8 neighbours fetch 128 neighbouring bytes.
//
// Chunks are fetched in their order. What the next one needs (its tap, the place in it) is found while
// this one's copies are on their way, and without a division.
struct Gather {
    static constexpr int ROWS_APART = THREADS / (TILE_K / 4), ROWS = each(TILE_M * TILE_K / 4);
    static_assert(ROWS_APART % 2 == 0, "a thread's rows are all odd or all even, as place_along needs it");
    const Map& map;
    const float* source;
    const int4* taps;
    int base[ROWS], corner[ROWS];  // of the window of each of this thread's rows: place, and (y, x)
    int to;                        // where its first row is in shared memory
    int count, length, number, c;  // taps, numbers to sum; of which tap, of which channel comes next
    int4 tap;

    __device__ Gather(const Map& map, int m0, int of_class, int first_chunk)
        : map(map), source(KIND == FORWARD ? map.images : map.gradients),
          taps(map.taps + of_class * map.all_taps) {
        count = taps[0].w, length = count * map.inner_padded;
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
            int m = m0 + threadIdx.x / (TILE_K / 4) + i * ROWS_APART;
            int image = m / (map.rows * map.columns), position = m % (map.rows * map.columns);
            int y = position / map.columns * map.stride_y, x = position % map.columns * map.stride_x;
            bool exists = image < map.count;
            base[i] = exists ? ((image * map.height + y) * map.width + x) * map.inner : 0;
            corner[i] = exists ? (y << 16 | x) : (0x3fff << 16);  // a row that lies outside for any tap
        }
        to = place_along(threadIdx.x / (TILE_K / 4), threadIdx.x % (TILE_K / 4) * 4);
        int k = first_chunk * TILE_K + threadIdx.x % (TILE_K / 4) * 4;
        number = k / map.inner_padded, c = k % map.inner_padded;
        tap = taps[number < count ? number : 0];
    }

    __device__ void operator()(float* a) {
        bool exists = number < count && c < map.inner;
        const float* from = source + (tap.x * map.width + tap.y) * map.inner + c;
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
            int y = (corner[i] >> 16) + tap.x, x = (corner[i] & 0xffff) + tap.y;
            bool inside = exists && unsigned(y) < unsigned(map.height) && unsigned(x) < unsigned(map.width);
            if (TILE_M % ROWS_APART == 0 || threadIdx.x / (TILE_K / 4) + i * ROWS_APART < TILE_M)
                copy_async_16(a + to + i * ROWS_APART * TILE_K, from + base[i], inside);
        }
        c += TILE_K;
        while (c >= map.inner_padded) c -= map.inner_padded, ++number;
        tap = taps[number < count ? number : 0];
    }
};
