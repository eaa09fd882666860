"""One large matrix product, shared among the threads."""

import numpy as np

from .threads import get_num_threads, parallel_for
from .workspace import scratch

__all__ = ["matmul"]

_SMALL = 200_000  # multiplications that one thread finishes before another has woken up


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out = a @ b for matrices (m, k) and (k, n); the rows, the columns or the sum is split, whichever is longest."""
    (m, k), n = a.shape, b.shape[1]
    threads = get_num_threads()
    if m * n * k < _SMALL:
        threads = 1
    if k > 8 * max(m, n) and threads > 1:
        return _split_sum(a, b, out, threads)
    if n >= m:
        chunk = max(1, -(-n // threads))
        chunk += -chunk % 16
        parallel_for(lambda i, j: np.matmul(a, b[:, i:j], out=out[:, i:j]), n, chunk)
    else:
        chunk = max(1, -(-m // threads))
        parallel_for(lambda i, j: np.matmul(a[i:j], b, out=out[i:j]), m, chunk)
    return out


def _split_sum(a: np.ndarray, b: np.ndarray, out: np.ndarray, threads: int) -> np.ndarray:
    """Each thread sums over its share of k; the shares are added in order, so the result does not vary."""
    k = a.shape[1]
    chunk = -(-k // threads)
    shares = scratch("gemm_shares", (-(-k // chunk), *out.shape), out.dtype)
    parallel_for(lambda i, j: np.matmul(a[:, i:j], b[i:j], out=shares[i // chunk]), k, chunk)
    return np.sum(shares, axis=0, out=out)
