"""All elementwise calculus on one page: each function with its derivative beside it.

A rule such as `x=lambda g, out: g * out` reads "the gradient of x is g·out", where g is the
gradient of the result; see `tinygan.autograd.op`. Where the textbook derivative is infinite or
undefined (√x and |x| at 0), the rule returns 0, so that a loss never turns into NaN on its way
back.
"""

import math

import numpy as np

from ..autograd.op import Op
from ..autograd.tensor import Tensor, as_array
from ..backend.device import kernels
from ..backend.lazy import special


def _binary(name, forward, **rules):
    return Op(name, forward, elementwise=True, **rules)


def _unary(name, forward, **rules):
    return Op(name, forward, elementwise=True, floating=True, **rules)


def _singular(name, forward, **rules):
    return _unary(name, forward, quiet=True, **rules)


def _inverse_or_zero(x):
    """1/x, and 0 where x is 0."""
    zero = x == 0
    return where(zero, 0.0, 1.0 / where(zero, 1.0, x))


# -- arithmetic ------------------------------------------------------------------------------------

add = _binary("add", lambda xp, x, y: xp.add(x, y), x=lambda g: g, y=lambda g: g)
sub = _binary("sub", lambda xp, x, y: xp.subtract(x, y), x=lambda g: g, y=lambda g: -g)
mul = _binary("mul", lambda xp, x, y: xp.multiply(x, y), x=lambda g, y: g * y, y=lambda g, x: g * x)
neg = _binary("neg", lambda xp, x: xp.negative(x), x=lambda g: -g)
div = _singular(
    "div", lambda xp, x, y: xp.true_divide(x, y),
    x=lambda g, y: g / y, y=lambda g, y, out: -g * out / y,
)  # fmt: skip
maximum = _binary(
    "maximum", lambda xp, x, y: xp.maximum(x, y),
    x=lambda g, x, y: g * _share(x, y), y=lambda g, x, y: g * _share(y, x),
)  # fmt: skip
minimum = _binary(
    "minimum", lambda xp, x, y: xp.minimum(x, y),
    x=lambda g, x, y: g * _share(y, x), y=lambda g, x, y: g * _share(x, y),
)  # fmt: skip
floor_divide = _binary("floor_divide", lambda xp, x, y: xp.floor_divide(x, y))
remainder = _binary(
    "remainder", lambda xp, x, y: xp.remainder(x, y),
    x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y),
)  # fmt: skip


def _share(x, y):
    """What x gets of the gradient of max(x, y): all where it is larger, half where equal."""
    like = x if hasattr(x, "array") else y
    return ((x > y).to(like.dtype) + (x >= y).to(like.dtype)) * 0.5


def pow(x, exponent):
    """x to the power `exponent`, a number or a tensor.

    Differentiable by both; d/d exponent is taken as 0 where x is 0.
    """
    exponent = _plain_number(exponent)
    if isinstance(exponent, int | float):
        return square(x) if exponent == 2 else _power(x, exponent=exponent)
    return _power_of_tensors(x, exponent)


def _plain_number(value):
    """A NumPy scalar as a Python number, which never changes the dtype of what it meets."""
    return value.item() if isinstance(value, np.generic) else value


def _raise(xp, x, *, exponent):
    if x.dtype.kind != "f" and (exponent < 0 or isinstance(exponent, float)):
        x = x.astype(xp.float32)
    return xp.power(x, exponent)


_power = Op(
    "pow", _raise, quiet=True,
    x=lambda g, x, exponent: g * (x**(exponent - 1) * exponent) if exponent != 0 else g * 0.0,
)  # fmt: skip
_power_of_tensors = _binary(
    "pow", lambda xp, x, y: xp.power(x, y), quiet=True,
    x=lambda g, x, y: g * y * pow(x, where(y == 0, 1.0, y - 1.0)),
    y=lambda g, x, out: g * out * log(where(x > 0, x, 1.0)),
)  # fmt: skip

# -- exponentials and roots ------------------------------------------------------------------------

exp = _singular("exp", lambda xp, x: xp.exp(x), x=lambda g, out: g * out)
expm1 = _singular("expm1", lambda xp, x: xp.expm1(x), x=lambda g, out: g * (out + 1.0))
log = _singular("log", lambda xp, x: xp.log(x), x=lambda g, x: g / x)
log1p = _singular("log1p", lambda xp, x: xp.log1p(x), x=lambda g, x: g / (x + 1.0))
sqrt = _singular(
    "sqrt", lambda xp, x: xp.sqrt(x), x=lambda g, out: g * (0.5 * _inverse_or_zero(out))
)
rsqrt = _singular("rsqrt", lambda xp, x: 1 / xp.sqrt(x), x=lambda g, x, out: g * (-0.5 * out / x))
square = _binary("square", lambda xp, x: xp.square(x), x=lambda g, x: g * (x * 2.0))
reciprocal = _singular(
    "reciprocal", lambda xp, x: xp.reciprocal(x), x=lambda g, out: -g * (out * out)
)
sin = _unary("sin", lambda xp, x: xp.sin(x), x=lambda g, x: g * cos(x))
cos = _unary("cos", lambda xp, x: xp.cos(x), x=lambda g, x: -g * sin(x))
tanh = _unary("tanh", lambda xp, x: kernels(x).tanh(x), x=lambda g, out: _tanh_gradient(g, out))
_tanh_gradient = _binary(
    "tanh_gradient", lambda xp, g, y: kernels(g).tanh_gradient(g, y),
    g=lambda g, y: _tanh_gradient(g, y), y=lambda g_, g, y: g_ * g * (y * -2.0),
)  # fmt: skip
erf = _unary(
    "erf", lambda xp, x: special(xp).erf(x),
    x=lambda g, x: g * (exp(-x * x) * (2.0 / math.sqrt(math.pi)))
)  # fmt: skip

