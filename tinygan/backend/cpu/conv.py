"""Two-dimensional convolution on the CPU: forward, data gradient, weight gradient.

Arrays are logically NCHW as in PyTorch; results are channels-last memory behind an NCHW view, and
operands that lie channels-last (activations N, H, W, C; weights O, kh, kw, C) are used without a
copy. The data gradient is also the forward pass of the transposed convolution. The three are closed
under differentiation.

Two algorithms stand behind each: `direct` takes every case, `winograd` the 4x4 stride-2 and 3x3
stride-1 kernels in float32 where fewer multiplications pay for its transforms. TINYGAN_CONV=direct
switches the second off; `use_path` does so for a while."""

import os
import threading
from functools import lru_cache

import numpy as np

from ..block import Block
from . import direct, winograd
from .layout import channels_first, channels_last, output_size

__all__ = [
    "PATHS", "chosen_path", "conv2d", "conv2d_gradients", "conv2d_input_grad",
    "conv2d_weight_grad", "conv_transpose2d_gradients", "use_path",
]  # fmt: skip

PATHS = ("auto", "direct", "winograd2", "winograd4")


class _Forced(threading.local):
    path = None


_forced = _Forced()


class use_path(Block):
    """Inside, convolutions take `path`: "direct", "winograd2", "winograd4" (tiles of 2 or 4 pixels)
    or "auto".

    A convolution that the path cannot do goes direct.
    """

    state, name = _forced, "path"

    def __init__(self, path: str):
        if path not in PATHS:
            raise ValueError(f"use_path: expected one of {', '.join(PATHS)}, got {path!r}")
        self.path = path

    def inside(self, outside):
        return self.path


def forced_path() -> str:
    """What `use_path` or TINYGAN_CONV asks for, else "auto"."""
    return _forced.path or os.environ.get("TINYGAN_CONV") or "auto"


def chosen_path(x_shape, weight_shape, stride, padding, dilation, groups, dtype) -> str:
    """The path for x (N, C, H, W) and weight (O, C / groups, kh, kw): "direct", "winograd2" or
    "winograd4"."""
    path = forced_path()
    if path not in PATHS:
        raise ValueError(f"TINYGAN_CONV: expected one of {', '.join(PATHS)}, got {path!r}")
    if path == "direct" or dtype != np.float32:
        return "direct"
    shapes = tuple(x_shape), tuple(weight_shape)
    return _best_path(path, *shapes, tuple(stride), tuple(padding), tuple(dilation), groups)


@lru_cache(maxsize=1024)
def _best_path(path, x_shape, weight_shape, stride, padding, dilation, groups) -> str:
    N, C, *size = x_shape
    O, _, *kernel_size = weight_shape
    known = (tuple(kernel_size), stride) in (((4, 4), (2, 2)), ((3, 3), (1, 1)))
    if not known or groups != 1 or dilation != (1, 1):
        return "direct"
    out_size = output_size(size, kernel_size, stride, padding, dilation)
    if min(N, C, O, *out_size) == 0:
        return "direct"
    if path != "auto":
        return path
    s, r = stride[0], kernel_size[0] // stride[0]
    pixels = N * out_size[0] * out_size[1]
    costs = {
        "direct": r * r * s * s * C * pixels * (O + 25),
        "winograd2": _winograd_cost(2, r, N, s * s * C, O, out_size),
        "winograd4": _winograd_cost(4, r, N, s * s * C, O, out_size),
    }
    return min(costs, key=costs.get)


