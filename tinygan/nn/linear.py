"""Fully connected layers."""

import math

from .. import ops
from . import init
from .module import Module
from .parameter import Parameter


def empty_parameter(*shape, device=None, dtype=None) -> Parameter:
    """A parameter to be filled by an initialiser; float32 unless told otherwise."""
    return Parameter(ops.empty(*shape, device=device, dtype=dtype or "float32"))


def initialise(weight, bias):
    """The default of linear and convolution layers: both uniform on ±1/√fan_in."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(max(init.fans(weight)[0], 1))
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """y = x Wᵀ + b, with W (out_features, in_features): (…, in_features) → (…, out_features).

    >>> Linear(20, 30)(ops.randn(128, 20)).shape
    (128, 30)
    """

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        self.in_features, self.out_features = in_features, out_features
        self.weight = empty_parameter(out_features, in_features, device=device, dtype=dtype)
        self.bias = empty_parameter(out_features, device=device, dtype=dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self):
        initialise(self.weight, self.bias)

    def forward(self, x):
        return ops.linear(x, self.weight, self.bias)

    def extra_repr(self):
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class Identity(Module):
    """Gives back its input; whatever it is built with is ignored."""

    def __init__(self, *args, **keywords):
        pass

    def forward(self, x):
        return x


class Flatten(Module):
    """(N, C, H, W) → (N, C·H·W)."""

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        return ops.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis as several: `Unflatten(1, (64, 4, 4))` turns (N, 1024) into (N, 64, 4, 4)."""

    def __init__(self, dim, unflattened_size):
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x):
        return ops.unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self):
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
