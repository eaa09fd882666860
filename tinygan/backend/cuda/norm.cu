// Normalisation over the columns of a matrix, and its gradient: batch norm of images with their
// channels last (one matrix), instance norm (one for each image).
//
//     y = a·(x − μ) + β,   a = γ/σ;
//     dx = a·(g − mean(g) − x̂·mean(g·x̂)),   dγ = Σ g·x̂,   dβ = Σ g,   x̂ = (x − μ)/σ
//
// Forward reads x twice and writes y; backward reads x and g twice and writes dx. The rest is small.
// Behind a LeakyReLU, g stands for its product with that one's derivative, which the sign of y tells.
#include "device.cuh"
#include "columns.cuh"

// -- forward -----------------------------------------------------------------------------------------

// Numbers seen so far: how many, their mean, and the sum of the squares of their distances from it.
struct Seen {
    float count, mean, squares;
};

// Joins two sets of numbers (Chan, Golub and LeVeque). No large numbers are subtracted from each other,
// as they would be in E x² − μ².
struct Chan {
    __device__ Seen operator()(const Seen& a, const Seen& b) const {
        float count = a.count + b.count;
        if (count == 0.f) return a;
        float between = b.mean - a.mean, share = b.count / count;
        return {count, a.mean + between * share,
                a.squares + b.squares + between * between * a.count * share};
    }
};

// Each slab's mean and sum of squares. The mean is relative to the matrix's first row: differences of
// numbers of one column are small where the numbers themselves may be large. For the same reason a
// thread takes sums of differences from the first number that it meets.
extern "C" __global__ void statistics(const float* __restrict__ x, float* __restrict__ parts, int rows,
                                      int columns, int slab) {
    __shared__ Seen shared[VECTOR * THREADS];
    Seen seen[VECTOR] = {};
    int row = blockIdx.y * slab + threadIdx.y, last = min(int(blockIdx.y + 1) * slab, rows);
    if (own_column() < columns && row < last) {
        Pack own = load(x + place(row, rows, columns)), origin = load(x + place(0, rows, columns));
        float sum[VECTOR] = {}, squares[VECTOR] = {};
        down_the_rows(
            rows, slab, [&](int row) { return load(x + place(row, rows, columns)); },
            [&](const Pack& pack, int) {
                for (int k = 0; k < VECTOR; ++k) {
                    float difference = pack.at[k] - own.at[k];
                    sum[k] += difference;
                    squares[k] += difference * difference;
                }
            });
        float count = (last - row + blockDim.y - 1) / blockDim.y;
        for (int k = 0; k < VECTOR; ++k) {
            float mean = sum[k] / count, around_it = squares[k] - sum[k] * mean;
            seen[k] = {count, own.at[k] - origin.at[k] + mean, around_it < 0.f ? 0.f : around_it};
        }
    }
    join_threads(seen, shared, Chan());
    float found[2 * VECTOR];
    for (int k = 0; k < VECTOR; ++k) found[k] = seen[k].mean, found[VECTOR + k] = seen[k].squares;
    leave(found, parts, columns);
}

// μ, σ² and 1/√(σ² + ε) of each column, from the slabs'.
extern "C" __global__ void finish_statistics(const float* __restrict__ parts, const float* __restrict__ x,
                                             float* __restrict__ mean, float* __restrict__ var,
                                             float* __restrict__ rstd, int rows, int columns, int slab,
                                             int slabs, float eps) {
    __shared__ Seen shared[FINISHERS];
    int column = finished_column();
    Seen seen[1] = {};
    if (column < columns) {
#pragma unroll 4
        for (int s = threadIdx.y; s < slabs; s += blockDim.y) {
            float count = min(slab, rows - s * slab);
            seen[0] = Chan()(seen[0], {count, parts[part(0, 2, s, slabs, columns, column)],
                                       parts[part(1, 2, s, slabs, columns, column)]});
        }
    }
    join_threads(seen, shared, Chan());
    if (threadIdx.y == 0 && column < columns) {
        size_t to = size_t(blockIdx.z) * columns + column;
        mean[to] = x[size_t(blockIdx.z) * rows * columns + column] + seen[0].mean;
        var[to] = seen[0].squares / rows;
        rstd[to] = 1.f / sqrtf(seen[0].squares / rows + eps);
    }
}

// What a thread needs to know of its columns, in registers from here on. Where there is no γ and β
// (`affine` is 0) they are 1 and 0.
struct Columns {
    float mean[VECTOR], scale[VECTOR];

    __device__ Columns(const float* weight, const float* mean_, const float* rstd, int columns,
                       int affine) {
        for (int k = 0; k < VECTOR; ++k) {
            size_t own = size_t(blockIdx.z) * columns + own_column() + k;
            mean[k] = mean_[own];
            scale[k] = affine ? rstd[own] * weight[own_column() + k] : rstd[own];
        }
    }
};

