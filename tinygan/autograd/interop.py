"""Into and out of the engine: how data of any kind becomes an array, and what Python, NumPy and
other libraries may ask of a tensor (its length, its truth, its numbers, its memory, its text).
"""

import numpy as np

from ..backend.device import Device, device, is_array, to_device, to_numpy


class Interop:
    """The part of Tensor that speaks to the outside."""

    __array_ufunc__ = None  # so that numpy_array * tensor asks the tensor

    def __len__(self):
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor: it holds one number; use .item()")
        return self.array.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

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

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array (shared memory on the CPU), without history."""
        return to_numpy(self.array)

    def __array__(self, dtype=None, copy=None):
        array = to_numpy(self.array)
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"a {array.dtype} tensor becomes a {np.dtype(dtype)} array only by a copy"
                )
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **keywords):
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def item(self):
        if self.array.size != 1:
            raise ValueError(
                f"item: expected a tensor with one element, got shape {self.shape}; use .tolist()"
            )
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
                f"the truth of a tensor with {self.array.size} elements (shape {self.shape}) is "
                "ambiguous; "
                "use (t > 0).all() or .any()"
            )
        return bool(self.item())

    def __index__(self):
        if self.array.dtype.kind not in "iub":
            raise TypeError(f"only an integer tensor can be an index, this one is {self.dtype}")
        return int(self.item())

    def cpu(self):
        return self.to("cpu")

    def cuda(self, index: int = 0):
        return self.to(f"cuda:{index}")

    def __deepcopy__(self, memo):
        if self._node is not None:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; use .detach().clone()")
        copy = self.__class__.__new__(self.__class__)
        memo[id(self)] = copy
        copy.__dict__.update(
            {k: v for k, v in self.__dict__.items() if k not in ("_version", "grad")}
        )
        copy.array = self.array.copy(order="K")
        if self.grad is not None:
            copy.grad = self.grad.detach().clone()
        return copy

    def __reduce_ex__(self, protocol):
        raise TypeError(
            "tensors are not pickled; save them with tinygan.save(...), which writes safetensors"
        )


def as_array(data, dtype=None, where: Device | str | None = None):
    """Data of any kind as an array: Python numbers become float32 or int64, arrays keep their
    dtype.
    """
    if isinstance(data, Interop):
        data = data.array
    if not is_array(data):
        is_foreign_array = hasattr(data, "__array__") or hasattr(data, "__dlpack__")
        try:
            data = np.asarray(_plain(data))
        except ValueError as error:
            raise ValueError(f"tensor: the nested lists have uneven lengths ({error})") from None
        if data.dtype == np.float64 and not is_foreign_array:
            data = data.astype(np.float32)
    if data.dtype.kind not in "fiub":
        raise TypeError(f"tensor: cannot hold {data.dtype} values; expected numbers or booleans")
    if dtype is not None and data.dtype != dtype:
        data = data.astype(dtype)
    return data if where is None else to_device(data, device(where))


def _plain(data):
    """Nested lists with tensors inside, as nested lists of numbers."""
    if isinstance(data, Interop):
        return data.tolist()
    if isinstance(data, list | tuple):
        return [_plain(item) for item in data]
    return data
