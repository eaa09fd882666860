"""Convolutions, closed under differentiation.

Three linear maps belong to one geometry (stride, padding, dilation, groups):

    conv2d             (x, w) → y   y[n,o,i,j] = Σ x[n,c, i·s + u·d − p, j·s + v·d − p] · w[o,c,u,v]
    conv_transpose2d   (y, w) → x   its transpose by x: y spreads over the window it came from
    weight gradient    (x, y) → w   its transpose by w: windows of x, weighted by y

Each is linear in both arguments, and the derivative of any one of them by either argument is
another one of the three. So derivatives of every order exist with no more code than this page. The
arithmetic is in `tinygan.backend`.
"""

from typing import NamedTuple

import numpy as np

from ..autograd.op import Op
from ..backend.device import kernels
from .shape import pad


class Geometry(NamedTuple):
    """How windows are laid over an image; pairs are (height, width)."""

    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)
    groups: int = 1

    def output_size(self, size, kernel):
        """Height and width after a convolution."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, kernel, self.stride, self.padding, self.dilation)
        )

    def input_size(self, size, kernel, extra):
        """Height and width before a convolution that gives `size`, `extra` of what its stride skips
        added.
        """
        return tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1 + e
            for n, k, s, p, d, e in zip(
                size, kernel, self.stride, self.padding, self.dilation, extra
            )
        )


_conv2d = Op(
    "conv2d",
    lambda xp, x, w, *, geometry: kernels(x).conv2d(x, w, *geometry),
    x=lambda g, w, x_shape, geometry: _conv_transpose2d(g, w, size=x_shape[2:], geometry=geometry),
    w=lambda g, x, w_shape, geometry: _weight_gradient(x, g, kernel=w_shape[2:], geometry=geometry),
    at_once=lambda g, x, w, geometry: kernels(g).conv2d_gradients(x, w, g, *geometry),
)
_conv_transpose2d = Op(
    "conv_transpose2d",
    lambda xp, y, w, *, size, geometry: kernels(y).conv2d_input_grad(y, w, size, *geometry),
    y=lambda g, w, y_shape, geometry: _crop(_conv2d(g, w, geometry=geometry), y_shape),
    w=lambda g, y, w_shape, geometry: _weight_gradient(g, y, kernel=w_shape[2:], geometry=geometry),
    at_once=lambda g, y, w, geometry: kernels(g).conv_transpose2d_gradients(y, w, g, *geometry),
)
_weight_gradient = Op(
    "conv2d_weight_gradient",
    lambda xp, x, y, *, kernel, geometry: kernels(x).conv2d_weight_grad(x, y, kernel, *geometry),
    x=lambda g, y, x_shape, geometry: _conv_transpose2d(y, g, size=x_shape[2:], geometry=geometry),
    y=lambda g, x, y_shape, geometry: _crop(_conv2d(x, g, geometry=geometry), y_shape),
)


def _crop(y, shape):
    """Without the windows that only a large output_padding made room for."""
    return y if y.shape == shape else y[:, :, : shape[2], : shape[3]]


def numbers(name, value, count, least):
    """A whole number for each of `count` axes, from one for all or from a tuple of them."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,)
    given = given * count if len(given) == 1 else given
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in given)
    if len(given) != count or not whole or min(given) < least:
        wanted = "a whole number" if count == 1 else f"a whole number or {count} of them"
        raise ValueError(f"{name}: expected {wanted} >= {least}, got {value!r}")
    return given


def _check_axes(name, x, weight):
    if x.ndim != 4 or weight.ndim != 4 or not all(weight.shape[2:]):
        raise ValueError(
            f"{name}: expected an input (N, C, H, W) or (C, H, W) and a weight with 4 axes, got "
            f"{x.shape} and {weight.shape}"
        )


def _geometry(name, x, weight, stride, padding, dilation, groups, in_axis):
    """The geometry, after a check that input and weight fit together."""
    _check_axes(name, x, weight)
    stride = numbers(f"{name} stride", stride, 2, 1)
    dilation = numbers(f"{name} dilation", dilation, 2, 1)
    padding = numbers(f"{name} padding", padding, 2, 0)
    if not isinstance(groups, int) or groups < 1 or weight.shape[0] % groups:
        raise ValueError(
            f"{name}: groups={groups} does not divide the {weight.shape[0]} filters of weight "
            f"{weight.shape}"
        )
    expected = weight.shape[1] * groups if in_axis == 1 else weight.shape[0]
    if x.shape[1] != expected:
        raise ValueError(
            f"{name}: weight {weight.shape} with groups={groups} takes {expected} input channels, "
            f"got {x.shape[1]} in input {x.shape}"
        )
    return Geometry(stride, padding, dilation, groups)


def _with_bias(name, out, bias):
    if bias is None:
        return out
    if bias.shape != (out.shape[1],):
        raise ValueError(f"{name}: expected a bias of shape ({out.shape[1]},), got {bias.shape}")
    return out + bias.reshape(1, -1, 1, 1)


