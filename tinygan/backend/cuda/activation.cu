// Functions of each element that CuPy would take several launches for, with an array between them.
#include "device.cuh"
#include "pack.cuh"

// y = function(x, …) for this thread's numbers; it has VECTOR of each of the n.
template <class Function, class... Operands>
__device__ inline void each(float* y, int n, Function function, const Operands*... x) {
    size_t first = (size_t(blockIdx.x) * blockDim.x + threadIdx.x) * VECTOR;
    if (first >= n) return;
    Pack result;
    auto compute = [&](const auto&... packs) {
        for (int k = 0; k < VECTOR; ++k) result.at[k] = function(packs.at[k]...);
    };
    compute(load(x + first)...);
    store(y + first, result);
}

// log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|): nothing overflows.
__device__ inline float log_1_exp(float x) { return log1pf(expf(-fabsf(x))) + (x > 0.f ? x : 0.f); }

extern "C" __global__ void sigmoid(const float* __restrict__ x, float* __restrict__ y, int n) {
    each(y, n, [](float x) { return 1.f / (1.f + expf(-x)); }, x);
}

extern "C" __global__ void softplus(const float* __restrict__ x, float* __restrict__ y, int n) {
    each(y, n, log_1_exp, x);
}

extern "C" __global__ void leaky_relu(const float* __restrict__ x, float* __restrict__ y, int n,
                                      float slope) {
    each(y, n, [=](float x) { return x > 0.f ? x : slope * x; }, x);
}

// `out` is the result of the LeakyReLU.
extern "C" __global__ void leaky_relu_gradient(const float* __restrict__ g,
                                               const float* __restrict__ out, float* __restrict__ y,
                                               int n, float slope) {
    each(y, n, [=](float g, float out) { return out > 0.f ? g : slope * g; }, g, out);
}

// `out` is the result of tanh.
extern "C" __global__ void tanh_gradient(const float* __restrict__ g, const float* __restrict__ out,
                                         float* __restrict__ y, int n) {
    each(y, n, [](float g, float out) { return g * (1.f - out * out); }, g, out);
}

extern "C" __global__ void bce_with_logits(const float* __restrict__ x, const float* __restrict__ t,
                                           float* __restrict__ y, int n) {
    each(y, n, [](float x, float t) { return log_1_exp(x) - x * t; }, x, t);
}
