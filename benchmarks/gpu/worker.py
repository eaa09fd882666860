"""One engine on the GPU, in a process of its own; it keeps all the steps that it was told to build.

Commands come as in `benchmarks/worker.py`. A step is named by its row and its setting.
"""

import functools
import os
import sys
import time
import traceback

import numpy as np

from ..process import answer_orders
from .engines import ENGINES
from .rows import ROWS

WARM_UP = 6  # calls until a step is compiled and captured


def own_output():
    """Standard output is for answers alone: what libraries print goes to standard error."""
    answers = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(answers, "w", buffering=1)


def told(function):
    """An order whose failures are told in full on standard error, too."""

    @functools.wraps(function)
    def order(**arguments):
        try:
            return function(**arguments)
        except Exception as error:
            print(f"{function.__name__} {arguments}", file=sys.stderr)
            traceback.print_exc()
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(last.filename)}:{last.lineno}"
            raise RuntimeError(f"{type(error).__name__}: {str(error)[:300]} ({where})") from error

    return order


def serve(name, device, threads):
    steps = {}

    @told
    def prepare(row, setting, path=None):
        """Build a step and run it until it runs as it will; its numbers go to a file before that.

        Returns the seconds of a step, the memory that it takes, and why it is not captured.
        """
        known = ROWS[row].row
        engine = ENGINES[name](device, threads, setting)
        engine.start_counting()
        try:
            step, numbers = known.build(engine)
            if path:
                np.savez(path, *[np.ascontiguousarray(array) for array in numbers()])
            if known.kind == "layer":  # which rows.py leaves as it is written
                step = engine.captured(step)
            steps[row, setting] = engine, step
            for _ in range(WARM_UP):
                seconds = measure(row=row, setting=setting, repeats=1)
        finally:
            peak = engine.peak_mb()
        return {
            "version": engine.version(), "seconds": seconds, "peak_mb": peak,
            "problem": engine.problem(),
        }  # fmt: skip

    @told
    def measure(row, setting, repeats, settle=0):
        """Seconds a step."""
        engine, step = steps[row, setting]
        for _ in range(settle):
            step()
        engine.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        engine.synchronize()
        return (time.perf_counter() - start) / repeats

    @told
    def forget(row):
        for key in [key for key in steps if key[0] == row]:
            del steps[key]

    @told
    def card():
        """What the device can do at most, measured by PyTorch."""
        from .card import measured

        return measured()

    answer_orders(prepare, measure, forget, card)


if __name__ == "__main__":
    own_output()
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