def _padded(name, x, weight, stride, padding, dilation):
    """Padding "same" or "valid" as numbers; where "same" needs one more pixel behind than before,
    x gets it.
    """
    _check_axes(name, x, weight)
    if padding == "valid":
        return x, 0
    if padding != "same" or numbers(f"{name} stride", stride, 2, 1) != (1, 1):
        raise ValueError(
            f"{name}: expected padding as numbers, 'valid', or 'same' with stride 1, got "
            f"{padding!r} with stride {stride}"
        )
    dilation = numbers(f"{name} dilation", dilation, 2, 1)
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
    if any(t % 2 for t in total):
        x = pad(x, (0, total[1] % 2, 0, total[0] % 2))
    return x, tuple(t // 2 for t in total)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """x (N, C, H, W), weight (O, C/groups, kh, kw), bias (O,) → (N, O, H', W'). Padding may be
    "same" or "valid", and an image alone (C, H, W).
    """
    return _convolution("conv2d", x, weight, bias, stride, padding, dilation, groups)


def _convolution(name, x, weight, bias, stride, padding, dilation, groups):
    if x.ndim == 3:
        settings = (stride, padding, dilation, groups)
        return _convolution(name, x.unsqueeze(0), weight, bias, *settings).squeeze(0)
    if isinstance(padding, str):
        x, padding = _padded(name, x, weight, stride, padding, dilation)
    geometry = _geometry(name, x, weight, stride, padding, dilation, groups, in_axis=1)
    if min(geometry.output_size(x.shape[2:], weight.shape[2:])) < 1:
        raise ValueError(
            f"{name}: a kernel of {weight.shape[2:]} with dilation {geometry.dilation} is larger "
            f"than the input {x.shape[2:]} padded by {geometry.padding}"
        )
    return _with_bias(name, _conv2d(x, weight, geometry=geometry), bias)


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """x (N, C, H, W), weight (C, O/groups, kh, kw), bias (O,) → (N, O, H', W'): the transpose of
    conv2d.
    """
    settings = (stride, padding, output_padding, groups, dilation)
    return _transposed_convolution("conv_transpose2d", x, weight, bias, *settings)


def _transposed_convolution(
    name, x, weight, bias, stride, padding, output_padding, groups, dilation
):
    if x.ndim == 3:
        settings = (stride, padding, output_padding, groups, dilation)
        return _transposed_convolution(name, x.unsqueeze(0), weight, bias, *settings).squeeze(0)
    geometry = _geometry(name, x, weight, stride, padding, dilation, groups, in_axis=0)
    extra = numbers(f"{name} output_padding", output_padding, 2, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, geometry.stride, geometry.dilation)):
        raise ValueError(f"{name}: output_padding {extra} must be smaller than stride or dilation")
    size = geometry.input_size(x.shape[2:], weight.shape[2:], extra)
    if min(size) < 1:
        raise ValueError(
            f"{name}: the output would have size {size}; padding {geometry.padding} is too large"
        )
    return _with_bias(name, _conv_transpose2d(x, weight, size=size, geometry=geometry), bias)


# -- signals: images of height 1 -------------------------------------------------------------------


def _flat(name, value, other):
    """A setting for one axis as one for two."""
    return value if isinstance(value, str) else (other, *numbers(name, value, 1, 0))


def _signal(name, x, weight):
    if x.ndim not in (2, 3) or weight.ndim != 3:
        raise ValueError(
            f"{name}: expected an input (N, C, L) or (C, L) and a weight with 3 axes, got "
            f"{x.shape} and {weight.shape}"
        )
    return x.unsqueeze(-2), weight.unsqueeze(2)


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """x (N, C, L), weight (O, C/groups, k), bias (O,) → (N, O, L'): a conv2d of height 1."""
    x, weight = _signal("conv1d", x, weight)
    stride = _flat("conv1d stride", stride, 1)
    padding = _flat("conv1d padding", padding, 0)
    dilation = _flat("conv1d dilation", dilation, 1)
    settings = (stride, padding, dilation, groups)
    return _convolution("conv1d", x, weight, bias, *settings).squeeze(-2)


def conv_transpose1d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """x (N, C, L), weight (C, O/groups, k), bias (O,) → (N, O, L'): the transpose of conv1d."""
    name = "conv_transpose1d"
    x, weight = _signal(name, x, weight)
    stride = _flat(f"{name} stride", stride, 1)
    padding = _flat(f"{name} padding", padding, 0)
    extra = _flat(f"{name} output_padding", output_padding, 0)
    dilation = _flat(f"{name} dilation", dilation, 1)
    settings = (stride, padding, extra, groups, dilation)
    return _transposed_convolution(name, x, weight, bias, *settings).squeeze(-2)


__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]
