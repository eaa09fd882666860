"""Arrays as views of memory: which memory, which array's, and what of it a call writes to."""

import numpy as np


def address(x) -> int:
    """Where in memory an array begins."""
    return x.__array_interface__["data"][0]


def same_memory(a, b) -> bool:
    """Are two arrays the same elements?"""
    return (
        isinstance(b, np.ndarray)
        and (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype)
        and address(a) == address(b)
    )


def block_of(x):
    """The block of the arena that an array lies in; None where it lies elsewhere."""
    while x is not None:
        if getattr(x, "place", None) is not None:
            return x
        x = getattr(x, "base", None)
    return None


def root_of(x):
    """The array whose memory this one is a view of."""
    block = block_of(x)
    if block is not None:
        return block
    while isinstance(getattr(x, "base", None), np.ndarray):
        x = x.base
    return x


def root_address(x) -> int:
    """Alike for two arrays if they are views of the same memory."""
    return address(root_of(x))


def is_basic(key) -> bool:
    """Is x[key] a view?"""
    return all(
        part is None
        or part is Ellipsis
        or (isinstance(part, slice | int | np.integer) and not isinstance(part, bool))
        for part in (key if isinstance(key, tuple) else (key,))
    )


def within(value, function):
    """The function of what a tuple, list or dict holds; anything else as it is."""
    if isinstance(value, tuple | list):
        items = [function(v) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if type(value) is dict:
        return {k: function(v) for k, v in value.items()}
    return value


def plain(value):
    """Arrays as ordinary ones, also within tuples, lists and dicts."""
    return value.view(np.ndarray) if isinstance(value, np.ndarray) else within(value, plain)


def arrays_in(value) -> list:
    """The arrays within tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [x for v in value for x in arrays_in(v)] if isinstance(value, tuple | list) else []


def copy_into(target, function, arguments, keywords):
    np.copyto(target, function(*arguments, **keywords))


def copy_each_into(targets, function, arguments, keywords):
    for target, value in zip(targets, function(*arguments, **keywords)):
        np.copyto(target, value)


def written_by(call) -> list:
    """The arrays that a noted call, a `partial`, writes to; None among them where nobody knows."""
    if "out" in call.keywords:
        return arrays_in(call.keywords["out"])
    first = call.args[0] if call.args else None
    return arrays_in(first) or [None]
