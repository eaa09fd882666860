"""Pooling: one number for each window of an image.

Along each axis a window is a list of places. The mean over windows is linear and separable, a small
matrix for each axis: y = P_h · x · P_wᵀ, and matmul supplies the derivatives. The maximum picks one
place of each window, so indexing supplies them. Images are (N, C, H, W) or (C, H, W), signals
(N, C, L) or (C, L).
"""

import math
from typing import NamedTuple

import numpy as np

from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import to_device
from .conv import numbers


class Windows(NamedTuple):
    """The windows along an axis of `size` elements: for each of them its places, (out, kernel).

    Places before 0 and after size − 1 are padding, and those after size − 1 + padding are nowhere.
    """

    size: int
    padding: int
    places: np.ndarray

    def inside(self):
        return (self.places >= 0) & (self.places < self.size)

    def are_tiles(self):
        return np.array_equal(self.places.ravel(), np.arange(self.size))


def _size(name, x, axes):
    """The sizes of the axes to pool over, after a check of the others."""
    if x.ndim not in (axes + 1, axes + 2) or not all(x.shape[-axes - 1 :]):
        expected = "(N, C, H, W) or (C, H, W)" if axes == 2 else "(N, C, L) or (C, L)"
        raise ValueError(f"{name}: expected {expected} with at least one pixel, got {x.shape}")
    return x.shape[-axes:]


