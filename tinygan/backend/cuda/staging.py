"""Batches on their way to a GPU, while it still computes with the last one.

A copy runs beside the computation if it goes through pinned memory (which the system cannot move)
and in a stream of its own. So for each kind of batch there are a few slots, each a pinned buffer
and its place on the device:

    host:            fill pinned k+1        fill pinned k+2
    copying stream:          copy k+1 →             copy k+2 →
    computing:       step k                 step k+1               step k+2

Two events keep the order. Computing waits until its batch has arrived. And a place is written to
again only when nobody holds its array any more, after all work that was asked for until then.
"""

import sys
from functools import cache
from importlib import import_module

import numpy as np

_SLOTS, _KINDS = 3, 8


class Staging:
    """The slots of one device."""

    def __init__(self):
        self.stream = _cuda().Stream(non_blocking=True)
        self.kinds: dict = {}  # the last one used at the end

    def send(self, array: np.ndarray):
        """The array on the device: on its way, and there for all that is launched from now on."""
        kind = array.shape, array.dtype
        slots = self.kinds[kind] = self.kinds.pop(kind, [])
        if len(self.kinds) > _KINDS:
            self._forget(next(iter(self.kinds)))
        free = [slot for slot in slots if slot.freed is not None]  # at an earlier call
        now = _event()
        for slot in slots:
            slot.notice(now)
        if not free and len(slots) >= _SLOTS:
            free = [slot for slot in slots if slot.freed is not None]
            if not free:  # somebody keeps them all
                return import_module("cupy").array(array)
        slot = free[0] if free else _Slot(array)
        slots[:] = [*(s for s in slots if s is not slot), slot]
        return slot.fill(array, self.stream)

    def _forget(self, kind):
        for slot in self.kinds.pop(kind):
            slot.wait()


class _Slot:
    def __init__(self, array):
        self.pinned = _cuda().alloc_pinned_memory(max(array.nbytes, 1))
        self.host = np.frombuffer(self.pinned, array.dtype, array.size).reshape(array.shape)
        self.there = import_module("cupy").empty(array.shape, array.dtype)
        self.freed, self.arrived = _event(), None

    def notice(self, now):
        """Is nobody left who holds the array? Then it is free after the work asked for so far."""
        if self.freed is None and holders(self.there) == 0:
            self.freed = now

    def wait(self):
        """Until the pinned buffer is no longer read."""
        if self.arrived is not None and not self.arrived.done:
            self.arrived.synchronize()

    def fill(self, array, stream):
        self.wait()
        np.copyto(self.host, array)
        stream.wait_event(self.freed)
        self.there.set(self.host, stream=stream)
        self.freed, self.arrived = None, _event(stream)
        _cuda().get_current_stream().wait_event(self.arrived)
        return self.there


def holders(array) -> int:
    """How many refer to an array, or a view of it, besides its slot."""
    return _references(array) - _ALONE


def _references(array):
    return sys.getrefcount(array)


class _Alone:
    there = object()


_ALONE = (lambda array: _references(array))(_Alone.there)  # counted as `holders` counts


def _cuda():
    return import_module("cupy").cuda


def _event(stream=None):
    event = _cuda().Event(disable_timing=True)
    event.record(stream)
    return event


@cache
def staging(index: int) -> Staging:
    with _cuda().Device(index):
        return Staging()
