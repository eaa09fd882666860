"""Images read off between their pixels, place by place."""

import math

import numpy as np

from .pooling import cubic


def affine_grid(theta, size, align_corners=False):
    """θ·(x, y, 1) for every pixel's centre; across the image x and y run from −1 to 1."""
    n, _, height, width = size
    out = np.zeros((n, height, width, 2))
    for b, i, j in np.ndindex(n, height, width):
        x, y = (centre(k, m, align_corners) for k, m in ((j, width), (i, height)))
        out[b, i, j] = theta[b] @ [x, y, 1]
    return out


def centre(k, n, align_corners):
    return 2 * k / (n - 1) - 1 if align_corners else (2 * k + 1) / n - 1


def grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    """Each pixel of the result from the neighbours of its place in x."""
    n, channels, height, width = x.shape
    out = np.zeros((n, channels, *grid.shape[1:3]))
    for b, i, j in np.ndindex(n, *grid.shape[1:3]):
        u, v = grid[b, i, j]
        rows = read_at(v, height, mode, padding_mode, align_corners)
        for row, by_row in rows:
            for column, by_column in read_at(u, width, mode, padding_mode, align_corners):
                if 0 <= row < height and 0 <= column < width:
                    out[b, :, i, j] += by_row * by_column * x[b, :, row, column]
    return out


def read_at(place, n, mode, padding_mode, align_corners):
    """(pixel, weight) along one axis, for a place from −1 to 1."""
    p = (place + 1) / 2 * (n - 1) if align_corners else ((place + 1) * n - 1) / 2
    if mode == "bicubic":
        near = range(math.floor(p) - 1, math.floor(p) + 3)
        return [(int(inside(k, n, padding_mode, align_corners)), cubic(abs(p - k))) for k in near]
    p = inside(p, n, padding_mode, align_corners)
    if mode == "nearest":
        return [(int(np.rint(p)), 1)]
    return [(k, 1 - abs(p - k)) for k in (math.floor(p), math.floor(p) + 1)]


def inside(p, n, padding_mode, align_corners):
    """Where in the image p is read: at the border, or where a mirror at the edges shows it."""
    if padding_mode == "zeros":
        return p
    low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
    while padding_mode == "reflection" and not low <= p <= high:
        p = 2 * low - p if p < low else 2 * high - p
    return min(max(p, 0), n - 1)
