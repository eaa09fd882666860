"""Elementwise work in pieces along memory.

Arrays that hold the same elements in the same order of memory, whatever that order is, can be
walked through as flat runs. Pieces of a run that fit into the cache make several passes cost little
more than one, and different pieces can go to different threads.
"""

import numpy as np

from .threads import parallel_for

PIECE = 1 << 15  # elements: 128 KiB of float32, so that half a dozen pieces share the L2 cache


def in_pieces(function, *arrays) -> bool:
    """Call `function(*pieces)` for matching flat pieces of the arrays; False if their orders
    differ.
    """
    for channels_last in (False, True):
        flat = [_flat(array, channels_last) for array in arrays]
        if all(part is not None for part in flat):
            break
    else:
        return False
    size = arrays[0].size
    if size <= PIECE:
        function(*flat)
    else:
        parallel_for(lambda start, stop: function(*(a[start:stop] for a in flat)), size, PIECE)
    return True


def new_in_pieces(function, *arrays):
    """A new array like the first, filled by `function(out, *arrays)` in pieces."""
    out = np.empty_like(arrays[0])
    if not in_pieces(function, out, *arrays):
        out = np.empty(out.shape, out.dtype)
        in_pieces(function, out, *(np.ascontiguousarray(array) for array in arrays))
    return out


def _flat(array, channels_last):
    """The elements as they lie in memory, as a view; None where they do not lie in this order."""
    if channels_last and array.ndim > 2:
        array = np.moveaxis(array, 1, -1)
    return array.reshape(-1) if array.flags.c_contiguous else None
