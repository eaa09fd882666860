"""A small persistent thread pool, and one BLAS thread per worker while it runs.

NumPy releases the interpreter lock inside array operations and matrix products, so Python threads
do use all cores. A loop is cut into pieces, and the calling thread and the workers take pieces
until none is left:

    parallel_for(lambda start, stop: np.add(a[start:stop], b[start:stop], out=c[start:stop]),
    len(a), chunk=4096)

The caller works too and never waits for a worker that has not begun, so loops may be started from
several threads at once. A loop inside a loop runs serially. Which thread takes which piece is left
to chance; results must therefore depend on the cut alone, which the caller decides.

While pieces run, BLAS is limited to one thread (two levels of threads would fight for the same
cores); the user's setting comes back when the last loop ends.

Ctrl-C can raise KeyboardInterrupt in the main thread between any two steps of the interpreter. So
what threads share is changed by single steps, of which none can be left half done, and putting
things right again may be done twice. Whoever is interrupted does it, and waits for the workers that
still write; should he be interrupted again just then, the next loop of his thread does it for
him."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from ..recording import recording

__all__ = [
    "Loop",
    "get_num_threads",
    "inside_of_loops",
    "numpy_blas",
    "outside_of_loops",
    "parallel_for",
    "parallel_loops",
    "set_num_threads",
    "side_by_side",
    "single_threaded_blas",
    "threads_for",
]

_WORTH_WAKING = 24_000_000  # multiplications in a matrix product: about 0.3 ms


def _default_num_threads() -> int:
    setting = os.environ.get("TINYGAN_THREADS", "")
    if setting.strip():
        if not setting.strip().isdigit() or int(setting) < 1:
            raise ValueError(f"TINYGAN_THREADS must be a whole number above 0, not {setting!r}")
        return int(setting)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_num_threads = _default_num_threads()


def get_num_threads() -> int:
    """Number of threads that share a kernel's work, the calling one included."""
    return _num_threads


def set_num_threads(count: int) -> None:
    """Share the work of later kernels among `count` threads."""
    global _num_threads
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"set_num_threads: expected a whole number above 0, got {count!r}")
    _num_threads = count


def threads_for(multiplications: float) -> int:
    """How many threads should share this much work: waking one takes up to 0.1 ms, so little work
    stays with the caller."""
    return 1 if multiplications < _WORTH_WAKING else _num_threads


class _BlasLimit:
    """Knows the threads that want a single-threaded BLAS; the first one sets it, the last one
    restores it. Each thread is noted once, so ending twice does no harm."""

    def __init__(self):
        self.lock = threading.RLock()
        self.wanted_by = set()
        self.libraries = None
        self.saved = None  # the user's settings, while the limit is set

    def begin(self):
        with self.lock:
            self.wanted_by.add(threading.get_ident())
            if self.saved is None:
                if self.libraries is None:
                    self.libraries = [_switch(library) for library in numpy_blas()]
                self.saved = [get() for get, _ in self.libraries]
                self._apply([1] * len(self.saved))

    def end(self):
        with self.lock:
            self.wanted_by.discard(threading.get_ident())
            if not self.wanted_by and self.saved is not None:
                self._apply(self.saved)
                self.saved = None
        while self.lock._is_owned():  # the last time, an interrupt came just before the release
            self.lock.release()

    def _apply(self, counts):
        for (_, set_count), count, saved in zip(self.libraries, counts, self.saved):
            if saved != 1:
                set_count(count)

    def reset_after_fork(self):
        self.lock = threading.RLock()
        self.wanted_by.clear()
        self.end()


def numpy_blas() -> list:
    """The BLAS that NumPy was built with, as threadpoolctl sees it; every BLAS in the process where
    that one cannot be told from its path."""
    found = [c for c in ThreadpoolController().lib_controllers if c.user_api == "blas"]
    home = os.path.dirname(np.__file__)
    return [c for c in found if c.filepath.startswith(home)] or found


