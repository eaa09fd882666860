"""The recorder: notes the calls of a step, and gives new arrays their places.

Every call that computes arrives here from a `Traced` array, from a loop over pieces, or through one
of the doors of `backend/recording.py`. It is run, and noted together with the arrays it was given
and the one in which its result lies, all as plain views of memory.
"""

import weakref
from functools import partial

import numpy as np

from ..recording import Observer, recording
from .program import Arena, Note, Program, Region
from .threads import get_num_threads, outside_of_loops
from .traced import Traced
from .views import (
    address,
    arrays_in,
    block_of,
    copy_each_into,
    copy_into,
    root_address,
    root_of,
    within,
)

_METADATA = {
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.may_share_memory, np.shares_memory,
    np.iscomplexobj, np.isrealobj,
}  # fmt: skip
_EMPTY = {np.empty, np.empty_like}
_SHAPED_BY_VALUES = {
    np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.compress,
    np.ndarray.nonzero, np.ndarray.compress, np.trim_zeros,
}  # fmt: skip
_COPIES = {np.ndarray.astype, np.ndarray.copy, np.copy, np.asarray, np.ascontiguousarray, np.array}


class Recorder(Observer):
    """Notes the calls of one thread while a step runs, and gives new arrays their places."""

    def __init__(self):
        self.arena, self.calls = Arena(), []
        self._notes = {}  # for each call, what to tell of it
        self.region, self.thread = None, 0  # the loops under way, and whose pieces these are
        self.seen, self.written, self.changed = {}, {}, set()  # memory that was there, by address
        self._scratch, self._remembered, self._peak = {}, {}, 0

    # -- what a step does --------------------------------------------------------------------------

    def ufunc(self, ufunc, method, inputs, out, keywords):
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            return self.change(function, inputs, keywords)
        if out is not None and any(o is not None for o in out):
            self.change(function, inputs, {**keywords, "out": out}, changed=out)
            return out[0] if len(out) == 1 else out
        given, options = self.plain(inputs), self.plain(keywords)
        results = function(*given, **options)
        if ufunc.nout > 1 and method == "__call__":
            return self.again(function, given, options, results)
        target = self.like(np.asanyarray(results))
        self.note(partial(function, *given, **options, out=self.plain(target)))
        return target

    def function(self, function, arguments, keywords):
        """Any function of arrays, or method of an array."""
        out = keywords.get("out")
        if out is not None or function is np.copyto:
            changed = (out if isinstance(out, tuple) else (out,)) if out is not None else arguments
            self.change(function, arguments, keywords, changed[:1])
            return changed[0] if out is not None else None
        if function in _SHAPED_BY_VALUES:
            self.note_problem(f"{function.__name__}, whose shape depends on values,")
        given, options = self.plain(arguments), self.plain(keywords)
        result = function(*given, **options)
        if function in _METADATA:
            return result
        if function in _EMPTY:
            return self.like(result)
        for x in arrays_in((arguments, keywords)):
            if isinstance(result, np.ndarray) and np.may_share_memory(result, x):
                return _view(result, x)
        if isinstance(result, tuple | list) and any(isinstance(r, np.ndarray) for r in result):
            sources = arrays_in((arguments, keywords))
            shared = [next((x for x in sources if np.may_share_memory(r, x)), None) for r in result]
            if all(x is not None for x in shared):
                return type(result)(_view(r, x) for r, x in zip(result, shared))
        elif not isinstance(result, np.ndarray | np.generic):
            self.note_problem(f"{function.__name__}, a value of which Python sees,")
            return result
        return self.again(function, given, options, result)

    def again(self, function, given, options, result):
        """The results of a function that makes new arrays. A replay copies those it makes then."""
        if isinstance(result, tuple | list):
            targets = type(result)(self.like(np.asanyarray(r)) for r in result)
            self.note(partial(copy_each_into, self.plain(targets), function, given, options))
            return targets
        target = self.like(np.asanyarray(result))
        if function in _COPIES and given[0].shape == target.shape:
            self.note(partial(np.copyto, self.plain(target), given[0], casting="unsafe"))
        else:
            self.note(partial(copy_into, self.plain(target), function, given, options))
        return target

    def change(self, function, arguments, keywords, changed=None):
        """A call that writes into an array: the first one, or those that are named."""
        given, options = self.plain(arguments), self.plain(keywords)
        result = function(*given, **options)
        self.note(partial(function, *given, **options))
        for x in arguments[:1] if changed is None else changed:
            self.mark_written(x)
            self.changed.add(root_address(x))
        return result

    def call(self, function, arguments):
        """A function that runs as a whole, in a replay too, with all threads."""
        given = [self.plain(x) if isinstance(x, np.ndarray) else x for x in arguments]
        held = [getattr(x, "array", x) for x in arguments]  # of tensors, too
        self.plain([x for x in held if isinstance(x, np.ndarray)])  # which are seen by that
        recording.recorder = None
        try:
            result = outside_of_loops(function, *given)
        finally:
            recording.recorder = self
        self.note(partial(outside_of_loops, function, *given))
        for x in held:
            self.mark_written(x)
        return result

    def make(self, function):
        """An array that the function makes, now and in every replay."""
        return self.again(function, (), {}, function())

    def loops(self, loops):
        """Loops over pieces, one after another."""
        pieces = [range(0, loop.n, loop.chunk) for loop in loops]
        threads = min(get_num_threads(), max(map(len, pieces)))
        if threads == 1 or self.region is not None:
            for loop in loops:
                loop.run_here()
            return
        outer, self.region = self.calls, Region(len(loops), threads)
        self.arena.hold()
        try:
            for i, (loop, starts) in enumerate(zip(loops, pieces)):
                loop.number = i
                for k, start in enumerate(starts):
                    self.thread = k * threads // len(starts)
                    self.calls = self.region.calls[i][self.thread]
                    loop.function(start, min(start + loop.chunk, loop.n))
        finally:
            region, self.region, self.calls, self.thread = self.region, None, outer, 0
            self.arena.let_go()
        self.note(region)

    def wait(self, loop):
        """A piece goes on only when that loop is over."""
        if self.region is not None:
            self.note(partial(self.region.wait, loop.number))

    # -- memory ------------------------------------------------------------------------------------

    def like(self, result):
        """A new array of the shape, dtype and order of memory of `result`, with its content."""
        strides = np.empty_like(result, subok=False).strides
        target = np.ndarray.__new__(
            Traced, result.shape, result.dtype, self._block(result.nbytes), strides=strides
        )
        np.copyto(target.view(np.ndarray), result)
        return target

    def scratch(self, name, shape, dtype):
        """As `workspace.scratch`: memory of the thread whose piece this is."""
        needed = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        block = self._scratch.get((self.thread, name))
        if block is None or block.size < needed:
            block = self._scratch[self.thread, name] = self._block(needed)
        return np.ndarray.__new__(Traced, shape, dtype, block)

    def operation_over(self):
        self._scratch.clear()  # whoever asked for it had it for one operation

    def _block(self, size):
        slab, start, end = place = self.arena.place(size)
        block = self.arena.slabs[slab][start:end].view(Traced)
        block.place = place
        weakref.finalize(block, self.arena.give_back, place).atexit = False
        self._peak = max(self._peak, self.arena.bytes)
        return block

    def plain(self, value):
        """What a program holds of an array: a view of the memory itself, which keeps no `Traced`
        alive. Also within tuples, lists and dicts.
        """
        if isinstance(value, np.ndarray):
            block = block_of(value)
            if block is None:
                self.seen[root_address(value)] = value
                return value.view(np.ndarray)
            slab = self.arena.slabs[block.place[0]]
            offset = address(value) - address(slab) if value.size else 0
            return np.ndarray(value.shape, value.dtype, slab, offset, value.strides)
        return within(value, self.plain)

    def mark_written(self, x):
        if isinstance(x, np.ndarray):
            root = root_of(x)
            if type(root) is not Traced:
                self.written[address(root)] = root
            self._remembered.pop(address(root), None)

    def remember(self, x, name, value):
        """Keep what was computed from an array until the array is written to."""
        self._remembered.setdefault(root_address(x), {})[name] = value

    def recall(self, x, name):
        return self._remembered.get(root_address(x), {}).get(name)

    # -- the end -----------------------------------------------------------------------------------

    def note(self, call):
        self.calls.append(call)
        self._notes[id(call)] = Note(self.operation, self.arena.bytes)

    def program(self) -> Program:
        notes = [self._notes[id(call)] for call in self.calls]
        return Program(self.calls, notes, self.arena, self._peak)


def _view(result, source):
    """`result`, a view of the memory of `source`, as a traced array that keeps its block alive."""
    block = block_of(source)
    if block is None:
        return result.view(Traced)
    offset = address(result) - address(block) if result.size else 0
    view = np.ndarray.__new__(Traced, result.shape, result.dtype, block, offset, result.strides)
    view.flags.writeable = result.flags.writeable
    return view
