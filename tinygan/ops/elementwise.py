"""All elementwise calculus on one page: each function with its derivative beside it.

A rule such as `x=lambda g, out: g * out` reads "the gradient of x is g·out", where g is the
gradient of the result; see `tinygan.autograd.op`. Where the textbook derivative is infinite or
undefined (√x and |x| at 0), the rule returns 0, so that a loss never turns into NaN on its way
back.
"""

import math

import numpy as np

from ..autograd.op import Op
from ..autograd.operands import result_dtype
from ..autograd.tensor import Tensor, as_array
from ..backend.device import kernels
from ..backend.lazy import special


def _each(name, forward, **rules):
    """A function of each element, in the dtype of its operands."""
    return Op(name, forward, elementwise=True, **rules)


def _real(name, forward, **rules):
    """A function of real numbers: integers become float32 first."""
    return Op(name, forward, elementwise=True, floating=True, **rules)


def _extended(name, forward, **rules):
    """A real function that is infinite or undefined somewhere, of which NumPy is not to warn."""
    return _real(name, forward, quiet=True, **rules)


def _inverse_or_zero(x):
    """1/x, and 0 where x is 0."""
    zero = x == 0
    return where(zero, 0.0, 1.0 / where(zero, 1.0, x))


# -- arithmetic ------------------------------------------------------------------------------------

add = _each("add", lambda xp, x, y: xp.add(x, y), x=lambda g: g, y=lambda g: g)
sub = _each("sub", lambda xp, x, y: xp.subtract(x, y), x=lambda g: g, y=lambda g: -g)
mul = _each("mul", lambda xp, x, y: xp.multiply(x, y), x=lambda g, y: g * y, y=lambda g, x: g * x)
neg = _each("neg", lambda xp, x: xp.negative(x), x=lambda g: -g)
div = _extended(
    "div",
    lambda xp, x, y: xp.true_divide(x, y),
    x=lambda g, y: g / y,
    y=lambda g, y, out: -g * out / y,
)
maximum = _each(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    x=lambda g, x, y: g * _share(x, y),
    y=lambda g, x, y: g * _share(y, x),
)
minimum = _each(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    x=lambda g, x, y: g * _share(y, x),
    y=lambda g, x, y: g * _share(x, y),
)
floor_divide = _each("floor_divide", lambda xp, x, y: xp.floor_divide(x, y))
remainder = _each(
    "remainder",
    lambda xp, x, y: xp.remainder(x, y),
    x=lambda g: g,
    y=lambda g, x, y: -g * floor_divide(x, y),
)


def _share(x, y):
    """What x gets of the gradient of max(x, y): all where it is larger, half where equal."""
    like = x if hasattr(x, "array") else y
    return ((x > y).to(like.dtype) + (x >= y).to(like.dtype)) * 0.5


def pow(x, exponent):
    """x to the power `exponent`; either may be a number, the other a tensor.

    Differentiable by both; d/d exponent is taken as 0 where x is 0.
    """
    x, exponent = _plain_number(x), _plain_number(exponent)
    if isinstance(x, int | float):  # as a tensor, so that log x is as accurate as the result
        dtype = result_dtype([x, exponent])
        x = Tensor(as_array(np.asarray(x).astype(dtype), where=exponent.device))
    if isinstance(exponent, int) and exponent < 0 and not x.is_floating_point():
        x = x.to(np.dtype("float32"))
    if isinstance(exponent, int | float) and x.is_floating_point():
        return square(x) if exponent == 2 else _power(x, exponent=exponent)
    return _power_of_tensors(x, exponent)


def _plain_number(value):
    """A NumPy scalar as a Python number, which never changes the dtype of what it meets."""
    return value.item() if isinstance(value, np.generic) else value


_power = Op(
    "pow",
    lambda xp, x, *, exponent: xp.power(x, exponent),
    quiet=True,
    x=lambda g, x, exponent: g * (x ** (exponent - 1) * exponent) if exponent != 0 else g * 0.0,
)
_power_of_tensors = _each(
    "pow",
    lambda xp, x, y: xp.power(x, y),
    quiet=True,
    x=lambda g, x, y: g * y * pow(x, where(y == 0, 1.0, y - 1.0)),
    y=lambda g, x, out: g * out * log(where(x > 0, x, 1.0)),
)

# -- exponentials and roots ------------------------------------------------------------------------