# -- signs and corners -----------------------------------------------------------------------------

abs = _binary("abs", lambda xp, x: xp.abs(x), x=lambda g, x: g * sign(x))
sign = _binary("sign", lambda xp, x: xp.sign(x), x=lambda g: g * 0.0)
floor = _binary("floor", lambda xp, x: xp.floor(x), x=lambda g: g * 0.0)
ceil = _binary("ceil", lambda xp, x: xp.ceil(x), x=lambda g: g * 0.0)
round = _binary("round", lambda xp, x: xp.round(x), x=lambda g: g * 0.0)
_clamp = _binary(
    "clamp", lambda xp, x, *, low, high: xp.clip(x, low, high),
    x=lambda g, x, out: where(x == out, g, 0.0)
)  # fmt: skip
_where = _binary(
    "where", lambda xp, x, y, *, condition: xp.where(condition.array, x, y),
    x=lambda g, condition: where(condition, g, 0.0),
    y=lambda g, condition: where(condition, 0.0, g),
)  # fmt: skip


def clamp(x, min=None, max=None):
    """x limited to [min, max]; the gradient is 0 where it was cut."""
    if min is None and max is None:
        raise ValueError("clamp: give min, max, or both")
    min, max = _plain_number(min), _plain_number(max)
    if (isinstance(min, float) or isinstance(max, float)) and not x.is_floating_point():
        x = x.to(np.dtype("float32"))
    return _clamp(x, low=min, high=max)


def where(condition, x, y):
    """x where the condition holds, else y; all three broadcast."""
    if not isinstance(condition, Tensor):
        like = x if isinstance(x, Tensor) else y
        condition = Tensor(as_array(condition, where=getattr(like, "device", None)))
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x = Tensor(as_array(x, where=condition.device))
    return _where(x, y, condition=condition)


# -- activations -----------------------------------------------------------------------------------

sigmoid = _unary(
    "sigmoid", lambda xp, x: kernels(x).sigmoid(x), x=lambda g, out: g * (out - out * out)
)
softplus = _unary("softplus", lambda xp, x: kernels(x).softplus(x), x=lambda g, x: g * sigmoid(x))
relu = _binary(
    "relu", lambda xp, x: kernels(x).relu(x),
    x=lambda g, out: leaky_relu_gradient(g, out, slope=0.0),
)  # fmt: skip
_leaky_relu = _unary(
    "leaky_relu", lambda xp, x, *, slope: kernels(x).leaky_relu(x, slope),
    x=lambda g, out, slope: leaky_relu_gradient(g, out, slope=slope),
)  # fmt: skip
leaky_relu_gradient = _binary(  # dy where y > 0, slope·dy elsewhere: linear in dy, flat in y
    "leaky_relu_gradient",
    lambda xp, dy, y, *, slope: kernels(y).leaky_relu_gradient(dy, y, slope),
    dy=lambda g, y, slope: leaky_relu_gradient(g, y, slope=slope),
)  # fmt: skip


def leaky_relu(x, negative_slope=0.01):
    """x where it is positive, negative_slope·x elsewhere."""
    if negative_slope < 0:
        raise ValueError(f"leaky_relu: expected negative_slope >= 0, got {negative_slope}")
    return _leaky_relu(x, slope=float(negative_slope)) if negative_slope else relu(x)


def elu(x, alpha=1.0):
    """x where it is positive, alpha·(eˣ − 1) elsewhere."""
    return where(x > 0, x, alpha * expm1(clamp(x, max=0.0)))


def silu(x):
    """x·σ(x), also called swish."""
    return x * sigmoid(x)


def gelu(x, approximate="none"):
    """x·Φ(x), Φ the normal distribution function; `approximate="tanh"` for the common
    approximation.
    """
    if approximate == "tanh":
        return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    if approximate != "none":
        raise ValueError(f"gelu: expected approximate='none' or 'tanh', got {approximate!r}")
    return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))


# -- comparisons (not differentiable) --------------------------------------------------------------

eq = _binary("eq", lambda xp, x, y: xp.equal(x, y))
ne = _binary("ne", lambda xp, x, y: xp.not_equal(x, y))
lt = _binary("lt", lambda xp, x, y: xp.less(x, y))
le = _binary("le", lambda xp, x, y: xp.less_equal(x, y))
gt = _binary("gt", lambda xp, x, y: xp.greater(x, y))
ge = _binary("ge", lambda xp, x, y: xp.greater_equal(x, y))
logical_and = _binary("logical_and", lambda xp, x, y: xp.logical_and(x, y))
logical_or = _binary("logical_or", lambda xp, x, y: xp.logical_or(x, y))
logical_not = _binary("logical_not", lambda xp, x: xp.logical_not(x))
isnan = _binary("isnan", lambda xp, x: xp.isnan(x))
isfinite = _binary("isfinite", lambda xp, x: xp.isfinite(x))

__all__ = [
    "abs", "add", "ceil", "clamp", "cos", "div", "elu", "eq", "erf", "exp", "expm1", "floor",
    "floor_divide", "ge", "gelu", "gt", "isfinite", "isnan", "le", "leaky_relu", "log", "log1p",
    "logical_and", "logical_not", "logical_or", "lt", "maximum", "minimum", "mul", "ne", "neg",
    "pow", "reciprocal", "relu", "remainder", "round", "rsqrt", "sigmoid", "sign", "silu",
    "sin", "softplus", "sqrt", "square", "sub", "tanh", "where",
]  # fmt: skip
