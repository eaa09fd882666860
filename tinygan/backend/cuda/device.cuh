// What every kernel here may use beside CUDA C++ itself.
//
// The same text is compiled twice: by NVRTC for a GPU, and, in the tests, by an ordinary C++ compiler
// whose "threads" take turns on the CPU. What only a GPU has stands behind a name that the tests
// define in their own way (FIBRES).

#ifndef FIBRES

// Shared memory whose size is given at the launch, at most 227 KB on Hopper; a block has 48 KB of the
// static kind.
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]

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

#endif  // FIBRES
