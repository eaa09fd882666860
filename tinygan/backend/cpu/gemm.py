"""Matrix products cut to suit BLAS: one large product shared among the threads, or tall ones in
small blocks."""

import numpy as np

from .threads import Loop, parallel_for, parallel_loops, threads_for
from .workspace import scratch

__all__ = ["matmul", "matmul_loop", "matmul_tall", "matmul_wide"]


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out = a @ b for matrices (m, k) and (k, n); the rows, the columns or the sum is split,
    whichever is longest."""
    (m, k), n = a.shape, b.shape[1]
    threads = threads_for(m * n * k)
    if k > 8 * max(m, n) and threads > 1:
        return _split_sum(a, b, out, threads)
    parallel_loops(matmul_loop(a, b, out, threads))
    return out


def matmul_loop(a: np.ndarray, b: np.ndarray, out: np.ndarray, threads: int) -> Loop:
    """The loop over blocks of rows or of columns that computes out = a @ b."""
    m, n = out.shape
    multiply = np.multiply if a.shape[1] == 1 else np.matmul  # BLAS is slow at outer products
    if n >= m:
        chunk = max(1, -(-n // threads))
        chunk += -chunk % 16
        return Loop(lambda i, j: multiply(a, b[:, i:j], out=out[:, i:j]), n, chunk)
    chunk = max(1, -(-m // threads))
    return Loop(lambda i, j: multiply(a[i:j], b, out=out[i:j]), m, chunk)


def _split_sum(a: np.ndarray, b: np.ndarray, out: np.ndarray, threads: int) -> np.ndarray:
    """Each thread sums over its share of k; the shares are added in order, so the result does not
    vary."""
    k = a.shape[1]
    chunk = -(-k // threads)
    shares = scratch("gemm_shares", (-(-k // chunk), *out.shape), out.dtype)
    parallel_for(lambda i, j: np.matmul(a[:, i:j], b[i:j], out=shares[i // chunk]), k, chunk)
    return np.sum(shares, axis=0, out=out)


def matmul_tall(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out = a @ b for stacks of tall matrices (..., rows, k) and small ones (..., k, n), on the
    calling thread.

    Where b is small, 64 rows at a time: BLAS packs its operands into buffers first, except when
    they are small anyway, and packing a costs about as much as multiplying it by few columns."""
    rows, k = a.shape[-2:]
    n = b.shape[-1]
    if k * n <= 8192 and rows % 64 == 0 and rows > 64:
        a = a.reshape(*a.shape[:-2], rows // 64, 64, k)
        b = b[..., None, :, :]
        np.matmul(a, b, out=out.reshape(*out.shape[:-2], rows // 64, 64, n))
    else:
        np.matmul(a, b, out=out)
    return out


def matmul_wide(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out = a @ b for a small matrix a and a wide b, on the calling thread, 512 columns at a time,
    for the same reason."""
    columns = b.shape[1]
    whole = columns - columns % 512
    if whole:
        blocks = [x[:, :whole].reshape(len(x), -1, 512).swapaxes(0, 1) for x in (b, out)]
        np.matmul(a, blocks[0], out=blocks[1])
    if whole < columns:
        np.matmul(a, b[:, whole:], out=out[:, whole:])
    return out
