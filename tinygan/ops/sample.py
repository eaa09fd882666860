"""Images read off at any places: the spatial transformer's grid and sampler.

Places are given from −1 to 1 across the image, x before y. A pixel's value at a place (u, v) is a
weighted sum of its neighbours',

    y = Σ_{k,l} K(u − k) K(v − l) x[l, k],

with K(d) = 1 − |d| over the nearest two ("bilinear"), or a cubic over the nearest four ("bicubic").
The sum is written in tensors, so it is differentiable by the image and by the places, in every
order.
"""

import numpy as np

from .create import arange
from .elementwise import abs, clamp, floor, round, where
from .shape import stack


def affine_grid(theta, size, align_corners=False):
    """The places (N, H, W, 2) that the affine maps θ (N, 2, 3) send the pixels of an image to.

    `size` is that image's (N, C, H, W). Pixels lie at their centres, or, with `align_corners`, the
    outer ones at −1 and 1.
    """
    if theta.ndim != 3 or theta.shape[1:] != (2, 3) or len(size) != 4 or min(size) < 1:
        raise ValueError(
            f"affine_grid: expected maps (N, 2, 3) and a size (N, C, H, W), got {theta.shape} and "
            f"{tuple(size)}"
        )
    n, _, h, w = size
    if theta.shape[0] != n:
        raise ValueError(f"affine_grid: {theta.shape[0]} maps for a batch of {n}")
    y, x = (_from_minus_one_to_one(m, align_corners, theta) for m in (h, w))
    rows, columns = y.reshape(h, 1).expand(h, w), x.reshape(1, w).expand(h, w)
    places = stack([columns, rows, columns * 0.0 + 1.0], -1).reshape(1, h * w, 3)
    return (places @ theta.transpose(1, 2)).reshape(n, h, w, 2)


def _from_minus_one_to_one(count, align_corners, like):
    steps = arange(count, device=like.device).to(like.dtype)
    if align_corners:
        return steps * (2 / (count - 1)) - 1.0 if count > 1 else steps
    return (steps * 2.0 + 1.0) / count - 1.0


def grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    """x (N, C, H, W) read off at the places of a grid (N, H', W', 2) → (N, C, H', W').

    Modes: "bilinear", "nearest", "bicubic". What lies outside the image is 0 ("zeros"), what the
    border shows there ("border"), or the image mirrored ("reflection"). `align_corners` as in
    `affine_grid`.
    """
    name = "grid_sample"
    if x.ndim != 4 or grid.ndim != 4 or grid.shape[-1] != 2 or x.shape[0] != grid.shape[0]:
        raise ValueError(
            f"{name}: expected images (N, C, H, W) and a grid (N, H', W', 2), got {x.shape} and "
            f"{grid.shape}"
        )
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"{name}: expected mode 'bilinear', 'nearest' or 'bicubic', got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"{name}: expected padding_mode 'zeros', 'border' or 'reflection', got {padding_mode!r}"
        )
    if not all(x.shape[1:]):
        raise ValueError(f"{name}: no pixels in an input of shape {x.shape}")
    h, w = x.shape[2:]
    u, v = _pixels(grid[..., 0], w, align_corners), _pixels(grid[..., 1], h, align_corners)
    columns, rows = (
        _neighbours(place, n, mode, padding_mode, align_corners) for place, n in ((u, w), (v, h))
    )
    pixels = x.permute(0, 2, 3, 1)
    total = 0.0
    for row, by_row in rows:
        for column, by_column in columns:
            total = total + _read(pixels, row, column) * (by_row * by_column).unsqueeze(-1)
    return total.permute(0, 3, 1, 2)


def _pixels(place, n, align_corners):
    """From −1 … 1 to 0 … n − 1, or to −½ … n − ½."""
    return (place + 1.0) * ((n - 1) / 2) if align_corners else ((place + 1.0) * n - 1.0) * 0.5


def _neighbours(p, n, mode, padding_mode, align_corners):
    """The pixels that count at place p along an axis of n, and their weights."""
    if mode == "bicubic":  # each of the four neighbours is brought inside, not the place
        return [
            (_brought_inside(k, n, padding_mode, align_corners), weight)
            for k, weight in _near(p, mode)
        ]
    return _near(_brought_inside(p, n, padding_mode, align_corners), mode)


def _near(p, mode):
    if mode == "nearest":
        near = round(p.detach())
        return [(near, near * 0.0 + 1.0)]
    low = floor(p.detach())
    if mode == "bilinear":
        return [(low, 1.0 - (p - low)), (low + 1.0, p - low)]
    return [
        (low + k, _cubic(abs(p - (low + k)), outer=k in (-1, 2))) for k in (-1.0, 0.0, 1.0, 2.0)
    ]


def _cubic(d, outer, a=-0.75):
    """As in `tinygan.ops.resize`: one cubic for the inner neighbours, another for the outer."""
    if outer:
        return (((d - 5.0) * d + 8.0) * d - 4.0) * a
    return ((a + 2) * d - (a + 3)) * d * d + 1.0


def _brought_inside(p, n, padding_mode, align_corners):
    """The place in the image that stands for p; nothing flows back through what is cut off."""
    if padding_mode == "zeros":
        return p
    if padding_mode == "reflection":
        low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
        p = _mirrored(p, low, span) if span else p * 0.0
    return where((p > 0) & (p < n - 1), p, clamp(p.detach(), 0.0, n - 1.0))


def _mirrored(p, low, span):
    """p folded back into low … low + span at either end."""
    distance = abs(p - low)
    turns = floor((distance / span).detach())
    rest = distance - turns * span
    return low + where(turns % 2.0 == 0, rest, span - rest)


def _read(pixels, row, column):
    """The pixels (N, H', W', C) in these rows and columns, 0 where there are none."""
    n, h, w = pixels.shape[:3]
    there = (row >= 0) & (row <= h - 1) & (column >= 0) & (column <= w - 1)
    row, column = (where(there, k, 0.0).to(np.int64) for k in (row.detach(), column.detach()))
    batch = arange(n, device=pixels.device).reshape(n, 1, 1)
    read = pixels[batch, row, column]
    return where(there.unsqueeze(-1), read, 0.0)


__all__ = ["affine_grid", "grid_sample"]
