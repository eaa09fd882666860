"""Where the time of a computation goes, operation by operation.

    with tg.profile() as p:
        loss = model(x).mean()
        loss.backward()
    print(p)                  # a table
    p.save("trace.json")      # for chrome://tracing or ui.perfetto.dev

A derivative rule is mostly made of operations, which are listed under their own names; what a rule
computes by itself (the fused ones) is listed as ∂name. So are the calls of a captured step
(`tinygan.capture`), each under the operation that it belongs to. Bytes are those of the arrays that
an operation reads and writes once each; FLOP are known for products and convolutions.
"""

import json
import math
import threading
import time
from collections import defaultdict
from typing import NamedTuple

from ..backend.block import Block
from ..backend.device import is_array, synchronize
from .mode import mode


class Event(NamedTuple):
    """One run of an operation; `start` and `seconds` on the clock of `time.perf_counter`."""

    name: str
    shapes: tuple
    start: float
    seconds: float
    bytes: int
    flop: int
    thread: int


class profile(Block):
    """In this block every operation is timed. `events` lists them; `str(p)` is a table by time."""

    state, name = mode, "watch"

    def __init__(self):
        self.events: list[Event] = []
        self.seconds, self._entered = 0.0, time.perf_counter()
        self._inside = [0.0]  # seconds of the operations that ran within the rule under way

    def inside(self, outside):
        self._entered = time.perf_counter()
        return (*outside, self)

    def _leave(self, *error):
        super()._leave()
        self.seconds += time.perf_counter() - self._entered

    def where(self):
        """Recorded nodes need no place in the user's code."""

    def wrap_forward(self, op, run):
        def timed(xp, *arrays, **keywords):
            start = time.perf_counter()
            result = run(xp, *arrays, **keywords)
            out = result[0] if op.saves else result
            synchronize(out)
            self._note(op.name, start, (*arrays, out), _flop(op.name, arrays, out))
            return result

        return timed

    def wrap_backward(self, node, run):
        def timed(g, allowed):
            one_kernel = node.op.together or node.in_one_kernel(allowed)
            self._inside.append(0.0)
            start = time.perf_counter()
            results = run(g, allowed)
            seconds = time.perf_counter() - start
            own = seconds - self._inside.pop()
            if one_kernel:
                arrays = [g.array, *(r.array for r in results if r is not None)]
                name = f"∂{node.op.name}"
                self._note(name, start, arrays, _flop(name, arrays[:-1], arrays[-1]), own)
            return results

        return timed

    def note(self, name, start, arrays):
        """One call of a captured step's program, which has just ended."""
        self._note(name, start, arrays, 0)

    def _note(self, name, start, arrays, flop, seconds=None):
        seconds = time.perf_counter() - start if seconds is None else seconds
        self._inside[-1] += seconds
        arrays = [a for a in arrays if is_array(a)]
        shapes = tuple(a.shape for a in arrays[:-1])
        size = sum(a.nbytes for a in arrays)
        self.events.append(Event(name, shapes, start, seconds, size, flop, threading.get_ident()))

    def table(self, limit=20, by_shape=False) -> str:
        """Operations by total time; with `by_shape`, one row for each shape of operands."""
        groups = defaultdict(list)
        for event in self.events:
            groups[event.name, event.shapes if by_shape else ()].append(event)
        rows = sorted(groups.items(), key=lambda item: -sum(e.seconds for e in item[1]))
        measured = sum(e.seconds for e in self.events)
        lines = [
            f"{'operation':28}{'calls':>7}{'ms':>10}{'share':>8}{'MB':>9}{'GB/s':>8}{'GFLOP/s':>9}"
        ]
        for (name, shapes), events in rows[:limit]:
            seconds = max(sum(e.seconds for e in events), 1e-9)
            size, flop = sum(e.bytes for e in events), sum(e.flop for e in events)
            rate = f"{flop / seconds / 1e9:9.1f}" if flop else " " * 9
            what = " ".join("×".join(map(str, s)) or "·" for s in shapes)
            share = seconds / max(measured, 1e-9)
            lines.append(
                f"{name:28}{len(events):7d}{1e3 * seconds:10.3f}{share:8.1%}{size / 1e6:9.1f}"
                f"{size / seconds / 1e9:8.1f}{rate}  {what}".rstrip()
            )
        if len(rows) > limit:
            lines.append(f"… and {len(rows) - limit} more")
        lines.append(
            f"{len(self.events)} operations took {1e3 * measured:.3f} ms "
            f"of {1e3 * self.seconds:.3f}; the rest is Python between them"
        )
        return "\n".join(lines)

    __str__ = table

    def save(self, path) -> None:
        """Write the events as a Chrome trace."""
        events = [
            {
                "name": e.name,
                "ph": "X",
                "pid": 0,
                "tid": e.thread,
                "ts": 1e6 * (e.start - self._entered),
                "dur": 1e6 * e.seconds,
                "args": {"shapes": str(e.shapes), "bytes": e.bytes, "flop": e.flop},
            }
            for e in self.events
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)


def _flop(name, arrays, out) -> int:
    """Multiplications and additions, as the definition counts them."""
    if name in ("matmul", "linear"):
        return 2 * out.size * arrays[0].shape[-1]
    if name == "conv2d":
        return 2 * out.size * math.prod(arrays[1].shape[1:])
    if name == "conv_transpose2d":
        return 2 * arrays[0].size * math.prod(arrays[1].shape[1:])
    if name == "conv2d_weight_gradient":
        return 2 * arrays[1].size * math.prod(out.shape[1:])
    if name == "∂conv2d":  # of g, dx and dw
        return 4 * arrays[0].size * math.prod(out.shape[1:])
    if name == "∂conv_transpose2d":
        return 4 * arrays[1].size * math.prod(out.shape[1:])
    return 0
