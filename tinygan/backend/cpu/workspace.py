"""Scratch memory that is kept and used again.

A kernel needs the same buffers at every call. Memory fresh from the system costs more than the
arithmetic done in it (the kernel must clear each page), so every thread keeps its buffers by name
and hands the same memory out again:

    columns = scratch("columns", (1024, 256), np.float32)

A buffer holds until the same thread asks for the same name again. The sum over all threads is
bounded: above the bound a request gets ordinary memory that is not kept. TINYGAN_WORKSPACE_MB sets
the bound (default 1024).

What is computed from an array that rarely changes, such as a weight, can be kept beside it: `keep`
lays it aside, `take` hands it out to one caller at a time. It goes when its array goes, or when
room is needed, the least recently used first. Whoever takes it has to see for himself whether the
array has changed since.

Threads share all this without a lock, which an interrupted thread could leave held: every change
is one step of a dict or a set, and what must fit under the bound is laid down first, then counted,
so that of two threads at once the later one sees both."""

import math
import os
import threading
import weakref
from functools import partial

import numpy as np

from ..recording import recording

__all__ = [
    "clear_workspace",
    "keep",
    "scratch",
    "scratch_matrix",
    "set_workspace_limit",
    "take",
    "workspace_bytes",
    "workspace_limit",
]

_ALIGNMENT = 64  # bytes: a cache line, and one AVX-512 register

_limit = int(os.environ.get("TINYGAN_WORKSPACE_MB", "1024")) << 20


class _Shelf(threading.local):
    """One thread's buffers by name. The registry holds them weakly: they go when their thread
    ends."""

    def __init__(self):
        self.buffers = _Buffers()
        _registry.add(weakref.ref(self.buffers, _registry.discard))


class _Buffers(dict):
    __slots__ = ("__weakref__",)
    __hash__, __eq__ = object.__hash__, object.__eq__  # a registry of dicts by identity


_registry: set[weakref.ref] = set()
_shelf = _Shelf()


def scratch(name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
    """An uninitialised array of this thread, in memory kept under `name`, aligned to a cache
    line."""
    if recording.recorder is not None:
        return recording.recorder.scratch(name, shape, dtype)
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    buffers = _shelf.buffers
    buffer = buffers.get(name)
    if buffer is None or buffer.size < needed:
        buffer = _allocate(buffers, name, needed)
    return buffer[:needed].view(dtype).reshape(shape)


def scratch_matrix(name: str, rows: int, columns: int) -> np.ndarray:
    """Scratch memory for a float32 matrix whose rows do not begin at multiples of a large power of
    two: such rows would push each other out of the cache."""
    return scratch(name, (rows, columns + 16), np.float32)[:, :columns]


def _allocate(buffers: _Buffers, name: str, needed: int) -> np.ndarray:
    buffers.pop(name, None)
    raw = np.empty(needed + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    buffer = raw[start : start + needed]
    if needed <= _limit:
        buffers[name] = buffer
        if not _fits_once_others_made_way():
            buffers.pop(name, None)
    return buffer


_kept: dict = {}  # (id of the array, name) -> (the array, weakly; value; bytes), the oldest first
_scratch_bytes = 0  # as last counted: no buffer was added since


def take(array: np.ndarray, name):
    """What was kept beside the array under this name, for the caller alone; None if nothing is."""
    _, value, _ = _kept.pop((id(array), name), (None, None, 0))
    return value


def keep(array: np.ndarray, name, value, size: int) -> None:
    """Keep a value of `size` bytes for as long as the array lives and there is room."""
    if size > _limit:
        return
    key = (id(array), name)
    gone = partial(_kept.pop, key)  # called with what it returns if nothing is kept: the reference
    _kept[key] = weakref.ref(array, gone), value, size
    if _scratch_bytes + _kept_bytes() > _limit:
        _fits_once_others_made_way()


def _fits_once_others_made_way() -> bool:
    """Do the buffers stay below the bound, after what is kept beside arrays has made way?"""
    scratch_bytes = _count_scratch()
    while _kept and scratch_bytes + _kept_bytes() > _limit:
        _kept.pop(next(iter(list(_kept)), None), None)
    return scratch_bytes <= _limit


def _count_scratch() -> int:
    global _scratch_bytes
    _scratch_bytes = sum(b.size for each in _all_buffers() for b in list(each.values()))
    return _scratch_bytes


def _all_buffers() -> list[_Buffers]:
    return [buffers for reference in list(_registry) if (buffers := reference()) is not None]


def _kept_bytes() -> int:
    return sum([size for _, _, size in list(_kept.values())])


def workspace_bytes() -> int:
    """Bytes that are kept now, as scratch memory of all threads and beside arrays."""
    return _count_scratch() + _kept_bytes()


def workspace_limit() -> int:
    """The most bytes that are kept."""
    return _limit


def set_workspace_limit(limit: int) -> None:
    """Keep at most `limit` bytes from now on; what is kept above it is given back."""
    global _limit
    if limit < 0:
        raise ValueError(f"set_workspace_limit: expected a number of bytes, got {limit!r}")
    _limit = limit
    if workspace_bytes() > limit:
        clear_workspace()


def clear_workspace() -> None:
    """Give all that is kept back. Safe while kernels run: they hold on to what they use."""
    _kept.clear()
    for buffers in _all_buffers():
        buffers.clear()
