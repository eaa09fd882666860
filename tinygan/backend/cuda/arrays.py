"""CuPy's functions, which here keep the order of axes in memory, as NumPy's do.

Convolutions take and give images (N, C, H, W) whose channels lie side by side in memory: views of
arrays (N, H, W, C). A function of each element may as well run over memory as it lies. NumPy's do;
CuPy's walk along the axes as they are numbered, which takes them across memory with long strides,
and write their result in C order, which every convolution would have to turn round again. So such
functions get their operands with the axes in the order of memory, and the result is turned back;
only views are made of it. Where everything lies in C order, that costs a look at a flag.

>>> memory_order((4096, 1, 512, 64))
(0, 2, 3, 1)
"""

from functools import cache, lru_cache

_ELEMENTWISE = {"clip", "copy", "full_like", "nan_to_num", "ones_like", "round", "where"}
_REDUCTIONS = {"all", "any", "max", "mean", "min", "prod", "sum"}


@cache
def keeping_order(cupy):
    """CuPy as an array module whose functions keep the order in memory."""
    return Arrays(cupy)


class Arrays:
    """The functions of CuPy by their names, those of each element and reductions wrapped."""

    def __init__(self, cupy):
        self.cupy = cupy

    def __repr__(self):
        return f"<{self.cupy.__name__}, keeping the order of axes in memory>"

    def __getattr__(self, name):  # a name's first use; later ones find the attribute
        value = getattr(self.cupy, name)
        if isinstance(value, self.cupy.ufunc) or name in _ELEMENTWISE:
            value = InOrder(value, self.cupy.ndarray)
        elif name in _REDUCTIONS:
            value = Reduction(value)
        elif name == "concatenate":
            value = Joining(value)
        setattr(self, name, value)
        return value


class InOrder:
    """A function of each element, whose result lies in memory as its operands do.

    Where they lie differently, the first one that is not in C order decides: an image with its
    channels last makes the result such an image.
    """

    def __init__(self, function, array_type):
        self.function, self.array_type = function, array_type

    def __getattr__(self, name):  # the `at` of `xp.add.at`
        return getattr(self.function, name)

    def __call__(self, *operands, **keywords):
        array_type = self.array_type
        for x in (*operands, *keywords.values()) if keywords else operands:
            if type(x) is array_type and not x.flags.c_contiguous:
                return self._in_order(operands, keywords)
        return self.function(*operands, **keywords)

    def _in_order(self, operands, keywords):
        out = keywords.get("out")
        arrays = [x for x in (out, *operands) if type(x) is self.array_type]
        order = _common_order(arrays)
        if order is None:
            return self.function(*operands, **keywords)
        turn = lambda x: _turned(x, order) if type(x) is self.array_type else x
        keywords = {key: turn(value) for key, value in keywords.items()}
        result, back = self.function(*map(turn, operands), **keywords), inverse(order)
        if out is not None:
            return out
        if isinstance(result, tuple):
            return tuple(part.transpose(back) for part in result)
        return result.transpose(back)


class Reduction:
    """A reduction, which takes all elements in the order of memory where all are reduced to one."""

    def __init__(self, function):
        self.function = function

    def __call__(self, x, axis=None, **keywords):
        every = axis is None or (isinstance(axis, tuple) and len(axis) == x.ndim)
        if every and not x.flags.c_contiguous and (order := memory_order(x.strides)):
            x = x.transpose(order)
        return self.function(x, axis=axis, **keywords)


class Joining:
    """Arrays joined along an axis; the whole lies as the first one that is not in C order."""

    def __init__(self, function):
        self.function = function

    def __call__(self, arrays, axis=0):
        order = _common_order(arrays)
        if order is None:
            return self.function(arrays, axis=axis)
        place = order.index(axis % len(order))
        whole = self.function([x.transpose(order) for x in arrays], axis=place)
        return whole.transpose(inverse(order))


@lru_cache(4096)
def memory_order(strides):
    """The axes from the longest stride to the shortest; None for C order, and where an axis is
    only repeated in memory.
    """
    order = tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))
    return None if 0 in strides or order == tuple(range(len(strides))) else order


@lru_cache(4096)
def inverse(order):
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _common_order(arrays):
    """The order of the first operand with as many axes as the result that is not in C order."""
    ndim = max(x.ndim for x in arrays)
    for x in arrays:
        if x.ndim == ndim and not x.flags.c_contiguous and (order := memory_order(x.strides)):
            return order
    return None


def _turned(x, order):
    """x with its axes in this order, aligned at the last one, as broadcasting does."""
    if x.ndim == 0:
        return x
    return x[(None,) * (len(order) - x.ndim)].transpose(order)
