"""Writing into a tensor: the one door through which values change in place.

Every method here refuses where autograd would lose track, and notes the write, so that a backward
that still needs the old values refuses too.
"""

from ..autograd.mode import mode
from ..autograd.tensor import Tensor
from ..backend.device import DeviceError, kernels
from ..backend.random import stream
from .elementwise import add, clamp, div, mul, sub
from .index import _integers, _raw_index
from .reduce import axis_of


def _writable(x, name):
    if mode.grad and x.requires_grad:
        kind = (
            "a leaf that requires gradients"
            if x.is_leaf
            else "a result that gradients flow through"
        )
        raise RuntimeError(
            f"{name}: this tensor is {kind}; change it under no_grad(), or use the form that "
            "makes a new tensor"
        )
    if not getattr(x.array.flags, "writeable", True):
        raise RuntimeError(
            f"{name}: this tensor is a read-only view (of an expanded tensor?); clone() it first"
        )
    return x.array


def _value(x, other, name):
    """An operand's array in x's dtype, on x's device."""
    if isinstance(other, Tensor):
        if mode.grad and other.requires_grad:
            raise RuntimeError(
                f"{name}: the operand requires gradients, which an in-place write would lose; "
                "detach() it"
            )
        if other.device != x.device:
            raise DeviceError(
                f"{name}: operands on different devices ({x.device} and {other.device}); move one "
                "with .to(device)"
            )
        return other.array
    return other


def _arithmetic(name, compute):
    def method(self, other):
        array = _writable(self, name)
        try:
            array[...] = compute(array, _value(self, other, name))
        except ValueError:
            raise ValueError(
                f"{name}: {getattr(other, 'shape', other)} does not broadcast into {self.shape}"
            ) from None
        except TypeError:
            kind = getattr(other, "dtype", type(other).__name__)
            raise TypeError(
                f"{name}: a {kind} value cannot be stored in a tensor of {self.dtype}; use the "
                "form that makes a new tensor"
            ) from None
        return self.mark_written(name)

    method.__name__, method.__doc__ = name, f"{name.strip('_').capitalize()} in place."
    return method


def _augmented(in_place, out_of_place):
    """`x += y`: in place where nothing is being recorded, else a new tensor under the old name."""

    def method(self, other):
        recorded = mode.grad and (self.requires_grad or getattr(other, "requires_grad", False))
        if recorded and not (self.requires_grad and self.is_leaf):
            return out_of_place(self, other)
        return in_place(self, other)

    return method


def in_place(name, function, x, *arguments, **keywords):
    """x becomes function(x, …), as PyTorch's `relu_` and `ReLU(inplace=True)` make it.

    Where operations are recorded, x lets go of its memory and of its place in the graph, and takes
    those of the result. What an earlier operation kept of x is then out of date, and its backward
    refuses. Tensors that shared memory with x keep the old values.
    """
    if mode.grad and x.requires_grad and x.is_leaf:
        _writable(x, name)  # refuses
    before = Tensor(x.array)
    before._node, before._version, before.requires_grad = x._node, x._version, x.requires_grad
    out = function(before, *arguments, **keywords)
    if out.shape != x.shape or out.is_floating_point() > x.is_floating_point():
        raise TypeError(
            f"{name}: a result of shape {out.shape} and {out.dtype} does not fit into a tensor of "
            f"shape {x.shape} and {x.dtype}; use the form that makes a new tensor"
        )
    out = out.to(x.dtype)
    if out._node is None:
        if out is not before:
            _writable(x, name)[...] = out.array
        return x.mark_written(name)
    x.array, x._node, x.requires_grad, x._version = out.array, out._node, True, out.version
    x.mark_written(name).version.written = x._node.order  # after all that used x before
    return x


def _add(a, b):
    a += b
    return a


def _subtract(a, b):
    a -= b
    return a


def _multiply(a, b):
    a *= b
    return a


def _divide(a, b):
    a /= b
    return a


add_, sub_ = _arithmetic("add_", _add), _arithmetic("sub_", _subtract)
mul_, div_ = _arithmetic("mul_", _multiply), _arithmetic("div_", _divide)
copy_ = _arithmetic("copy_", lambda a, b: b)
fill_ = _arithmetic("fill_", lambda a, b: b)


def zero_(self):
    """Set to 0 in place."""
    return fill_(self, 0)


def clamp_(self, min=None, max=None):
    """Limit to [min, max] in place."""
    limited = clamp(self.detach(), min, max)
    if limited.is_floating_point() and not self.is_floating_point():
        raise TypeError(
            f"clamp_: limits {min}, {max} do not fit into a tensor of {self.dtype}; use the form "
            "that makes a new tensor"
        )
    _writable(self, "clamp_")[...] = limited.array
    return self.mark_written("clamp_")


def normal_(self, mean=0.0, std=1.0, generator=None):
    """Fill with normal numbers, from the stream "init" unless another `generator` is given."""
    drawn = (generator or stream("init")).normal(self.shape, self.dtype, self.device)
    _writable(self, "normal_")[...] = drawn * std + mean
    return self.mark_written("normal_")


def uniform_(self, low=0.0, high=1.0, generator=None):
    """Fill with uniform numbers from [low, high), from the stream "init" unless another `generator`
    is given.
    """
    drawn = (generator or stream("init")).uniform(self.shape, self.dtype, self.device)
    _writable(self, "uniform_")[...] = drawn * (high - low) + low
    return self.mark_written("uniform_")


def setitem(self, index, value):
    """x[index] = value, in place."""
    array = _writable(self, "setitem")
    raw = tuple(
        _raw_index(self, part) for part in (index if isinstance(index, tuple) else (index,))
    )
    try:
        array[raw] = _value(self, value, "setitem")
    except IndexError as error:
        raise IndexError(f"setitem: {error} (the tensor's shape is {self.shape})") from None
    except ValueError as error:
        raise ValueError(
            f"setitem: a value of shape {getattr(value, 'shape', ())} does not fit: {error}"
        ) from None
    self.mark_written("setitem")


def index_add_(self, dim, index, source):
    """x[index] += source along axis `dim`, where an index that occurs twice counts twice."""
    index = _integers("index_add_", index, self)
    array, dim = _writable(self, "index_add_"), axis_of("index_add_", dim, self.ndim)
    places = (slice(None),) * dim + (_raw_index(self, index),)
    kernels(array).add_at(array, places, _value(self, source, "index_add_"))
    return self.mark_written("index_add_")


iadd, isub = _augmented(add_, add), _augmented(sub_, sub)
imul, itruediv = _augmented(mul_, mul), _augmented(div_, div)
