"""Arrays that say what is done with them: how a step is recorded on the CPU.

A `Traced` array is an ndarray to everybody. But NumPy hands each call that computes with one to
`__array_ufunc__` or `__array_function__`, and so the recorder of the thread (`recorder.py`) sees
it. Views are not its business: the memory stays where it is. Nor need kernels know; they make new
arrays `like=` one of theirs, which NumPy asks that array for.

What a program cannot do again is noticed here. A value that leaves for Python (`float(x)`,
`if x:`), or a result whose shape depends on values, is a problem, of which the recorder is told:
the step itself goes on as if nothing were recorded.
"""

import numpy as np

from ..device import register_cpu_array_type
from ..recording import recording
from .views import arrays_in, is_basic, plain, same_memory


class Traced(np.ndarray):
    """See the module's docstring. Where its thread records nothing, it is an array like any."""

    place = None  # in the arena, of the one that holds a block of it

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keywords):
        recorder = recording.recorder
        if recorder is None:  # left over from a recording, or in another thread
            out = {} if out is None else {"out": plain(out)}
            return getattr(ufunc, method)(*plain(inputs), **out, **plain(keywords))
        return recorder.ufunc(ufunc, method, inputs, out, keywords)

    def __array_function__(self, function, types, arguments, keywords):
        return _function(function, arguments, keywords)

    def __getitem__(self, key):
        if is_basic(key):
            key = key if isinstance(key, tuple) else (key,)
            return super().__getitem__(key if Ellipsis in key else (*key, ...))  # never a scalar
        if any(x.dtype == np.bool_ for x in arrays_in(key)):
            note_problem("x[mask], whose shape depends on values,")
        return _function(np.ndarray.__getitem__, (self, key), {})

    def __setitem__(self, key, value):
        recorder = recording.recorder
        if recorder is None:
            np.ndarray.__setitem__(self.view(np.ndarray), plain(key), plain(value))
        elif not is_basic(key):
            recorder.change(np.ndarray.__setitem__, (self, key, value), {})
        elif not same_memory(target := self[key], value):  # as in x[i] += y, which is done by now
            recorder.change(np.copyto, (target, np.asanyarray(value)), {"casting": "unsafe"})

    def get(self):
        """The values, for somebody outside: as CuPy's arrays have it."""
        note_problem()
        return self.view(np.ndarray).copy()


def _computing(name):
    function = getattr(np.ndarray, name)
    return lambda self, *arguments, **keywords: _function(function, (self, *arguments), keywords)


def _changing(name):
    function = getattr(np.ndarray, name)

    def method(self, *arguments, **keywords):
        if recording.recorder is None:
            return function(self.view(np.ndarray), *plain(arguments), **keywords)
        return recording.recorder.change(function, (self, *arguments), keywords)

    return method


def _leaving(name):
    function = getattr(np.ndarray, name)

    def method(self, *arguments, **keywords):
        note_problem()
        return function(self.view(np.ndarray), *arguments, **keywords)

    method.__code__ = method.__code__.replace(co_name=name)  # as the problem will call it
    return method


_METHODS = {  # of ndarray's own that reach neither of NumPy's two protocols
    _computing: [
        "argmax", "argmin", "argpartition", "argsort", "astype", "byteswap", "choose", "compress",
        "copy", "diagonal", "dot", "flatten", "nonzero", "ravel", "repeat", "reshape", "round",
        "searchsorted", "squeeze", "swapaxes", "take", "trace", "transpose",
    ],
    _changing: ["fill", "partition", "put", "resize", "setfield", "sort"],
    _leaving: [
        "__bool__", "__complex__", "__dlpack__", "__float__", "__index__", "__int__", "item",
        "tobytes", "tolist",
    ],
}  # fmt: skip
for _kind, _names in _METHODS.items():
    for _name in _names:
        setattr(Traced, _name, _kind(_name))

register_cpu_array_type(Traced)


def _function(function, arguments, keywords):
    if recording.recorder is None:
        return function(*plain(arguments), **plain(keywords))
    return recording.recorder.function(function, arguments, keywords)


def note_problem(what=None):
    """Tell the recorder, if there is one, of something that a program cannot do again: `what`, or
    what the user called.
    """
    if recording.recorder is not None:
        recording.recorder.note_problem(what)
