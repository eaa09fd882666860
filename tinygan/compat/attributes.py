"""What ported code asks of a tensor beside its numbers: `x.is_cuda`, `x.nelement()`, `x.detach_()`.

Also the forms that give a tensor another shape in place.
"""

import inspect

from .. import autograd
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


def backward_of_several(
    tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None,
    inputs=None,
):  # fmt: skip
    """`autograd.backward`: what `tensors` pass to the leaves, of one tensor or of several at once;
    `grad_tensors` are their gradients, 1 where left out.
    """
    given = grad_variables if grad_tensors is None else grad_tensors
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    grads = [given] * len(tensors) if given is None or isinstance(given, Tensor) else list(given)
    if len(grads) != len(tensors):
        raise ValueError(f"backward: {len(tensors)} tensors, but {len(grads)} gradients")
    last = len(tensors) - 1
    for i, (x, g) in enumerate(zip(tensors, grads)):
        x.backward(g, True if i < last else retain_graph, create_graph, inputs)


def install() -> None:
    """Give tensors these attributes."""
    autograd.backward = backward_of_several
    for name, function in PROPERTIES.items():
        setattr(Tensor, name, property(function))
    for name, function in METHODS.items():
        setattr(Tensor, name, function)
    Tensor.detach_ = detach_
    for name in ("squeeze", "unsqueeze", "transpose"):
        setattr(Tensor, f"{name}_", _turned(name, getattr(Tensor, name)))
    Tensor.t_ = _turned("t", Tensor.t)
