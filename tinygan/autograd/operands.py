"""What may stand beside a tensor in an operation, and how mixed operands are brought together."""

import numpy as np

from ..backend.device import DeviceError, device_of, is_array
from .tensor import Tensor, as_array

ADAPTING = {float, int, bool, type(None)}  # operands that take on the dtype of their partner


def harmonise(op, inputs, first):
    """Bring mixed operands to one device and dtype: float beats integer, wider beats narrower,
    scalars adapt.
    """
    if first is None:
        inputs = [Tensor(inputs[0]), *inputs[1:]]
        first = inputs[0].array
    dtypes = [x.array.dtype for x in inputs if isinstance(x, Tensor) and x.array.dtype.kind != "b"]
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    inputs = [_adopted(x, first) for x in inputs]
    fractional = op.floating or any(isinstance(x, float) for x in inputs)
    if not floats and any(isinstance(x, Tensor) and x.is_floating_point() for x in inputs):
        fractional = True  # a list or NumPy array of fractions beside whole numbers
    dtypes = floats or dtypes
    if fractional and not floats:
        dtypes = [np.dtype(np.float32)]
    target = np.result_type(*dtypes) if dtypes else None
    converted = []
    for x in inputs:
        if isinstance(x, Tensor):
            if device_of(x.array) != device_of(first):
                places = " and ".join(str(t.device) for t in inputs if isinstance(t, Tensor))
                raise DeviceError(
                    f"{op.name}: operands on different devices ({places}); move them together "
                    "with .to(device)"
                )
            if target is not None and x.array.dtype is not target:
                keep = x.array.dtype.kind == "b" and not op.floating and not fractional
                x = x if keep or (x.array.dtype == target) else x.to(target)
        elif x is not None and not isinstance(x, int | float | bool):
            raise TypeError(
                f"{op.name}: expected a tensor or a number, got {type(x).__name__}: {x!r}"[:300]
            )
        converted.append(x)
    return converted, [x.array if isinstance(x, Tensor) else x for x in converted]


def _adopted(x, first):
    """A NumPy scalar as a Python number, a list or NumPy array as a tensor where `first` lives."""
    if isinstance(x, np.generic):
        return x.item()
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
    kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(error, k))
    return kind(f"{op.name}({seen}): {reason}")
