"""The optimisers' equations in pieces that stay in the cache, on all threads.

An equation reads and writes several arrays as large as the model, a dozen times in plain NumPy. Cut
into pieces, every array travels from memory once; sums of two scaled arrays are one pass each. The
pieces of all parameters are in one loop, for which the threads are woken once.
"""

from .. import portable
from .blas import add_scaled
from .pieces import PIECE, flat_views, shared
from .threads import parallel_for
from .workspace import scratch

_LARGE = 1 << 12  # numbers that are worth cutting out
_PASSES = 14  # over memory, of Adam in plain NumPy


def apply_to_many(equation, rows) -> None:
    """As `portable.apply_to_many`."""
    pieces = []
    for row in rows:
        flat = None if row[0].size < _LARGE else flat_views(row)
        if flat is None:
            portable.apply_to_many(equation, [row])
        else:
            starts = range(0, row[0].size, PIECE)
            pieces += [[array[start : start + PIECE] for array in flat] for start in starts]
    if not pieces:
        return
    pieces.sort(key=_size, reverse=True)  # so that the threads end at about the same time

    def change(start, stop):
        for piece in pieces[start:stop]:
            room = scratch("optimiser", piece[0].shape, piece[0].dtype)
            equation(*piece, room, add_scaled)

    if shared(_PASSES * sum(map(_size, pieces))):
        parallel_for(change, len(pieces))
    else:
        change(0, len(pieces))


def _size(piece):
    return piece[0].size
