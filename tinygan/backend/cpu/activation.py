"""Activations and their derivatives, in pieces that stay in the cache, on all threads.

NumPy's vectorised inner loops differ widely in speed: `maximum` of an array and a scalar takes five
times as long as of two arrays, and `where` a hundred times as long as arithmetic, because it
branches on every element. So the scalar 0 is a block of zeros here, and a choice is a
multiplication:

    leaky_relu(x)   = max(x, s·x)
    its gradient    = g·(s + (1 − s)·[y > 0])
"""

import numpy as np

from .. import portable
from .pieces import PIECE, new_in_pieces
from .workspace import scratch

_zeros = {np.dtype(t): np.zeros(2 * PIECE, t) for t in ("float32", "float64")}


def relu(x):
    if x.dtype not in _zeros:
        return portable.relu(x)
    zeros = _zeros[x.dtype]
    return new_in_pieces(lambda out, x: np.maximum(x, zeros[: x.size].reshape(x.shape), out=out), x)


def leaky_relu(x, slope):
    if not 0 < slope <= 1:
        return portable.leaky_relu(x, slope)

    def piece(out, x):
        np.maximum(x, np.multiply(x, slope, out=_term(x)), out=out)

    return new_in_pieces(piece, x, passes=2)


def leaky_relu_gradient(g, y, slope):
    """g where y > 0, slope·g elsewhere."""

    def piece(out, g, y):
        positive = np.greater(y, 0, out=scratch("positive", y.shape, bool))
        if not slope:
            np.multiply(g, positive, out=out)
            return
        factor = _term(g)
        np.copyto(factor, positive)
        factor *= 1 - slope
        factor += slope
        np.multiply(g, factor, out=out)

    return new_in_pieces(piece, g, y, passes=5)


def tanh(x):
    return new_in_pieces(lambda out, x: np.tanh(x, out=out), x, passes=3)


def tanh_gradient(g, y):
    """g·(1 − y²)."""

    def piece(out, g, y):
        term = np.multiply(y, y, out=_term(y))
        np.subtract(1, term, out=term)
        np.multiply(g, term, out=out)

    return new_in_pieces(piece, g, y, passes=3)


def sigmoid(x):
    """1 / (1 + e⁻ˣ), the exponent cut where e⁻ˣ would overflow."""
    if x.dtype not in _zeros:
        return portable.sigmoid(x)
    limit = 88.0 if x.dtype == np.float32 else 700.0

    def piece(out, x):
        np.negative(x, out=out)
        np.minimum(out, limit, out=out)
        np.exp(out, out=out)
        out += 1
        np.reciprocal(out, out=out)

    return new_in_pieces(piece, x, passes=10)


def _term(like):
    return scratch("activation term", like.shape, like.dtype)
