// Numbers that a thread reads, works on and writes side by side.

#ifndef VECTOR
#define VECTOR 4  // 1 where there are no four together, or not at an address that 16 divides
#endif

// The alignment makes one load or store of 16 bytes of it.
struct alignas(4 * VECTOR) Pack {
    float at[VECTOR];
};

__device__ inline Pack load(const float* from) { return *reinterpret_cast<const Pack*>(from); }

__device__ inline void store(float* to, const Pack& pack) { *reinterpret_cast<Pack*>(to) = pack; }
