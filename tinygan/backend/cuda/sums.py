"""Sums of columns: the gradient of a bias per channel, summed over images and pixels."""

import numpy as np

from .. import portable
from ..device import array_module
from .arrays import memory_order
from .columns import walk_over

_SMALL = 1 << 15  # below this many elements CuPy's single launch is quicker than two of ours


def sum_over(x, axis, keepdims=False, dtype=None):
    """x summed over `axis`; by a kernel of our own where what is left is one axis, along which the
    elements are neighbours in memory.
    """
    rows = None if dtype not in (None, x.dtype) else _as_rows(x, axis)
    walk = None if rows is None else walk_over(1, rows.size // rows.shape[-1], rows.shape[-1], rows)
    if walk is None:
        return portable.sum_over(x, axis, keepdims, dtype)
    xp = array_module(x)
    parts, sums = walk.parts(xp, 1), xp.empty(walk.columns, np.float32)
    walk.launch("sums.cu", "column_sums", (rows, parts, walk.rows, walk.columns, walk.slab))
    walk.finish("sums.cu", "finish_column_sums", (parts, sums, walk.columns, walk.slabs))
    kept = [1 if i in axis else n for i, n in enumerate(x.shape)]
    return sums.reshape(kept) if keepdims else sums


def _as_rows(x, axis):
    """x with its axes in the order of memory, where that makes columns of what is to be summed."""
    if x.dtype != np.float32 or x.size < _SMALL or not isinstance(axis, tuple):
        return None
    if len(axis) != x.ndim - 1 or min(axis) < 0:
        return None
    order = memory_order(x.strides) or tuple(range(x.ndim))
    rows = x.transpose(order)
    return rows if order[-1] not in axis and rows.flags.c_contiguous else None


VARIANTS = [
    ("sums.cu", name, {"VECTOR": vector})
    for name in ("column_sums", "finish_column_sums")
    for vector in (1, 4)
]
