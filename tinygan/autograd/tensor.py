"""Tensor: an array, and whether and how to differentiate by it.

A tensor holds a raw array (`.array`, NumPy or CuPy), a flag `requires_grad`, the accumulated gradient `.grad`, and, when
it is the result of a recorded operation, the node of the graph that made it. Arithmetic and the other operations are
attached from `tinygan.ops`; what is here is what a tensor *is*.
"""

import itertools

import numpy as np

from ..backend.device import Device, array_module, default_device, device, device_of, is_array, to_device, to_numpy


clock = itertools.count(1).__next__  # one clock for recording and in-place writing: later events have larger numbers


class Version:
    """When and by whom a piece of memory was last written in place. Shared by a tensor and its views."""

    __slots__ = ("written", "writer")
    latest = 0  # the last write of all

    def __init__(self):
        self.written, self.writer = 0, None


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    grad: "Tensor | None" = None  # filled by backward, for leaves and where retain_grad() was called
    _node = None  # the operation that made this tensor; None for a leaf
    _version = None  # created when first shared or written
    _hooks = ()
    __array_ufunc__ = None  # so that numpy_array * tensor asks the tensor

    def __init__(self, data, requires_grad: bool = False):
        if type(data) is not np.ndarray and not is_array(data):
            data = as_array(data)
        self.array = data
        self.requires_grad = requires_grad

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    @property
    def ndim(self):
        return self.array.ndim

    @property
    def device(self):
        return device_of(self.array)

    @property
    def is_leaf(self):
        return self._node is None

    @property
    def data(self):
        """The same memory without history, as in PyTorch. Assigning replaces the values."""
        return self.detach()

    @data.setter
    def data(self, value):
        self.array = value.array if isinstance(value, Tensor) else as_array(value)
        self.mark_written("assignment to .data")

    @property
    def version(self):
        if self._version is None:
            self._version = Version()
        return self._version

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[dim]

    def numel(self):
        return self.array.size

    def dim(self):
        return self.array.ndim

    def is_floating_point(self):
        return self.array.dtype.kind == "f"

    def __len__(self):
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor: it holds one number; use .item()")
        return self.array.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    __hash__ = object.__hash__

    def __repr__(self):
        values = np.array2string(to_numpy(self.array), separator=", ", prefix="tensor(")
        notes = [values]
        if str(self.dtype) not in ("float32", "int64", "bool") or not self.array.size:
            notes.append(f"dtype={self.dtype}")
        if self.device.type != "cpu":
            notes.append(f"device='{self.device}'")
        if not self.array.size:
            notes.append(f"shape={self.shape}")
        if self._node is not None:
            notes.append(f"op=<{self._node.op.name}>")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join(notes)})"

    # -- out of the engine -----------------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array (shared memory on the CPU), without history."""
        return to_numpy(self.array)

    def __array__(self, dtype=None, copy=None):
        array = to_numpy(self.array)
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a {array.dtype} tensor becomes a {np.dtype(dtype)} array only by a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **keywords):
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def item(self):
        if self.array.size != 1:
            raise ValueError(f"item: expected a tensor with one element, got shape {self.shape}; use .tolist()")
        return to_numpy(self.array).item()

    def tolist(self):
        return to_numpy(self.array).tolist()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        if self.array.size != 1:
            raise ValueError(
                f"the truth of a tensor with {self.array.size} elements (shape {self.shape}) is ambiguous; "
                "use (t > 0).all() or .any()"
            )
        return bool(self.item())

    def __index__(self):
        if self.array.dtype.kind not in "iub":
            raise TypeError(f"only an integer tensor can be an index, this one is {self.dtype}")
        return int(self.item())

    # -- gradients -------------------------------------------------------------------------------------------------

    def detach(self) -> "Tensor":
        """The same memory, with no history."""
        out = Tensor(self.array)
        out._version = self.version
        return out

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        if requires_grad and self.array.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require gradients, this one is {self.dtype}")
        if self._node is not None and not requires_grad:
            raise RuntimeError("requires_grad_(False): this tensor is computed from others; use .detach()")
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of an intermediate result in `.grad`."""
        if self._node is not None:
            self.register_hook(lambda g: setattr(self, "grad", g if self.grad is None else self.grad + g))

    def register_hook(self, hook):
        """Call `hook(gradient)` when this tensor's gradient is known; what it returns replaces the gradient.

        Returns a function that removes the hook.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: this tensor does not require gradients")
        owner, name = (self, "_hooks") if self._node is None else (self._node, "hooks")
        setattr(owner, name, (*getattr(owner, name), hook))
        return lambda: setattr(owner, name, tuple(h for h in getattr(owner, name) if h is not hook))

    def mark_written(self, writer: str) -> "Tensor":
        """Note that the values were changed in place, so that a backward that still needs the old ones refuses."""
        version = self.version
        version.written = Version.latest = clock()
        version.writer = writer
        return self

    # -- moving ----------------------------------------------------------------------------------------------------

    def cpu(self) -> "Tensor":
        return self.to("cpu")

    def cuda(self, index: int = 0) -> "Tensor":
        return self.to(f"cuda:{index}")

    def __deepcopy__(self, memo):
        if self._node is not None:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; use .detach().clone()")
        copy = self.__class__.__new__(self.__class__)
        memo[id(self)] = copy
        copy.__dict__.update({k: v for k, v in self.__dict__.items() if k not in ("_version", "grad")})
        copy.array = self.array.copy(order="K")
        if self.grad is not None:
            copy.grad = self.grad.detach().clone()
        return copy

    def __reduce_ex__(self, protocol):
        raise TypeError("tensors are not pickled; save them with tinygan.save(...), which writes safetensors")


def as_array(data, dtype=None, where: Device | str | None = None):
    """Data of any kind as an array: Python numbers become float32 or int64, arrays keep their dtype."""
    if isinstance(data, Tensor):
        data = data.array
    if not is_array(data):
        is_foreign_array = hasattr(data, "__array__") or hasattr(data, "__dlpack__")
        try:
            data = np.asarray(_plain(data))
        except ValueError as error:
            raise ValueError(f"tensor: the nested lists have uneven lengths ({error})") from None
        if data.dtype.kind in "OUSVc":
            raise TypeError(f"tensor: cannot hold {data.dtype} values; expected numbers or booleans")
        if data.dtype == np.float64 and not is_foreign_array:
            data = data.astype(np.float32)
    if dtype is not None and data.dtype != dtype:
        data = data.astype(dtype)
    return data if where is None else to_device(data, device(where))


def _plain(data):
    """Nested lists with tensors inside, as nested lists of numbers."""
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, list | tuple):
        return [_plain(item) for item in data]
    return data


def tensor(data, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A new leaf tensor holding a copy of `data`: numbers, nested lists, or an array.

    >>> tensor([[1, 2], [3, 4]]).dtype
    dtype('int64')
    """
    array = as_array(data, dtype, default_device() if device is None else device)
    shared = array is data or (hasattr(data, "__array__") and not isinstance(data, list | tuple))
    if shared:
        array = array_module(array).array(array, order="K")
    return Tensor(array).requires_grad_(requires_grad)
