"""Attach the operations to Tensor: operators (`x + y`), and every function of one tensor as a
method (`x.exp()`).
"""

from ..autograd.backward import backward
from ..autograd.op import Op
from ..autograd.tensor import Tensor
from . import cast, create, elementwise, index, inplace, linalg, reduce, shape, sorting
from .elementwise import (
    add,
    div,
    eq,
    floor_divide,
    ge,
    gt,
    le,
    lt,
    mul,
    ne,
    neg,
    pow,
    remainder,
    sub,
)


def _reversed(function):
    return lambda x, y: function(y, x)


def _among_values(function):
    """`x == None` and `x == "a"` are left to Python: nothing of another kind equals a tensor."""
    return lambda x, y: NotImplemented if y is None or isinstance(y, str) else function(x, y)


_operators = {
    "__add__": add,
    "__radd__": _reversed(add),
    "__sub__": sub,
    "__rsub__": _reversed(sub),
    "__mul__": mul,
    "__rmul__": _reversed(mul),
    "__truediv__": div,
    "__rtruediv__": _reversed(div),
    "__pow__": pow,
    "__rpow__": _reversed(pow),
    "__matmul__": linalg.matmul,
    "__rmatmul__": _reversed(linalg.matmul),
    "__neg__": neg,
    "__abs__": elementwise.abs,
    "__mod__": remainder,
    "__floordiv__": floor_divide,
    "__rmod__": _reversed(remainder),
    "__rfloordiv__": _reversed(floor_divide),
    "__invert__": elementwise.bitwise_not,
    "__and__": elementwise.bitwise_and,
    "__rand__": elementwise.bitwise_and,
    "__or__": elementwise.bitwise_or,
    "__ror__": elementwise.bitwise_or,
    "__xor__": elementwise.bitwise_xor,
    "__rxor__": elementwise.bitwise_xor,
    "__lshift__": elementwise.bitwise_left_shift,
    "__rshift__": elementwise.bitwise_right_shift,
    "__eq__": _among_values(eq),
    "__ne__": _among_values(ne),
    "__lt__": lt,
    "__le__": le,
    "__gt__": gt,
    "__ge__": ge,
    "__getitem__": index.getitem,
    "__setitem__": inplace.setitem,
    "__iadd__": inplace.iadd,
    "__isub__": inplace.isub,
    "__imul__": inplace.imul,
    "__itruediv__": inplace.itruediv,
}
_in_place = [
    "add_", "sub_", "mul_", "div_", "copy_", "fill_", "zero_", "clamp_", "normal_", "uniform_",
    "index_add_",
]  # fmt: skip
_not_methods = {"cat", "stack", "einsum", "embedding", "one_hot", "linear", "where"}


def _attach():
    for name, function in _operators.items():
        setattr(Tensor, name, _as_method(function))
    for name in _in_place:
        setattr(Tensor, name, getattr(inplace, name))
    for module in (elementwise, reduce, sorting, shape, index, linalg, cast):
        for name in module.__all__:
            if name not in _not_methods:
                setattr(Tensor, name, getattr(module, name))
    for name in ("zeros_like", "ones_like", "full_like"):
        setattr(Tensor, name, getattr(create, name))
    Tensor.__hash__ = object.__hash__
    Tensor.backward = backward
    Tensor.T = property(lambda x: shape.permute(x, tuple(range(x.ndim))[::-1]))
    Tensor.mT = property(lambda x: shape.transpose(x, -1, -2))
    Tensor.view = shape.reshape
    for name, dtype in {
        "float": "float32",
        "double": "float64",
        "half": "float16",
        "long": "int64",
    }.items():
        setattr(Tensor, name, lambda x, dtype=dtype: cast.to(x, dtype=dtype))


def _as_method(function):
    """Operators are looked up on the type; a plain function binds there faster than an Op does."""
    if not isinstance(function, Op):
        return function
    call = Op.__call__
    if len(function.inputs) == 1:
        return lambda x: call(function, x)
    return lambda x, y: call(function, x, y)


_attach()