def _winograd_cost(m: int, r: int, N: int, K: int, O: int, out_size) -> float:
    """What F(m, r) costs, counted as `direct` is: in multiplications of its matrix product, of
    which 25 are worth a number that is copied into a window.

    Here the matrices are smaller, each number of a tile is transformed, at 45 for it, and each of a
    transformed weight has to be made and added up, at 60. `python -m benchmarks.paths` tells how
    good these figures are. They need not be a machine's own: those that suit one with a third of
    the arithmetic choose as well here, and a choice by the clock would not be the same each time.
    """
    n2 = (m + r - 1) ** 2
    tiles = N * -(-out_size[0] // m) * -(-out_size[1] // m)
    return n2 * (tiles * (1.1 * K * O + 45 * (K + O)) + 60 * K * O)


def conv2d(x, weight, stride, padding, dilation, groups):
    """x (N, C, H, W), weight (O, C / groups, kh, kw) -> (N, O, oh, ow)."""
    if x.dtype == np.float16:
        dtype, x, weight = x.dtype, _float32(x), _float32(weight)
        return conv2d(x, weight, stride, padding, dilation, groups).astype(dtype)
    path = chosen_path(x.shape, weight.shape, stride, padding, dilation, groups, x.dtype)
    x, weight = channels_last(x), channels_last(weight)
    if path == "direct":
        y = direct.conv2d(x, weight, stride, padding, dilation, groups)
    else:
        y = winograd.conv2d(x, weight, stride, padding, m=int(path[-1]))
    return channels_first(y)


def conv2d_input_grad(g, weight, input_size, stride, padding, dilation, groups):
    """g (N, O, oh, ow), weight (O, C / groups, kh, kw), input_size (H, W) -> (N, C, H, W)."""
    if g.dtype == np.float16:
        g, weight, dtype = _float32(g), _float32(weight), g.dtype
        dx = conv2d_input_grad(g, weight, input_size, stride, padding, dilation, groups)
        return dx.astype(dtype)
    shape = (g.shape[0], weight.shape[1] * groups, *input_size)
    path = chosen_path(shape, weight.shape, stride, padding, dilation, groups, g.dtype)
    g, weight = channels_last(g), channels_last(weight)
    if path == "direct":
        dx = direct.conv2d_input_grad(g, weight, input_size, stride, padding, dilation, groups)
    else:
        dx = winograd.conv2d_input_grad(g, weight, input_size, stride, padding, m=int(path[-1]))
    return channels_first(dx)


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    """x (N, C, H, W), g (N, O, oh, ow), kernel_size (kh, kw) -> (O, C / groups, kh, kw)."""
    if x.dtype == np.float16:
        dtype, x, g = x.dtype, _float32(x), _float32(g)
        dw = conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups)
        return dw.astype(dtype)
    shape = (g.shape[1], x.shape[1] // groups, *kernel_size)
    path = chosen_path(x.shape, shape, stride, padding, dilation, groups, x.dtype)
    x, g = channels_last(x), channels_last(g)
    if path == "direct":
        dw = direct.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups)
    else:
        dw = winograd.conv2d_weight_grad(x, g, kernel_size, stride, padding, m=int(path[-1]))
    return channels_first(dw)


def conv2d_gradients(x, weight, g, stride, padding, dilation, groups):
    """dx and dw of y = conv2d(x, weight), given the gradient of y."""
    rest = (stride, padding, dilation, groups)
    path = chosen_path(x.shape, weight.shape, *rest, x.dtype)
    if path == "direct":
        dx = conv2d_input_grad(g, weight, x.shape[2:], *rest)
        return dx, conv2d_weight_grad(x, g, weight.shape[2:], *rest)
    x, weight, g = channels_last(x), channels_last(weight), channels_last(g)
    dx, dw = winograd.conv2d_gradients(x, weight, g, stride, padding, m=int(path[-1]))
    return channels_first(dx), channels_first(dw)


def conv_transpose2d_gradients(y, weight, g, stride, padding, dilation, groups):
    """dy and dw of x = conv2d_input_grad(y, weight), given the gradient of x."""
    rest = (stride, padding, dilation, groups)
    if g.dtype == np.float16:
        grads = conv_transpose2d_gradients(_float32(y), _float32(weight), _float32(g), *rest)
        return tuple(grad.astype(g.dtype) for grad in grads)
    path = chosen_path(g.shape, weight.shape, *rest, g.dtype)
    y, weight, g = channels_last(y), channels_last(weight), channels_last(g)
    if path == "direct":
        dy, dw = direct.conv_transpose2d_gradients(y, weight, g, *rest)
    else:
        m = int(path[-1])
        dy, dw = winograd.conv_transpose2d_gradients(y, weight, g, stride, padding, m=m)
    return channels_first(dy), channels_first(dw)


def _float32(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32)
