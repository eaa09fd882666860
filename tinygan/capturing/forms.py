"""Arguments and results as what they are made of: tensors, arrays, and what holds them."""

from ..autograd import Tensor
from ..backend.device import is_array, on_device


def form_of(value, arrays):
    """What a program depends on of its arguments; their arrays are added to `arrays`."""
    if isinstance(value, Tensor):
        arrays.append(value.array)
        rest = "Tensor", value.requires_grad
    elif is_array(value):
        arrays.append(value)
        rest = ("array",)
    elif isinstance(value, tuple | list):
        return type(value), *[form_of(v, arrays) for v in value]
    elif isinstance(value, dict):
        return dict, *[(k, form_of(v, arrays)) for k, v in value.items()]
    else:
        return type(value), value
    array = arrays[-1]
    return *rest, on_device(array), array.shape, array.strides, array.dtype


def rebuilt(value, arrays):
    """The same, with other arrays in the places of its own."""
    if isinstance(value, Tensor):
        return Tensor(next(arrays))
    if is_array(value):
        return next(arrays)
    if isinstance(value, tuple | list):
        items = [rebuilt(v, arrays) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {k: rebuilt(v, arrays) for k, v in value.items()}
    return value


def leaves(value):
    """The tensors and arrays within."""
    if isinstance(value, Tensor) or is_array(value):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple | list):
        return []
    return [x for part in value for x in leaves(part)]
