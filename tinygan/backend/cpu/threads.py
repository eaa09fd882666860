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

import numpy as np
from threadpoolctl import ThreadpoolController

__all__ = ["get_num_threads", "parallel_for", "set_num_threads", "single_threaded_blas"]


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
                    self.libraries = _numpy_blas_libraries()
                self.saved = [library.get_num_threads() for library in self.libraries]
                self._apply([1] * len(self.saved))
            self.regions += 1

    def leave(self):
        with self.lock:
            self.regions -= 1
            if self.regions == 0:
                self._apply(self.saved)

    def _apply(self, counts):
        for library, count, saved in zip(self.libraries, counts, self.saved, strict=True):
            if saved != 1:
                # threadpoolctl 3.8's own setter ignores all Python threads but the first one that
                # called it. The lock above keeps the threads apart already.
                setter = getattr(library, "_real_set_num_threads", library.set_num_threads)
                setter(count)

    def reset_after_fork(self):
        self.lock = threading.Lock()
        if self.regions:
            self.regions = 0
            self._apply(self.saved)


def _numpy_blas_libraries() -> list:
    """The BLAS that NumPy was built with; every BLAS in the process where that one cannot be told
    from its path."""
    found = [c for c in ThreadpoolController().lib_controllers if c.user_api == "blas"]
    home = os.path.dirname(np.__file__)
    return [c for c in found if c.filepath.startswith(home)] or found


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


class _Loop:
    """The pieces of one parallel loop: taken one after another, finished when every piece that was
    taken is done."""

    def __init__(self, function: Callable[[int, int], None], n: int, chunk: int):
        self.function, self.n, self.chunk = function, n, chunk
        self.lock = threading.Lock()
        self.next_start = 0
        self.running = 0
        self.error = None
        self.finished = threading.Lock()
        self.finished.acquire()

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
                self.error = self.error or error
                self.next_start = self.n
            if self.running == 0 and self.next_start >= self.n and self.finished.locked():
                self.finished.release()

    def work(self) -> None:
        _local.inside_loop = True
        try:
            while (start := self._take()) is not None:
                error = None
                try:
                    self.function(start, min(start + self.chunk, self.n))
                except BaseException as caught:  # handed to the thread that waits for the loop
                    error = caught
                self._done(error)
        finally:
            _local.inside_loop = False

    def wait(self) -> None:
        self.finished.acquire()
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # break the cycle error -> traceback -> frame -> loop


class _Pool:
    """Threads that serve loops from a queue; they start when they are first needed."""

    def __init__(self):
        self.lock = threading.Lock()
        self.queue = SimpleQueue()
        self.size = 0

    def serve(self, loop: _Loop, helpers: int) -> None:
        with self.lock:
            while self.size < helpers:
                self.size += 1
                name = f"tinygan-worker-{self.size}"
                threading.Thread(
                    target=self._run, args=(self.queue,), name=name, daemon=True
                ).start()
        for _ in range(helpers):
            self.queue.put(loop)

    @staticmethod
    def _run(queue: SimpleQueue) -> None:
        while True:
            queue.get().work()


_local = threading.local()
_pool = _Pool()


def parallel_for(function: Callable[[int, int], None], n: int, chunk: int = 1) -> None:
    """Call `function(start, stop)` for the pieces `[0, chunk)`, `[chunk, 2 chunk)`, … of
    `range(n)`, on all threads.

    The pieces run in any order and at the same time, so they must write to different places. The
    first exception that a piece raises is raised here, after the pieces that had begun are over;
    pieces that had not begun are dropped."""
    if n <= 0:
        return
    threads = min(_num_threads, -(-n // chunk))
    if getattr(_local, "inside_loop", False):
        for start in range(0, n, chunk):
            function(start, min(start + chunk, n))
        return
    with single_threaded_blas():
        if threads == 1:
            for start in range(0, n, chunk):
                function(start, min(start + chunk, n))
            return
        loop = _Loop(function, n, chunk)
        _pool.serve(loop, threads - 1)
        loop.work()
        loop.wait()


def _after_fork_in_child() -> None:
    """Only the forking thread lives on in the child: the pool starts empty, and no other loop is
    under way."""
    global _pool
    _pool = _Pool()
    _local.inside_loop = False
    _blas_limit.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
