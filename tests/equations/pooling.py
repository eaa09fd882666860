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


def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=False):
    """Each pixel of the result from the place in x that it lies over."""
    h, w = x.shape[2:]
    if size is None:
        scale = pair(scale_factor)
        size = (int(h * scale[0]), int(w * scale[1]))
        steps = (1 / scale[0], 1 / scale[1])
    else:
        size = pair(size)
        steps = (h / size[0], w / size[1])
    if align_corners:
        steps = tuple((n - 1) / (m - 1) if m > 1 else 0 for n, m in zip((h, w), size))
    out = np.zeros((*x.shape[:2], *size))
    for i, j in np.ndindex(*size):
        if mode == "nearest":
            out[:, :, i, j] = x[:, :, int(i * steps[0] + 1e-9), int(j * steps[1] + 1e-9)]
        else:
            centre = 0 if align_corners else 0.5
            y = max((i + centre) * steps[0] - centre, 0)
            z = max((j + centre) * steps[1] - centre, 0)
            out[:, :, i, j] = between(x, y, z)
    return out


def between(x, y, z):
    """x at the height y and the width z, linear between the four pixels around."""
    top, left = int(y), int(z)
    bottom, right = min(top + 1, x.shape[2] - 1), min(left + 1, x.shape[3] - 1)
    a, b = y - top, z - left
    upper = (1 - b) * x[:, :, top, left] + b * x[:, :, top, right]
    lower = (1 - b) * x[:, :, bottom, left] + b * x[:, :, bottom, right]
    return (1 - a) * upper + a * lower
