"""Normalisation over channels-last memory, in pieces that stay in the cache, on all threads.

Batch norm takes its statistics over all pixels of all images, instance norm over the pixels of
each. Both see their input as (B, M, C): B sets of M pixels, C channels side by side. With a = γ/σ,

    forward     Σ x and Σ x² per channel, so μ and σ² = E x² − μ²;
                then  y = a·x + (β − a·μ)
    gradient    S₁ = Σ g and S₂ = Σ g·(x − μ) per channel;
                then  dx = a·(g + b·x + c),   b = −S₂/(M·σ²),   c = −S₁/M − b·μ

which is the textbook formula with its terms per channel gathered, so that each pixel costs two
multiplications. E x² − μ² loses digits where the mean is large beside the deviation; there the
deviations of each piece from its own mean are joined exactly instead (Chan et al.).

A ReLU or LeakyReLU behind the norm is applied while a piece is still in the cache, and so is its
derivative, which the sign of the result tells.

Sums over a piece are products with a row of ones, which BLAS does best. NumPy starts anew for each
row that a vector per channel is applied to, so some pixels are taken side by side as one long row,
and the vector is repeated.
"""

import numpy as np

from .. import portable
from ..recording import noted
from .activation import leaky_relu_piece, mask_gradient_piece
from .layout import channels_last
from .pieces import shared
from .threads import parallel_for, single_threaded_blas
from .workspace import scratch

_ROW = 8192  # elements, at least, that a vector per channel is applied to at a time
_PIECE = 1 << 16  # elements of a piece: two of its arrays fit into the second cache
_SMALL = 1 << 15  # below this many elements plain NumPy is as quick
_SAFE = 4.0  # μ²/σ² up to which one pass over the numbers gives both


def standardize(x, weight, bias, dims, eps, slope=None):
    """y = γ(x − μ)/σ + β over the axes `dims`, or LeakyReLU(y) where a `slope` is given; also μ,
    the variance and 1/σ, in shapes that broadcast.
    """
    rows = _pixel_rows(x, dims)
    if rows is None:
        return portable.standardize(x, weight, bias, dims, eps, slope)
    mean, var = _statistics(rows, x.shape[1])
    mean, var, rstd = (a.astype(x.dtype) for a in (mean, var, 1 / np.sqrt(var + eps)))
    gamma, beta = (None if a is None else a.reshape(-1) for a in (weight, bias))
    scale, shift = portable.scale_and_shift(x, gamma, beta, mean, rstd)
    out = _scaled(rows, scale, shift, slope)
    return _as_images(out, x), *(_as_statistic(a, x) for a in (mean, var, rstd))


def standardize_given(x, weight, bias, mean, rstd, slope=None):
    """As `portable.standardize_given`, for μ and 1/σ per channel."""
    rows = _pixel_rows(x, (0, *range(2, x.ndim)))
    if rows is None:
        return portable.standardize_given(x, weight, bias, mean, rstd, slope)
    scale, shift = portable.scale_and_shift(x, weight, bias, mean, rstd)
    return _as_images(_scaled(rows, scale.reshape(1, -1), shift.reshape(1, -1), slope), x)


def _scaled(rows, scale, shift, slope):
    """scale·x + shift per set and channel, or LeakyReLU of it."""
    out, (scale, shift) = np.empty_like(rows), _repeated(rows, scale, shift)

    def apply(b, part):
        piece = np.multiply(rows[b, part], scale[b], out=out[b, part])
        piece += shift[b]
        if slope is not None:
            leaky_relu_piece(piece, piece, slope)

    _for_pieces(rows.shape, apply)
    return out


def standardize_gradient(g, x, weight, mean, rstd, dims, needed, out=None, slope=None):
    """The gradients of x, γ and β; `out` is the result where a LeakyReLU was applied."""
    rows = _pixel_rows(x, dims)
    if rows is None:
        return portable.standardize_gradient(g, x, weight, mean, rstd, dims, needed, out, slope)
    sets, channels = len(rows), x.shape[1]
    pixels = x.size // (sets * channels)
    grads, dx = _last(g).reshape(rows.shape), np.empty_like(rows)
    results = None if slope is None else _last(out).reshape(rows.shape)
    mean, rstd = mean.reshape(sets, channels), rstd.reshape(sets, channels)
    sums, products = _gradient_sums(grads, rows, mean, rstd, results, slope, dx)
    if 0 in needed:
        scale = rstd if weight is None else rstd * weight.reshape(-1)
        slopes = -np.square(rstd) * products / pixels
        shift = -sums / pixels - slopes * mean
        scale, slopes, shift = _repeated(rows, scale, slopes, shift)
        grads = grads if slope is None else dx

        def apply(b, part):
            piece = dx[b, part]
            term = np.multiply(rows[b, part], slopes[b], out=_like(piece, "norm term"))
            term += shift[b]
            term += grads[b, part]
            np.multiply(term, scale[b], out=piece)

        _for_pieces(rows.shape, apply)
    dx = _as_images(dx, x) if 0 in needed else None
    if weight is None:
        return dx, None, None
    return dx, (products * rstd).sum(0).reshape(weight.shape), sums.sum(0).reshape(weight.shape)


def _pixel_rows(x, dims):
    """x as (B, M/f, f·C), copied only if it lies otherwise; None where this way does not pay."""
    spatial = tuple(range(2, x.ndim))
    if x.size < _SMALL or dims not in (spatial, (0, *spatial)) or x.dtype.kind != "f":
        return None
    sets, channels = x.shape[0] if dims == spatial else 1, x.shape[1]
    pixels, side_by_side = x.size // (sets * channels), 1
    while channels * side_by_side < _ROW and pixels % (2 * side_by_side) == 0:
        side_by_side *= 2
    return _last(x).reshape(sets, -1, side_by_side * channels)


