"""Pooling and resizing.

Averaging over windows and bilinear interpolation are linear and separable: along each axis they are
a small matrix, so y = P_h · x · P_wᵀ, and matmul supplies the derivatives. Max pooling picks
elements, so indexing supplies them.
"""

from fractions import Fraction

import numpy as np

from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import to_device
from .conv import _pair


def _images(name, x):
    if x.ndim != 4:
        raise ValueError(f"{name}: expected (N, C, H, W), got shape {x.shape}")
    return x


def _windows(name, size, kernel, stride, padding):
    """How many windows fit along each axis."""
    if any(p > k // 2 for p, k in zip(padding, kernel)):
        raise ValueError(f"{name}: padding {padding} must be at most half the kernel {kernel}")
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding))
    if min(out) < 1:
        raise ValueError(
            f"{name}: a window of {kernel} does not fit into {size} padded by {padding}"
        )
    return out


def _apply_matrices(x, rows, columns):
    """P_h · x · P_wᵀ for every image and channel."""
    matrices = (Tensor(to_device(m.astype(x.dtype), x.device)) for m in (rows, columns))
    return next(matrices) @ (x @ next(matrices).transpose(0, 1))


# -- pooling ---------------------------------------------------------------------------------------

_max_positions = Op(
    "max_pool2d_positions",
    lambda xp, x, *, kernel, stride, padding: _positions(xp, x, kernel, stride, padding),
)


def _positions(xp, x, kernel, stride, padding):
    """For each window, the index of its largest element in the flattened image."""
    n, c, _, w = x.shape
    (ph, pw), (kh, kw), (sh, sw) = padding, kernel, stride
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = xp.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=low)
    windows = xp.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(2, 3))[
        :, :, ::sh, ::sw
    ]
    best = windows.reshape(*windows.shape[:4], kh * kw).argmax(-1)
    rows = best // kw + (xp.arange(best.shape[2]) * sh - ph)[:, None]
    columns = best % kw + (xp.arange(best.shape[3]) * sw - pw)
    return (rows * w + columns).reshape(n, c, -1)


def max_pool2d(x, kernel_size, stride=None, padding=0):
    """The largest element of each window; the stride defaults to the kernel size."""
    kernel = _pair("max_pool2d kernel_size", kernel_size, 1)
    stride = kernel if stride is None else _pair("max_pool2d stride", stride, 1)
    padding = _pair("max_pool2d padding", padding, 0)
    size = _windows("max_pool2d", _images("max_pool2d", x).shape[2:], kernel, stride, padding)
    positions = _max_positions(x.detach(), kernel=kernel, stride=stride, padding=padding)
    return x.flatten(2).gather(2, positions).reshape(*x.shape[:2], *size)


def _averages(size, out, kernel, stride, padding, count_padding):
    """The matrix that averages `size` elements over `out` windows."""
    matrix = np.zeros((out, size))
    for i in range(out):
        start = i * stride - padding
        inside = slice(max(start, 0), min(start + kernel, size))
        covered = min(start + kernel, size + padding) - start
        matrix[i, inside] = 1 / (covered if count_padding else inside.stop - inside.start)
    return matrix


def avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    """The mean of each window; the stride defaults to the kernel size."""
    kernel = _pair("avg_pool2d kernel_size", kernel_size, 1)
    stride = kernel if stride is None else _pair("avg_pool2d stride", stride, 1)
    padding = _pair("avg_pool2d padding", padding, 0)
    size = _windows("avg_pool2d", _images("avg_pool2d", x).shape[2:], kernel, stride, padding)
    n, c, h, w = x.shape
    if (
        stride == kernel
        and (h, w) == (size[0] * kernel[0], size[1] * kernel[1])
        and padding == (0, 0)
    ):
        return x.reshape(n, c, size[0], kernel[0], size[1], kernel[1]).mean((3, 5))
    return _apply_matrices(
        x,
        *(
            _averages(*axis, count_include_pad)
            for axis in zip((h, w), size, kernel, stride, padding)
        ),
    )


def adaptive_avg_pool2d(x, output_size):
    """The mean over a grid of `output_size` cells that cover the image as evenly as they can."""
    size = _pair("adaptive_avg_pool2d output_size", output_size, 1)
    if size == (1, 1):
        return _images("adaptive_avg_pool2d", x).mean((2, 3), keepdim=True)

    def cells(n, out):
        matrix = np.zeros((out, n))
        for i in range(out):
            inside = slice(i * n // out, -(-(i + 1) * n // out))
            matrix[i, inside] = 1 / (inside.stop - inside.start)
        return matrix

    return _apply_matrices(
        x, *(cells(n, out) for n, out in zip(_images("adaptive_avg_pool2d", x).shape[2:], size))
    )


# -- resizing --------------------------------------------------------------------------------------


def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=False):
    """Images resized to `size`, or by `scale_factor`; mode "nearest" or "bilinear"."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    h, w = _images("interpolate", x).shape[2:]
    if size is None:
        factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor,) * 2
        size = tuple(int(n * f) for n, f in zip((h, w), factors))
        steps = [1 / Fraction(f) for f in factors]
    size = _pair("interpolate size", size, 1)
    if scale_factor is None:
        steps = [Fraction(n, m) for n, m in zip((h, w), size)]
    axes = list(zip((h, w), size, steps))  # a step is how far the samples lie apart in x
    if mode == "bilinear":
        return _apply_matrices(x, *(_bilinear(*axis, align_corners) for axis in axes))
    if mode != "nearest":
        raise ValueError(f"interpolate: expected mode 'nearest' or 'bilinear', got {mode!r}")
    if all(m % n == 0 and m * step == n for n, m, step in axes):  # whole factors: make copies
        n, c = x.shape[:2]
        a, b = size[0] // h, size[1] // w
        return x.reshape(n, c, h, 1, w, 1).expand(n, c, h, a, w, b).reshape(n, c, *size)
    rows, columns = ([min(int(i * step), n - 1) for i in range(m)] for n, m, step in axes)
    return x[:, :, rows][:, :, :, columns]


def _bilinear(n, out, step, align_corners):
    """The matrix that interpolates `n` samples linearly at `out` places."""
    if align_corners:
        places = np.arange(out) * ((n - 1) / (out - 1) if out > 1 else 0)
    else:
        places = np.clip((np.arange(out) + 0.5) * float(step) - 0.5, 0, None)
    left = np.minimum(places.astype(int), n - 1)
    right = np.minimum(left + 1, n - 1)
    matrix = np.zeros((out, n))
    np.add.at(matrix, (np.arange(out), left), 1 - (places - left))
    np.add.at(matrix, (np.arange(out), right), places - left)
    return matrix


__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "interpolate", "max_pool2d"]
