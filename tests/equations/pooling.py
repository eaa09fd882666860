"""Pooling and resizing, window by window and pixel by pixel."""

import math
from itertools import product

import numpy as np


def windows(n, kernel, stride, padding, dilation=1, ceil_mode=False):
    """The places of each window along an axis of n pixels. With `ceil_mode` a last window may
    reach past the padding, if it begins before it.
    """
    reach = dilation * (kernel - 1) + 1
    steps = (n + 2 * padding - reach) / stride
    count = 1 + (math.ceil(steps) if ceil_mode else math.floor(steps))
    starts = [i * stride - padding for i in range(count)]
    return [range(s, s + reach, dilation) for s in starts if s < n or s == -padding]


def cells(n, count):
    """Cell i of n covers the pixels from ⌊i·H/n⌋ to ⌈(i + 1)·H/n⌉; None keeps the axis."""
    count = count or n
    return [range(math.floor(i * n / count), math.ceil((i + 1) * n / count)) for i in range(count)]


def pooled(x, axes, function):
    """`function(pixels inside, places)` of each window; `axes` has those of each of the last
    axes.
    """
    sizes = x.shape[-len(axes) :]
    flat = x.reshape(*x.shape[: -len(axes)], math.prod(sizes))
    columns = []
    for window in product(*axes):
        places = list(product(*window))
        inside = [p for p in places if all(0 <= i < n for i, n in zip(p, sizes))]
        at = [int(np.ravel_multi_index(p, sizes)) for p in inside]
        columns.append(function(flat[..., at], places))
    shape = [len(windows) for windows in axes]
    return np.stack(columns, -1).reshape(*x.shape[: -len(axes)], *shape)


def each_axis(x, count, kernel_size, stride, padding, dilation, ceil_mode):
    stride = kernel_size if stride is None else stride
    options = ((v if isinstance(v, tuple) else (v,) * count) for v in
               (kernel_size, stride, padding, dilation))  # fmt: skip
    return [
        windows(n, *axis, ceil_mode) for n, *axis in zip(x.shape[-count:], *options, strict=True)
    ]


def largest(pixels, places):
    return pixels.max(-1)


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    return pooled(x, each_axis(x, 2, kernel_size, stride, padding, dilation, ceil_mode), largest)


def max_pool1d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    return pooled(x, each_axis(x, 1, kernel_size, stride, padding, dilation, ceil_mode), largest)


def avg_pool2d(
    x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None, axes=2,
):  # fmt: skip
    """The sum of a window over how many of its places lie in the image or its padding, or in the
    image alone, or over a given number.
    """
    sizes, around = x.shape[-axes:], padding if isinstance(padding, tuple) else (padding,) * axes

    def mean(pixels, places):
        padded = sum(all(i < n + p for i, n, p in zip(q, sizes, around)) for q in places)
        count = padded if count_include_pad else pixels.shape[-1]
        return pixels.sum(-1) / (divisor_override or count)

    return pooled(x, each_axis(x, axes, kernel_size, stride, padding, 1, ceil_mode), mean)


def avg_pool1d(x, *args, **keywords):
    return avg_pool2d(x, *args, axes=1, **keywords)


def adaptive(x, axes, output_size, function):
    wanted = output_size if isinstance(output_size, tuple) else (output_size,) * axes
    return pooled(x, [cells(n, m) for n, m in zip(x.shape[-axes:], wanted)], function)


def adaptive_avg_pool2d(x, output_size):
    return adaptive(x, 2, output_size, lambda pixels, places: pixels.mean(-1))


def adaptive_avg_pool1d(x, output_size):
    return adaptive(x, 1, output_size, lambda pixels, places: pixels.mean(-1))


def adaptive_max_pool2d(x, output_size):
    return adaptive(x, 2, output_size, largest)


def adaptive_max_pool1d(x, output_size):
    return adaptive(x, 1, output_size, largest)


def interpolate(
    x, size=None, scale_factor=None, mode="nearest", align_corners=False,
    recompute_scale_factor=False,
):  # fmt: skip
    """Axis by axis: each new element is a weighted sum of those around the place it lies over."""
    old = x.shape[2:]
    factors = scale_factor if isinstance(scale_factor, tuple) else (scale_factor,) * len(old)
    if size is None:
        size = tuple(int(n * f) for n, f in zip(old, factors))
    size = size if isinstance(size, tuple) else (size,) * len(old)
    for axis, (n, m, factor) in enumerate(zip(old, size, factors), 2):
        step = n / m if factor is None or recompute_scale_factor else 1 / factor
        if align_corners:
            step = (n - 1) / (m - 1) if m > 1 else 0
        columns = []
        for i in range(m):
            weights = neighbours(i, n, m, step, mode, align_corners)
            columns.append(sum(w * x.take(min(max(k, 0), n - 1), axis) for k, w in weights.items()))
        x = np.stack(columns, axis)
    return x


def neighbours(i, n, m, step, mode, align_corners):
    """{place: weight} for new element i; places outside stand for the edge."""
    if mode.startswith("nearest"):
        return {int((i + 0.5 * (mode == "nearest-exact")) * step + 1e-9): 1.0}
    if mode == "area":
        cell = cells(n, m)[i]
        return {k: 1 / len(cell) for k in cell}
    place = i * step if align_corners else (i + 0.5) * step - 0.5
    if mode == "bicubic":
        first = math.floor(place)
        return {k: cubic(abs(place - k)) for k in range(first - 1, first + 3)}
    place = max(place, 0)
    share = place - int(place)
    return {int(place): 1 - share, int(place) + 1: share}


def cubic(d, a=-0.75):
    """Keys' kernel (1981) of the distance d."""
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0
