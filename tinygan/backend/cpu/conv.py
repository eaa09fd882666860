"""Two-dimensional convolution on the CPU: forward, data gradient, weight gradient.

Arrays are logically NCHW as in PyTorch; results are channels-last memory behind an NCHW view, and operands that lie
channels-last (activations N, H, W, C; weights O, kh, kw, C) are used without a copy. The data gradient is also the
forward pass of the transposed convolution. The three are closed under differentiation.

Two algorithms stand behind each: `direct` takes every case, `winograd` the common float32 shapes where fewer
multiplications pay for its transforms. TINYGAN_CONV=direct switches the second off; `use_path` does so for a while.
"""

import os
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from . import direct, winograd
from .layout import channels_first, channels_last, output_size

__all__ = ["chosen_path", "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "use_path"]

PATHS = ("auto", "direct", "winograd2", "winograd4")
_forced_path: ContextVar[str | None] = ContextVar("forced_path", default=None)


@contextmanager
def use_path(path: str):
    """Inside, convolutions take `path`: "direct", "winograd2", "winograd4" (tiles of 2 or 4) or "auto".

    A shape that the path cannot take goes direct.
    """
    if path not in PATHS:
        raise ValueError(f"use_path: expected one of {', '.join(PATHS)}, got {path!r}")
    token = _forced_path.set(path)
    try:
        yield
    finally:
        _forced_path.reset(token)


def chosen_path(x_shape, weight_shape, stride, padding, dilation, groups, dtype, direction="forward") -> str:
    """The path that a convolution of these shapes takes: "direct", "winograd2" or "winograd4"."""
    path = _forced_path.get() or os.environ.get("TINYGAN_CONV") or "auto"
    if path not in PATHS:
        raise ValueError(f"TINYGAN_CONV: expected one of {', '.join(PATHS)}, got {path!r}")
    kernel_size = weight_shape[2:]
    fits = (
        dtype == np.float32
        and groups == 1
        and dilation == (1, 1)
        and (kernel_size, stride) in (((4, 4), (2, 2)), ((3, 3), (1, 1)))
    )
    if not fits or path == "direct":
        return "direct"
    if path != "auto":
        return path
    return "winograd4"


def conv2d(x, weight, stride, padding, dilation, groups):
    """x (N, C, H, W), weight (O, C / groups, kh, kw) -> (N, O, oh, ow)."""
    path = chosen_path(x.shape, weight.shape, stride, padding, dilation, groups, x.dtype)
    x, weight = channels_last(x), channels_last(weight)
    if path == "direct":
        y = direct.conv2d(x, weight, stride, padding, dilation, groups)
    else:
        y = winograd.conv2d(x, weight, stride, padding, int(path[-1]))
    return channels_first(y)


def conv2d_input_grad(g, weight, input_size, stride, padding, dilation, groups):
    """g (N, O, oh, ow), weight (O, C / groups, kh, kw), input_size (H, W) -> (N, C, H, W)."""
    shape = (g.shape[0], weight.shape[1] * groups, *input_size)
    path = chosen_path(shape, weight.shape, stride, padding, dilation, groups, g.dtype, "input_grad")
    g, weight = channels_last(g), channels_last(weight)
    if path == "direct":
        dx = direct.conv2d_input_grad(g, weight, input_size, stride, padding, dilation, groups)
    else:
        dx = winograd.conv2d_input_grad(g, weight, input_size, stride, padding, int(path[-1]))
    return channels_first(dx)


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    """x (N, C, H, W), g (N, O, oh, ow), kernel_size (kh, kw) -> (O, C / groups, kh, kw)."""
    shape = (g.shape[1], x.shape[1] // groups, *kernel_size)
    path = chosen_path(x.shape, shape, stride, padding, dilation, groups, x.dtype, "weight_grad")
    x, g = channels_last(x), channels_last(g)
    if path == "direct":
        dw = direct.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups)
    else:
        dw = winograd.conv2d_weight_grad(x, g, kernel_size, stride, padding, int(path[-1]))
    return channels_first(dw)
