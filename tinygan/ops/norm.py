"""Normalisation: batch, layer, instance, group, and by the root of the mean square.

All four norms are one operation over different axes,

    x̂ = (x − μ)/σ,   y = γ·x̂ + β,   μ = mean(x),  σ² = mean((x − μ)²) + ε,

whose gradient, with h = γ·g, is  dx = (h − mean(h) − x̂·mean(h·x̂)) / σ.  It runs as one fused
kernel; when a graph of the gradient is wanted, it is written out in tensors instead, with μ and σ
as functions of x, and so is exact in every order.

A ReLU or LeakyReLU behind the norm can be part of the same kernel: that is what `slope` asks for.
It makes an operation of its own, because its derivative needs the result, which then has to be kept
until backward; the norm alone needs only x, μ and 1/σ.
"""

import math

import numpy as np

from ..autograd.mode import is_grad_enabled
from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import kernels
from .elementwise import leaky_relu_gradient, rsqrt, square
from .reduce import in_single
from .shape import sum_to


def _standardize_forward(xp, x, weight, bias, *, dims, eps, on_statistics, slope=None):
    out, mean, var, rstd = kernels(x).standardize(x, weight, bias, dims, eps, slope)
    if on_statistics is not None:
        on_statistics(mean, var)
    return out, {"mean": mean, "rstd": rstd}


def _standardize_gradient(g, needed, x, weight, mean, rstd, dims, eps):
    return _activated_gradient(g, needed, x, weight, mean, rstd, dims, eps, out=None, slope=None)


def _activated_gradient(g, needed, x, weight, mean, rstd, dims, eps, out, slope):
    if is_grad_enabled():  # `create_graph`: backward records what the rules do
        return _recorded_gradient(_before(g, out, slope), x, weight, dims, eps)
    gamma, result = (None if t is None else t.array for t in (weight, out))
    grads = kernels(g.array).standardize_gradient(
        g.array, x.array, gamma, mean, rstd, dims, needed, result, slope
    )
    return [None if a is None else Tensor(a) for a in grads]


def _before(g, out, slope):
    """The gradient before the activation."""
    return g if slope is None else leaky_relu_gradient(g, out, slope=slope)


def _recorded_gradient(g, x, weight, dims, eps):
    """dx, dγ and dβ in tensors. γ and β are of one shape: `_reshaped` sees to that."""
    centred = x - x.mean(dims, keepdim=True)
    rstd = rsqrt(square(centred).mean(dims, keepdim=True) + eps)
    normal = centred * rstd
    h = g if weight is None else g * weight
    dx = rstd * (h - h.mean(dims, keepdim=True) - normal * (h * normal).mean(dims, keepdim=True))
    if weight is None:
        return dx, None, None
    return dx, sum_to(g * normal, weight.shape), sum_to(g, weight.shape)


_standardize = Op(
    "standardize", _standardize_forward, saves=True, floating=True, together=_standardize_gradient
)
_standardize_activated = Op(
    "standardize_leaky_relu",
    _standardize_forward,
    saves=True,
    floating=True,
    together=_activated_gradient,
)


def _given_forward(xp, x, weight, bias, *, mean, var, eps, slope):
    rstd = 1 / xp.sqrt(var + eps)
    saved = {"mean": mean.copy(), "rstd": rstd}  # later batches move the running statistics
    return kernels(x).standardize_given(x, weight, bias, mean, rstd, slope), saved


_standardize_given = Op(
    "standardize_given",
    _given_forward,
    saves=True,
    floating=True,
    elementwise=True,
    x=lambda g, weight, out, rstd, slope: (
        _before(g, out, slope) * (Tensor(rstd) if weight is None else weight * Tensor(rstd))
    ),
    weight=lambda g, x, out, mean, rstd, slope: (
        _before(g, out, slope) * ((x - Tensor(mean)) * Tensor(rstd))
    ),
    bias=lambda g, out, slope: _before(g, out, slope),
)


def _normalise(name, x, weight, bias, dims, eps, shape, on_statistics=None, slope=None):
    """`_standardize` with weight and bias brought to a shape that broadcasts against x."""
    if not math.prod(x.shape[d] for d in dims):
        raise ValueError(f"{name}: no elements to normalise over in shape {x.shape}")
    weight, bias = _reshaped(name, x, weight, bias, shape)
    how = {"dims": dims, "eps": eps, "on_statistics": on_statistics}
    if slope is None:
        return _standardize(x, weight, bias, **how)
    return _standardize_activated(x, weight, bias, **how, slope=_between_0_and_1(name, slope))


def _reshaped(name, x, weight, bias, shape):
    """γ and β in a shape that broadcasts against x: both, or neither."""
    if weight is None and bias is None:
        return None, None
    weight = Tensor(bias.array * 0 + 1) if weight is None else weight
    bias = Tensor(weight.array * 0) if bias is None else bias
    if weight.numel() != math.prod(shape):
        raise ValueError(f"{name}: weight of shape {weight.shape} does not fit input {x.shape}")
    return weight.reshape(shape), bias.reshape(shape)


