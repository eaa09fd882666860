"""Pooling and resizing, window by window and pixel by pixel."""

import math

import numpy as np

from .convolution import pair


def windows(x, kernel_size, stride, padding):
    """Each window: its place in the result, its corners, which may lie outside the image."""
    (kh, kw), (ph, pw) = pair(kernel_size), pair(padding)
    sh, sw = pair(kernel_size if stride is None else stride)
    height, width = (x.shape[2] + 2 * ph - kh) // sh + 1, (x.shape[3] + 2 * pw - kw) // sw + 1
    for i, j in np.ndindex(height, width):
        top, left = i * sh - ph, j * sw - pw
        yield (i, j), (top, left), (top + kh, left + kw)


def inside(x, top, left, bottom, right):
    return x[:, :, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]


def pooled(x, kernel_size, stride, padding, function):
    cells = {
        place: function(inside(x, top, left, bottom, right), (bottom - top) * (right - left))
        for place, (top, left), (bottom, right) in windows(x, kernel_size, stride, padding)
    }
    height, width = (1 + max(place[axis] for place in cells) for axis in (0, 1))
    rows = [np.stack([cells[i, j] for j in range(width)], -1) for i in range(height)]
    return np.stack(rows, -2)


def max_pool2d(x, kernel_size, stride=None, padding=0):
    return pooled(x, kernel_size, stride, padding, lambda window, size: window.max((2, 3)))


def avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    """The sum of a window over its size, or over how many of its pixels lie in the image."""

    def mean(window, size):
        return window.sum((2, 3)) / (size if count_include_pad else window[0, 0].size)

    return pooled(x, kernel_size, stride, padding, mean)


def adaptive_avg_pool2d(x, output_size):
    """Cell i of n covers the pixels from ⌊i·H/n⌋ to ⌈(i + 1)·H/n⌉."""
    (height, width), (h, w) = pair(output_size), x.shape[2:]
    out = np.zeros((*x.shape[:2], height, width))
    for i, j in np.ndindex(height, width):
        rows = slice(math.floor(i * h / height), math.ceil((i + 1) * h / height))
        columns = slice(math.floor(j * w / width), math.ceil((j + 1) * w / width))
        out[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return out


def interpolate(
    x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None
):
    """Each pixel of the result from the place in x that it lies over: along each axis a weighted
    sum of the pixels there.
    """
    old = x.shape[2:]
    if size is None:
        scales = scale_factor if isinstance(scale_factor, tuple) else (scale_factor,) * len(old)
        size = tuple(int(n * s) for n, s in zip(old, scales))
        steps = [n / m if recompute_scale_factor else 1 / s for n, m, s in zip(old, size, scales)]
    else:
        size = size if isinstance(size, tuple) else (size,) * len(old)
        steps = [n / m for n, m in zip(old, size)]
    if mode == "area":
        return adaptive_avg_pool2d(x, size)
    out = np.zeros((*x.shape[:2], *size))
    for place in np.ndindex(*size):
        seen = x
        for i, n, m, step in reversed(list(zip(place, old, size, steps))):
            step = (n - 1) / max(m - 1, 1) if align_corners else step
            seen = seen @ weights(i, n, step, mode, 0 if align_corners else 0.5)
        out[(..., *place)] = seen
    return out


def weights(i, n, step, mode, centre):
    """How much each of n pixels counts for pixel i of the result."""
    if mode.startswith("nearest"):
        centre = 0.5 if mode == "nearest-exact" else 0
        return np.eye(n)[int((i + centre) * step + 1e-9)]
    place, kernel = (i + centre) * step - centre, cubic if mode == "bicubic" else triangle
    place = max(place, 0) if kernel is triangle else place
    found = np.zeros(n)
    for k in range(-2, n + 2):
        found[min(max(k, 0), n - 1)] += kernel(abs(place - k))  # beyond the edge, the edge again
    return found


def triangle(d):
    return max(1 - d, 0)


def cubic(d, a=-0.75):
    """Keys' kernel: two cubics that join smoothly at d = 1 and end at d = 2."""
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0
