"""tinygan against PyTorch, step by step in turns.

    python -m benchmarks.speed [--only dcgan64,vae] [--quick] [--json FILE] [--plot FILE]
    python -m benchmarks.speed --device cuda [--only dcgan64-b128] [--json FILE] [--peer-only]

Each row is written once (benchmarks/rows.py) and runs in both engines, each in a process of its
own. The two take turns, so noise on the machine hits both; what counts is the median of the ratios
of neighbouring turns, peer time ÷ tinygan time: above 1, tinygan is faster. PyTorch runs in
whichever of its settings (memory format, Adam implementation, compiled or not) is fastest for the
row; tinygan captures the step, as its trainings do. Before anything is timed both must compute the
same numbers from the same weights and batches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from . import gmm, gpu, loop
from .machine import machine
from .process import HOME, ParityError, Worker
from .report import growth, plot, print_table, result_row
from .rows import ROWS

NEVER_CAPTURED = ("layer",)  # kinds of rows


def worker(engine, options, setting="captured"):
    arguments = (engine, options.device, options.threads, setting)
    return Worker(engine, options.threads, "benchmarks.worker", *arguments)


def check_parity(row, ours, peer):
    """Both engines must compute the same numbers, up to the rounding of float32."""
    with tempfile.TemporaryDirectory() as folder:
        results = []
        for side in (ours, peer):
            path = f"{folder}/{side.engine}.npz"
            side.numbers(path=path)
            with np.load(path) as arrays:
                results.append([arrays[key].astype(np.float64) for key in arrays.files])
    for i, (a, b) in enumerate(zip(*results, strict=True)):
        noise = 1e-5 * np.sqrt(b.size)  # what is 0 but for rounding (a bias before a norm)
        difference = np.linalg.norm(a - b) / (np.linalg.norm(b) + noise)
        if a.shape != b.shape or not difference <= row.rtol:
            raise ParityError(
                f"{row.name}: result {i} differs between the engines by {difference:.1e} "
                f"(allowed {row.rtol:.0e}, shapes {a.shape} and {b.shape})"
            )


def measure_row(row, options):
    with worker("torch", options, "contiguous, default Adam") as trial:
        setting = trial.choose(row=row.name)
    with (
        worker("tinygan", options) as ours,
        worker("tinygan", options, "eager") as eager,
        worker("torch", options, setting) as peer,
    ):
        versions = ours.build(row=row.name), peer.build(row=row.name)
        eager.build(row=row.name)
        check_parity(row, ours, peer)
        for side in (ours, eager, peer):
            side.measure(repeats=5)
        slower = max(ours.measure(repeats=1), peer.measure(repeats=1))
        repeats, settle = max(1, int(0.1 / slower)), int(slower < 0.2)
        turns = max(5, min(options.turns, int(options.seconds / (2 * slower * (repeats + settle)))))
        pairs, uncaptured = [], []
        for turn in range(turns):
            order = (ours, peer) if turn % 2 else (peer, ours)
            seconds = {side.engine: side.measure(repeats=repeats, settle=settle) for side in order}
            pairs.append((seconds["tinygan"], seconds["torch"]))
            if row.kind not in NEVER_CAPTURED and turn % 2:
                uncaptured.append(eager.measure(repeats=repeats, settle=settle))
        peaks = ours.peak_mb(), peer.peak_mb()
    result = result_row(row.name, pairs, "torch", setting, peaks)
    if uncaptured:
        result["eager_ms"] = round(1e3 * statistics.median(uncaptured), 4)
    return result | {"kind": row.kind, "images": row.images, "bar": row.bar}, versions


def measure_threads(options):
    """A captured step on all threads beside the same step on one: what a second core brings."""
    with worker("tinygan", options) as ours:
        options = argparse.Namespace(**{**vars(options), "threads": 1})
        with worker("tinygan", options) as alone:
            for side in (ours, alone):
                side.build(row="dcgan32")
                side.measure(repeats=5)
            pairs = [
                (ours.measure(repeats=2, settle=1), alone.measure(repeats=2, settle=1))
                for _ in range(min(options.turns, 15))
            ]
    row = result_row("threads", pairs, "its own step", "dcgan32 on one thread")
    return row | {"kind": "overhead", "bar": 1.6}


def measure_import(options):
    """Time from starting Python to having the package, beyond Python's own start."""

    def start(statement):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True, cwd=HOME)
        return time.perf_counter() - before

    pairs = []
    for _ in range(3 if options.quick else 9):
        empty = start("pass")
        pairs.append((start("import tinygan") - empty, start("import torch") - empty))
    return result_row("import", pairs, "torch", "default") | {"kind": "import", "bar": 4.0}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--device", default="cpu", choices=("cpu", "cuda"), help="a GPU has rows of its own"
    )
    names = [*ROWS, *gmm.ROWS, *loop.ROWS, "threads", "import"]
    parser.add_argument("--only", help=f"rows, separated by commas: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="few turns a row: a first impression")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each engine"
    )
    parser.add_argument("--json", metavar="FILE", help="write the table for other programs")
    parser.add_argument("--plot", metavar="FILE", help="draw the ratios")
    gpu.add_options(parser)
    options = parser.parse_args(arguments)
    if options.device == "cuda":
        return gpu.main(options, parser)
    options.turns, options.seconds = (5, 4) if options.quick else (41, 12)
    chosen = options.only.split(",") if options.only else names
    if unknown := set(chosen) - set(names):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    rows, versions = [], {"numpy": np.__version__}
    for name in chosen:
        if name == "import":
            rows.append(measure_import(options))
        elif name == "threads":
            rows.append(measure_threads(options))
        elif name in loop.ROWS:
            rows.append(loop.measure_row(options))
        elif name in gmm.ROWS:
            result, (_, versions["scikit-learn"]) = gmm.measure_row(name, options)
            rows.append(result)
        else:
            result, (versions["tinygan"], versions["torch"]) = measure_row(ROWS[name], options)
            rows.append(result)
        print_table(rows[-1:], header=len(rows) == 1)
    print(growth(rows))
    table = {
        "machine": machine(options),
        "versions": versions,
        "rows": rows,
    }
    if options.json:
        Path(options.json).write_text(json.dumps(table, indent=1) + "\n")
    if options.plot:
        plot(table, options.plot)


if __name__ == "__main__":
    try:
        main()
    except ParityError as error:
        sys.exit(f"parity check failed, nothing was timed: {error}")
