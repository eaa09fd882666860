"""Recording what a computation does to arrays, so that it can be done again without Python.

A captured step (`tinygan.capture`) runs once under a recorder, which notes every call that computes
something. On the CPU, calls of array functions are seen without anybody's help (`cpu/traced.py`);
on a GPU the driver notes what is launched (`cuda/recorder.py`). What neither sees, or must not do
again as it was, goes through one of the doors here, and is then an ordinary call while nothing is
recorded:

    noted(function, …)       work on raw arrays that must run as a whole: it looks at values, reads
                             settings that change from step to step, or leaves the array module
    checked(function, …)     the same, of what only looks whether values are as they must be
    drawn(function)          an array that is made anew each time, such as random numbers
    changing(what)           a number of Python's is read that is another one each time
"""

import os
import sys
import threading
from pathlib import Path

from .device import on_device

_PACKAGE = str(Path(__file__).parents[1])


class _Recording(threading.local):
    recorder = None  # of this thread


recording = _Recording()


def noted(function, *arguments):
    """The function's result. A replay calls it again, with the same arguments: it must leave what
    it computes in arrays that it is given.
    """
    recorder = recording.recorder
    return function(*arguments) if recorder is None else recorder.call(function, arguments)


def checked(function, array, *arguments):
    """Call the function, which raises an error where the array's values are wrong.

    On a GPU it would have to wait for them, in every step: there values are looked at only if
    TINYGAN_CHECK=1 is in the environment.
    """
    if not on_device(array) or os.environ.get("TINYGAN_CHECK") == "1":
        noted(function, array, *arguments)


def changing(what: str) -> None:
    """Refuse to record: a program would go on with the number that it was recorded with."""
    if recording.recorder is not None:
        recording.recorder.note_problem(what)


def drawn(function):
    """The array that the function makes. A replay calls it again."""
    recorder = recording.recorder
    return function() if recorder is None else recorder.make(function)


class Observer:
    """What all recorders are: watchers of operations, who know the name of the one under way, and
    remember the first thing that no program can do again.
    """

    operation, failed, problem = "", "", None  # under way, where an error arose, what it was

    def wrap_forward(self, op, run):
        return self._during(op.name, run)

    def wrap_backward(self, node, run):
        return self._during(f"∂{node.op.name}", run)

    def _during(self, name, run):
        def named(*arguments, **keywords):
            outer, self.operation = self.operation, name
            try:
                return run(*arguments, **keywords)
            except Exception:
                self.failed = self.failed or name
                raise
            finally:
                self.operation = outer
                if not outer:
                    self.operation_over()

        return named

    def operation_over(self):
        """No operation is under way any more."""

    def where(self):
        """Recorded nodes need no place in the user's code."""

    def note_problem(self, what=None):
        if self.problem is None:
            name, line = users_call(sys._getframe(1))
            self.problem = f"{what or name} at {line}"


def users_call(frame) -> tuple[str, str]:
    """What the user's code calls that led to this frame, and where."""
    name = ""
    while frame.f_back and is_ours(frame.f_code):
        name, frame = frame.f_code.co_name, frame.f_back
    return f"{name.strip('_')}()", f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_ours(code) -> bool:
    """Is this the engine's own code?"""
    return code.co_filename.startswith(_PACKAGE)
