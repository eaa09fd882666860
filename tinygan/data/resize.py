"""Pictures to another size."""

from functools import cache

import numpy as np


def resize(x: np.ndarray, size: int) -> np.ndarray:
    """(N, C, H, W) → (N, C, size, size), bilinear; made smaller, each pixel is a mean (antialias).

    >>> resize(np.ones((1, 1, 4, 4), np.float32), 8).shape
    (1, 1, 8, 8)
    """
    if x.shape[2:] == (size, size):
        return x
    rows, columns = (weights(n, size).astype(x.dtype) for n in x.shape[2:])
    return rows @ x @ columns.T


def central_square(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) → (N, C, S, S), S the shorter side."""
    height, width = x.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return x[:, :, top : top + side, left : left + side]


@cache
def weights(before: int, after: int) -> np.ndarray:
    """(after, before): a tent around each new pixel's centre, as wide as the larger pixel."""
    scale = before / after
    centre = (np.arange(after) + 0.5) * scale - 0.5
    tent = 1 - abs(centre[:, None] - np.arange(before)) / max(scale, 1)
    tent = np.maximum(tent, 0)
    return tent / tent.sum(1, keepdims=True)
