"""What may stand beside a tensor in an operation, and how mixed operands are brought together."""

import numpy as np

from ..backend.device import DeviceError, device_of, is_array
from .tensor import Tensor, as_array

ADAPTING = {float, int, bool, type(None)}  # operands that take on the dtype of their partner


def result_dtype(operands, floating=False):
    """The dtype in which tensors and numbers meet, as in PyTorch.

    Fractions beat whole numbers, and these beat booleans. Among those of the winning kind, tensors
    with axes decide; where none has any, 0-d tensors do; and a Python number decides only where no
    tensor is of its kind: it is then a float32 or an int64. `floating` makes whole numbers float32.
    """
    ranks = [[], [], []]  # dtypes of tensors with axes, of 0-d tensors, of Python numbers
    for x in operands:
        if isinstance(x, Tensor):
            ranks[0 if x.array.ndim else 1].append(x.array.dtype)
        elif x is not None:
            ranks[2].append(NUMBERS[type(x)])
    for kind in _KINDS:
        for dtypes in ranks:
            if decisive := [dtype for dtype in dtypes if dtype.kind in kind]:
                found = np.result_type(*decisive)
                return found if kind == "f" or not floating else NUMBERS[float]
    return None


_KINDS = "f", "iu", "b"
_LIKE = {"f": 0.5, "i": 1, "u": 1, "b": True}  # a number of each kind
NUMBERS = {float: np.dtype("float32"), int: np.dtype("int64"), bool: np.dtype("bool")}


def harmonise(op, inputs, first):
    """Bring mixed operands to one device and to the dtype in which they meet.

    A list or NumPy array counts for no more than a Python number of its kind.
    """
    if first is None:
        inputs = [Tensor(as_array(inputs[0])), *inputs[1:]]
        first = inputs[0].array
    given, inputs = inputs, [_adopted(x, first) for x in inputs]
    for x in inputs:
        if not isinstance(x, Tensor) and x is not None and type(x) not in NUMBERS:
            raise TypeError(
                f"{op.name}: expected a tensor or a number, got {type(x).__name__}: {x!r}"[:300]
            )
    counting = [
        x if type(x) in NUMBERS or x is None or isinstance(g, Tensor) else _LIKE[x.dtype.kind]
        for g, x in zip(given, inputs)
    ]
    target = result_dtype(counting, op.floating)
    converted = []
    for x in inputs:
        if isinstance(x, Tensor):
            if device_of(x.array) != device_of(first):
                places = " and ".join(str(t.device) for t in inputs if isinstance(t, Tensor))
                raise DeviceError(
                    f"{op.name}: operands on different devices ({places}); move them together "
                    "with .to(device)"
                )
            x = x if x.array.dtype == target else x.to(target)
        elif x is not None and target.kind in "iu":  # a number out of range wraps around
            x = np.asarray(x).astype(target)[()]
        converted.append(x)
    return converted, [x.array if isinstance(x, Tensor) else x for x in converted]


def _adopted(x, first):
    """A NumPy scalar as a Python number, a list or NumPy array as a tensor where `first` lives."""
    if isinstance(x, np.generic):
        return x.item()
    if type(x) not in NUMBERS and isinstance(x, int | float):
        return float(x) if isinstance(x, float) else int(x)
    if isinstance(x, np.ndarray | list | tuple):
        return Tensor(as_array(x, where=device_of(first)))
    return x


def explained(op, arrays, error):
    """The same kind of exception, with the operation and its operands named."""
    seen = ", ".join(f"{a.shape} {a.dtype}" if is_array(a) else repr(a) for a in arrays)
    reason = str(error)
    if "broadcast" in reason:
        reason = (
            "the shapes do not broadcast. Compared from the right, sizes must be equal, or one "
            "of them 1; reshape or unsqueeze one operand"
        )
    if any(a is None for a in arrays) and op.elementwise:
        reason = "expected tensors or numbers, got None"
    kinds = ValueError, TypeError, IndexError, OverflowError
    kind = next(k for k in kinds if isinstance(error, k))
    return kind(f"{op.name}({seen}): {reason}")
