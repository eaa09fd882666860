"""The optimisers' equations in pieces that stay in the cache, on all threads.

An equation reads and writes several arrays as large as the model, a dozen times in plain NumPy. Cut
into pieces, every array travels from memory once; sums of two scaled arrays are one pass each.
"""

import numpy as np

from .. import portable
from .blas import add_scaled
from .pieces import in_pieces
from .workspace import scratch

_LARGE = 1 << 12
_PASSES = 14  # over memory, of Adam in plain NumPy


def apply_equation(equation, arrays):
    """As `portable.apply_equation`. The second of the arrays, the gradient, is only read."""
    if arrays[0].size < _LARGE:
        return portable.apply_equation(equation, arrays)
    theta, g, *kept = arrays
    if g.strides != theta.strides:
        given, g = g, np.empty_like(theta)
        g[...] = given  # brought into the parameter's order of memory

    def piece(*pieces):
        equation(*pieces, scratch("optimiser", pieces[0].shape, pieces[0].dtype), add_scaled)

    if not in_pieces(piece, theta, g, *kept, passes=_PASSES):
        portable.apply_equation(equation, arrays)
