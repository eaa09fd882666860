"""Adding where an index may name a place twice, with the same bits every time."""

import numpy as np

from .. import portable
from ..device import array_module
from .compiled import kernel

_TYPES = {np.dtype("f4"): "float", np.dtype("f8"): "double"}
VARIANTS = [("add_at.cu", "add_sorted", {"TYPE": name}) for name in _TYPES.values()]
_BLOCK = 256


def add_at(out, index, values):
    """out[index] += values, where an index that occurs twice counts twice.

    The places that the index names are sorted, and each place's values added up in their order.
    """
    if out.dtype not in _TYPES or not out.flags.c_contiguous:
        return portable.add_at(out, index, values)
    xp = array_module(out)
    places = xp.arange(out.size, dtype=np.int64).reshape(out.shape)[index]
    count = places.size
    if not count:
        return
    values = xp.ascontiguousarray(xp.broadcast_to(values, places.shape), dtype=out.dtype)
    places = places.reshape(-1)
    order = xp.argsort(places, kind="stable")
    run = kernel("add_at.cu", "add_sorted", TYPE=_TYPES[out.dtype])
    arguments = (out, values, places[order], order, np.int64(count))
    run((-(-count // _BLOCK),), (_BLOCK,), arguments)
