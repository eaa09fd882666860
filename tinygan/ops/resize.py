"""Resizing images, signals and volumes to any size.

Interpolation is linear in x and separable, a small matrix for each axis (see `tinygan.ops.pool`).
Output i lies at the place

    s(i) = (i + ½)·step − ½,  step = old size / new size   (or s(i) = i·(old − 1)/(new − 1) with
                                                            `align_corners`)

of the input, whose neighbours are weighted by a kernel of their distance: 1 − |d| for "linear",
a cubic with the parameter −¾ over four neighbours for "bicubic".
"""

import numpy as np

from .conv import numbers
from .pool import adaptive_average, apply_matrices, needs_fractions

_linear_modes = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}  # and their axes
_modes = ("nearest", "nearest-exact", "area", *_linear_modes)


def interpolate(
    x, size=None, scale_factor=None, mode="nearest", align_corners=None,
    recompute_scale_factor=None, antialias=False,
):  # fmt: skip
    """Resized to `size`, or by `scale_factor`: x is (N, C, L), (N, C, H, W) or (N, C, D, H, W).

    Modes: "nearest" and "nearest-exact" copy, "linear", "bilinear" and "trilinear" weigh the
    neighbours in as many axes, "bicubic" four of them along two, "area" takes means.
    """
    axes = x.ndim - 2
    if mode not in _modes or axes not in (1, 2, 3):
        raise ValueError(
            f"interpolate: expected (N, C, L), (N, C, H, W) or (N, C, D, H, W) and a mode among "
            f"{', '.join(_modes)}, got {x.shape} and {mode!r}"
        )
    if mode in _linear_modes and axes != _linear_modes[mode]:
        raise ValueError(f"interpolate: mode {mode!r} does not fit an input of shape {x.shape}")
    if mode not in _linear_modes and align_corners is not None:
        raise ValueError(f"interpolate: mode {mode!r} does not know align_corners; leave it out")
    if antialias:
        raise ValueError(
            "interpolate: antialias is not implemented; shrink with mode='area', or with avg_pool2d"
        )
    size, steps = _target(x.shape[2:], size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return adaptive_average("interpolate", x, axes, size)
    if mode not in _linear_modes:
        return _copied(x, size, steps, 0.5 if mode == "nearest-exact" else 0.0)
    needs_fractions(f"interpolate with mode {mode!r}", x)
    kernel = _cubic if mode == "bicubic" else _triangle
    matrices = [_matrix(*axis, kernel, align_corners) for axis in zip(x.shape[2:], size, steps)]
    return apply_matrices(x, matrices)


def _target(old, size, scale_factor, recompute):
    """The new size, and along each axis how far its samples lie apart in the old one."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor needs a scale_factor, not a size")
        size = numbers("interpolate size", size, len(old), 1)
        return size, [n / m for n, m in zip(old, size)]
    factors = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else (scale_factor,)
    factors = factors * len(old) if len(factors) == 1 else factors
    if len(factors) != len(old) or min(factors) <= 0:
        raise ValueError(
            f"interpolate: expected a scale_factor > 0, or {len(old)} of them, got {scale_factor!r}"
        )
    size = tuple(int(n * f) for n, f in zip(old, factors))
    if min(size) < 1:
        raise ValueError(f"interpolate: {old} scaled by {scale_factor} leaves nothing")
    return size, [n / m if recompute else 1 / f for n, m, f in zip(old, size, factors)]


def _copied(x, size, steps, offset):
    """Output i copied from the input's element ⌊(i + offset)·step⌋."""
    old, lead = x.shape[2:], x.shape[:2]
    if all(m % n == 0 and m * step == n for n, m, step in zip(old, size, steps)):
        thin = [k for n in old for k in (n, 1)]  # whole factors: each element, several times
        wide = [k for n, m in zip(old, size) for k in (n, m // n)]
        return x.reshape(*lead, *thin).expand(*lead, *wide).reshape(*lead, *size)
    for axis, (n, m, step) in enumerate(zip(old, size, steps), 2):
        places = ((np.arange(m) + offset) * np.float32(step)).astype(int)
        x = x.index_select(axis, np.minimum(places, n - 1))
    return x


def _matrix(n, out, step, kernel, align_corners):
    """The matrix (out, n) that interpolates n samples at `out` places."""
    if align_corners:
        places = np.arange(out) * ((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        places = (np.arange(out) + 0.5) * step - 0.5
    places = np.maximum(places, 0) if kernel is _triangle else places
    near = np.floor(places)[:, None].astype(int) + np.arange(-1, 3)
    matrix = np.zeros((out, n))
    rows = np.arange(out)[:, None]
    np.add.at(matrix, (rows, np.clip(near, 0, n - 1)), kernel(np.abs(places[:, None] - near)))
    return matrix


def _triangle(d):
    """1 − d for neighbours nearer than 1."""
    return np.maximum(1 - d, 0)


def _cubic(d, a=-0.75):
    """(a+2)d³ − (a+3)d² + 1 for d ≤ 1, a(d³ − 5d² + 8d − 4) for 1 < d < 2."""
    near, far = ((a + 2) * d - (a + 3)) * d * d + 1, (((d - 5) * d + 8) * d - 4) * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


__all__ = ["interpolate"]
