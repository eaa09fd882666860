"""Functions that PyTorch has and the core has under another name, or reads otherwise.

Where a name of PyTorch's is also the core's, the function here takes its place on the public face.
"""

import numpy as np

from .. import ops
from ..autograd.tensor import Tensor
from ..ops.inplace import in_place


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


def div_(input, other, rounding_mode=None):
    """x becomes x / y, rounded as `div` rounds it."""
    if rounding_mode is None:
        return ops.inplace.div_(input, other)
    return in_place("div_", div, input, other, rounding_mode)


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


def randint(low=0, high=None, size=None, *, generator=None, dtype=None, device=None):
    """Whole numbers low … high-1 in a tensor of shape `size`; `low` is 0 where it is left out."""
    if size is None:  # randint(10, (2, 3))
        low, high, size = 0, low, high
    elif high is None:  # randint(10, size=(2, 3))
        low, high = 0, low
    return ops.randint(low, high, size, device, generator).to(dtype=dtype or np.dtype("int64"))


def to(
    input, *targets, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None
):
    """On another device and/or with another dtype: `x.to("cuda")`, `x.to("cpu", float64, True)`."""
    flags = [t for t in targets if isinstance(t, bool)]  # non_blocking, copy
    targets = [t for t in targets if not isinstance(t, bool) and t is not None]
    out = ops.to(input, *targets, device=device, dtype=dtype)
    return ops.clone(input) if out is input and (copy or (len(flags) > 1 and flags[1])) else out


def type(input, dtype=None, non_blocking=False):
    """The tensor with another dtype, also by an old name: `x.type("torch.FloatTensor")`. Without
    one, that name of its own.
    """
    if dtype is None:
        place = "torch." if input.device.type == "cpu" else "torch.cuda."
        return place + _TYPE_NAMES[str(input.dtype)]
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        names = {name: kind for kind, name in _TYPE_NAMES.items()}
        where = "cuda" if "cuda" in dtype else "cpu"
        return ops.to(input, device=where, dtype=names[dtype.rpartition(".")[2]])
    if dtype is Tensor:  # PyTorch's other name for FloatTensor
        dtype = np.float32
    return ops.to(input, dtype=np.dtype(dtype), device=getattr(dtype, "device", None))


_TYPE_NAMES = {
    "float16": "HalfTensor", "float32": "FloatTensor", "float64": "DoubleTensor",
    "uint8": "ByteTensor", "int8": "CharTensor", "int16": "ShortTensor", "int32": "IntTensor",
    "int64": "LongTensor", "bool": "BoolTensor",
}  # fmt: skip


def view(input, *size):
    """The same elements in another shape."""
    if size and isinstance(size[0], np.dtype):
        raise TypeError(
            "view: the bytes of a tensor are not read as another dtype; convert it by .to(dtype), "
            "or use .numpy().view(dtype)"
        )
    return ops.reshape(input, *size)


def type_as(input, other):
    """In the dtype and on the device of `other`."""
    return ops.to(input, other)


def _cast(name):
    return lambda input, memory_format=None: ops.to(input, dtype=name)


CASTS = {
    "half": "float16", "float": "float32", "double": "float64", "byte": "uint8", "char": "int8",
    "short": "int16", "int": "int32", "long": "int64", "bool": "bool",
}  # fmt: skip
CASTS = {method: _cast(dtype) for method, dtype in CASTS.items()}


def where(condition, input=None, other=None):
    """`input` where the condition holds, else `other`; with the condition alone, the indices of
    what is true, one tensor for each axis.
    """
    if input is None:
        return tuple(Tensor(part) for part in condition.array.nonzero())
    return ops.where(condition, input, other)


def einsum(equation, *operands):
    """Einstein summation; the operands may stand in a list."""
    several = len(operands) == 1 and isinstance(operands[0], list | tuple)
    return ops.einsum(equation, *(operands[0] if several else operands))


def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """`src`, or the number `value`, put or, with reduce="add", added at the places of `index`."""
    src = value if src is None else src
    if reduce is None:
        return ops.scatter(input, dim, index, src)
    if reduce != "add":
        raise ValueError(f"scatter: expected reduce None or 'add', got {reduce!r}")
    src = src if isinstance(src, Tensor) else ops.full(index.shape, src, input.dtype, input.device)
    return ops.scatter_add(input, dim, index, src)


def cat(tensors, dim=0):
    """Tensors joined along an axis; `tensor([])` joins with anything."""
    if not isinstance(tensors, Tensor):
        several = [t for t in tensors if not isinstance(t, Tensor) or t.shape != (0,)]
        tensors = several or tensors
    return ops.cat(tensors, dim)


def norm(input, p="fro", dim=None, keepdim=False):
    """(Σ|x|ᵖ)^(1/p); "fro" is p = 2."""
    return ops.norm(input, 2 if p in ("fro", None) else p, dim, keepdim)
