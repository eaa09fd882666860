"""Matrix products of layers.

BLAS shares even a small product among threads, and then waits for the slowest of them: on a machine
that does anything else at the same time that takes a hundred times as long as the product. So small
products stay on the calling thread.
"""

from .. import portable
from .threads import single_threaded_blas

_ALONE = 1 << 18  # multiplications that BLAS leaves on the calling thread by itself
_SMALL = 1 << 23  # about a tenth of a millisecond on one thread


def matmul(x, y):
    if _ALONE < x.size * y.shape[-1] <= _SMALL:
        with single_threaded_blas():
            return portable.matmul(x, y)
    return portable.matmul(x, y)
