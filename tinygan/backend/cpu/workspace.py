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
array has changed since."""

import math
import os
import threading
import weakref
from collections import OrderedDict, deque

import numpy as np

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
        with _registry_lock:
            _registry.add(self.buffers)


class _Buffers(dict):
    __slots__ = ("__weakref__",)
    __hash__, __eq__ = object.__hash__, object.__eq__  # a registry of dicts by identity


_registry_lock = threading.Lock()
_registry: weakref.WeakSet = weakref.WeakSet()
_shelf = _Shelf()


def scratch(name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
    """An uninitialised array of this thread, in memory kept under `name`, aligned to a cache
    line."""
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
    with _registry_lock:
        buffers.pop(name, None)
        raw = np.empty(needed + _ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % _ALIGNMENT
        buffer = raw[start : start + needed]
        if _make_room(needed):
            buffers[name] = buffer
            _count_buffers()
    return buffer


_kept: OrderedDict = OrderedDict()  # (id of the array, name) -> (the array, weakly; value; bytes)
_bytes = {"kept": 0, "scratch": 0}  # what `_kept` holds, and the buffers when last counted
_gone: deque = deque()  # ids of arrays that are no more; a dying array must not wait for a lock


def take(array: np.ndarray, name):
    """What was kept beside the array under this name, for the caller alone; None if nothing is."""
    with _registry_lock:
        _drop_orphans()
        return _remove((id(array), name))


def keep(array: np.ndarray, name, value, size: int) -> None:
    """Keep a value of `size` bytes for as long as the array lives and there is room."""
    number = id(array)
    reference = weakref.ref(array, lambda _: _gone.append(number))
    with _registry_lock:
        _drop_orphans()
        _remove((number, name))
        if _make_room(size):
            _kept[number, name] = reference, value, size
            _bytes["kept"] += size


def _remove(key):
    _, value, size = _kept.pop(key, (None, None, 0))
    _bytes["kept"] -= size
    return value


def _drop_orphans() -> None:
    while _gone:
        number = _gone.popleft()
        for key in [key for key in _kept if key[0] == number]:
            if _kept[key][0]() is None:
                _remove(key)


def _make_room(needed: int) -> bool:
    """Is there room for so many bytes more, after what is kept beside arrays has made way?"""
    if _bytes["scratch"] + _bytes["kept"] + needed <= _limit:
        return True  # threads may have ended since the buffers were counted: there is more room yet
    if needed > _limit:
        return False
    _count_buffers()
    while _kept and _total() + needed > _limit:
        _remove(next(iter(_kept)))
    return _total() + needed <= _limit


def _count_buffers() -> None:
    _bytes["scratch"] = sum(b.size for buffers in _registry for b in list(buffers.values()))


def _total() -> int:
    return _bytes["scratch"] + _bytes["kept"]


def workspace_bytes() -> int:
    """Bytes that are kept now, as scratch memory of all threads and beside arrays."""
    with _registry_lock:
        _drop_orphans()
        _count_buffers()
        return _total()


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
    with _registry_lock:
        _kept.clear()
        for buffers in list(_registry):
            buffers.clear()
        _bytes.update(kept=0, scratch=0)


def _after_fork_in_child() -> None:
    global _registry_lock
    _registry_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