exp = _extended("exp", lambda xp, x: xp.exp(x), x=lambda g, out: g * out)
expm1 = _extended("expm1", lambda xp, x: xp.expm1(x), x=lambda g, out: g * (out + 1.0))
log = _extended("log", lambda xp, x: xp.log(x), x=lambda g, x: g / x)
log1p = _extended("log1p", lambda xp, x: xp.log1p(x), x=lambda g, x: g / (x + 1.0))
sqrt = _extended(
    "sqrt", lambda xp, x: xp.sqrt(x), x=lambda g, out: g * (0.5 * _inverse_or_zero(out))
)
rsqrt = _extended(
    "rsqrt", lambda xp, x: xp.reciprocal(xp.sqrt(x)), x=lambda g, x, out: g * (-0.5 * out / x)
)
square = _each(
    "square",
    lambda xp, x: xp.square(x if x.dtype.kind != "b" else x.astype(xp.int64)),
    x=lambda g, x: g * (x * 2.0),
)
exp2 = _extended("exp2", lambda xp, x: xp.exp2(x), x=lambda g, out: g * (out * math.log(2.0)))
log2 = _extended("log2", lambda xp, x: xp.log2(x), x=lambda g, x: g / (x * math.log(2.0)))
log10 = _extended("log10", lambda xp, x: xp.log10(x), x=lambda g, x: g / (x * math.log(10.0)))
logaddexp = _each(
    "logaddexp",
    lambda xp, x, y: xp.logaddexp(x, y),
    floating=True,
    quiet=True,
    x=lambda g, x, y: g * sigmoid(x - y),
    y=lambda g, x, y: g * sigmoid(y - x),
)
reciprocal = _extended(
    "reciprocal", lambda xp, x: xp.reciprocal(x), x=lambda g, out: -g * (out * out)
)
tanh = _real("tanh", lambda xp, x: kernels(x).tanh(x), x=lambda g, out: _tanh_gradient(g, out))
_tanh_gradient = _each(
    "tanh_gradient",
    lambda xp, g, y: kernels(g).tanh_gradient(g, y),
    g=lambda g, y: _tanh_gradient(g, y),
    y=lambda g_, g, y: g_ * g * (y * -2.0),
)
erf = _real(
    "erf",
    lambda xp, x: special(xp).erf(x).astype(x.dtype),
    x=lambda g, x: g * (exp(-x * x) * (2.0 / math.sqrt(math.pi))),
)

# -- angles ----------------------------------------------------------------------------------------

sin = _extended("sin", lambda xp, x: xp.sin(x), x=lambda g, x: g * cos(x))
cos = _extended("cos", lambda xp, x: xp.cos(x), x=lambda g, x: -g * sin(x))
tan = _extended("tan", lambda xp, x: xp.tan(x), x=lambda g, out: g * (out * out + 1.0))
asin = _extended(
    "asin", lambda xp, x: xp.arcsin(x), x=lambda g, x: g * _inverse_or_zero(sqrt(1.0 - x * x))
)
acos = _extended(
    "acos", lambda xp, x: xp.arccos(x), x=lambda g, x: -g * _inverse_or_zero(sqrt(1.0 - x * x))
)
atan = _extended("atan", lambda xp, x: xp.arctan(x), x=lambda g, x: g / (x * x + 1.0))
atan2 = _each(
    "atan2",
    lambda xp, y, x: xp.arctan2(y, x),
    floating=True,
    y=lambda g, y, x: g * (x * _inverse_or_zero(x * x + y * y)),
    x=lambda g, y, x: -g * (y * _inverse_or_zero(x * x + y * y)),
)
sinh = _extended("sinh", lambda xp, x: xp.sinh(x), x=lambda g, x: g * cosh(x))
cosh = _extended("cosh", lambda xp, x: xp.cosh(x), x=lambda g, x: g * sinh(x))
asinh = _extended("asinh", lambda xp, x: xp.arcsinh(x), x=lambda g, x: g * rsqrt(x * x + 1.0))
acosh = _extended(
    "acosh", lambda xp, x: xp.arccosh(x), x=lambda g, x: g * _inverse_or_zero(sqrt(x * x - 1.0))
)
atanh = _extended(
    "atanh", lambda xp, x: xp.arctanh(x), x=lambda g, x: g * _inverse_or_zero(1.0 - x * x)
)

# -- signs and corners -----------------------------------------------------------------------------

abs = _each("abs", lambda xp, x: xp.abs(x), x=lambda g, x: g * sign(x))
sign = _each("sign", lambda xp, x: xp.sign(x) if x.dtype.kind != "b" else x, x=lambda g: g * 0.0)
floor = _each("floor", lambda xp, x: xp.floor(x), x=lambda g: g * 0.0)
ceil = _each("ceil", lambda xp, x: xp.ceil(x), x=lambda g: g * 0.0)
round = _each("round", lambda xp, x: xp.round(x), x=lambda g: g * 0.0)
trunc = _each("trunc", lambda xp, x: xp.trunc(x), x=lambda g: g * 0.0)
_clamp = _each(
    "clamp",
    lambda xp, x, *, low, high: xp.clip(x, low, high),
    x=lambda g, x, out: where(x == out, g, 0.0),
)
_where = _each(
    "where",
    lambda xp, x, y, *, condition: xp.where(condition.array, x, y),
    x=lambda g, condition: where(condition, g, 0.0),
    y=lambda g, condition: where(condition, 0.0, g),
)


def clamp(x, min=None, max=None):
    """x limited to [min, max], numbers or tensors; the gradient goes to the bound where it cuts."""
    if min is None and max is None:
        raise ValueError("clamp: give min, max, or both")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        x = x if min is None else where(x < min, min, x)
        return x if max is None else where(x > max, max, x)
    min, max = _plain_number(min), _plain_number(max)
    dtype = result_dtype([x, min, max])
    return _clamp(x if x.dtype == dtype else x.to(dtype), low=min, high=max)


