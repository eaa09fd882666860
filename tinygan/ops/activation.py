"""Activation functions without a kernel of their own (those that have one are in
`tinygan.ops.elementwise`).

Each is a formula of a few primitive operations, which supply its derivatives. At a corner the
derivative is that of the side which PyTorch takes.
"""

from .elementwise import abs, clamp, elu, sigmoid, softplus, tanh, where
from .reduce import axis_of, softmax
from .shape import chunk

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def hardtanh(x, min_val=-1.0, max_val=1.0):
    """x limited to [min_val, max_val]; nothing flows back at the limits themselves."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: expected min_val <= max_val, got {min_val} and {max_val}")
    if not x.is_floating_point():  # whole numbers stay whole
        min_val, max_val = int(min_val), int(max_val)
    return where((x > min_val) & (x < max_val), x, clamp(x.detach(), min_val, max_val))


def relu6(x):
    """x limited to [0, 6]."""
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x):
    """x/6 + ½ limited to [0, 1]: a sigmoid of three straight pieces."""
    return hardtanh(x / 6.0 + 0.5, 0.0, 1.0)


def hardswish(x):
    """x·hardsigmoid(x)."""
    return x * hardsigmoid(x)


def selu(x):
    """scale·elu(x, α) with the two constants that make mean 0 and variance 1 a fixed point."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x, alpha=1.0):
    """x where it is positive, α·(e^(x/α) − 1) elsewhere."""
    if alpha <= 0:
        raise ValueError(f"celu: expected alpha > 0, got {alpha}")
    return alpha * elu(x / alpha)


def mish(x):
    """x·tanh(softplus(x))."""
    return x * tanh(softplus(x))


def logsigmoid(x):
    """log σ(x), accurate also where σ(x) rounds to 0."""
    return -softplus(-x)


def softsign(x):
    """x/(1 + |x|)."""
    return x / (1.0 + abs(x))


def tanhshrink(x):
    """x − tanh(x)."""
    return x - tanh(x)


def softshrink(x, lambd=0.5):
    """x moved by λ towards 0, and 0 where |x| ≤ λ."""
    if lambd < 0:
        raise ValueError(f"softshrink: expected lambd >= 0, got {lambd}")
    return where(x > lambd, x - lambd, where(x < -lambd, x + lambd, x * 0.0))


def hardshrink(x, lambd=0.5):
    """x, and 0 where |x| ≤ λ."""
    return where((x >= -lambd) & (x <= lambd), 0.0, x)


def threshold(x, threshold, value):
    """x where it is above the threshold, `value` elsewhere."""
    return where(x <= threshold, value, x)


def prelu(x, weight):
    """x where it is positive, weight·x elsewhere: one weight, or one for each channel (axis 1)."""
    if weight.ndim == 1 and weight.shape[0] > 1:
        if x.ndim < 2 or x.shape[1] != weight.shape[0]:
            raise ValueError(
                f"prelu: {weight.shape[0]} weights do not fit the channels of an input {x.shape}"
            )
        weight = weight.reshape(-1, *(1,) * (x.ndim - 2))
    elif weight.numel() != 1 or weight.ndim > 1:
        raise ValueError(f"prelu: expected one weight or a vector of them, got {weight.shape}")
    else:
        weight = weight.reshape(())
    return where(x > 0, x, weight * x)


def glu(x, dim=-1):
    """a·σ(b), where a and b are the two halves of x along `dim`."""
    dim = axis_of("glu", dim, x.ndim)
    if not x.ndim or x.shape[dim] % 2:
        raise ValueError(f"glu: dim {dim} of shape {x.shape} does not fall into halves")
    a, b = chunk(x, 2, dim)
    return a * sigmoid(b)


def softmin(x, dim=None):
    """exp(−x) / Σ exp(−x) along `dim`."""
    return softmax(-x, dim)


__all__ = [
    "celu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "logsigmoid", "mish",
    "prelu", "relu6", "selu", "softmin", "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip
