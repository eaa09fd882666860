"""Tensors made in PyTorch's older ways: `FloatTensor(2, 3)`, `LongTensor([1])`, `Variable(x)`."""

import numpy as np

from .. import ops
from ..autograd import Tensor
from ..autograd.tensor import as_array

_DTYPES = {
    "FloatTensor": np.float32, "DoubleTensor": np.float64, "HalfTensor": np.float16,
    "ByteTensor": np.uint8, "CharTensor": np.int8, "ShortTensor": np.int16, "IntTensor": np.int32,
    "LongTensor": np.int64, "BoolTensor": np.bool_,
}  # fmt: skip


class _Typed(type):
    """`isinstance(x, FloatTensor)` asks for the dtype and the kind of device."""

    def __instancecheck__(cls, x):
        return isinstance(x, Tensor) and x.dtype == cls.dtype and x.device.type == cls.device


def _construct(cls, *content, device=None):
    """Numbers of a row of sizes that are not set yet; or what stands in lists, arrays, tensors."""
    where = cls.device if device is None else device
    if all(isinstance(size, int | np.integer) for size in content):
        return ops.empty(*(content or (0,)), dtype=cls.dtype, device=where)
    if len(content) > 1:
        raise TypeError(
            f"{cls.__name__}: expected sizes, or one list, array or tensor, got {content!r}"[:300]
        )
    return Tensor(as_array(content[0], cls.dtype, where))


def typed_constructors(device: str) -> dict[str, type]:
    """FloatTensor and the others for a kind of device.

    >>> make = typed_constructors("cpu")["LongTensor"]
    >>> make([1, 2]), make(2, 3).shape, isinstance(make([1]), make)
    (tensor([1, 2]), (2, 3), True)
    """
    return {
        name: _Typed(
            name,
            (),
            {
                "__new__": _construct, "__module__": __name__, "dtype": np.dtype(dtype),
                "device": device, "__doc__": f"Makes {np.dtype(dtype)} tensors on {device}.",
            },
        )
        for name, dtype in _DTYPES.items()
    }  # fmt: skip


globals().update(typed_constructors("cpu"))


class _AnyTensor(type):
    def __instancecheck__(cls, x):
        return isinstance(x, Tensor)


class Variable(metaclass=_AnyTensor):
    """`Variable(x)` is x without history, with `requires_grad` as given: tensors know how to be
    differentiated by themselves.

    >>> Variable(ops.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data, requires_grad=False, volatile=False):
        if volatile:
            raise TypeError(
                "Variable: volatile=True is no longer part of PyTorch either; compute in a block "
                "`with tg.no_grad():`"
            )
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable: expected a tensor, got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
