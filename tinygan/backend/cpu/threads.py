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
cores); the user's setting comes back when the last loop ends."""

import os
import threading
from collections.abc import Callable
from contextlib import contextmanager
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

__all__ = [
    "Loop",
    "get_num_threads",
    "numpy_blas",
    "parallel_for",
    "parallel_loops",
    "set_num_threads",
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
    """Counts the regions that want a single-threaded BLAS; the first one sets it, the last one
    restores it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.regions = 0
        self.libraries = None
        self.saved = []

    def enter(self):
        with self.lock:
            if self.regions == 0:
                if self.libraries is None:
                    self.libraries = [_switch(library) for library in numpy_blas()]
                self.saved = [get() for get, _ in self.libraries]
                self._apply([1] * len(self.saved))
            self.regions += 1

    def leave(self):
        with self.lock:
            self.regions -= 1
            if self.regions == 0:
                self._apply(self.saved)

    def _apply(self, counts):
        for (_, set_count), count, saved in zip(self.libraries, counts, self.saved):
            if saved != 1:
                set_count(count)

    def reset_after_fork(self):
        self.lock = threading.Lock()
        if self.regions:
            self.regions = 0
            self._apply(self.saved)


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


@contextmanager
def single_threaded_blas():
    """Matrix products inside run on the calling thread alone."""
    limit = _blas_limit
    limit.enter()
    try:
        yield
    finally:
        limit.leave()


class Loop:
    """`function(start, stop)` for pieces of range(n): taken one after another, finished when every
    piece that was taken is done."""

    def __init__(self, function: Callable[[int, int], None], n: int, chunk: int = 1):
        self.function, self.n, self.chunk = function, n, chunk
        self.lock = threading.Lock()
        self.next_start = 0
        self.running = 0
        self.error, self.failed = None, False
        self.finished = threading.Lock()
        if n > 0:
            self.finished.acquire()

    def wait(self) -> None:
        """Return when the loop is over; for the pieces of later loops that need what this one
        makes."""
        with self.finished:
            pass
        if self.failed:
            raise RuntimeError("a loop that this one depends on has failed")

    def _take(self) -> int | None:
        with self.lock:
            if self.next_start >= self.n:
                return None
            start = self.next_start
            self.next_start = start + self.chunk
            self.running += 1
            return start

    def _done(self, error: BaseException | None) -> None:
        with self.lock:
            self.running -= 1
            if error is not None:
                self.error, self.failed = self.error or error, True
                self.next_start = self.n
            if self.running == 0 and self.next_start >= self.n and self.finished.locked():
                self.finished.release()

    def _work(self) -> None:
        while (start := self._take()) is not None:
            error = None
            try:
                self.function(start, min(start + self.chunk, self.n))
            except BaseException as caught:  # handed to the thread that waits for the loop
                error = caught
            self._done(error)

    def _raise_error(self) -> None:
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # break the cycle error -> traceback -> frame -> loop


def _work_through(loops: tuple[Loop, ...]) -> None:
    before = getattr(_local, "inside_loop", False)
    _local.inside_loop = True
    try:
        for loop in loops:
            loop._work()
    finally:
        _local.inside_loop = before


class _Pool:
    """Threads that serve loops from a queue; they start when they are first needed."""

    def __init__(self):
        self.lock = threading.Lock()
        self.queue = SimpleQueue()
        self.size = 0

    def serve(self, loops: tuple[Loop, ...], helpers: int) -> None:
        with self.lock:
            while self.size < helpers:
                self.size += 1
                name = f"tinygan-worker-{self.size}"
                threading.Thread(
                    target=self._run, args=(self.queue,), name=name, daemon=True
                ).start()
        for _ in range(helpers):
            self.queue.put(loops)

    @staticmethod
    def _run(queue: SimpleQueue) -> None:
        while True:
            _work_through(queue.get())


_local = threading.local()
_pool = _Pool()


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
    if getattr(_local, "inside_loop", False):
        _work_through(loops)
    else:
        with single_threaded_blas():
            threads = min(_num_threads, pieces)
            if threads > 1:
                _pool.serve(loops, threads - 1)
            _work_through(loops)
            for loop in loops:
                with loop.finished:
                    pass
    for loop in loops:
        loop._raise_error()


def _after_fork_in_child() -> None:
    """Only the forking thread lives on in the child: the pool starts empty, and no other loop is
    under way."""
    global _pool
    _pool = _Pool()
    _local.inside_loop = False
    _blas_limit.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
