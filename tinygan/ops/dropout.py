"""Functions that draw random numbers: dropout in its forms, and samples of a softmax.

In training dropout zeroes elements with probability p and scales the rest by 1/(1 − p), so that
the mean stays; otherwise it gives x itself. The numbers come from the stream "dropout".
"""

import numpy as np

from ..autograd.tensor import Tensor
from ..backend.device import array_module
from ..backend.random import stream
from .activation import SELU_ALPHA, SELU_SCALE
from .reduce import argmax, axis_of, softmax


def _kept(x, p, shape):
    """True with probability 1 − p."""
    return stream("dropout").uniform(shape, device=x.device) >= p


def _scaled(x, p, shape):
    """x times 0 or 1/(1 − p), drawn in a shape that broadcasts against x."""
    if p == 1:
        return x * 0.0
    return x * Tensor(_kept(x, p, shape).astype(x.dtype) / (1 - float(p)))


def _drops(name, p, training):
    """Is anything dropped?"""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability from 0 to 1, got {p}")
    return training and p > 0


def dropout(x, p=0.5, training=True):
    """Single elements are dropped."""
    return _scaled(x, p, x.shape) if _drops("dropout", p, training) else x


def dropout1d(x, p=0.5, training=True):
    """Whole channels are dropped: x (N, C, L) or (C, L)."""
    if x.ndim not in (2, 3):
        raise ValueError(f"dropout1d: expected (N, C, L) or (C, L), got shape {x.shape}")
    return _scaled(x, p, (*x.shape[:-1], 1)) if _drops("dropout1d", p, training) else x


def dropout2d(x, p=0.5, training=True):
    """Whole channels are dropped: x (N, C, H, W)."""
    if x.ndim != 4:
        raise ValueError(
            f"dropout2d: expected (N, C, H, W), got shape {x.shape}; for (N, C, L) use dropout1d, "
            "for a single image x.unsqueeze(0)"
        )
    return _scaled(x, p, (*x.shape[:2], 1, 1)) if _drops("dropout2d", p, training) else x


def alpha_dropout(x, p=0.5, training=False):
    """Dropout that keeps mean 0 and variance 1, for networks of SELU.

    Elements are set to α' = −scale·α, what SELU tends to, and the result is scaled by
    a = ((1 − p)(1 + p·α'²))^−½ and shifted by −a·p·α'.
    """
    if not _drops("alpha_dropout", p, training):
        return x
    if p == 1:
        return x * 0.0
    low = -SELU_SCALE * SELU_ALPHA
    a = ((1 - p) * (1 + p * low**2)) ** -0.5
    kept = _kept(x, p, x.shape).astype(x.dtype)
    return x * Tensor(kept * a) + Tensor((1 - kept) * (a * low) - a * p * low)


def gumbel_softmax(logits, tau=1.0, hard=False, *, dim=-1):
    """softmax((logits + g)/τ) along `dim`, with g from Gumbel(0, 1): a sample of the categorical
    distribution, smoothed so that gradients flow through it.

    With `hard` the result is one-hot, and its gradient that of the smooth sample.
    """
    xp = array_module(logits.array)
    u = stream("dropout").uniform(logits.shape, device=logits.device)
    u = xp.clip(u, np.finfo(u.dtype).tiny, None)  # log 0 is no number to go on with
    gumbel = Tensor((-xp.log(-xp.log(u))).astype(logits.dtype))
    smooth = softmax((logits + gumbel) / tau, dim)
    if not hard:
        return smooth
    dim = axis_of("gumbel_softmax", dim, logits.ndim)
    places = xp.arange(logits.shape[dim]).reshape((-1,) + (1,) * (logits.ndim - 1 - dim))
    chosen = Tensor((argmax(smooth.detach(), dim, True).array == places).astype(logits.dtype))
    return chosen + (smooth - smooth.detach())


__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "gumbel_softmax"]
