"""A program: CUDA graphs, and the calls between them."""

import time
from functools import partial
from importlib import import_module
from typing import NamedTuple


class Note(NamedTuple):
    """What is known of a part."""

    operation: str
    bytes: int  # of the program's memory


class Program:
    """What was recorded. Calling it does it again, on the stream that is CuPy's current one.

    A capture only notes; what is launched later, graphs and eager work alike, goes to one stream,
    and so runs in the order in which it was asked for. No events are needed.

    The pool stays with the program, and nothing is taken from it any more: its memory is where the
    graphs' intermediate results lie.
    """

    def __init__(self, parts, pool):
        self.pool, self.peak = pool, pool.total_bytes()
        self.parts = parts
        self._calls = [p if isinstance(p, partial) else p.launch for p in parts]
        self.notes = [Note(_name(p), self.peak) for p in parts]

    def __call__(self, watch=None) -> None:
        """Do it again. `watch(note, arrays, start)` is told of each part that is over."""
        if watch is None:
            for call in self._calls:
                call()
            return
        for call, note in zip(self._calls, self.notes):
            start = time.perf_counter()
            call()
            import_module("cupy").cuda.get_current_stream().synchronize()
            watch(note, [], start)

    def forget(self) -> None:
        """The content of its memory may go; the memory stays."""

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def caption(self) -> str:
        graphs = sum(not isinstance(p, partial) for p in self.parts)
        return (
            f"{graphs} CUDA graphs and {len(self) - graphs} calls between them; "
            f"{self.peak / 1e6:.1f} MB"
        )


def _name(part) -> str:
    if not isinstance(part, partial):
        return "a CUDA graph"
    return getattr(part.func, "__qualname__", repr(part.func))
