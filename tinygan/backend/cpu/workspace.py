"""Scratch memory that is kept and used again.

A kernel needs the same buffers at every call. Memory fresh from the system costs more than the
arithmetic done in it (the kernel must clear each page), so every thread keeps its buffers by name
and hands the same memory out again:

    columns = scratch("columns", (1024, 256), np.float32)

A buffer holds until the same thread asks for the same name again. The sum over all threads is
bounded: above the bound a request gets ordinary memory that is not kept. TINYGAN_WORKSPACE_MB sets
the bound (default 1024)."""

import math
import os
import threading
import weakref

import numpy as np

__all__ = [
    "clear_workspace",
    "scratch",
    "set_workspace_limit",
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


def _allocate(buffers: _Buffers, name: str, needed: int) -> np.ndarray:
    with _registry_lock:
        buffers.pop(name, None)
        raw = np.empty(needed + _ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % _ALIGNMENT
        buffer = raw[start : start + needed]
        if _total() + needed <= _limit:
            buffers[name] = buffer
    return buffer


def _total() -> int:
    return sum(buffer.size for buffers in _registry for buffer in list(buffers.values()))


def workspace_bytes() -> int:
    """Bytes that all threads keep as scratch memory now."""
    with _registry_lock:
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
    """Give the scratch memory of every thread back. Safe while kernels run: they hold on to what
    they use."""
    with _registry_lock:
        for buffers in list(_registry):
            buffers.clear()


def _after_fork_in_child() -> None:
    global _registry_lock
    _registry_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
