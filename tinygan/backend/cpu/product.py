"""Matrix products of layers.

BLAS shares a product among threads of its own, which then go on spinning for a tenth of a second,
on the core where the next convolution's worker is to run; and for a small product the wait for the
slowest thread is longer than the product, a hundred times as long on a machine that does anything
else. So small products stay on the calling thread, and large ones are shared among our own threads.
"""

import numpy as np

from .. import portable
from . import gemm
from .threads import parallel_loops, side_by_side, single_threaded_blas, threads_for

_ALONE = 1 << 18  # multiplications that BLAS leaves on the calling thread by itself
_SMALL = 1 << 23  # about a tenth of a millisecond on one thread


def matmul(x, y):
    work = x.size * y.shape[-1]
    if work <= _ALONE:
        return portable.matmul(x, y)
    if work > _SMALL and x.ndim == y.ndim == 2:
        return gemm.matmul(x, y, np.empty((x.shape[0], y.shape[1]), np.result_type(x, y), like=x))
    return single_threaded_blas(portable.matmul, x, y)


def linear_gradients(x, weight, g):
    """The gradients of x, weight and bias of y = x Wᵀ + b: g W, gᵀ x, and g summed over rows."""
    work = x.size * g.shape[1]
    if work <= _ALONE:
        return _all_gradients(x, weight, g)
    if work <= _SMALL:
        return single_threaded_blas(_all_gradients, x, weight, g)
    dx, dw = np.empty(x.shape, x.dtype, like=x), np.empty(weight.shape, x.dtype, like=x)
    half = max(1, threads_for(work) // 2)  # both take as long, and need not be cut for two threads
    products = gemm.matmul_loop(g, weight, dx, half), gemm.matmul_loop(g.T, x, dw, half)
    parallel_loops(side_by_side(*products))
    return dx, dw, single_threaded_blas(_sum_of_rows, g)


def _all_gradients(x, weight, g):
    return portable.matmul(g, weight), portable.matmul(g.T, x), _sum_of_rows(g)


def _sum_of_rows(g):
    return np.ones(len(g), g.dtype) @ g
