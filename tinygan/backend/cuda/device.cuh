// What every kernel here may use beside CUDA C++ itself.
//
// The same text is compiled twice: by NVRTC for a GPU, and, in the tests, by an ordinary C++ compiler
// whose "threads" take turns on the CPU. What only a GPU has stands behind a name that the tests
// define in their own way (FIBRES).

#ifndef FIBRES

// Shared memory whose size is given at the launch, at most 227 KB on Hopper; a block has 48 KB of the
// static kind.
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]

// The first place from here on whose address is a multiple of 1024: what tensor cores ask of a tile.
__device__ inline float* aligned_to_1024(float* shared) {
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    return shared + (-address % 1024) / 4;
}

// -- copies from global to shared memory that go on while the thread computes (Ampere and later) -----

// 16 bytes; zeros where `valid` is false (then nothing is read).
__device__ inline void copy_async_16(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes));
#else
    *static_cast<float4*>(shared) =
        valid ? *static_cast<const float4*>(global) : make_float4(0.f, 0.f, 0.f, 0.f);
#endif
}

// 4 bytes.
__device__ inline void copy_async_4(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    int bytes = valid ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(global), "r"(bytes));
#else
    *static_cast<float*>(shared) = valid ? *static_cast<const float*>(global) : 0.f;
#endif
}

// Ends a group of copies.
__device__ inline void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;");
#endif
}

// Waits until all but the newest `groups` groups of this thread's copies have arrived.
template <int groups>
__device__ inline void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(groups));
#endif
}

// -- copies of large pieces by a machine of their own (Hopper) -----------------------------------------

// One thread begins the copy of a piece, and all may wait for its arrival, which a word in shared memory
// tells. Each word tells of one piece after another; `parity` is 0 for the first, 1 for the second, 0 ….

__device__ inline void arrivals_begin(unsigned long long* word) {
#if __CUDA_ARCH__ >= 900
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(word));
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");  // for the machine to see
#endif
}

// `bytes` is a multiple of 16, as are the addresses.
__device__ inline void copy_bulk(void* shared, const void* global, int bytes, unsigned long long* word) {
#if __CUDA_ARCH__ >= 900
    unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(word));
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address), "r"(bytes) : "memory");
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
        "l"(global), "r"(bytes), "r"(address)
        : "memory");
#endif
}

__device__ inline void arrivals_wait(unsigned long long* word, int parity) {
#if __CUDA_ARCH__ >= 900
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(word)), there;
    do {
        asm volatile(
            "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
            : "=r"(there)
            : "r"(address), "r"(parity)
            : "memory");
    } while (!there);
#endif
}

// -- products of small matrices by the tensor cores, one warp together --------------------------------

// d (16×8) += a (16×8) · b (8×8) in TF32: float32 numbers of which the product sees 10 bits of
// mantissa, summed in float32. With q = lane / 4 and r = lane % 4 a lane holds
//
//     a[0] = A[q][r]     a[1] = A[q+8][r]     a[2] = A[q][r+4]     a[3] = A[q+8][r+4]
//     b[0] = B[r][q]     b[1] = B[r+4][q]
//     d[0] = D[q][2r]    d[1] = D[q][2r+1]    d[2] = D[q+8][2r]    d[3] = D[q+8][2r+1]
__device__ inline void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#else  // before Ampere there is no TF32: each lane fetches what it needs of the others' numbers
    int lane = threadIdx.x % 32, q = lane / 4, r = lane % 4;
#pragma unroll
    for (int k = 0; k < 8; ++k) {
        for (int i = 0; i < 4; ++i) {
            float left = __shfl_sync(0xffffffff, a[(k / 4) * 2 + i / 2], q * 4 + k % 4);
            float right = __shfl_sync(0xffffffff, b[k / 4], (2 * r + i % 2) * 4 + k % 4);
            d[i] += left * right;
        }
    }
#endif
}

// The same of words that hold two bfloat16 each, k and k + 1: d (16×8) += a (16×16) · b (16×8). A lane
// holds the words that it would hold of float32 numbers. From Ampere on.
__device__ inline void mma_bfloat16(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// -- products by warpgroups (Hopper, compiled for sm_90a) ---------------------------------------------

// Four warps multiply together, each 16 of 64 rows. They begin, hand over any number of products, close
// them as a batch, go on with other work, and wait until all but the newest batches are done. Until
// then neither the factors nor the results may be touched.

__device__ inline void group_begin() {
#if __CUDA_ARCH__ >= 900
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

__device__ inline void group_commit() {
#if __CUDA_ARCH__ >= 900
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

template <int batches>
__device__ inline void group_wait() {
#if __CUDA_ARCH__ >= 900
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(batches) : "memory");
#endif
}

// d (64×64) += a (64×8) · b (8×64). Of its warp's 16 rows a lane holds what `mma_tf32` says, with d for
// each 8 columns. `b` is a tile in shared memory, 64 rows of 32 numbers, in the order that
// `place_for_group` says, of which numbers 8·step … 8·step + 7 take part. Of bfloat16 it is words that
// are counted.
#if __CUDA_ARCH__ >= 900
// B is described by where it lies, in units of 16 bytes; 8 rows further, 1024 bytes; groups of 16 bytes
// exchanged within 128 (the 1 at the top). It runs along k, which of bfloat16 has to be said.
#define GROUP_MULTIPLY(kind, order)                                                                        \
    unsigned long long address = (__cvta_generic_to_shared(b) + 32 * step) >> 4;                           \
    unsigned long long where = address & 0x3fff | 1ull << 16 | 64ull << 32 | 1ull << 62;                   \
    asm volatile(                                                                                          \
        "wgmma.mma_async.sync.aligned." kind                                                               \
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"     \
        "%25,%26,%27,%28,%29,%30,%31}, {%32,%33,%34,%35}, %36, 1, 1, 1" order ";"                          \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),  \
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]),         \
          "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]),       \
          "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]),       \
          "+f"(d[29]), "+f"(d[30]), "+f"(d[31])                                                            \
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),              \
          "r"(__float_as_uint(a[3])), "l"(where));
#else
#define GROUP_MULTIPLY(kind, order)
#endif

__device__ inline void group_multiply_tf32(float (&d)[32], const float (&a)[4], const float* b, int step) {
    GROUP_MULTIPLY("m64n64k8.f32.tf32.tf32", "")
}

__device__ inline void group_multiply_bfloat16(float (&d)[32], const float (&a)[4], const float* b, int step) {
    GROUP_MULTIPLY("m64n64k16.f32.bf16.bf16", ", 0")
}

#endif  // FIBRES

// The nearest float32 with 10 bits of mantissa, as tensor cores see; the larger of two.
__device__ inline float rounded_to_tf32(float x) {
    unsigned bits = __float_as_uint(x);
    bool finite = (bits & 0x7f800000) != 0x7f800000;
    return finite ? __uint_as_float((bits + 0x1000) & 0xffffe000) : x;
}

// The place of number k of row i in a tile that tensor cores read: rows of 128 bytes, whose 8 groups of
// 16 bytes change places as the row's number says.
__device__ inline int place_for_group(int i, int k) { return i * 32 + ((k / 4) ^ (i & 7)) * 4 + k % 4; }