def _between_0_and_1(name, slope):
    if slope is not None and not 0 <= slope <= 1:
        raise ValueError(f"{name}: expected a slope from 0 to 1, got {slope}")
    return None if slope is None else float(slope)


def _per_channel(x):
    return (1, x.shape[1]) + (1,) * (x.ndim - 2)


def _moves(running_mean, running_var, momentum, count):
    """A function that moves the running statistics towards the batch's, given per image or not.

    The variance is the unbiased one, over `count` elements; None where nothing is tracked.
    """
    if running_mean is None:
        return None

    def move(mean, var):
        running = running_mean.array, running_var.array
        kernels(mean).move_statistics(*running, mean, var, momentum, count / (count - 1))

    return move


def _check_statistics(name, x, running_mean, running_var):
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{name}: give both running_mean and running_var, or neither")
    for running in (running_mean, running_var):
        if running is not None and running.shape != (x.shape[1],):
            raise ValueError(
                f"{name}: running statistics {running.shape} do not fit the {x.shape[1]} channels "
                f"of input {x.shape}"
            )


def _with_running(name, x, running_mean, running_var, weight, bias, eps, slope):
    """Normalised with the running statistics, which take no part in differentiation."""
    if running_mean is None:
        raise ValueError(
            f"{name}: without the input's own statistics, running_mean and running_var are needed"
        )
    mean, var = (t.reshape(_per_channel(x)).array for t in (running_mean, running_var))
    weight, bias = _reshaped(name, x, weight, bias, _per_channel(x))
    how = {"mean": mean, "var": var, "eps": eps, "slope": _between_0_and_1(name, slope)}
    return _standardize_given(x, weight, bias, **how)


def batch_norm(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5,
    *, slope=None,
):  # fmt: skip
    """Normalised per channel over the batch: with the batch's statistics in training, else with the
    running ones.

    x is (N, C) or (N, C, …). In training the running statistics move by `momentum`; their variance
    is the unbiased one. With a `slope` from 0 to 1 a LeakyReLU follows (0: ReLU).
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expected (N, C) or (N, C, ...), got shape {x.shape}")
    _check_statistics("batch_norm", x, running_mean, running_var)
    if not training:
        return _with_running("batch_norm", x, running_mean, running_var, weight, bias, eps, slope)
    count = x.numel() // max(x.shape[1], 1)
    if count <= 1:
        raise ValueError(
            f"batch_norm: training needs more than one value per channel, got input {x.shape}"
        )
    dims, move = (0, *range(2, x.ndim)), _moves(running_mean, running_var, momentum, count)
    return _normalise("batch_norm", x, weight, bias, dims, eps, _per_channel(x), move, slope)


def _last_axes(name, x, normalized_shape):
    """`normalized_shape` as a tuple, after a check that x ends in it."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}: expected an input that ends in {shape}, got {x.shape}")
    return shape


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Normalised over the last axes, those of `normalized_shape`."""
    shape = _last_axes("layer_norm", x, normalized_shape)
    dims = tuple(range(x.ndim - len(shape), x.ndim))
    return _normalise("layer_norm", x, weight, bias, dims, eps, shape)


def instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
    momentum=0.1, eps=1e-5, *, slope=None,
):  # fmt: skip
    """Normalised per image and channel, over its pixels; `slope` as in `batch_norm`.

    Running statistics, where given, move towards the mean of the images' own, and take their place
    without `use_input_stats`.
    """
    name = "instance_norm"
    if x.ndim < 3:
        raise ValueError(f"{name}: expected (N, C, ...), got shape {x.shape}")
    _check_statistics(name, x, running_mean, running_var)
    if not use_input_stats:
        return _with_running(name, x, running_mean, running_var, weight, bias, eps, slope)
    count = math.prod(x.shape[2:])
    if count <= 1:
        raise ValueError(f"{name}: expected more than one pixel per channel, got input {x.shape}")
    dims, move = tuple(range(2, x.ndim)), _moves(running_mean, running_var, momentum, count)
    return _normalise(name, x, weight, bias, dims, eps, _per_channel(x), move, slope)


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalised per image over groups of channels."""
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(
            f"group_norm: {num_groups} groups do not divide the channels of shape {x.shape}"
        )
    grouped = x.reshape(x.shape[0], num_groups, x.shape[1] // num_groups, *x.shape[2:])
    out = _normalise(
        "group_norm", grouped, None, None, tuple(range(2, grouped.ndim)), eps, ()
    ).reshape(x.shape)
    out = out if weight is None else out * weight.reshape(_per_channel(x))
    return out if bias is None else out + bias.reshape(_per_channel(x))


@in_single
def rms_norm(x, normalized_shape, weight=None, eps=None):
    """γ·x/√(mean(x²) + ε) over the last axes; ε is the type's machine epsilon unless given."""
    shape = _last_axes("rms_norm", x, normalized_shape)
    if weight is not None and weight.shape != shape:
        raise ValueError(f"rms_norm: weight {weight.shape} differs from shape {shape}")
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    dims = tuple(range(x.ndim - len(shape), x.ndim))
    out = x * rsqrt(square(x).mean(dims, keepdim=True) + eps)
    return out if weight is None else out * weight


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
