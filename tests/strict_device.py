"""A GPU for machines without one: CuPy's manners over NumPy's arithmetic.

`StrictArray` behaves as a CuPy array does where code usually goes wrong. It refuses to meet NumPy
arrays, NumPy's functions do not take it, every result of a reduction or of `x[0]` is a 0-d array,
and each time the host looks at a value (`float(x)`, `if x:`, `x.item()`, `x.get()`) is counted,
because on a GPU it makes the host wait. What a function makes anew lies in C order, however its
operands lie: NumPy keeps their order, CuPy does not. `install` puts a module that serves such
arrays in the place of CuPy, so that the engine's own code for "cuda" runs unchanged.
"""

import operator
import sys
import types
from importlib import import_module

import numpy as np
import scipy.special

from tests import philox
from tinygan.backend.cuda.arrays import keeping_order

waits = []  # one entry for each time the host read a value


class MixedDevices(TypeError):
    """A host array met a device array."""


def _down(value):
    """The NumPy array inside, also within lists and tuples; host arrays are refused."""
    if isinstance(value, StrictArray):
        return value._array
    if isinstance(value, np.ndarray):
        raise MixedDevices(f"a host array of shape {value.shape} met the device")
    if isinstance(value, list | tuple):
        return type(value)(_down(v) for v in value)
    if isinstance(value, dict):
        return {k: _down(v) for k, v in value.items()}
    return value


def _new(value):
    """What a function has made, in C order where it is not a view."""
    if isinstance(value, np.ndarray) and value.base is None:
        value = np.asarray(value, order="C")
    return type(value)(map(_new, value)) if isinstance(value, list | tuple) else _up(value)


def _up(value):
    if isinstance(value, np.ndarray | np.generic):
        return StrictArray(np.asarray(value))
    if isinstance(value, list | tuple):
        return type(value)(_up(v) for v in value)
    return value


class StrictArray:
    """A NumPy array that pretends to be in a GPU's memory."""

    __slots__ = ("__weakref__", "_array")
    __array_ufunc__ = None
    __hash__ = None
    device = types.SimpleNamespace(id=0)

    def __init__(self, array):
        self._array = array

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self._array.ctypes.data)

    def __repr__(self):
        return f"StrictArray({self._array!r})"

    def __array__(self, *_, **__):
        raise TypeError("implicit conversion to a NumPy array is not allowed; use .get()")

    def get(self):
        waits.append("get")
        return self._array.copy()

    def set(self, host):
        self._array[...] = host

    def __len__(self):
        return len(self._array)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return _up(self._array[self._checked(index)])

    def __setitem__(self, index, value):
        self._array[self._checked(index)] = _down(value)

    @staticmethod
    def _checked(index):
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, list):
                raise MixedDevices("a host list is used as an index on the device")
        return _down(index)


def _attribute(name):
    return property(lambda self: getattr(self._array, name))


def _method(name):
    return lambda self, *args, **kw: _up(getattr(self._array, name)(*_down(args), **_down(kw)))


def _reading(name, function):
    def read(self):
        waits.append(name)
        return function(self._array)

    return read


def _binary(function, swapped=False):
    def apply(self, other):
        a, b = (_down(other), self._array) if swapped else (self._array, _down(other))
        return _new(function(a, b))

    return apply


def _in_place(function):
    def apply(self, other):
        function(self._array, _down(other))
        return self

    return apply


for _name in ["shape", "dtype", "ndim", "size", "flags", "strides", "nbytes", "itemsize"]:
    setattr(StrictArray, _name, _attribute(_name))
for _name in ["T", "base"]:
    setattr(StrictArray, _name, property(lambda self, name=_name: _up(getattr(self._array, name))))
for _name in [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "astype",
    "clip",
    "copy",
    "cumsum",
    "dot",
    "fill",
    "max",
    "mean",
    "min",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "transpose",
    "var",
    "view",
]:
    setattr(StrictArray, _name, _method(_name))
