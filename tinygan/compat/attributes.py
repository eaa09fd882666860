"""What ported code asks of a tensor beside its numbers: `x.is_cuda`, `x.nelement()`, `x.detach_()`.

Also the forms that give a tensor another shape in place.
"""

import inspect

from ..autograd.tensor import Tensor
from ..ops.inplace import _writable

PROPERTIES = {
    "is_cuda": lambda input: input.device.type == "cuda",
    "itemsize": lambda input: input.dtype.itemsize,
}
METHODS = {
    "element_size": lambda input: input.dtype.itemsize,
    "get_device": lambda input: input.device.index if input.device.type == "cuda" else -1,
    "is_contiguous": lambda input, memory_format=None: input.array.flags.c_contiguous,
    "ndimension": lambda input: input.ndim,
    "nelement": lambda input: input.numel(),
}


def detach_(self):
    """From here on without history."""
    self._node, self.requires_grad = None, False
    return self


def _turned(name, function):
    """A form that changes only the shape: the tensor becomes a view of what it was."""

    def method(self, *arguments):
        if self.requires_grad:
            _writable(self, f"{name}_")  # refuses where operations are recorded
        self.array = function(self.detach(), *arguments).array
        return self.mark_written(f"{name}_")

    method.__name__, method.__doc__ = f"{name}_", f"As `{name}`, in place."
    method.__signature__ = inspect.signature(function)
    return method


def install() -> None:
    """Give tensors these attributes."""
    for name, function in PROPERTIES.items():
        setattr(Tensor, name, property(function))
    for name, function in METHODS.items():
        setattr(Tensor, name, function)
    Tensor.detach_ = detach_
    for name in ("squeeze", "unsqueeze", "transpose"):
        setattr(Tensor, f"{name}_", _turned(name, getattr(Tensor, name)))
    Tensor.t_ = _turned("t", Tensor.t)
