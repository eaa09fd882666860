"""Find the operation that first produced a NaN or an infinity, and the line of the user's code that
called it.
"""

import traceback
from pathlib import Path

import numpy as np

from ..backend.block import Block
from ..backend.device import array_module
from .mode import mode

_package = str(Path(__file__).parent.parent)


class AnomalyError(FloatingPointError):
    """An operation, or its derivative, produced NaN or an infinity."""


class detect_anomaly(Block):
    """In this block every operation checks its result, forward and backward. Slow: for finding a
    fault.

    >>> import tinygan as tg
    >>> with tg.detect_anomaly():
    ...     tg.log(tg.tensor([-1.0]))
    Traceback (most recent call last):
    ...
    tinygan.autograd.anomaly.AnomalyError: log produced NaN (1 of 1 elements)...
    """

    _in_rule = (
        False  # a rule is running: what it computes is reported as the derivative it is part of
    )

    state, name = mode, "watch"

    def inside(self, outside):
        return (*outside, self)

    def where(self):
        """The user's line that is running, as `file:line: code`."""
        for frame in reversed(traceback.extract_stack()):
            if not frame.filename.startswith(_package):
                return f"{frame.filename}:{frame.lineno}: {frame.line}"
        return "(no user code on the stack)"

    def wrap_forward(self, op, run):
        if self._in_rule:
            return run

        def checked(xp, *arrays, **keywords):
            result = run(xp, *arrays, **keywords)
            array = result[0] if op.saves else result
            if problem := _problem(array):
                given = (
                    "" if not any(_problem(a) for a in arrays) else "; an operand already held one"
                )
                raise AnomalyError(f"{op.name} produced {problem}{given}\n  at {self.where()}")
            return result

        return checked

    def wrap_backward(self, node, run):
        def checked(g, allowed):
            self._in_rule = True
            try:
                results = run(g, allowed)
            finally:
                self._in_rule = False
            for result in results:
                if result is not None and (problem := _problem(result.array)):
                    place = next(iter(node.where), "(recorded outside detect_anomaly)")
                    raise AnomalyError(
                        f"the derivative of {node.op.name} produced {problem}\n  recorded at "
                        f"{place}"
                    )
            return results

        return checked


def _problem(array) -> str | None:
    """What is wrong with an array's numbers, in words."""
    if getattr(array, "dtype", None) is None or array.dtype.kind != "f":
        return None
    xp = np if isinstance(array, np.generic) else array_module(array)
    if bool(xp.isfinite(array).all()):
        return None
    nans = int(xp.isnan(array).sum())
    kind, count = ("NaN", nans) if nans else ("an infinity", int(xp.isinf(array).sum()))
    return f"{kind} ({count} of {array.size} elements)"
