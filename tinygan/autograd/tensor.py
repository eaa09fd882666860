"""Tensor: an array, and whether and how to differentiate by it.

A tensor holds a raw array (`.array`, NumPy or CuPy), a flag `requires_grad`, the accumulated
gradient `.grad`, and, when it is the result of a recorded operation, the node of the graph that
made it. Arithmetic and the other operations are attached from `tinygan.ops`; what is here is what a
tensor *is*.
"""

import itertools

import numpy as np

from ..backend.device import device_of, is_array
from .interop import Interop, as_array

# One clock for recording operations and for writing in place: later events have larger numbers.
clock = itertools.count(1).__next__


class Version:
    """When and by whom memory was last written in place; shared by a tensor and its views."""

    __slots__ = ("writer", "written")
    latest = 0  # the last write of all

    def __init__(self):
        self.written, self.writer = 0, None


class Tensor(Interop):
    """An n-dimensional array that remembers how it was computed.

    An array is taken as it is; lists become float32, as in PyTorch, where `tensor` keeps the type.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    requires_grad = False
    grad: "Tensor | None" = None  # filled by backward
    _node = None  # the operation that made this tensor; None for a leaf
    _version = None  # created when first shared or written
    _hooks = ()
    _ready_hooks = ()
    awaited = False  # by some hook, that a leaf's gradient is complete

    def __init__(self, data, *sizes, requires_grad: bool = False):
        if sizes:
            raise TypeError(
                f"Tensor{(data, *sizes)}: expected one array or list; a tensor of a shape is "
                f"zeros{(data, *sizes)} or empty{(data, *sizes)}, and requires_grad goes by name"
            )
        if type(data) is not np.ndarray and not is_array(data):
            if isinstance(data, int) and not isinstance(data, bool):
                raise TypeError(
                    f"Tensor({data}): in PyTorch a tensor of {data} numbers, which is "
                    f"zeros({data}) here; the number is tensor({data})"
                )
            data = as_array(data, "float32" if isinstance(data, list | tuple) else None)
        self.array = data
        if requires_grad:
            self.requires_grad_()

    __hash__ = object.__hash__  # by identity: == compares elements

    # -- what it is --------------------------------------------------------------------------------

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

    # -- gradients ---------------------------------------------------------------------------------

    def detach(self) -> "Tensor":
        """The same memory, with no history."""
        out = Tensor(self.array)
        out._version = self.version
        return out

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        if requires_grad and self.array.dtype.kind != "f":
            raise TypeError(
                f"only floating-point tensors can require gradients, this one is {self.dtype}"
            )
        if self._node is not None and not requires_grad:
            raise RuntimeError(
                "requires_grad_(False): this tensor is computed from others; use .detach()"
            )
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of an intermediate result in `.grad`."""
        if self._node is not None:
            self.register_hook(
                lambda g: setattr(self, "grad", g.clone() if self.grad is None else self.grad + g)
            )

    def register_hook(self, hook):
        """Call `hook(gradient)` when this tensor's gradient is known; what it returns replaces the
        gradient.

        Returns a function that removes the hook.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: this tensor does not require gradients")
        owner, name = (self, "_hooks") if self._node is None else (self._node, "hooks")
        setattr(owner, name, (*getattr(owner, name), hook))
        return lambda: setattr(owner, name, tuple(h for h in getattr(owner, name) if h is not hook))

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(self)` when a backward pass has added to this leaf's `.grad` all that it will,
        while it goes on with the rest of the graph.

        Returns a function that removes the hook.
        """
        if not self.requires_grad or self._node is not None:
            raise RuntimeError(
                "register_post_accumulate_grad_hook: expected a leaf that requires gradients; "
                "of a computed tensor register_hook tells the gradient"
            )
        Tensor.awaited = True
        self._ready_hooks = (*self._ready_hooks, hook)

        def remove():
            self._ready_hooks = tuple(h for h in self._ready_hooks if h is not hook)

        return remove

    def mark_written(self, writer: str) -> "Tensor":
        """Note that the values were changed in place, so that a backward that still needs the old
        ones refuses.
        """
        version = self.version
        version.written = Version.latest = clock()
        version.writer = writer
        return self