def _windows(name, size, kernel_size, stride, padding, dilation=1, ceil_mode=False):
    """The windows along each axis; with `ceil_mode` the last one may reach beyond the padding."""
    kernel = numbers(f"{name} kernel_size", kernel_size, len(size), 1)
    stride = kernel_size if stride is None or stride == () else stride
    stride = numbers(f"{name} stride", stride, len(size), 1)
    padding = numbers(f"{name} padding", padding, len(size), 0)
    dilation = numbers(f"{name} dilation", dilation, len(size), 1)
    windows = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        reach = d * (k - 1) + 1
        if p > reach // 2:
            raise ValueError(f"{name}: padding {p} must be at most half the window's {reach}")
        if reach > n + 2 * p:
            raise ValueError(
                f"{name}: a window of {reach} does not fit into {n} pixels padded by {p}"
            )
        room = n + 2 * p - reach
        out = 1 + (min(-(-room // s), (n + p - 1) // s) if ceil_mode else room // s)
        windows.append(Windows(n, p, np.arange(out)[:, None] * s - p + np.arange(k) * d))
    return windows


def _cells(name, size, output_size):
    """The cells of a grid that covers each axis as evenly as it can; None keeps an axis."""
    wanted = output_size if isinstance(output_size, tuple | list) else (output_size,) * len(size)
    wanted = [n if m is None else m for n, m in zip(size, wanted)] + list(wanted[len(size) :])
    windows = []
    for n, out in zip(size, numbers(f"{name} output_size", wanted, len(size), 1)):
        first, end = np.arange(out) * n // out, -(-np.arange(1, out + 1) * n // out)
        places = first[:, None] + np.arange((end - first).max())
        windows.append(Windows(n, 0, np.where(places < end[:, None], places, n)))
    return windows


# -- means -----------------------------------------------------------------------------------------


def apply_matrices(x, matrices):
    """Each of the last axes multiplied by its matrix: for images P_h · x · P_wᵀ."""
    for axis, matrix in zip(range(x.ndim - 1, -1, -1), reversed(matrices)):
        matrix = Tensor(to_device(matrix.astype(x.dtype), x.device))
        if axis == x.ndim - 1:
            x = x @ matrix.transpose(0, 1)
        else:
            shape = (*x.shape[:axis], matrix.shape[0], *x.shape[axis + 1 :])
            x = (matrix @ x.flatten(axis + 1)).reshape(shape)
    return x


def needs_fractions(name, x):
    if not x.is_floating_point():
        raise TypeError(f"{name}: expected floating-point numbers, got {x.dtype}; use x.float()")


def _means(x, windows, divisors):
    """The sum over each window, divided along each axis by its divisors."""
    if all(w.are_tiles() for w in windows):
        lead = x.ndim - len(windows)
        tiles = x.reshape(*x.shape[:lead], *(n for w in windows for n in w.places.shape))
        return tiles.mean(tuple(range(lead + 1, tiles.ndim, 2)))
    matrices = [
        (w.places[:, :, None] == np.arange(w.size)).sum(1) / d[:, None]
        for w, d in zip(windows, divisors)
    ]
    return apply_matrices(x, matrices)


def _average(name, x, axes, window, count_include_pad, divisor_override=None):
    needs_fractions(name, x)
    windows = _windows(name, _size(name, x, axes), *window)
    if count_include_pad or divisor_override is not None:
        divisors = [(w.places < w.size + w.padding).sum(1) for w in windows]
    else:
        divisors = [w.inside().sum(1) for w in windows]
    if divisor_override is None:
        return _means(x, windows, divisors)
    if divisor_override == 0:
        raise ValueError(f"{name}: expected a divisor_override other than 0")
    counts = [np.full(len(w.places), w.places.shape[1]) for w in windows]
    kernel = math.prod(w.places.shape[1] for w in windows)
    return _means(x, windows, counts) * (kernel / divisor_override)


def avg_pool1d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of a signal; see `avg_pool2d`."""
    window = (kernel_size, stride, padding, 1, ceil_mode)
    return _average("avg_pool1d", x, 1, window, count_include_pad)


def avg_pool2d(
    x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None,
):  # fmt: skip
    """The mean of each window; the stride defaults to the kernel size.

    With `ceil_mode` a last window that only partly fits counts too. The sum is divided by how many
    places a window has, without those in the padding unless `count_include_pad`, or by
    `divisor_override`.
    """
    window = (kernel_size, stride, padding, 1, ceil_mode)
    return _average("avg_pool2d", x, 2, window, count_include_pad, divisor_override)


def adaptive_avg_pool1d(x, output_size):
    """The mean over `output_size` pieces of a signal."""
    return adaptive_average("adaptive_avg_pool1d", x, 1, output_size)


def adaptive_avg_pool2d(x, output_size):
    """The mean over a grid of `output_size` cells that cover the image as evenly as they can."""
    return adaptive_average("adaptive_avg_pool2d", x, 2, output_size)


def adaptive_average(name, x, axes, output_size):
    needs_fractions(name, x)
    windows = _cells(name, _size(name, x, axes), output_size)
    return _means(x, windows, [w.inside().sum(1) for w in windows])


# -- maxima ----------------------------------------------------------------------------------------


def _table(windows):
    """The places under each window in the flattened image: (windows, places of a window).

    Padding is replaced by the first place of the window that is inside, which changes no maximum.
    """
    table = np.zeros((1, 1), int)
    for w in windows:
        first = np.where(w.inside(), w.places, w.size).min(1, keepdims=True)
        places = np.where(w.inside(), w.places, first)
        table = table[:, None, :, None] * w.size + places[:, None, :]
        table = table.reshape(table.shape[0] * len(places), -1)
    return table


def _largest(xp, x, *, table):
    table = xp.asarray(table)
    best = xp.take(x, table, axis=-1).argmax(-1)
    return table[xp.arange(len(table)), best]


_places_of_maxima = Op("max_pool_places", _largest)


def _maximum(x, windows, return_indices):
    flat = x.flatten(-len(windows))
    places = _places_of_maxima(flat.detach(), table=_table(windows))
    shape = (*x.shape[: -len(windows)], *(len(w.places) for w in windows))
    largest = flat.gather(-1, places).reshape(shape)
    return (largest, places.reshape(shape)) if return_indices else largest


def max_pool1d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The largest element of each window of a signal; see `max_pool2d`."""
    window = (kernel_size, stride, padding, dilation, ceil_mode)
    windows = _windows("max_pool1d", _size("max_pool1d", x, 1), *window)
    return _maximum(x, windows, return_indices)


def max_pool2d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The largest element of each window; the stride defaults to the kernel size.

    With `return_indices` a pair: the elements, and where they were in the flattened image.
    """
    window = (kernel_size, stride, padding, dilation, ceil_mode)
    windows = _windows("max_pool2d", _size("max_pool2d", x, 2), *window)
    return _maximum(x, windows, return_indices)


def adaptive_max_pool1d(x, output_size, return_indices=False):
    """The largest element of each of `output_size` pieces of a signal."""
    name = "adaptive_max_pool1d"
    return _maximum(x, _cells(name, _size(name, x, 1), output_size), return_indices)


def adaptive_max_pool2d(x, output_size, return_indices=False):
    """The largest element of each cell of a grid; the cells are those of `adaptive_avg_pool2d`."""
    name = "adaptive_max_pool2d"
    return _maximum(x, _cells(name, _size(name, x, 2), output_size), return_indices)


__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d",
]  # fmt: skip
