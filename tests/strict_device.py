"""A GPU for machines without one: CuPy's manners over NumPy's arithmetic.

`StrictArray` behaves as a CuPy array does where code usually goes wrong. It refuses to meet NumPy
arrays, NumPy's functions do not take it, every result of a reduction or of `x[0]` is a 0-d array,
and each time the host looks at a value (`float(x)`, `if x:`, `x.item()`, `x.get()`) is counted,
because on a GPU it makes the host wait. What a function makes anew lies in C order, however its
operands lie: NumPy keeps their order, CuPy does not. `install` puts a module that serves such
arrays in the place of CuPy, so that the engine's own code for "cuda" runs unchanged.

A `Stream` can capture. Nothing is computed meanwhile: what is called is noted, and new arrays hold
NaN or 0 until the graph is launched. What CUDA refuses in a capture is refused.
"""

import operator
import sys
import types
from contextlib import nullcontext
from functools import partial
from importlib import import_module

import numpy as np
import scipy.special

from tests import philox
from tinygan.backend.cuda.arrays import keeping_order

waits = []  # one entry for each time the host read a value


class MixedDevices(TypeError):
    """A host array met a device array."""


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


# -- streams and graphs ----------------------------------------------------------------------------


class Graph:
    def __init__(self, calls):
        self.calls, self.launches = calls, 0

    @property
    def nodes(self):
        return len(self.calls)

    def launch(self, stream=None):
        assert Stream.capturing is None
        self.launches += 1
        with np.errstate(all="ignore"):
            for call in self.calls:
                call()


class Stream:
    """As CuPy's; all of them compute at once, when asked."""

    capturing = None  # the calls that were noted, while some stream is capturing
    broken = False
    current = None

    def __init__(self, null=False, non_blocking=False):
        self.ptr, self.outside = 0 if null else id(self), []

    def __enter__(self):
        self.outside.append(Stream.current)
        Stream.current = self
        return self

    def __exit__(self, *_):
        Stream.current = self.outside.pop()

    def begin_capture(self):
        assert self.ptr and Stream.capturing is None
        Stream.capturing, Stream.broken = [], False

    def end_capture(self):
        calls, Stream.capturing = Stream.capturing, None
        if Stream.broken:
            raise CUDARuntimeError("cudaErrorStreamCaptureInvalidated")
        return Graph(calls)

    def synchronize(self):
        _wait("synchronize")

    def record(self, event=None):
        return event or Event()

    def wait_event(self, event):
        pass


class Event:
    done = True

    def __init__(self, block=False, disable_timing=False):
        pass

    def record(self, stream=None):
        pass

    def synchronize(self):
        waits.append("event")


def _wait(why):
    """The host waits for the device."""
    if Stream.capturing is not None:
        Stream.broken = True
        raise CUDARuntimeError(
            "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing"
        )
    waits.append(why)


def _change(function, *args, **keywords):
    """A call that writes into one of its arguments."""
    if Stream.capturing is None:
        function(*args, **keywords)
    else:
        Stream.capturing.append(partial(function, *args, **keywords))


def _compute(function, *args, _order="C", **keywords):
    """A call whose result is new, or a view."""
    if Stream.capturing is None:
        return function(*args, **keywords)
    with np.errstate(all="ignore"):
        result = function(*args, **keywords)
    results = list(result) if isinstance(result, list | tuple) else [result]
    if not any(isinstance(r, np.ndarray | np.generic) for r in results):
        return result
    sources = list(_arrays((args, keywords)))
    if any(np.may_share_memory(r, x) for r in results for x in sources):
        return result
    targets = [np.array(r, order=_order) for r in results]
    for target in targets:
        target[...] = np.nan if target.dtype.kind in "fc" else 0

    def again():
        made = function(*args, **keywords)
        for target, value in zip(targets, made if isinstance(result, list | tuple) else [made]):
            target[...] = value

    Stream.capturing.append(again)
    return type(result)(targets) if isinstance(result, list | tuple) else targets[0]


def _arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _arrays(each)


# -- arrays ----------------------------------------------------------------------------------------


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
        _wait("get")
        return self._array.copy()

    def set(self, host, stream=None):
        assert Stream.capturing is None
        self._array[...] = host

    def __len__(self):
        return len(self._array)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        index = self._checked(index)
        if Stream.capturing is not None and any(x.dtype == bool for x in _arrays((index,))):
            _wait("x[mask]")
        return _up(_compute(operator.getitem, self._array, index))

    def __setitem__(self, index, value):
        index, value = self._checked(index), _down(value)
        _change(operator.setitem, self._array, index, value)

    @staticmethod
    def _checked(index):
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, list):
                raise MixedDevices("a host list is used as an index on the device")
        return _down(index)


def _attribute(name):
    return property(lambda self: getattr(self._array, name))