def frac(x):
    """What is behind the point: x − trunc(x)."""
    return x - trunc(x)


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """NaN as `nan`, ±∞ as `posinf` and `neginf`, by default the largest and smallest number."""
    if not x.is_floating_point():
        return x.clone()
    limits = np.finfo(x.dtype)
    x = where(isnan(x), float(nan or 0.0), x)
    x = where(x == math.inf, float(limits.max if posinf is None else posinf), x)
    return where(x == -math.inf, float(limits.min if neginf is None else neginf), x)


def where(condition, x, y):
    """x where the condition holds, else y; all three broadcast."""
    if not isinstance(condition, Tensor):
        like = x if isinstance(x, Tensor) else y
        condition = Tensor(as_array(condition, where=getattr(like, "device", None)))
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x = Tensor(as_array(x, where=condition.device))
    return _where(x, y, condition=condition)


# -- activations -----------------------------------------------------------------------------------

sigmoid = _real(
    "sigmoid", lambda xp, x: kernels(x).sigmoid(x), x=lambda g, out: g * (out - out * out)
)
softplus = _real("softplus", lambda xp, x: kernels(x).softplus(x), x=lambda g, x: g * sigmoid(x))
relu = _each(
    "relu",
    lambda xp, x: kernels(x).relu(x),
    x=lambda g, out: leaky_relu_gradient(g, out, slope=0.0),
)
_leaky_relu = _real(
    "leaky_relu",
    lambda xp, x, *, slope: kernels(x).leaky_relu(x, slope),
    x=lambda g, out, slope: leaky_relu_gradient(g, out, slope=slope),
)
leaky_relu_gradient = _each(  # dy where y > 0, slope·dy elsewhere: linear in dy, flat in y
    "leaky_relu_gradient",
    lambda xp, dy, y, *, slope: kernels(y).leaky_relu_gradient(dy, y, slope),
    dy=lambda g, y, slope: leaky_relu_gradient(g, y, slope=slope),
)


def leaky_relu(x, negative_slope=0.01):
    """x where it is positive, negative_slope·x elsewhere."""
    if negative_slope < 0:
        raise ValueError(f"leaky_relu: expected negative_slope >= 0, got {negative_slope}")
    return _leaky_relu(x, slope=float(negative_slope)) if negative_slope else relu(x)


def elu(x, alpha=1.0):
    """x where it is positive, alpha·(eˣ − 1) elsewhere."""
    return _elu(x, alpha=alpha)


_elu = _real(
    "elu",
    lambda xp, x, *, alpha: xp.where(
        xp.greater(x, 0), x, xp.multiply(alpha, xp.expm1(xp.minimum(x, 0)))
    ).astype(x.dtype),
    x=lambda g, x, out, alpha: where(x < 0, g * (out + alpha), where(x > 0, g, g * alpha)),
)


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

eq = _each("eq", lambda xp, x, y: xp.equal(x, y))
ne = _each("ne", lambda xp, x, y: xp.not_equal(x, y))
lt = _each("lt", lambda xp, x, y: xp.less(x, y))
le = _each("le", lambda xp, x, y: xp.less_equal(x, y))
gt = _each("gt", lambda xp, x, y: xp.greater(x, y))
ge = _each("ge", lambda xp, x, y: xp.greater_equal(x, y))
logical_and = _each("logical_and", lambda xp, x, y: xp.logical_and(x, y))
logical_or = _each("logical_or", lambda xp, x, y: xp.logical_or(x, y))
logical_not = _each("logical_not", lambda xp, x: xp.logical_not(x))
logical_xor = _each("logical_xor", lambda xp, x, y: xp.logical_xor(x, y))
bitwise_and = _each("bitwise_and", lambda xp, x, y: xp.bitwise_and(x, y))
bitwise_or = _each("bitwise_or", lambda xp, x, y: xp.bitwise_or(x, y))
bitwise_xor = _each("bitwise_xor", lambda xp, x, y: xp.bitwise_xor(x, y))
bitwise_not = _each("bitwise_not", lambda xp, x: xp.invert(x))
bitwise_left_shift = _each("bitwise_left_shift", lambda xp, x, y: xp.left_shift(x, y))
bitwise_right_shift = _each("bitwise_right_shift", lambda xp, x, y: xp.right_shift(x, y))
isinf = _each("isinf", lambda xp, x: xp.isinf(x))
isnan = _each("isnan", lambda xp, x: xp.isnan(x))
isfinite = _each("isfinite", lambda xp, x: xp.isfinite(x))

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "ceil", "clamp", "cos", "cosh", "div", "elu", "eq", "erf", "exp", "exp2", "expm1", "floor",
    "floor_divide", "frac", "ge", "gelu", "gt", "isfinite", "isinf", "isnan", "le",
    "leaky_relu", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "lt", "maximum", "minimum", "mul", "nan_to_num", "ne", "neg",
    "pow", "reciprocal", "relu", "remainder", "round", "rsqrt", "sigmoid", "sign", "silu",
    "sin", "sinh", "softplus", "sqrt", "square", "sub", "tan", "tanh", "trunc", "where",
]  # fmt: skip
