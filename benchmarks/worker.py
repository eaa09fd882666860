"""One engine in a process of its own, told by its parent what to build and when to run.

Commands come as JSON, one a line, on standard input; answers go the same way on standard output.
"""

import statistics
import sys
import time
from contextlib import suppress

import numpy as np

from .engines import ENGINES
from .process import answer_orders, peak_mb
from .rows import ROWS


def serve(engine_name, device, threads, setting):
    engine_class, state = ENGINES[engine_name], {}

    def build(row, setting=setting):
        engine = engine_class(device, threads, setting)
        step, numbers = ROWS[row].build(engine)
        state.update(engine=engine, step=step, numbers=numbers)
        return engine.version()

    def numbers(path):
        np.savez(path, *[np.ascontiguousarray(array) for array in state["numbers"]()])

    def measure(repeats, settle=0):
        """Seconds a step. `settle` steps go before, untimed: the caches are full of the other
        engine's data, and its threads may spin for milliseconds after their last work.
        """
        for _ in range(settle):
            state["step"]()
        state["engine"].synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            state["step"]()
        state["engine"].synchronize()
        return (time.perf_counter() - start) / repeats

    def choose(row):
        """The setting in which this engine runs a row fastest; the fastest also compiled."""
        times = {}
        for candidate in engine_class.settings:
            build(row, candidate)
            once = max(measure(1), measure(1))
            repeats = max(1, int(0.03 / once))
            trials = 5 if once < 0.1 else 2
            times[candidate] = statistics.median(measure(repeats) for _ in range(trials))
        if engine_class.compiles and ROWS[row].kind == "step":
            best = min(times, key=times.get)
            with suppress(Exception):  # such as a second derivative, which it cannot compile
                compiled = f"{best}, compiled"
                build(row, compiled)
                measure(3)
                times[compiled] = statistics.median(measure(repeats) for _ in range(9))
        return min(times, key=times.get)

    answer_orders(build, numbers, measure, choose, peak_mb)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
