"""New tensors: constants, ranges, random numbers, and arrays taken over from elsewhere."""

import numpy as np

from ..autograd.interop import as_array
from ..autograd.tensor import Tensor
from ..backend.device import (
    array_module,
    default_device,
    device,
    device_module,
    is_array,
    to_device,
)
from ..backend.random import stream
from ..backend.recording import drawn
from .shape import shape_from

_device = device  # the name is also a keyword below


def _place(where):
    where = default_device() if where is None else _device(where)
    return where, device_module(where)


def _leaf(array, requires_grad):
    return Tensor(array).requires_grad_(requires_grad)


def tensor(data, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A new leaf tensor holding a copy of `data`: numbers, nested lists, or an array.

    >>> tensor([[1, 2], [3, 4]]).dtype
    dtype('int64')
    """
    if device is None:
        device = data.device if isinstance(data, Tensor) else default_device()
    array = as_array(data, dtype, device)
    shared = array is data or (hasattr(data, "__array__") and not isinstance(data, list | tuple))
    if shared:
        array = array.copy(order="K")
    return Tensor(array).requires_grad_(requires_grad)


def zeros(*shape, dtype=None, device=None, requires_grad=False):
    """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    return full(shape_from(shape), 0.0, dtype, device, requires_grad)


def ones(*shape, dtype=None, device=None, requires_grad=False):
    """A tensor of ones."""
    return full(shape_from(shape), 1.0, dtype, device, requires_grad)


def empty(*shape, dtype=None, device=None, requires_grad=False):
    """A tensor of arbitrary content, to be filled."""
    _, xp = _place(device)
    return _leaf(drawn(lambda: xp.empty(shape_from(shape), dtype or np.float32)), requires_grad)


def full(shape, value, dtype=None, device=None, requires_grad=False):
    """A tensor filled with one value; float32 or int64 by the value's kind unless `dtype` says
    otherwise.
    """
    _, xp = _place(device)
    kind = dtype or (
        bool if isinstance(value, bool) else np.int64 if isinstance(value, int) else np.float32
    )
    return _leaf(drawn(lambda: xp.full(shape, value, kind)), requires_grad)


def arange(start, end=None, step=1, dtype=None, device=None):
    """start, start+step, … below end; int64 for whole numbers, else float32."""
    start, end = (0, start) if end is None else (start, end)
    start, end, step = _in_kind(dtype, start, end, step)
    whole = all(isinstance(v, int) for v in (start, end, step))
    _, xp = _place(device)
    return Tensor(xp.arange(start, end, step).astype(dtype or (np.int64 if whole else np.float32)))


def linspace(start, end, steps, dtype=None, device=None):
    """`steps` evenly spaced numbers from start to end, both included."""
    start, end = _in_kind(dtype, start, end)
    _, xp = _place(device)
    return Tensor(xp.linspace(start, end, steps).astype(dtype or np.float32))


def _in_kind(dtype, *numbers):
    """Numbers, also from 0-d tensors; cut to whole ones where whole ones are asked for."""
    numbers = [x.item() if hasattr(x, "item") else x for x in numbers]
    whole = dtype is not None and np.dtype(dtype).kind in "iu"
    return [int(x) for x in numbers] if whole else numbers


def eye(n, m=None, dtype=None, device=None):
    """The identity matrix."""
    _, xp = _place(device)
    return Tensor(xp.eye(n, m, dtype=dtype or np.float32))


def zeros_like(x, dtype=None):
    """Zeros in the shape, dtype, layout and device of x."""
    return Tensor(array_module(x.array).zeros_like(x.array, dtype=dtype))


def ones_like(x, dtype=None):
    """Ones in the shape, dtype, layout and device of x."""
    return Tensor(array_module(x.array).ones_like(x.array, dtype=dtype))


def full_like(x, value, dtype=None):
    """One value in the shape, dtype, layout and device of x."""
    return Tensor(array_module(x.array).full_like(x.array, value, dtype=dtype))


def randn(*shape, dtype=None, device=None, requires_grad=False, generator=None):
    """Standard normal numbers, from the stream "noise" unless another `generator` is given."""
    where, _ = _place(device)
    return _leaf(
        (generator or stream("noise")).normal(
            shape_from(shape), np.dtype(dtype or np.float32), where
        ),
        requires_grad,
    )


def rand(*shape, dtype=None, device=None, requires_grad=False, generator=None):
    """Uniform numbers in [0, 1), from the stream "noise" unless another `generator` is given."""
    where, _ = _place(device)
    return _leaf(
        (generator or stream("noise")).uniform(
            shape_from(shape), np.dtype(dtype or np.float32), where
        ),
        requires_grad,
    )


def randint(low, high, size, device=None, generator=None):
    """Whole numbers low … high-1 in a tensor of shape `size`."""
    where, _ = _place(device)
    return Tensor((generator or stream("noise")).integers(low, high, tuple(size), where))


def randn_like(x):
    """Standard normal numbers in the shape, dtype and device of x."""
    return randn(x.shape, dtype=x.dtype, device=x.device)


def rand_like(x):
    """Uniform numbers in the shape, dtype and device of x."""
    return rand(x.shape, dtype=x.dtype, device=x.device)


def randperm(n, device=None, generator=None):
    """The numbers 0 … n-1 in random order, from the stream "data" unless another `generator` is
    given.
    """
    where, _ = _place(device)
    return Tensor(to_device((generator or stream("data")).permutation(n), where))


def from_numpy(array):
    """A tensor that shares memory with a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    return Tensor(as_array(np.asarray(array)))


def from_dlpack(source):
    """A tensor that shares memory with any object that speaks DLPack, such as a PyTorch tensor."""
    if is_array(source):
        return Tensor(source)
    on_cpu = source.__dlpack_device__()[0] == 1
    return Tensor((np if on_cpu else device_module(_device("cuda"))).from_dlpack(source))


__all__ = [
    "arange", "empty", "eye", "from_dlpack", "from_numpy", "full", "full_like", "linspace",
    "ones", "ones_like", "rand", "rand_like", "randint", "randn", "randn_like", "randperm",
    "tensor", "zeros", "zeros_like",
]  # fmt: skip
