// Random numbers: uniform, normal and whole ones.
//
// A stream's state is two words in the GPU's memory: its key, and how many counters are used up. A
// draw is two launches: one makes the numbers, a counter's four words at a time, and then `advance`
// moves the count on. So a CUDA graph that holds a draw makes new numbers each time that it is
// launched, though nothing in it changes; and since launches follow each other, no thread reads the
// count while another writes it.

#include "philox.cuh"

using Word = unsigned long long;

// Calls use(i, words) for each counter of a draw, i = 0 … counters − 1.
template <class Use>
__device__ inline void draw(const Word* state, long long counters, Use use) {
    Word key = state[0], used = state[1];
    long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    long long first = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (long long i = first; i < counters; i += step) {
        Word n = used + i;
        use(i, philox(make_uint4(static_cast<unsigned>(n), static_cast<unsigned>(n >> 32), 0, 0), key));
    }
}

// A counter's numbers, written to their place: all at once where there is room for all.
__device__ inline void write(float* out, long long size, long long i, float4 numbers) {
    if (4 * i + 3 < size) {
        reinterpret_cast<float4*>(out)[i] = numbers;
        return;
    }
    const float each[4] = {numbers.x, numbers.y, numbers.z, numbers.w};
    for (int j = 0; 4 * i + j < size; ++j) out[4 * i + j] = each[j];
}

template <class T>
__device__ inline void write(T* out, long long size, long long i, T first, T second) {
    out[2 * i] = first;
    if (2 * i + 1 < size) out[2 * i + 1] = second;
}

// Two words as one.
__device__ inline Word joined(unsigned low, unsigned high) {
    return static_cast<Word>(high) << 32 | low;
}

// -- uniform on [0, 1): as many of a word's first bits as a mantissa holds ---------------------------

__device__ inline float uniform(unsigned word) { return (word >> 8) * 0x1p-24f; }
__device__ inline double uniform(Word word) { return (word >> 11) * 0x1p-53; }

extern "C" __global__ void uniform_float32(const Word* state, float* out, long long size) {
    draw(state, (size + 3) / 4, [&](long long i, uint4 w) {
        write(out, size, i, make_float4(uniform(w.x), uniform(w.y), uniform(w.z), uniform(w.w)));
    });
}

extern "C" __global__ void uniform_float64(const Word* state, double* out, long long size) {
    draw(state, (size + 1) / 2, [&](long long i, uint4 w) {
        write(out, size, i, uniform(joined(w.x, w.y)), uniform(joined(w.z, w.w)));
    });
}

// -- normal, by Box and Muller: a point in the plane, from its distance and its angle ----------------
//
//     z₁ = √(−2 ln u) · cos 2πv        z₂ = √(−2 ln u) · sin 2πv        u on (0, 1], v on [0, 1]

__device__ inline float2 box_muller(unsigned u, unsigned v) {
    float distance = sqrtf(-2.f * logf(fmaf(u, 0x1p-32f, 0x1p-33f))), sine, cosine;
    sincospif(v * 0x1p-31f, &sine, &cosine);
    return make_float2(distance * cosine, distance * sine);
}

extern "C" __global__ void normal_float32(const Word* state, float* out, long long size) {
    draw(state, (size + 3) / 4, [&](long long i, uint4 w) {
        float2 a = box_muller(w.x, w.y), b = box_muller(w.z, w.w);
        write(out, size, i, make_float4(a.x, a.y, b.x, b.y));
    });
}

extern "C" __global__ void normal_float64(const Word* state, double* out, long long size) {
    draw(state, (size + 1) / 2, [&](long long i, uint4 w) {
        double u = uniform(joined(w.x, w.y)) + 0x1p-53, v = uniform(joined(w.z, w.w));
        double distance = sqrt(-2. * log(u)), sine, cosine;
        sincospi(2. * v, &sine, &cosine);
        write(out, size, i, distance * cosine, distance * sine);
    });
}

// -- whole numbers -----------------------------------------------------------------------------------
//
// The upper half of word · span is on 0 … span − 1. Each of those is hit by ⌊2⁶⁴/span⌋ or one more of
// the words. A span of 2⁶⁴ comes as 0.

__device__ inline long long among(Word word, long long low, Word span) {
    return static_cast<long long>(low + (span ? __umul64hi(word, span) : word));
}

extern "C" __global__ void integers(const Word* state, long long* out, long long size,
                                    long long low, Word span) {
    draw(state, (size + 1) / 2, [&](long long i, uint4 w) {
        write(out, size, i, among(joined(w.x, w.y), low, span), among(joined(w.z, w.w), low, span));
    });
}

// -- the state, which one thread writes --------------------------------------------------------------

extern "C" __global__ void advance(Word* state, long long counters) {
    state[1] += counters;
}

extern "C" __global__ void restart(Word* state, Word key, Word used) {
    state[0] = key;
    state[1] = used;
}
