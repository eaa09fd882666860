"""Functions that PyTorch has and the core has under another name, or reads otherwise.

Where a name of PyTorch's is also the core's, the function here takes its place on the public face.
"""

from .. import ops
from ..autograd.tensor import Tensor


def div(input, other, rounding_mode=None):
    """x / y; with `rounding_mode` "floor" or "trunc", rounded down or towards 0."""
    if rounding_mode is None:
        return ops.div(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(
            f"div: expected rounding_mode None, 'trunc' or 'floor', got {rounding_mode!r}"
        )
    down = ops.floor_divide(input, other)
    if rounding_mode == "floor":
        return down
    rest = input - down * other
    return ops.where((down < 0) & (rest != 0), down + 1, down)


def _spread(function):
    def spread(input, dim=None, unbiased=None, keepdim=False, correction=1):
        if isinstance(dim, bool):  # std(False) speaks of `unbiased`
            dim, unbiased = None, dim
        if unbiased is not None:
            correction = int(unbiased)
        correction = 1 if correction is None else correction
        return function(input, dim, correction=correction, keepdim=keepdim)

    spread.__doc__ = function.__doc__
    return spread


std, var = _spread(ops.std), _spread(ops.var)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(βx))/β, and x itself where βx > threshold."""
    scaled = input if beta == 1 else input * beta
    out = ops.softplus(scaled)
    out = out if beta == 1 else out / beta
    return out if threshold >= 20 else ops.where(scaled > threshold, input, out)


def _extreme(of_one, of_two):
    def extreme(input, dim=None, keepdim=False, *, other=None):
        other = dim if isinstance(dim, Tensor) else other
        return of_one(input, dim, keepdim) if other is None else of_two(input, other)

    extreme.__doc__ = of_one.__doc__ + " With another tensor, elementwise."
    return extreme


max, min = _extreme(ops.max, ops.maximum), _extreme(ops.min, ops.minimum)


def randint(low=0, high=None, size=None, *, generator=None, device=None):
    """Whole numbers low … high-1 in a tensor of shape `size`; `low` is 0 where it is left out."""
    if size is None:  # randint(10, (2, 3))
        low, high, size = 0, low, high
    elif high is None:  # randint(10, size=(2, 3))
        low, high = 0, low
    return ops.randint(low, high, size, device, generator)
