"""What may stand beside a tensor in an operation, and how mixed operands are brought together."""

import numpy as np

from ..backend.device import device_of, is_array
from .tensor import Tensor

ADAPTING = {float, int, bool, type(None)}  # operands that take on the dtype of their partner


def harmonise(op, inputs, first):
    """Bring mixed operands to one device and dtype: float beats integer, wider beats narrower,
    scalars adapt.
    """
    if first is None:
        inputs = [Tensor(inputs[0]), *inputs[1:]]
        first = inputs[0].array
    floats = [x.array.dtype for x in inputs if isinstance(x, Tensor) and x.array.dtype.kind == "f"]
    dtypes = floats or [
        x.array.dtype for x in inputs if isinstance(x, Tensor) and x.array.dtype.kind != "b"
    ]
    fractional = op.floating or any(isinstance(x, float | np.floating) for x in inputs)
    if fractional and not floats:
        dtypes = [np.dtype(np.float32)]
    target = np.result_type(*dtypes) if dtypes else None
    converted = []
    for x in inputs:
        if isinstance(x, np.generic):
            x = x.item()
        elif isinstance(x, np.ndarray | list | tuple):
            x = Tensor(x)
            if type(first) is not np.ndarray:
                x = x.to(device_of(first))
        if isinstance(x, Tensor):
            if device_of(x.array) != device_of(first):
                places = " and ".join(str(t.device) for t in inputs if isinstance(t, Tensor))
                raise RuntimeError(
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


def explained(op, arrays, error):
    """The same kind of exception, with the operation and its operands named."""
    seen = ", ".join(f"{a.shape} {a.dtype}" if is_array(a) else repr(a) for a in arrays)
    reason = str(error)
    if "broadcast" in reason:
        reason = (
            "the shapes do not broadcast. Compared from the right, sizes must be equal, or one "
            "of them 1; "
            "reshape or unsqueeze one operand"
        )
    return type(error)(f"{op.name}({seen}): {reason}")
