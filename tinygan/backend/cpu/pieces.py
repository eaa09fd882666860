"""Elementwise work in pieces along memory.

Arrays that hold the same elements in the same order of memory, whatever that order is, can be
walked through as flat runs. A piece of a run that fits into the cache makes several passes cost
little more than one, and different pieces can go to different threads. The second pays late: waking
a thread takes as long as half a million additions, so small work stays with the caller; and each
NumPy call takes Python's lock for a moment, so that two threads with pieces of a few microseconds
mostly wait for each other. Large pieces then, in the last cache rather than the first.
"""

import numpy as np

from ..recording import recording
from .processes import helpers_wanted
from .threads import get_num_threads, parallel_for

PIECE = 1 << 17  # elements: half a MiB of float32
_TINY = 1 << 12  # elements that are done before their layout has been looked at
_WORTH_WAKING = 1 << 22  # element operations; about half a millisecond
_WORTH_HELP = 1 << 19  # a helper process is awake already


def shared(operations: int) -> bool:
    """Is this much elementwise work worth waking another thread, or a helper of a program?"""
    if recording.recorder is not None and helpers_wanted():
        return operations >= _WORTH_HELP
    return operations >= _WORTH_WAKING


def in_pieces(function, *arrays, passes=1) -> bool:
    """Call `function(*pieces)` for matching flat pieces; False where the arrays' orders
    differ.

    `passes` says how often the function goes over its pieces.
    """
    flat = flat_views(arrays)
    if flat is None:
        return False
    size = arrays[0].size
    if shared(size * passes):
        chunk = min(2 * PIECE, -(-size // get_num_threads()))
        parallel_for(lambda start, stop: function(*(a[start:stop] for a in flat)), size, chunk)
        return True
    for start in range(0, size, PIECE):
        function(*(a[start : start + PIECE] for a in flat))
    return True


def new_in_pieces(function, *arrays, passes=1):
    """A new array like the first, filled by `function(out, *arrays)` in pieces."""
    out = np.empty_like(arrays[0])
    whole = out.size <= PIECE and not shared(out.size * passes)
    if out.size <= _TINY or (whole and all(a.flags.c_contiguous for a in arrays)):
        function(out, *arrays)
        return out
    if not in_pieces(function, out, *arrays, passes=passes):
        out = np.empty(out.shape, out.dtype, like=out)
        ordered = (np.ascontiguousarray(a, like=a) for a in arrays)
        in_pieces(function, out, *ordered, passes=passes)
    return out


def flat_views(arrays):
    """The arrays' elements as they lie in memory, as views that match each other; None where the
    orders differ.
    """
    for channels_last in (False, True):
        flat = [_flat(array, channels_last) for array in arrays]
        if all(part is not None for part in flat):
            return flat
    return None


def _flat(array, channels_last):
    """The elements as they lie in memory, as a view; None where they do not lie in this order."""
    if channels_last and array.ndim > 2:
        array = np.moveaxis(array, 1, -1)
    return array.reshape(-1) if array.flags.c_contiguous else None
