"""Lengths of vectors along one axis, and how far two of them lie apart.

Derivatives at length 0 are 0, never NaN.
"""

from .elementwise import clamp
from .reduce import norm, sum


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """x / max(‖x‖ₚ, eps): vectors along `dim` brought to length 1."""
    return x / clamp(norm(x, p, dim, keepdim=True), min=eps)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1·x2 / (max(‖x1‖, eps)·max(‖x2‖, eps)) along `dim`, from −1 to 1."""
    return sum(normalize(x1, 2, dim, eps) * normalize(x2, 2, dim, eps), dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """‖x1 − x2 + eps‖ₚ along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]