// y = a·(x − μ) + β, or LeakyReLU(y); a `slope` of 1 leaves y as it is.
extern "C" __global__ void normalise(const float* __restrict__ x, const float* __restrict__ weight,
                                     const float* __restrict__ bias, const float* __restrict__ mean,
                                     const float* __restrict__ rstd, float* __restrict__ y, int rows,
                                     int columns, int slab, int affine, float slope) {
    if (own_column() >= columns) return;
    Columns own(weight, mean, rstd, columns, affine);
    float shift[VECTOR];
    for (int k = 0; k < VECTOR; ++k) shift[k] = affine ? bias[own_column() + k] : 0.f;
    down_the_rows(
        rows, slab, [&](int row) { return load(x + place(row, rows, columns)); },
        [&](Pack pack, int row) {
            for (int k = 0; k < VECTOR; ++k) {
                float value = (pack.at[k] - own.mean[k]) * own.scale[k] + shift[k];
                pack.at[k] = value > 0.f ? value : slope * value;
            }
            store(y + place(row, rows, columns), pack);
        });
}

// -- backward ----------------------------------------------------------------------------------------

#ifndef MASKED
#define MASKED 0  // 1 where a LeakyReLU follows, whose result is `y`
#endif

// What is read of one place.
struct Read {
    Pack g, x;
#if MASKED
    Pack y;
#endif

    // The gradient that arrives in front of the LeakyReLU.
    __device__ float gradient(int k, float slope) const {
#if MASKED
        return y.at[k] > 0.f ? g.at[k] : slope * g.at[k];
#else
        return g.at[k];
#endif
    }
};

__device__ inline Read read(const float* g, const float* x, const float* y, size_t at) {
#if MASKED
    return {load(g + at), load(x + at), load(y + at)};
#else
    return {load(g + at), load(x + at)};
#endif
}

// Each slab's Σ g and Σ g·(x − μ).
extern "C" __global__ void gradient_sums(const float* __restrict__ g, const float* __restrict__ x,
                                         const float* __restrict__ y, const float* __restrict__ mean,
                                         float* __restrict__ parts, int rows, int columns, int slab,
                                         float slope) {
    __shared__ float shared[2 * VECTOR * THREADS];
    float sums[2 * VECTOR] = {}, centre[VECTOR];
    if (own_column() < columns) {
        for (int k = 0; k < VECTOR; ++k) {
            centre[k] = mean[size_t(blockIdx.z) * columns + own_column() + k];
        }
        down_the_rows(
            rows, slab, [&](int row) { return read(g, x, y, place(row, rows, columns)); },
            [&](const Read& seen, int) {
                for (int k = 0; k < VECTOR; ++k) {
                    float gradient = seen.gradient(k, slope);
                    sums[k] += gradient;
                    sums[VECTOR + k] += gradient * (seen.x.at[k] - centre[k]);
                }
            });
    }
    join_threads(sums, shared, Plus());
    leave(sums, parts, columns);
}

// Σ g and Σ g·x̂ of each column.
extern "C" __global__ void finish_gradient_sums(const float* __restrict__ parts,
                                                const float* __restrict__ rstd, float* __restrict__ sums,
                                                float* __restrict__ products, int columns, int slabs) {
    __shared__ float shared[2 * FINISHERS];
    float found[2];
    add_up_slabs(parts, slabs, columns, found, shared);
    if (threadIdx.y == 0 && finished_column() < columns) {
        size_t to = size_t(blockIdx.z) * columns + finished_column();
        sums[to] = found[0];
        products[to] = found[1] * rstd[to];
    }
}

// dx = a·(g − mean(g) − x̂·mean(g·x̂))
extern "C" __global__ void input_gradient(const float* __restrict__ g, const float* __restrict__ x,
                                          const float* __restrict__ y, const float* __restrict__ weight,
                                          const float* __restrict__ mean, const float* __restrict__ rstd,
                                          const float* __restrict__ sums,
                                          const float* __restrict__ products, float* __restrict__ dx,
                                          int rows, int columns, int slab, int affine, float slope) {
    if (own_column() >= columns) return;
    Columns own(weight, mean, rstd, columns, affine);
    float constant[VECTOR], linear[VECTOR];
    for (int k = 0; k < VECTOR; ++k) {
        size_t column = size_t(blockIdx.z) * columns + own_column() + k;
        constant[k] = sums[column] / rows;
        linear[k] = products[column] / rows * rstd[column];
    }
    down_the_rows(
        rows, slab, [&](int row) { return read(g, x, y, place(row, rows, columns)); },
        [&](const Read& seen, int row) {
            Pack result;
            for (int k = 0; k < VECTOR; ++k) {
                float rest = constant[k] + (seen.x.at[k] - own.mean[k]) * linear[k];
                result.at[k] = own.scale[k] * (seen.gradient(k, slope) - rest);
            }
            store(dx + place(row, rows, columns), result);
        });
}

// -- running statistics --------------------------------------------------------------------------------

// running = (1 − momentum)·running + momentum·batch, for the means and for the variances, of which `unbiased` times
// the batch's is the unbiased one. Over several matrices the mean of their statistics counts.
extern "C" __global__ void move_statistics(float* __restrict__ running_mean,
                                           float* __restrict__ running_var,
                                           const float* __restrict__ mean,
                                           const float* __restrict__ var, int matrices, int columns,
                                           float momentum, float unbiased) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    float means = 0.f, vars = 0.f;
    for (int i = 0; i < matrices; ++i) {
        means += mean[size_t(i) * columns + column];
        vars += var[size_t(i) * columns + column];
    }
    float rest = 1.f - momentum;
    running_mean[column] = running_mean[column] * rest + momentum * (means / matrices);
    running_var[column] = running_var[column] * rest + momentum * (vars / matrices * unbiased);
}
