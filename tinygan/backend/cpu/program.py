"""A program: the NumPy calls of a step as a flat list, over memory whose use is planned.

While a step is recorded every new array gets its place from an `Arena`, and gives it back when the
engine drops it. So the recorded step's own life times are the plan: in every replay an array stands
where it stood then, and another one takes its place where it did then. The list holds plain arrays
(views of the arena's memory, or of memory that was there before), ready to be passed on.

A loop over pieces is a `Region`: a list of calls for each worker that shares it.
"""

import time
from bisect import insort
from functools import partial
from itertools import count
from threading import Event
from typing import NamedTuple

import numpy as np

from .processes import LOOPS, forget, helpers_wanted, shared_memory, team
from .threads import (
    Loop,
    inside_of_loops,
    outside_of_loops,
    parallel_loops,
    single_threaded_blas,
)
from .views import address, root_address, within, written_by

_SLAB = 1 << 30  # addresses asked of the system at a time; memory it gives when they are used
_SMALL_SLAB = 1 << 24  # the same where addresses are scarce
_ALIGNED = 64


class Arena:
    """Memory in slabs; `place` finds room in the smallest gap that is large enough."""

    def __init__(self):
        self.slabs, self.gaps = [], []  # arrays of bytes; (slab, start, end), in order
        self.held = None  # places given back, kept until all threads are past them

    def place(self, size: int):
        """(slab number, start, end) of `size` free bytes."""
        size = -(-max(size, 1) // _ALIGNED) * _ALIGNED
        gap = min((g for g in self.gaps if _room(g) >= size), key=_room, default=None)
        if gap is None:
            self.slabs.append(_slab(size))
            gap = (len(self.slabs) - 1, 0, self.slabs[-1].size)
            insort(self.gaps, gap)
        slab, start, end = gap
        self.gaps.remove(gap)
        if start + size < end:
            insort(self.gaps, (slab, start + size, end))
        return slab, start, start + size

    def holds(self, x) -> bool:
        """Does an array lie here?"""
        at = -1 if x is None else address(x)
        return any(0 <= at - address(slab) < slab.size for slab in self.slabs)

    def copy(self, x):
        """A new array like x, in memory that nothing else will use."""
        like = np.empty_like(x, subok=False)
        self.slabs.append(shared_memory(like.nbytes))
        return np.ndarray(like.shape, like.dtype, self.slabs[-1], 0, like.strides)

    def give_back(self, place) -> None:
        if self.held is not None:
            self.held.append(place)
            return
        slab, start, end = place
        neighbours = [g for g in self.gaps if g[0] == slab and (g[2] == start or g[1] == end)]
        for gap in neighbours:
            self.gaps.remove(gap)
            start, end = min(start, gap[1]), max(end, gap[2])
        insort(self.gaps, (slab, start, end))

    def hold(self) -> None:
        """From now on nothing that is given back is used again."""
        self.held = []

    def let_go(self) -> None:
        held, self.held = self.held, None
        for place in held:
            self.give_back(place)

    def forget(self) -> None:
        """Let go of the memory's content, and of its pages until they are written to again."""
        for slab in self.slabs:
            forget(slab)

    @property
    def bytes(self) -> int:
        """Bytes in use now."""
        return sum(s.size for s in self.slabs) - sum(end - start for _, start, end in self.gaps)


def _slab(size) -> np.ndarray:
    """Shared memory of `size` bytes at least."""
    try:
        return shared_memory(max(size, _SLAB))
    except OSError:  # such as a limit to what a process may map
        return shared_memory(max(size, _SMALL_SLAB))


def _room(gap) -> int:
    """How much fits into it."""
    return gap[2] - gap[1]


class Region:
    """Loops that workers share: for each loop the calls of each worker, always the same ones.

    The workers are processes (`processes.py`), or else threads. Scratch memory belongs to a worker
    of the recording, so what one does in one loop and in the next is never divided.
    """

    def __init__(self, loops: int, workers: int):
        self.workers = workers
        self.calls = [[[] for _ in range(workers)] for _ in range(loops)]
        self.until = lambda loop: None  # returns when all workers are through with that loop
        self.divisible, self.fetched = False, []  # by processes; what they need first

    def wait(self, loop: int) -> None:
        self.until(loop)

    def alone(self) -> None:
        """On the calling thread, in the order of the recording."""
        self.until = lambda loop: None
        for calls in self.calls:
            for each in calls:
                for call in each:
                    call()

    # -- on threads --------------------------------------------------------------------------------

    def on_threads(self) -> None:
        """None runs another one's calls while that one waits for it."""
        over = [(count(1), Event()) for _ in self.calls]
        self.until = lambda loop: over[loop][1].wait()

        def run(worker, _):
            for calls, (arrived, event) in zip(self.calls, over):
                for call in calls[worker]:
                    call()
                if next(arrived) == self.workers:
                    event.set()

        outside_of_loops(parallel_loops, Loop(run, self.workers))

    # -- by processes ------------------------------------------------------------------------------

    def make_divisible(self, arena, changing, copies) -> None:
        """Let helpers take part, who see the arena's memory and what never changes. What else they
        read, at addresses in `changing`, is copied for them beforehand; `copies` are those of all
        regions, by place and shape.
        """
        fetched = set()

        def fetch(x):
            if not isinstance(x, np.ndarray):
                return within(x, fetch)
            if arena.holds(x) or root_address(x) not in changing:
                return x
            key = address(x), x.shape, x.strides
            if key not in copies:
                copies[key] = arena.copy(x)
            if key not in fetched:
                fetched.add(key)
                self.fetched.append(partial(np.copyto, copies[key], x))
            return copies[key]

        for calls in self.calls:
            for own in calls[1:]:
                for call in own:
                    if call.func != self.wait and not all(map(arena.holds, written_by(call))):
                        return
        for calls in self.calls:
            for own in calls[1:]:
                own[:] = [partial(c.func, *fetch(c.args), **fetch(c.keywords)) for c in own]
        self.divisible = len(self.calls) < LOOPS

    def with_helpers(self, program, number: int) -> None:
        for call in self.fetched:
            call()
        try:
            self.take_part(0, team.begin(program, number, self.workers))
        except BaseException:  # such as Ctrl-C: the others must not go on writing
            team.dismiss()
            raise

    def take_part(self, me: int, order: int) -> None:
        """What one process does of it: a helper its own list; this process all that it finds, for
        what a list of a helper's reads this one sees too, but not the other way round.
        """
        lists = range(self.workers)
        mine = lists if me == 0 else (me,)
        self.until = lambda loop: self._through(loop + 1, lists, mine, me, order)
        self._through(len(self.calls), mine, mine, me, order)

    def _through(self, loops, lists, claimed, me, order) -> None:
        """Run what nobody else runs, until these lists are done with so many loops."""
        start, since = order * LOOPS, time.monotonic()
        while behind := [w for w in lists if team.done(w) < start + loops]:
            mine = next((w for w in behind if w in claimed and team.claim(w, order)), None)
            if mine is None:
                team.pause(me, since)
                continue
            loop = team.done(mine) - start
            for call in self.calls[loop][mine]:
                call()
            team.pass_on(mine, start + loop + 1, more=loop + 1 < len(self.calls))

    def __iter__(self):
        return (call for loop in self.calls for own in loop for call in own)


class Note(NamedTuple):
    """What is known of a call."""

    operation: str  # of tinygan's, that it belongs to: "matmul", or "∂matmul" for its derivative
    bytes: int  # of the arena that were in use


class Program:
    """What was recorded. Calling it does it again; `peak` is the most bytes that it ever uses."""

    def __init__(self, calls, notes, arena, peak):
        self.calls, self.notes, self.arena, self.peak = calls, notes, arena, peak
        self.regions = [call for call in calls if type(call) is Region]
        self.number, self.helped = None, False  # as helpers know it
        self._ready = {
            "alone": self._with(lambda region, _: region.alone),
            "on threads": self._with(lambda region, _: region.on_threads),
        }

    def divide(self, changing: set[int]) -> None:
        """Share its regions with other processes, where there may be some. `changing` are the
        addresses of memory outside the arena whose content changes.
        """
        if self.regions and helpers_wanted():
            copies = {}
            for region in self.regions:
                region.make_divisible(self.arena, changing, copies)
            self.helped = any(region.divisible for region in self.regions)
            self._ready["helped"] = self._with(
                lambda region, number: (
                    partial(region.with_helpers, self, number) if region.divisible else region.alone
                )
            )

    def __call__(self, watch=None) -> None:
        """Do it again. `watch(note, arrays, start)` is told of each call that is over."""
        alone = inside_of_loops()
        helped = self.helped and not alone and team.at_work(self)
        calls = self._ready["alone" if alone else "helped" if helped else "on threads"]
        with np.errstate(all="ignore"):
            single_threaded_blas(self._run if watch is None else self._watched, calls, watch)

    @staticmethod
    def _run(calls, _) -> None:
        for call in calls:
            call()

    def _watched(self, calls, watch) -> None:
        for call, noted, note in zip(calls, self.calls, self.notes):
            start = time.perf_counter()
            call()
            watch(note, [] if type(noted) is Region else written_by(noted), start)

    def _with(self, how):
        """The calls, where a region is run as `how(region, number)` says."""
        numbers = count()
        return [how(c, next(numbers)) if type(c) is Region else c for c in self.calls]

    def forget(self) -> None:
        """Let go of what lies in its memory, which every call of it writes anew."""
        self.arena.forget()

    def __len__(self) -> int:
        return sum(len(list(c)) if isinstance(c, Region) else 1 for c in self.calls)

    @property
    def caption(self) -> str:
        return (
            f"{len(self.notes):,} entries, {len(self.regions)} of them loops that processes share; "
            f"{len(self):,} NumPy calls in {self.peak / 1e6:.1f} MB"
        )