class _Switch(NamedTuple):
    """How to read and set a BLAS's number of threads."""

    get_num_threads: Callable
    set_num_threads: Callable


def _switch(library) -> _Switch:
    """OpenBLAS's own functions, where they can be had: threadpoolctl looks them up at each call,
    which takes longer than a small product, and its setter ignores all Python threads but the first
    that called it. The lock of `_BlasLimit` keeps the threads apart already.
    """
    look_up = getattr(library, "_get_symbol", lambda name: None)
    if library.internal_api == "openblas" and getattr(library, "threading_layer", "") == "pthreads":
        functions = [look_up(f"openblas_{verb}_num_threads") for verb in ("get", "set")]
        if None not in functions:
            return _Switch(*functions)
    setter = getattr(library, "_real_set_num_threads", library.set_num_threads)
    return _Switch(library.get_num_threads, setter)


_blas_limit = _BlasLimit()


_inside: ContextVar[bool] = ContextVar("inside", default=False)  # a loop, or what follows


def single_threaded_blas(function: Callable, *arguments):
    """The function's result; its matrix products and its loops stay on the calling thread.

    That a thread is inside is noted in a context that ends with the call, whatever ends it."""
    if _inside.get():
        return function(*arguments)
    if threading.get_ident() in _blas_limit.wanted_by:  # in `outside_of_loops`
        return copy_context().run(_call_inside, True, function, arguments)
    try:
        _blas_limit.begin()
        result = copy_context().run(_call_inside, True, function, arguments)
        _blas_limit.end()
    except BaseException:
        _blas_limit.end()
        raise
    return result


def inside_of_loops() -> bool:
    """Is the calling thread at a piece of a loop, or where its loops stay on it?"""
    return _inside.get()


def outside_of_loops(function: Callable, *arguments):
    """The function's result; its loops may wake other threads, although a program is under way."""
    return copy_context().run(_call_inside, False, function, arguments)


def _call_inside(inside, function, arguments):
    _inside.set(inside)
    return function(*arguments)


class LoopFailed(RuntimeError):
    """A piece waits for a loop that will never be complete."""


class Loop:
    """`function(start, stop)` for pieces of range(n): taken one after another, over when every
    piece that was taken is done.

    The threads take the pieces from one iterator, and `busy` names those that may still be at one:
    the caller from the beginning. So when nobody is busy any more, no piece is left."""

    def __init__(self, function: Callable[[int, int], None], n: int, chunk: int = 1):
        self.function, self.n, self.chunk = function, n, chunk
        self.starts = iter(range(0, n, chunk))
        self.busy = {"caller"}
        self.over = n <= 0
        self.woken = SimpleQueue()  # holds something once the loop is over
        self.failed, self.error = False, None

    def wait(self) -> None:
        """Return when the loop is over; for the pieces of later loops that need what this one
        makes."""
        if recording.recorder is not None:
            recording.recorder.wait(self)
            return
        self._wait()
        if self.failed:
            raise LoopFailed("a loop that this one depends on has failed")

    def _wait(self) -> None:
        while not self.over:
            self.woken.get()
            self.woken.put(None)  # for the next one that waits

    def run_here(self) -> None:
        """All of it on the calling thread."""
        self._work()
        self._leave("caller")

    def _work(self) -> None:
        for start in self.starts:
            self.function(start, min(start + self.chunk, self.n))

    def _leave(self, who) -> None:
        self.busy.discard(who)
        if not self.busy:
            self.over = True
            self.woken.put(None)

    def _fail(self) -> None:
        """Nobody begins another piece."""
        self.failed = True
        deque(self.starts, maxlen=0)

    def _wait_however_often_interrupted(self) -> None:
        """The pieces under way write to memory that the caller will use again."""
        while not self.over:
            try:
                self._wait()
            except KeyboardInterrupt:
                continue  # one is on its way to the user already


def _work_through(loops: tuple[Loop, ...]) -> None:
    """The caller's part."""
    for loop in loops:
        loop.run_here()


