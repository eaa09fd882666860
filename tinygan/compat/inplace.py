"""In-place forms, `x.exp_()` and kin: the values of x become those of `x.exp()`.

They refuse where autograd would lose track; see `tinygan.ops.inplace.in_place`.
"""

import functools

from ..autograd.tensor import Tensor
from ..ops.inplace import in_place

NAMES = [
    "abs", "acos", "addcdiv", "addcmul", "addmm", "asin", "atan", "bernoulli", "bitwise_and",
    "bitwise_not", "bitwise_or", "bitwise_xor", "ceil", "clamp_max", "clamp_min", "clip", "cos",
    "cosh", "cumprod", "cumsum", "elu", "eq", "erf", "exp", "exp2", "expm1", "floor",
    "floor_divide", "frac", "ge", "gt", "index_add", "index_fill", "leaky_relu", "le", "lerp",
    "log", "log10", "log1p", "log2", "logical_and", "logical_not", "logical_or", "lt",
    "masked_fill", "masked_scatter", "nan_to_num", "ne", "neg", "pow", "reciprocal", "relu",
    "remainder", "round", "rsqrt", "scatter", "scatter_add", "sigmoid", "sign", "silu", "sin",
    "sinh", "softplus", "sqrt", "square", "tan", "tanh", "tril", "triu", "trunc",
]  # fmt: skip


def method_of(name, function):
    """The method `name_` by which a tensor becomes what `function` gives."""
    name = f"{name}_"

    @functools.wraps(function)
    def method(self, *arguments, **keywords):
        return in_place(name, function, self, *arguments, **keywords)

    method.__name__, method.__doc__ = name, f"As `{function.__name__}`, in place."
    return method


def install() -> None:
    """Give tensors the in-place forms of the methods that they have."""
    for name in NAMES:
        if not hasattr(Tensor, f"{name}_") and hasattr(Tensor, name):
            setattr(Tensor, f"{name}_", method_of(name, getattr(Tensor, name)))
