"""Steps of optimisers and averages of weights, for all parameters in one launch.

What is done is written down in Python, `equations.py` makes statements of it, `equation.cu` is the
kernel around these. A launch gets the addresses of up to `_TENSORS` rows of arrays by value.
"""

from functools import cache, lru_cache

import numpy as np

from .. import portable
from .compiled import kernel
from .equations import CannotBeWrittenDown, write_down

THREADS, CHUNK = 256, 4096
_ARGUMENTS, _TENSORS = 4096, 64  # bytes that a launch may carry on every GPU; and enough rows
_TYPES = {"f": "float", "d": "double", "q": "long long", "l": "long long"}


def apply_to_many(equation, rows) -> None:
    """`portable.apply_to_many`: rows [θ, g, …], one of each parameter.

    Those whose arrays do not lie in memory alike, and equations that are more than statements about
    single numbers, go the portable way, one after another.
    """
    try:
        written = write_down(equation, len(rows[0]))
    except (CannotBeWrittenDown, AttributeError, TypeError):  # on arrays it says what is wrong
        written = None
    alike = {}
    for row in rows:
        kind = row[0].dtype.char
        if written is None or kind not in _TYPES or not lie_alike(row):
            portable.apply_to_many(equation, [row])
        elif row[0].size:
            alike.setdefault(kind, []).append(row)
    for kind, same in alike.items():
        _launch(written, kind, same)


def _launch(written, kind, rows):
    table, numbers = structs(written.arrays, len(written.numbers), kind)
    change = kernel("equation.cu", "apply_equation", **macros_of(written, table, kind))
    given = np.zeros((), numbers)
    given["k"][: len(written.numbers)] = written.numbers
    for some in bundles(rows, table):
        filled, blocks = fill(table, some)
        change((blocks,), (THREADS,), (filled, given))


def bundles(rows, table):
    """As many rows at a time as a table takes."""
    capacity = table["size"].shape[0]
    return (rows[i : i + capacity] for i in range(0, len(rows), capacity))


def fill(table, rows):
    """The argument of a launch for these rows, and its number of blocks."""
    n, blocks, first, filled = len(rows), 0, [], np.zeros((), table)
    sizes = [row[0].size for row in rows]
    for size in sizes:
        first.append(blocks)
        blocks += -(-size // CHUNK)
    filled["array"][:, :n] = np.array([[x.data.ptr for x in row] for row in rows], np.uint64).T
    filled["size"][:n] = sizes
    filled["first"][:n] = first
    filled["first"][n:] = blocks
    return filled, blocks


def lie_alike(row) -> bool:
    """Are all of them one stretch of memory each, with the same order of elements and one dtype?"""
    theta = row[0]
    strides, dtype = theta.strides, theta.dtype
    for other in row[1:]:
        if other.dtype != dtype or (
            other.strides != strides
            and _order(other.shape, other.strides) != _order(theta.shape, strides)
        ):
            return False
    return is_dense(theta.shape, strides, dtype.itemsize)


@lru_cache(1 << 12)
def _order(shape, strides):
    """The strides that mean something: not those along an axis of one element."""
    return tuple(stride if n > 1 else 0 for n, stride in zip(shape, strides))


@lru_cache(1 << 12)
def is_dense(shape, strides, itemsize):
    """Do the elements fill their stretch of memory without gaps, in whatever order of the axes?"""
    if 0 in shape:
        return True
    expected = itemsize
    for stride, n in sorted((stride, n) for stride, n in zip(strides, shape) if n > 1):
        if stride != expected:
            return False
        expected *= n
    return True


# -- kernels and their arguments -------------------------------------------------------------------


@cache
def structs(arrays: int, numbers: int, kind: str):
    """The dtypes of both arguments: structs of C, which a launch takes by value."""
    given = np.dtype([("k", kind, max(numbers, 1))])
    return table_of(arrays, _ARGUMENTS - given.itemsize), given


def macros_of(written, table, kind):
    """What the kernel of an equation is compiled with."""
    count = max(len(written.numbers), 1)
    own = {"EQUATION": written.text, "WRITTEN": written.mask, "NUMBERS": count}
    return own | sizes_of(table, kind)


@cache
def table_of(arrays: int, room: int = _ARGUMENTS):
    """`struct Table` of tensors.cuh with as many rows as fit into so many bytes, up to a limit."""
    tensors = min(_TENSORS, (room - 16) // (8 * arrays + 12))
    fields = [("array", "u8", (arrays, tensors)), ("size", "i8", tensors)]
    return np.dtype([*fields, ("first", "u4", tensors + 1)], align=True)


def sizes_of(table, kind):
    """The macros of tensors.cuh."""
    arrays, tensors = table["array"].shape
    sizes = {"ARRAYS": arrays, "TENSORS": tensors, "THREADS": THREADS, "CHUNK": CHUNK}
    return {"REAL": _TYPES[kind], **sizes}


def _example(kind):
    written = write_down(lambda average, value, *_: average.__setitem__(..., value), 2)
    return macros_of(written, structs(2, 0, kind)[0], kind)


VARIANTS = [("equation.cu", "apply_equation", _example(kind)) for kind in _TYPES]
