"""Switches that change how operations run, each local to its thread."""

import functools
import threading

from ..backend.block import Block


class _Mode(threading.local):
    def __init__(self):
        self.grad = True  # record operations for backward?
        self.watch = ()  # observers of every operation: the anomaly detector, the profiler


mode = _Mode()


class _Setting(Block):
    """A switch for a block (`with no_grad():`) or a function (`@no_grad` or `@no_grad()`)."""

    state, name = mode, "grad"
    enabled: bool

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __call__(self, function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with type(self)():
                return function(*args, **kwargs)

        return wrapped

    def inside(self, outside):
        return self.enabled


class no_grad(_Setting):
    """Operations in the block are not recorded: nothing in it can be differentiated."""

    enabled = False


class enable_grad(_Setting):
    """Operations in the block are recorded, also inside `no_grad`."""

    enabled = True


def is_grad_enabled() -> bool:
    return mode.grad