def _method(name):
    function = getattr(np.ndarray, name)
    if name == "fill":
        return lambda self, value: _change(function, self._array, _down(value))
    return lambda self, *args, **kw: _called(function, (self._array, *_down(args)), _down(kw))


def _called(function, args, keywords, order="K"):
    if keywords.get("out") is not None:
        _change(function, *args, **keywords)
        return _up(keywords["out"])
    result = _compute(function, *args, _order=order, **keywords)
    return _up(result) if order == "K" else _new(result)


def _reading(name, function):
    def read(self):
        _wait(name)
        return function(self._array)

    return read


def _binary(function, swapped=False):
    def apply(self, other):
        a, b = (_down(other), self._array) if swapped else (self._array, _down(other))
        return _new(_compute(function, a, b))

    return apply


def _in_place(function):
    def apply(self, other):
        _change(function, self._array, _down(other))
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
        StrictArray,
        f"__{_name}__",
        lambda self, f=getattr(operator, _name): _new(_compute(f, self._array)),
    )


_CHANGING = {np.copyto, np.put, np.fill_diagonal}
_SHAPED_BY_VALUES = {np.nonzero, np.flatnonzero, np.argwhere, np.unique}


class _Function:
    """One of NumPy's functions, on device arrays only."""

    def __init__(self, function):
        self._function = function

    def __call__(self, *args, **keywords):
        if self._function in _CHANGING:
            return _change(self._function, *_down(args), **_down(keywords))
        if Stream.capturing is not None and self._function in _SHAPED_BY_VALUES:
            _wait(self._function.__name__)
        order = "K" if self._function.__name__ in _KEEPING_ORDER else "C"
        return _called(self._function, _down(args), _down(keywords), order)

    def __getattr__(self, name):
        if name == "at":  # that of `xp.add.at`
            return lambda *args: _change(self._function.at, *_down(args))
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

    attributes, compute_capability = {"MultiProcessorCount": 4}, "80"

    def __init__(self, index=0):
        self.id = index

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def _array(a, dtype=None, order="K", copy=True):
    """Of a device array a copy on the device; all else comes through pinned memory."""
    if isinstance(a, StrictArray):
        return _up(_compute(np.array, a._array, dtype=dtype, order=order, _order="K"))
    array = np.array(a, dtype=dtype, order=order)
    if array.ndim:
        sys.modules["cupy"].cuda.alloc_pinned_memory(array.nbytes)
    return StrictArray(array)


def _cuda():
    cuda = types.SimpleNamespace(
        is_available=lambda: True,
        runtime=types.SimpleNamespace(
            getDeviceCount=lambda: 1,
            getDevice=lambda: 0,
            getDeviceProperties=lambda index: {"name": b"a pretended GPU"},
        ),
        Device=_Card,
        Stream=Stream,
        Event=Event,
        get_current_stream=lambda: Stream.current,
        MemoryPool=lambda: types.SimpleNamespace(malloc=None, total_bytes=lambda: 0),
        using_allocator=nullcontext,
        alloc_pinned_memory=bytearray,
    )
    cuda.set_pinned_memory_allocator = lambda f: setattr(cuda, "alloc_pinned_memory", f)
    return cuda


def _module():
    cupy = StrictModule("cupy", np)
    cupy.ndarray, cupy.ufunc = StrictArray, _Ufunc
    cupy.array = _array
    cupy.asarray = lambda a, dtype=None: (
        a if isinstance(a, StrictArray) and dtype in (None, a.dtype) else _array(a, dtype)
    )
    cupy.cuda = _cuda()
    cupy.get_default_pinned_memory_pool = lambda: types.SimpleNamespace(malloc=bytearray)
    return cupy


def launched(kernel):
    """`kernel(file, name)`, such that a stream can capture its launches."""
    return lambda *names, **macros: partial(_change, kernel(*names, **macros))


def _holders(array):
    """As that of `staging`; views of NumPy's hold the array inside."""
    return sys.getrefcount(array) - 3 + sys.getrefcount(array._array) - 2  # of Python 3.11 to 3.13


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
    monkeypatch.setattr(random, "kernel", launched(philox.kernel))
    monkeypatch.setattr(streams, "_streams", dict(streams._streams))
    for each in streams.all_streams():  # what lies on this device does not outlive the test
        monkeypatch.setattr(each, "_cuda", {})
    recorder = import_module("tinygan.backend.cuda.recorder")
    recorder._watch_pinned_memory.cache_clear()
    monkeypatch.setattr(recorder, "LIBRARIES", recorder.LIBRARIES | {__name__})
    staging = import_module("tinygan.backend.cuda.staging")
    staging.staging.cache_clear()
    monkeypatch.setattr(staging, "holders", _holders)
    Stream.current, Stream.capturing = Stream(null=True), None
    waits.clear()
    return cupy
