"""Initial weights, drawn in place from the random stream "init".

The gain of an activation says how much it shrinks the variance of a signal; Xavier's rule keeps the
variance of signals and of gradients about equal (std = gain·√(2/(fan_in + fan_out))), Kaiming's
keeps one of them (std = gain/√fan). A uniform distribution on [−b, b] has standard deviation b/√3.
"""

import math

from ..autograd import no_grad
from ..backend.device import array_module
from ..backend.lazy import special


def calculate_gain(nonlinearity: str, param=None) -> float:
    """The gain of an activation; `param` is the slope of "leaky_relu" (0.01 by default)."""
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    gains |= dict.fromkeys(
        [
            "linear",
            "conv1d",
            "conv2d",
            "conv3d",
            "conv_transpose1d",
            "conv_transpose2d",
            "conv_transpose3d",
            "sigmoid",
        ],
        1.0,
    )
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known: leaky_relu, "
            f"{', '.join(gains)}"
        )
    return gains[nonlinearity]


def fans(tensor) -> tuple[int, int]:
    """How many inputs feed one output, and the reverse, for a weight (out, in, *window)."""
    if tensor.ndim < 2:
        raise ValueError(
            f"init: fan in and fan out need a weight with at least 2 axes, got shape {tensor.shape}"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _fan(tensor, mode):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: expected mode 'fan_in' or 'fan_out', got {mode!r}")
    return max(fans(tensor)[mode == "fan_out"], 1)


@no_grad
def constant_(tensor, val):
    return tensor.fill_(val)


def zeros_(tensor):
    return constant_(tensor, 0)


def ones_(tensor):
    return constant_(tensor, 1)


@no_grad
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    return tensor.normal_(mean, std, generator)


@no_grad
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    return tensor.uniform_(a, b, generator)


def xavier_uniform_(tensor, gain=1.0, generator=None):
    bound = gain * math.sqrt(6 / max(sum(fans(tensor)), 1))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(sum(fans(tensor)), 1)), generator)


def kaiming_uniform_(tensor, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """`a` is the slope of the leaky ReLU that follows."""
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """`a` is the slope of the leaky ReLU that follows."""
    return normal_(
        tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator
    )


@no_grad
def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal numbers limited to [a, b], by inverting the distribution function."""
    if not a < b:
        raise ValueError(f"trunc_normal_: expected a < b, got a={a} and b={b}")

    def cdf(value):
        return (1 + math.erf((value - mean) / (std * math.sqrt(2)))) / 2

    low, high = cdf(a), cdf(b)
    tensor.uniform_(2 * low - 1, 2 * high - 1, generator)
    array = tensor.array
    special(array_module(array)).erfinv(array, out=array)
    return tensor.mul_(std * math.sqrt(2)).add_(mean).clamp_(a, b)


@no_grad
def orthogonal_(tensor, gain=1.0, generator=None):
    """Orthonormal rows (or columns, if fewer) times `gain`; further axes count as columns."""
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 axes, got shape {tensor.shape}")
    if not tensor.numel():
        return tensor
    tensor.normal_(generator=generator)
    xp, rows = array_module(tensor.array), tensor.shape[0]
    flat = tensor.array.reshape(rows, -1)
    wide = flat.shape[0] < flat.shape[1]
    q, r = xp.linalg.qr(flat.T if wide else flat)
    q = q * xp.sign(xp.diagonal(r))  # makes the distribution uniform over orthogonal matrices
    tensor.array[...] = gain * (q.T if wide else q).reshape(tensor.shape)
    return tensor.mark_written("orthogonal_")


__all__ = [
    "calculate_gain", "constant_", "fans", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "ones_", "orthogonal_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_",
    "zeros_",
]  # fmt: skip
