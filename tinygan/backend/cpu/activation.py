"""Activations and their derivatives, in pieces that stay in the cache, on all threads.

NumPy's vectorised inner loops differ widely in speed: `maximum` of an array and a scalar takes five
times as long as of two arrays or as `clip`, and `where` a hundred times as long as arithmetic,
because it branches on every element. So a choice is a clip or a multiplication:

    relu(x)         = clip(x, 0, ∞)
    leaky_relu(x)   = max(x, s·x)
    its gradient    = g·clip(∞·y, s, 1)

where ∞ is a number so large that any y but a denormal one is carried past the ends.

`log1p` takes ten times as long as `log`, and log(1 + e) alone would lose what rounding takes from
u = 1 + e. That is e − (u − 1) exactly, and log'(u) = 1/u:

    log(1 + e)      = log u + (e − (u − 1))/u
"""

import numpy as np

from .. import portable
from .pieces import new_in_pieces
from .workspace import scratch

_FEW = 1 << 10  # numbers of which the many calls take longer than `log1p`
_PASSES = 20  # over memory, in the time that log and exp take
_huge = {np.dtype(t): np.finfo(t).max for t in ("float32", "float64")}


def relu(x):
    if x.dtype not in _huge:
        return portable.relu(x)
    return new_in_pieces(lambda out, x: x.clip(0, np.inf, out=out), x)


def leaky_relu(x, slope):
    if not 0 < slope <= 1:
        return portable.leaky_relu(x, slope)
    return new_in_pieces(lambda out, x: leaky_relu_piece(out, x, slope), x, passes=2)


def leaky_relu_piece(out, x, slope):
    """out = max(x, slope·x), for 0 ≤ slope ≤ 1; may be x itself."""
    if not slope:
        return x.clip(0, np.inf, out=out)
    return np.maximum(x, np.multiply(x, slope, out=_term(x)), out=out)


def leaky_relu_gradient(g, y, slope):
    """g where y > 0, slope·g elsewhere."""
    if not 0 <= slope <= 1 or y.dtype not in _huge or g.dtype != y.dtype:
        return portable.leaky_relu_gradient(g, y, slope)
    return new_in_pieces(lambda out, g, y: mask_gradient_piece(out, g, y, slope), g, y, passes=4)


def mask_gradient_piece(out, g, y, slope):
    """out = g where y > 0, slope·g elsewhere, for 0 ≤ slope ≤ 1."""
    if slope:
        factor = _term(g)
        with np.errstate(over="ignore"):
            np.multiply(y, _huge[y.dtype], out=factor)
        np.clip(factor, slope, 1, out=factor)
    else:
        factor = np.greater(y, 0, out=scratch("positive", y.shape, bool))
    return np.multiply(g, factor, out=out)


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
    if x.dtype not in _huge:
        return portable.sigmoid(x)
    limit = 88.0 if x.dtype == np.float32 else 700.0

    def piece(out, x):
        np.negative(x, out=out)
        np.clip(out, -limit, limit, out=out)
        np.exp(out, out=out)
        out += 1
        np.reciprocal(out, out=out)

    return new_in_pieces(piece, x, passes=10)


def softplus(x):
    """log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|)."""
    if x.dtype not in _huge or x.size < _FEW:
        return portable.softplus(x)
    return new_in_pieces(_softplus_piece, x, passes=_PASSES)


def bce_with_logits(x, t):
    """−t·log σ(x) − (1 − t)·log(1 − σ(x)) = log(1 + eˣ) − x·t."""
    if x.dtype not in _huge or x.size < _FEW or (x.shape, x.dtype) != (t.shape, t.dtype):
        return portable.bce_with_logits(x, t)

    def piece(out, x, t):
        _softplus_piece(out, x)
        out -= np.multiply(x, t, out=_term(x))

    return new_in_pieces(piece, x, t, passes=_PASSES)


def _softplus_piece(out, x):
    u, lost = _term(x), scratch("lost", x.shape, x.dtype)
    np.absolute(x, out=out)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=u)
    np.subtract(u, 1, out=lost)
    np.subtract(out, lost, out=lost)
    np.divide(lost, u, out=lost)
    np.log(u, out=out)
    out += lost
    out += np.clip(x, 0, np.inf, out=u)


def _term(like):
    return scratch("activation term", like.shape, like.dtype)
