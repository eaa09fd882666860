"""Lengths of vectors along one axis, and how far two of them lie apart.

Derivatives at length 0 are 0, never NaN.
"""

import numpy as np

from .elementwise import clamp
from .reduce import norm, sum
from .shape import expand


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """x / max(‖x‖ₚ, eps): vectors along `dim` brought to length 1."""
    return x / clamp(norm(x, p, dim, keepdim=True), min=eps)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1·x2 / (max(‖x1‖, eps)·max(‖x2‖, eps)) along `dim`, from −1 to 1."""
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = (normalize(expand(x, shape), 2, dim, eps) for x in (x1, x2))
    return sum(x1 * x2, dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """‖x1 − x2 + eps‖ₚ along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]
