"""Helpers: processes that take their part in a program's regions.

Threads of one process hold Python's lock in turns, a few microseconds for each NumPy call, and so
two of them with small pieces mostly wait for each other. Processes do not. A helper is a fork of
this process, made when a program is ready: it knows the program, and all memory that the program's
pieces touch is shared between the two. A board in shared memory tells it which region to take part
in; it watches the board for a millisecond, and then sleeps until it is woken.

    0   the order: it grows by one for each region
    1   the program's number        2   the region's
    8·w + 8   how far list w of the region is done: 64 times the order, plus the loops done
    8·w + 9   is helper w asleep?

For each list of calls there is a token: whoever holds it runs the list's calls of the next loop. So
nobody waits for one who is not there: a process that the system has not let run for a while finds
its work done by the others.

Helpers end with the process that made them. TINYGAN_HELPERS=threads does without them.
"""

import atexit
import gc
import mmap
import multiprocessing
import os
import platform
import select
import signal
import sys
import time
import warnings
import weakref
from contextlib import suppress

import numpy as np

from ..device import cuda_is_available
from .threads import get_num_threads, single_threaded_blas

LOOPS = 64  # in a region, at most
_AWAKE = 1e-3  # seconds that a helper watches the board before it sleeps
_NAP = 0.1  # seconds
_PATIENCE = 120.0  # seconds until a helper that does not come counts as dead


def shared_memory(size: int) -> np.ndarray:
    """Bytes that a forked process sees, too."""
    return np.frombuffer(mmap.mmap(-1, max(size, 1)), np.uint8)


def forget(memory: np.ndarray) -> None:
    """Give the pages of such memory back to the system; what was in them is lost."""
    if hasattr(mmap, "MADV_REMOVE"):
        with suppress(OSError):
            memory.base.obj.madvise(mmap.MADV_REMOVE)


def helpers_wanted() -> bool:
    """Can processes help here? The order of writes to memory must be that of x86."""
    return (
        get_num_threads() > 1
        and sys.platform == "linux"
        and platform.machine() in ("x86_64", "AMD64")
        and os.environ.get("TINYGAN_HELPERS", "processes") == "processes"
        and not ("cupy" in sys.modules and cuda_is_available())  # its context survives no fork
        and "mpi4py.MPI"
        not in sys.modules  # nor are processes that talk to each other to be forked
    )


class HelperDied(RuntimeError):
    """A helper was killed in the middle of a step."""


class Team:
    """The helpers of this process, and the programs that they know."""

    def __init__(self):
        self.board = memoryview(mmap.mmap(-1, 4096)).cast("q")
        self.programs = weakref.WeakValueDictionary()
        self.pids, self.bells, self.tokens = [], [], []
        self.owner, self.members = None, 0

    def at_work(self, program) -> bool:
        """Are there helpers who know the program? They are made anew where they do not."""
        here = self.owner == os.getpid() and self.members == get_num_threads()
        known = self.programs.get(program.number) is program
        if here and known and not self._dead():
            return True
        if get_num_threads() > 1:
            if not known:
                program.number = max(self.programs, default=0) + 1
                self.programs[program.number] = program
            self.dismiss()
            self.owner, self.members = os.getpid(), get_num_threads()
            forking = multiprocessing.get_context("fork")
            self.tokens = [forking.Semaphore(0) for _ in range(self.members)]
            for worker in range(1, self.members):
                self._fork(worker)
        return bool(self.pids)

    def dismiss(self) -> None:
        """Send the helpers home."""
        pids, bells = self.pids, self.bells
        self.pids, self.bells = [], []
        if self.owner == os.getpid():
            for pid in filter(None, pids):
                os.kill(pid, signal.SIGKILL)
            for pid in filter(None, pids):
                os.waitpid(pid, 0)
            for bell in bells:
                os.close(bell)
        self.owner = None

    # -- a region ----------------------------------------------------------------------------------

    def begin(self, program, region: int, lists: int) -> int:
        """Send everybody to a region of so many lists; gives the order's number."""
        board, order = self.board, self.board[0] + 1
        board[1], board[2] = program.number, region
        for w in range(lists):
            board[8 * w + 8] = order * LOOPS
        board[0] = order
        for w in range(lists):
            self.tokens[w].release()
        for worker, bell in enumerate(self.bells, 1):
            if board[8 * worker + 9]:
                with suppress(BrokenPipeError):  # `pause` will see that it is dead
                    os.write(bell, b"!")
        return order

    def done(self, w: int) -> int:
        """How far list w is done."""
        return self.board[8 * w + 8]

    def claim(self, w: int, order: int) -> bool:
        """Take the token of list w, if it is there and belongs to this order."""
        if not self.tokens[w].acquire(False):
            return False
        if self.board[0] == order:
            return True
        self.tokens[w].release()
        return False

    def pass_on(self, w: int, done: int, more: bool) -> None:
        """The list's next loop is done; where there are more, its token is for anybody to take."""
        self.board[8 * w + 8] = done
        if more:
            self.tokens[w].release()

    def pause(self, me: int, since: float) -> None:
        """All that is left is in other hands."""
        os.sched_yield()
        if me and os.getppid() != self.owner:
            os._exit(0)
        if me == 0 and (self._dead() or time.monotonic() - since > _PATIENCE):
            raise HelperDied(
                "a helper process was ended, or hangs, in the middle of a step, which is lost: go "
                "on from a checkpoint. TINYGAN_HELPERS=threads does without such processes"
            )

    def _dead(self) -> bool:
        """Has one of the helpers ended?"""
        for i, pid in enumerate(self.pids):
            if pid is not None and os.waitpid(pid, os.WNOHANG)[0]:
                self.pids[i] = None
        return None in self.pids

    # -- a helper's life ---------------------------------------------------------------------------

    def _fork(self, worker):
        ear, bell = os.pipe()
        parent, order = os.getpid(), self.board[0]
        with warnings.catch_warnings():  # Python 3.12 warns of locks that other threads may hold
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid:
            os.close(ear)
            self.pids.append(pid)
            self.bells.append(bell)
            return
        try:
            self.owner = parent
            gc.disable()  # what this process holds is the parent's to give up
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.close(bell)
            np.seterr(all="ignore")
            single_threaded_blas(self._serve, worker, ear, order)
        finally:
            os._exit(1)

    def _serve(self, worker, ear, order):
        board = self.board
        while True:
            if board[0] == order:
                self._await(worker, ear, order)
            order, number, region = board[0], board[1], board[2]
            self.programs[number].regions[region].take_part(worker, order)

    def _await(self, worker, ear, order):
        """Return when there is another order."""
        board, since = self.board, time.monotonic()
        while time.monotonic() - since < _AWAKE:
            for _ in range(100):
                if board[0] != order:
                    return
            os.sched_yield()
        board[8 * worker + 9] = 1
        while board[0] == order:
            if select.select([ear], [], [], _NAP)[0]:
                os.read(ear, 64)
            if os.getppid() != self.owner:
                os._exit(0)
        board[8 * worker + 9] = 0


team = Team()
atexit.register(team.dismiss)


def _after_fork_in_child():
    team.pids, team.bells, team.owner = [], [], None  # they are the parent's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
