"""Normalisation over channels-last memory, a few launches for each (see `norm.cu`).

Batch norm sees its input as one matrix with a row for each pixel of each image, instance norm as
one for each image. Everything else is the portable kernels' work.
"""

import numpy as np

from .. import portable
from ..device import array_module
from .columns import channels_last, channels_second, walk_over
from .compiled import kernel

_SIDE_BY_SIDE = 128  # threads of a block with a channel each
_float = np.float32  # a float of Python's would be passed as a double


def standardize(x, weight, bias, dims, eps, slope=None):
    """y = γ(x − μ)/σ + β over the axes `dims`, or LeakyReLU(y) where a `slope` is given; also μ,
    the variance and 1/σ, in shapes that broadcast.
    """
    walk, (last,) = _way(dims, (x,), (weight, bias))
    if walk is None:
        return portable.standardize(x, weight, bias, dims, eps, slope)
    xp, (m, c) = array_module(x), (walk.rows, walk.columns)
    mean, var, rstd = (xp.empty((walk.matrices, c), np.float32) for _ in range(3))
    parts = walk.parts(xp, 2)
    walk.launch("norm.cu", "statistics", (last, parts, m, c, walk.slab))
    found = (parts, last, mean, var, rstd, m, c, walk.slab, walk.slabs, _float(eps))
    walk.finish("norm.cu", "finish_statistics", found)
    out = _normalised(walk, last, weight, bias, mean, rstd, slope)
    shape = mean.shape + (1,) * (x.ndim - 2)
    return out, *(a.reshape(shape) for a in (mean, var, rstd))


def move_statistics(running_mean, running_var, mean, var, momentum, unbiased):
    """As `portable.move_statistics`."""
    arrays = (running_mean, running_var, mean, var)
    if any(a.dtype != np.float32 or not a.flags.c_contiguous for a in arrays):
        return portable.move_statistics(*arrays, momentum, unbiased)
    channels = running_mean.size
    numbers = (mean.size // channels, channels, _float(momentum), _float(unbiased))
    grid = (-(-channels // _SIDE_BY_SIDE),)
    kernel("norm.cu", "move_statistics", VECTOR=4)(grid, (_SIDE_BY_SIDE,), (*arrays, *numbers))


def standardize_given(x, weight, bias, mean, rstd, slope=None):
    """As `portable.standardize_given`, for μ and 1/σ per channel."""
    walk, (last,) = _way((0, *range(2, x.ndim)), (x,), (weight, bias, mean, rstd))
    if walk is None:
        return portable.standardize_given(x, weight, bias, mean, rstd, slope)
    return _normalised(walk, last, weight, bias, mean, rstd, slope)


def _normalised(walk, last, weight, bias, mean, rstd, slope):
    out, affine = array_module(last).empty(last.shape, np.float32), weight is not None
    gamma, beta = (weight, bias) if affine else (rstd, mean)  # of which the kernel then reads none
    given = (last, gamma, beta, mean, rstd, out, walk.rows, walk.columns, walk.slab, int(affine))
    walk.launch("norm.cu", "normalise", (*given, _float(1 if slope is None else slope)))
    return channels_second(out)


def standardize_gradient(g, x, weight, mean, rstd, dims, needed, out=None, slope=None):
    """The gradients of x, γ and β; `out` is the result where a LeakyReLU was applied."""
    images = (g, x) if slope is None else (g, x, out)
    walk, lasts = _way(dims, images, (weight,), (mean, rstd))
    if walk is None:
        return portable.standardize_gradient(g, x, weight, mean, rstd, dims, needed, out, slope)
    xp, (m, c) = array_module(x), (walk.rows, walk.columns)
    masked = {} if slope is None else {"MASKED": 1}
    read, slope = (lasts[0], lasts[1], lasts[-1]), _float(slope or 0)
    sums, products = (xp.empty((walk.matrices, c), np.float32) for _ in range(2))
    parts, dx = walk.parts(xp, 2), None
    given = (*read, mean, parts, m, c, walk.slab, slope)
    walk.launch("norm.cu", "gradient_sums", given, **masked)
    found = (parts, rstd, sums, products, c, walk.slabs)
    walk.finish("norm.cu", "finish_gradient_sums", found)
    if 0 in needed:
        dx, gamma = xp.empty(lasts[1].shape, np.float32), rstd if weight is None else weight
        given = (*read, gamma, mean, rstd, sums, products, dx, m, c, walk.slab)
        affine = int(weight is not None)
        walk.launch("norm.cu", "input_gradient", (*given, affine, slope), **masked)
        dx = channels_second(dx)
    if weight is None:
        return dx, None, None
    products, sums = (a if len(a) == 1 else xp.sum(a, axis=0) for a in (products, sums))
    return dx, products.reshape(weight.shape), sums.reshape(weight.shape)


def _way(dims, images, per_channel, per_matrix=()):
    """How to walk over images (N, C, …), and the images with their channels last, copied only if
    they lie otherwise; None and Nones where this way does not do.
    """
    x, no = images[-1], (None, [None] * len(images))
    spatial, ones = tuple(range(2, x.ndim)), (1,) * (x.ndim - 2)
    if dims not in (spatial, (0, *spatial)) or x.ndim < 2 or not dims or not x.size:
        return no
    matrices, channels = x.shape[0] if dims == spatial else 1, x.shape[1]
    small = [(a, (1, channels, *ones)) for a in per_channel if a is not None]
    small += [(a, (matrices, channels, *ones)) for a in per_matrix]
    if any(a.shape != shape or not a.flags.c_contiguous for a, shape in small):
        return no
    if any(a.dtype != np.float32 for a in (*images, *(a for a, _ in small))):
        return no
    lasts = [channels_last(a) for a in images]
    walk = walk_over(matrices, x.size // (matrices * channels), channels, *lasts)
    return (walk, lasts) if walk else no


_FORWARD = ("statistics", "finish_statistics", "normalise")
_BACKWARD = ("gradient_sums", "input_gradient")
VARIANTS = [
    ("norm.cu", name, {"VECTOR": vector, **masked})
    for vector in (1, 4)
    for names, masked in (
        ((*_FORWARD, *_BACKWARD, "finish_gradient_sums"), {}),
        (_BACKWARD, {"MASKED": 1}),
    )
    for name in names
] + [("norm.cu", "move_statistics", {"VECTOR": 4})]
