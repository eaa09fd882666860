"""The common norm of many tensors and their scaling by it, without a look from the host."""

import math

import numpy as np

from .. import portable
from ..device import array_module
from .compiled import kernel
from .optim import THREADS, bundles, fill, is_dense, sizes_of, table_of


def norm_and_factor(arrays, order: float, most: float):
    """As `portable.norm_and_factor`, in two launches and some more for each 64 tensors."""
    if not _together(arrays):
        return portable.norm_and_factor(arrays, order, most)
    xp, kind, rows = array_module(arrays[0]), arrays[0].dtype.char, [[x] for x in arrays if x.size]
    table, macros = table_of(1), _macros(kind, order)
    filled = [fill(table, some) for some in bundles(rows, table)]
    total = sum(blocks for _, blocks in filled)
    parts, before = xp.empty(max(total, 1), np.float64), 0
    for given, blocks in filled:
        add = kernel("clipping.cu", "contributions", **macros)
        add((blocks,), (THREADS,), (given, parts, np.int32(before)))
        before += blocks
    norm, factor = xp.empty((), arrays[0].dtype), xp.empty((), arrays[0].dtype)
    finish = kernel("clipping.cu", "norm_and_factor", **macros)
    finish((1,), (THREADS,), (parts, np.int32(total), np.float64(most), norm, factor))
    return norm, factor


def scale_all(arrays, factor) -> None:
    """As `portable.scale_all`, in one launch for each 64 tensors."""
    if not _together(arrays) or factor.dtype != arrays[0].dtype:
        return portable.scale_all(arrays, factor)
    table, kind = table_of(1), arrays[0].dtype.char
    scale = kernel("clipping.cu", "scale", **_macros(kind, 2.0))
    for some in bundles([[x] for x in arrays if x.size], table):
        given, blocks = fill(table, some)
        scale((blocks,), (THREADS,), (given, factor))


def _together(arrays):
    dtype = arrays[0].dtype
    return dtype.char in "fd" and all(
        x.dtype == dtype and is_dense(x.shape, x.strides, dtype.itemsize) for x in arrays
    )


def _macros(kind, order):
    infinite = order == math.inf
    power = {"POWER": 1.0 if infinite else float(order), "LARGEST": int(infinite)}
    return power | sizes_of(table_of(1), kind)


VARIANTS = [
    ("clipping.cu", name, _macros(kind, order))
    for name in ("contributions", "norm_and_factor", "scale")
    for kind in "fd"
    for order in (1.0, 2.0, math.inf)
]