def _repeated(rows, *vectors):
    """Vectors per channel (B, C), each repeated to the length of a row."""
    sets, channels = vectors[0].shape
    shape = (len(vectors), sets, rows.shape[2] // channels, channels)
    repeated = np.empty(shape, rows.dtype, like=rows)
    for target, vector in zip(repeated, vectors):
        target[...] = vector[:, None]
    return repeated.reshape(len(vectors), sets, -1)


def _last(x):
    return channels_last(x) if x.ndim == 4 else np.ascontiguousarray(np.moveaxis(x, 1, -1), like=x)


def _as_images(rows, like):
    """(B, M, C) as (N, C, …), channels last in memory."""
    images = rows.reshape(like.shape[0], *like.shape[2:], like.shape[1])
    return images.transpose(0, like.ndim - 1, *range(1, like.ndim - 1))


def _as_statistic(values, like):
    """(B, C) in a shape that broadcasts against (N, C, …)."""
    return values.reshape(values.shape + (1,) * (like.ndim - 2))


def _for_pieces(shape, function):
    """Call `function(b, slice of pixels)` for every piece, on all threads."""
    sets, pixels, channels = shape
    length, count = _pieces_of(shape)

    def run(start, stop):
        for k in range(start, stop):
            b, i = divmod(k, count)
            function(b, slice(i * length, min((i + 1) * length, pixels)))

    total = sets * count
    if shared(4 * sets * pixels * channels):
        parallel_for(run, total, -(-total // 8))
    else:
        single_threaded_blas(run, 0, total)


def _like(piece, name):
    return scratch(name, piece.shape, piece.dtype)


def _pieces_of(shape):
    length = max(1, min(shape[1], _PIECE // shape[2]))
    return length, -(-shape[1] // length)


def _ones(piece):
    return np.ones(len(piece), piece.dtype)


def _per_channel(sums, channels):
    """Sums over pieces (…, B, pieces, f·C), added up per channel in float64: (…, B, C)."""
    return sums.reshape(*sums.shape[:2], -1, channels).sum(2, dtype=np.float64)


def _statistics(rows, channels):
    """Mean and variance per set and channel, in float64."""
    sets, pixels, width = rows.shape
    length, count = _pieces_of(rows.shape)
    sums = np.empty((2, sets, count, width), rows.dtype, like=rows)

    def measure(b, part):
        piece, k = rows[b, part], part.start // length
        np.matmul(_ones(piece), piece, out=sums[0, b, k])
        np.einsum("ij,ij->j", piece, piece, out=sums[1, b, k])

    _for_pieces(rows.shape, measure)
    mean, square = _per_channel(sums, channels) / (pixels * (width // channels))
    var = square - mean * mean
    noted(_measure_with_care, rows, mean, var)
    return mean, var


def _measure_with_care(rows, mean, var):
    """Mean and variance once more where a mean is large, each piece about its own, then joined."""
    if (mean * mean <= _SAFE * var).all():
        return
    (sets, length_of_all, width), channels = rows.shape, mean.shape[1]
    length, count = _pieces_of(rows.shape)
    means, squares = np.empty((2, sets, count, width))

    def measure(b, part):
        piece, k = rows[b, part], part.start // length
        mean = (_ones(piece) @ piece) / len(piece)
        deviation = np.subtract(piece, mean, out=_like(piece, "norm term"))
        means[b, k], squares[b, k] = mean, np.einsum("ij,ij->j", deviation, deviation)

    _for_pieces(rows.shape, measure)
    sizes = np.minimum(length, length_of_all - length * np.arange(count))
    sizes = np.repeat(sizes, width // channels)[:, None]
    means, squares = (a.reshape(sets, -1, channels) for a in (means, squares))
    mean[...] = (means * sizes).sum(1) / sizes.sum()
    var[...] = (squares.sum(1) + (sizes * np.square(means - mean[:, None])).sum(1)) / sizes.sum()


def _gradient_sums(grads, rows, mean, rstd, results, slope, masked):
    """Σ g and Σ g·(x − μ) per set and channel; behind an activation, g with its derivative, which
    is left in `masked`.
    """
    sets, _, width = rows.shape
    length, count = _pieces_of(rows.shape)
    parts = np.empty((2, sets, count, width), rows.dtype, like=rows)

    def measure(b, part):
        g, x, k = grads[b, part], rows[b, part], part.start // length
        if results is not None:
            g = mask_gradient_piece(masked[b, part], g, results[b, part], slope)
        np.matmul(_ones(g), g, out=parts[0, b, k])
        np.einsum("ij,ij->j", x, g, out=parts[1, b, k])

    _for_pieces(rows.shape, measure)
    sums, products = _per_channel(parts, mean.shape[1]).astype(rows.dtype)
    products = products - mean * sums  # Σ g·(x − μ) = Σ g·x − μ Σ g
    noted(_sum_with_care, products, grads if results is None else masked, rows, mean, rstd)
    return sums, products


def _sum_with_care(products, grads, rows, mean, rstd):
    """Σ g·(x − μ) once more, where a mean is so large that a difference of sums loses digits."""
    if (np.square(mean * rstd) <= _SAFE).all():
        return
    sets, _, width = rows.shape
    length, count = _pieces_of(rows.shape)
    parts, (centre,) = np.empty((1, sets, count, width), rows.dtype), _repeated(rows, mean)

    def measure(b, part):
        g, x = grads[b, part], rows[b, part]
        x = np.subtract(x, centre[b], out=_like(g, "norm term"))
        np.einsum("ij,ij->j", x, g, out=parts[0, b, part.start // length])

    _for_pieces(rows.shape, measure)
    products[...] = _per_channel(parts, mean.shape[1])[0]
