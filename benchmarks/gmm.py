"""Gaussian mixtures against scikit-learn's, fit by fit in turns.

    python -m benchmarks.gmm [--only gmm-16d] [--quick] [--growth] [--json FILE] [--threads 2]

Both make ten EM iterations with full covariances from the same start, each in a process of its own.
scikit-learn runs with whichever number of BLAS threads is fastest for the row. Both take float64,
and before anything is timed both must find the same parameters to 1e-6. The rows that end in `-f32`
give both float32 data, where scikit-learn computes in float32 and tinygan in float64; they must
agree to 1e-2. `--growth` also measures how both grow with n, d and k.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from .machine import machine
from .process import ParityError, Worker, answer_orders, peak_mb
from .report import print_table, result_row

ITERATIONS = 10
PARITY = {"float64": 1e-6, "float32": 1e-2}

SIZES = {"gmm-16d": (100_000, 16, 16), "gmm-2d": (200_000, 2, 8), "gmm-64d": (20_000, 64, 10)}
ROWS = {name: (*size, "float64") for name, size in SIZES.items()}
ROWS |= {f"{name}-f32": (*size, "float32") for name, size in SIZES.items()}
GROWTH = {f"gmm-n{n // 1000}k": (n, 16, 16, "float64") for n in (10_000, 30_000, 300_000)}
GROWTH |= {f"gmm-d{d}": (20_000, d, 16, "float64") for d in (2, 4, 8, 16, 32, 64, 128)}
GROWTH |= {f"gmm-k{k}": (50_000, 8, k, "float64") for k in (2, 8, 32, 128)}
ALL = ROWS | GROWTH


def problem(name):
    """Points that overlap a little, and a start at some of them."""
    n, d, k, dtype = ALL[name]
    random = np.random.default_rng(0)
    centres = 2 * random.standard_normal((k, d))
    x = random.standard_normal((n, d), dtype=np.float32)
    x = (x + centres[random.integers(0, k, n)]).astype(dtype)
    start = {
        "weights_init": np.full(k, 1 / k, dtype),
        "means_init": (centres + 0.3 * random.standard_normal((k, d))).astype(dtype),
        "precisions_init": np.tile(np.eye(d, dtype=dtype), (k, 1, 1)),
    }
    return x, {"n_components": k, "max_iter": ITERATIONS, "tol": 0.0, **start}


def serve(engine, threads):
    """One engine in this process, told by its parent what to fit and when."""
    if engine == "tinygan":
        from tinygan import __version__
        from tinygan.backend.cpu import set_num_threads
        from tinygan.models import GaussianMixture

        set_num_threads(threads)
    else:
        from sklearn import __version__
        from sklearn.mixture import GaussianMixture
    warnings.simplefilter("ignore")  # ten iterations are meant to be few
    state = {}

    def build(row):
        x, options = problem(row)
        state.update(x=x, mixture=GaussianMixture(**options))
        return __version__

    def numbers(path):
        m = state["mixture"].fit(state["x"])
        np.savez(path, m.weights_, m.means_, m.covariances_, m.lower_bound_)

    def measure(repeats):
        start = time.perf_counter()
        for _ in range(repeats):
            state["mixture"].fit(state["x"])
        return (time.perf_counter() - start) / repeats

    answer_orders(build, numbers, measure, peak_mb)


def check_parity(name, ours, peer):
    """Both must find the same weights, means, covariances and lower bound."""
    allowed, results = PARITY[ALL[name][3]], []
    with tempfile.TemporaryDirectory() as folder:
        for worker in (ours, peer):
            path = f"{folder}/{worker.engine}.npz"
            worker.numbers(path=path)
            with np.load(path) as arrays:
                results.append([arrays[key].astype(np.float64) for key in arrays.files])
    parts = ("weights", "means", "covariances", "lower bound")
    for part, a, b in zip(parts, *results, strict=True):
        difference = np.abs(a - b).max() / np.abs(b).max()
        if a.shape != b.shape or not difference <= allowed:
            raise ParityError(
                f"{name}: the {part} differ by {difference:.1e} of the largest "
                f"(allowed {allowed:.0e}, shapes {a.shape} and {b.shape})"
            )


def worker(engine, threads):
    arguments = ("--serve", engine, "--threads", threads)
    return Worker(engine, threads, "benchmarks.gmm", *arguments)


def best_threads(name, most):
    """The number of BLAS threads with which scikit-learn is fastest."""
    seconds = {}
    for threads in sorted({1, most}):
        with worker("scikit-learn", threads) as trial:
            trial.build(row=name)
            seconds[threads] = min(trial.measure(repeats=1) for _ in range(2))
    return min(seconds, key=seconds.get)


def measure_row(name, options):
    """A row of the table, and the versions of both packages."""
    threads = best_threads(name, options.threads)
    with worker("tinygan", options.threads) as ours, worker("scikit-learn", threads) as peer:
        versions = ours.build(row=name), peer.build(row=name)
        check_parity(name, ours, peer)
        slower = max(ours.measure(repeats=1), peer.measure(repeats=1))
        turns = max(5, min(options.turns, int(options.seconds / (1.3 * slower))))
        pairs = []
        for turn in range(turns):
            order = (ours, peer) if turn % 2 else (peer, ours)
            seconds = {worker.engine: worker.measure(repeats=1) for worker in order}
            pairs.append((seconds["tinygan"], seconds["scikit-learn"]))
        peaks = ours.peak_mb(), peer.peak_mb()
    setting = f"{ALL[name][3]}, {threads} BLAS thread{'s' if threads > 1 else ''}"
    result = result_row(name, pairs, "scikit-learn", setting, peaks)
    return result | {
        "kind": "growth" if name in GROWTH else "step",
        "images": ALL[name][0] * ITERATIONS,
        "bar": 2.5 if name in SIZES else 1.0,
    }, versions


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gmm", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--only", help=f"rows, separated by commas: {', '.join(ALL)}")
    parser.add_argument("--growth", action="store_true", help="also the rows that show growth")
    parser.add_argument("--quick", action="store_true", help="few turns a row: a first impression")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", metavar="FILE", help="write the table for other programs")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        return serve(options.serve, options.threads)
    options.device = "cpu"
    options.turns, options.seconds = (5, 4) if options.quick else (21, 25)
    chosen = options.only.split(",") if options.only else [*(ALL if options.growth else ROWS)]
    if unknown := set(chosen) - set(ALL):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    rows = []
    for name in chosen:
        result, versions = measure_row(name, options)
        rows.append(result)
        print_table(rows[-1:], header=len(rows) == 1)
    names = ("tinygan", "scikit-learn", "numpy")
    table = {
        "machine": machine(options),
        "versions": dict(zip(names, (*versions, np.__version__), strict=True)),
        "rows": rows,
    }
    if options.json:
        Path(options.json).write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except ParityError as error:
        sys.exit(f"parity check failed, nothing was timed: {error}")