def _help(loops: tuple[Loop, ...]) -> None:
    """A worker's part."""
    me = threading.get_ident()
    for loop in loops:
        loop.busy.add(me)
        try:
            loop._work()
        except BaseException as error:  # handed to the caller
            loop.error = loop.error or error
            for each in loops:
                each._fail()
        loop._leave(me)


def _abandon(loops: tuple[Loop, ...]) -> None:
    """Leave loops that are not over, once the workers have left them. Harmless afterwards."""
    for loop in loops:
        loop._fail()
        loop._leave("caller")
    for loop in loops:
        loop._wait_however_often_interrupted()


class _Pool:
    """Threads that serve loops from a queue; they start when they are first needed. One too many,
    started by two callers at once, does no harm."""

    def __init__(self):
        self.queue = SimpleQueue()
        self.workers = []

    def serve(self, loops: tuple[Loop, ...], helpers: int) -> None:
        while len(self.workers) < helpers:
            name = f"tinygan-worker-{len(self.workers) + 1}"
            worker = threading.Thread(target=self._run, args=(self.queue,), name=name, daemon=True)
            worker.start()
            self.workers.append(worker)
        for _ in range(helpers):
            self.queue.put(loops)

    @staticmethod
    def _run(queue: SimpleQueue) -> None:
        _inside.set(True)
        while True:
            _help(queue.get())


_pool = _Pool()
_under_way: dict[int, tuple[Loop, ...]] = {}  # thread -> the loops that it began


def parallel_for(function: Callable[[int, int], None], n: int, chunk: int = 1) -> None:
    """Call `function(start, stop)` for the pieces `[0, chunk)`, `[chunk, 2 chunk)`, … of
    `range(n)`, on all threads.

    The pieces run in any order and at the same time, so they must write to different places. The
    first exception that a piece raises is raised here, after the pieces that had begun are over;
    pieces that had not begun are dropped."""
    parallel_loops(Loop(function, n, chunk))


def parallel_loops(*loops: Loop) -> None:
    """Loops as in `parallel_for`, one after another, for which the threads are woken only once.

    A thread that finds no more piece in one loop goes on to the next while others may still be at
    the first; a piece that needs an earlier loop to be over calls `wait` of it."""
    pieces = max(-(-loop.n // loop.chunk) for loop in loops)
    if pieces <= 0:
        return
    if recording.recorder is not None:
        single_threaded_blas(recording.recorder.loops, loops)
    elif _inside.get():
        _work_through(loops)
    else:
        single_threaded_blas(_share, loops, min(_num_threads, pieces) - 1)


def side_by_side(*loops: Loop) -> Loop:
    """One loop of the pieces of several that do not need each other."""
    pieces = [(loop, start) for loop in loops for start in range(0, loop.n, loop.chunk)]

    def run(first, last):
        for loop, start in pieces[first:last]:
            loop.function(start, min(start + loop.chunk, loop.n))

    return Loop(run, len(pieces))


def _share(loops: tuple[Loop, ...], helpers: int) -> None:
    me = threading.get_ident()
    if me in _under_way:
        _abandon(_under_way[me])
    try:
        _under_way[me] = loops
        if helpers:
            _pool.serve(loops, helpers)
        _work_through(loops)
        for loop in loops:
            loop._wait()
        del _under_way[me]
    except BaseException as error:
        _abandon(loops)
        _under_way.pop(me, None)
        if not isinstance(error, LoopFailed):
            raise
    _raise_error(loops)


def _raise_error(loops: tuple[Loop, ...]) -> None:
    for loop in loops:
        if loop.error is not None:
            try:
                raise loop.error
            finally:
                loop.error = None  # break the cycle error -> traceback -> frame -> loop


def _after_fork_in_child() -> None:
    """Only the forking thread lives on in the child: the pool starts empty, and no other loop is
    under way."""
    global _pool
    _pool = _Pool()
    _under_way.clear()
    _blas_limit.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
