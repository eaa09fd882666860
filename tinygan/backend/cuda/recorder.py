"""The recorder: lets the driver note what a step launches, as CUDA graphs.

While a stream is capturing, nothing that is launched into it is computed: the driver notes it, with
all addresses, as a graph that can be launched as often as one likes, by one call. Arrays that are
made meanwhile come from a pool of memory that belongs to the program. What the engine drops, the
pool hands out again; so the step's own life times are the plan of the memory, as on the CPU.

The doors of `backend/recording.py` mean here:

    noted(function, …)   ends the graph, is remembered as a call, and begins the next graph
    drawn(function)      nothing special: the state of a random stream lies on the device, so that
                         a draw is captured like anything else
    changing(what)       refuses

What makes the host wait (`float(loss)`) the driver refuses, too. A copy from the host's memory it
would take, but the graph would go on reading that memory when it is long used for something else:
it is refused here (`_without_host_copies`).
"""

import ctypes
import threading
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module

import numpy as np

from ..recording import Observer, is_ours
from .program import Program

LIBRARIES = {"cupy", "cupyx", "cupy_backends", "numpy"}  # whose frames are not the user's
_capturing: set[int] = set()  # threads


class HostCopy(RuntimeError):
    """Something was to be copied from the host's memory while a step was captured."""


class Recorder(Observer):
    """Notes the launches of one thread while a step runs, without computing anything."""

    def __init__(self):
        cuda = import_module("cupy").cuda
        self.stream, self.pool = cuda.Stream(non_blocking=True), cuda.MemoryPool()
        self.parts, self._open = [], False

    @contextmanager
    def capturing(self):
        """What is launched in the block becomes the program. An error in the block is a problem,
        and goes no further; if it is the user's own, the eager call will raise it again.
        """
        cuda = import_module("cupy").cuda
        with _without_host_copies(), cuda.using_allocator(self.pool.malloc), self.stream:
            self._begin()
            try:
                yield
            except Exception as error:
                self._note_error(error)
            finally:
                self._end()

    def call(self, function, arguments):
        """A function that runs as a whole in every replay, between two graphs."""
        self._end()
        self.parts.append(partial(function, *arguments))
        self._begin()

    def make(self, function):
        array = function()
        if isinstance(array, np.ndarray):
            self.note_problem("an array made in the host's memory")
        return array

    def program(self) -> Program:
        return Program(self.parts, self.pool)

    # -- graphs ------------------------------------------------------------------------------------

    def _begin(self):
        self.stream.begin_capture()
        self._open = True

    def _end(self):
        """End the graph, and keep it if there is something in it."""
        if not self._open:
            return
        self._open = False
        try:
            graph = self.stream.end_capture()
        except Exception as error:  # what broke the capture was caught by somebody
            self._note_error(error)
            return
        if nodes_of(graph) != 0:
            self.parts.append(graph)

    def _note_error(self, error):
        if self.problem is None:
            name, line = _where(error.__traceback__)
            reason = str(error).strip().partition("\n")[0]
            self.problem = f"{self.failed or name} at {line} ({type(error).__name__}: {reason})"


def nodes_of(graph) -> int | None:
    """How many launches, copies and fills a graph holds; None where nobody can tell."""
    try:
        count = ctypes.c_size_t()
        ask = ctypes.CDLL("libcuda.so.1").cuGraphGetNodes
        ask.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)]
        return None if ask(graph.graph, None, ctypes.byref(count)) else count.value
    except (AttributeError, OSError):
        return getattr(graph, "nodes", None)


def _where(trace) -> tuple[str, str]:
    """What the user called that led to an error, and where; the engine's own place, where nobody
    else's code is involved.
    """
    frames = []
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    known = [i for i, (frame, _, _) in enumerate(frames) if not _is_library(frame)]
    users = [i for i in known if not is_ours(frames[i][1])]
    last = (users or known)[-1]
    _, code, line = frames[last]
    called = frames[min(last + 1, len(frames) - 1)][1].co_name
    return f"{called.strip('_')}()", f"{code.co_filename}:{line}"


def _is_library(frame):
    name = frame.f_globals.get("__name__", "")
    return name in LIBRARIES or name.partition(".")[0] in LIBRARIES


@contextmanager
def _without_host_copies():
    """In the block, copies from the host's memory raise HostCopy. CuPy makes them through pinned
    memory, which it asks an allocator for.
    """
    _watch_pinned_memory()
    _capturing.add(threading.get_ident())
    try:
        yield
    finally:
        _capturing.discard(threading.get_ident())


@cache
def _watch_pinned_memory():
    cupy = import_module("cupy")
    pool = cupy.get_default_pinned_memory_pool()

    def allocate(size):
        if threading.get_ident() in _capturing:
            raise HostCopy("a copy from the host's memory")
        return pool.malloc(size)

    cupy.cuda.set_pinned_memory_allocator(allocate)