for _name, _function in {
    "__bool__": bool,
    "__float__": float,
    "__int__": int,
    "__index__": operator.index,
    "item": lambda a: a.item(),
    "tolist": lambda a: a.tolist(),
}.items():
    setattr(StrictArray, _name, _reading(_name, _function))
for _name in [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and_",
    "or_",
    "xor",
]:
    _plain, _function = _name.strip("_"), getattr(operator, _name)
    setattr(StrictArray, f"__{_plain}__", _binary(_function))
    setattr(StrictArray, f"__r{_plain}__", _binary(_function, swapped=True))
    setattr(StrictArray, f"__i{_plain}__", _in_place(getattr(operator, f"i{_plain}")))
for _name in ["lt", "le", "gt", "ge", "eq", "ne"]:
    setattr(StrictArray, f"__{_name}__", _binary(getattr(operator, _name)))
for _name in ["neg", "invert", "abs"]:
    setattr(
        StrictArray, f"__{_name}__", lambda self, f=getattr(operator, _name): _new(f(self._array))
    )


class _Function:
    """One of NumPy's functions, on device arrays only."""

    def __init__(self, function):
        self._function = function

    def __call__(self, *args, out=None, **keywords):
        if out is not None:
            self._function(*_down(args), out=_down(out), **_down(keywords))
            return out
        result = self._function(*_down(args), **_down(keywords))
        return _up(result) if self._function.__name__ in _KEEPING_ORDER else _new(result)

    def __getattr__(self, name):  # the `at` of `xp.add.at`
        return _Function(getattr(self._function, name))


class _Ufunc(_Function):
    """A function of each element: what CuPy, too, calls a ufunc."""


_KEEPING_ORDER = {"copy", "empty_like", "full_like", "ones_like", "zeros_like"}


class StrictModule(types.ModuleType):
    """A module of array functions that takes device arrays only, and lacks what CuPy lacks."""

    _missing = frozenset({"errstate", "nditer", "ndenumerate", "insert", "seterr", "vectorize"})

    def __init__(self, name, host):
        super().__init__(name)
        self._host = host

    def __getattr__(self, name):
        if name in self._missing:
            raise AttributeError(f"CuPy has no {name}")
        value = getattr(self._host, name)
        if isinstance(value, types.ModuleType):
            return StrictModule(name, value)
        if isinstance(value, np.ufunc) and value.signature is None:
            return _Ufunc(value)
        return value if isinstance(value, type) or not callable(value) else _Function(value)


class _Card:
    """`cupy.cuda.Device`."""

    attributes = {"MultiProcessorCount": 4}

    def __init__(self, index=0):
        self.id = index

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def _module():
    cupy = StrictModule("cupy", np)
    cupy.ndarray, cupy.ufunc = StrictArray, _Ufunc
    cupy.array = lambda a, dtype=None, order="K": StrictArray(
        np.array(getattr(a, "_array", a), dtype=dtype, order=order)
    )
    cupy.asarray = lambda a, dtype=None: (
        a if isinstance(a, StrictArray) and dtype is None else cupy.array(a, dtype)
    )
    cupy.cuda = types.SimpleNamespace(
        is_available=lambda: True,
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 1),
        Device=_Card,
    )
    return cupy


def install(monkeypatch):
    """Put the pretended CuPy in the real one's place, for one test. Returns the module."""
    names = ("device", "portable", "random", "cuda.random")
    device, portable, streams, random = (import_module(f"tinygan.backend.{n}") for n in names)
    cupy = _module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for name in ["cupyx", "cupyx.scipy"]:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "cupyx.scipy.special", StrictModule("special", scipy.special))
    monkeypatch.setitem(device._modules, StrictArray, keeping_order(cupy))
    monkeypatch.setitem(device._kernels, StrictArray, portable)
    monkeypatch.setattr(random, "kernel", philox.kernel)
    monkeypatch.setattr(streams, "_streams", dict(streams._streams))
    for each in streams.all_streams():  # what lies on this device does not outlive the test
        monkeypatch.setattr(each, "_cuda", {})
    waits.clear()
    return cupy
