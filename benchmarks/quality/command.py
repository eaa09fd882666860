"""The command: gates, several at a time, as rows of a table and problems in words.

Each gate of a seed is trained in a process of its own, on one thread: small networks use one core
best, and so the figures are the same however many run at a time.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import tinygan
from tinygan.backend.cpu import get_num_threads, set_num_threads

from ..machine import machine
from .gate import GATES, Figure, nearest, worst


@dataclass
class Row:
    """A figure of one seed. `control` is the twin or fake that came nearest to passing the whole
    gate; `controls` has them all. Faults are distances from the ideal in units of the bar's.
    """

    model: str
    metric: str
    value: float
    threshold: float
    passed: bool
    control: str
    control_value: float
    control_failed: bool
    seed: int
    seconds: float
    gate: str
    ideal: float
    fault: float
    controls: dict[str, float]
    control_faults: dict[str, float]


def rows_of(model: str, gate: str, figures: list[Figure], seed: int, seconds: float):
    """The rows of a gate, and what is wrong with it in words."""
    rows, problems, control = [], [], nearest(figures)
    for f in figures:
        value = f.controls[control]
        rows.append(
            Row(
                model, f.metric, rounded(f.value), f.threshold, f.passes(f.value),
                control, rounded(value), not f.passes(value), seed, round(seconds, 1),
                gate, rounded(f.ideal), rounded(f.fault(f.value)),
                {name: rounded(v) for name, v in f.controls.items()},
                {name: rounded(f.fault(v)) for name, v in f.controls.items()},
            )
        )  # fmt: skip
        if not f.passes(f.value):
            problems.append(f"{model}, seed {seed}: {f.metric} is {f.value:.4g}, bar {f.threshold}")
    for name in figures[0].controls:
        if all(f.passes(f.controls[name]) for f in figures):
            named = ", ".join(f.metric for f in figures)
            problems.append(f"{model}, seed {seed}: {name!r} passes the gate {gate!r}: {named}")
    return rows, problems


def rounded(value) -> float:
    return round(float(value), 4)


HEADER = (
    f"{'model':19}{'metric':18}{'value':>9}{'bar':>8}  {'':6}{'twin or fake':17}{'value':>9}  "
    f"{'':6} seed  seconds"
)


def line(row):
    passed = "passed" if row.passed else "FAILED"
    control = "failed" if row.control_failed else "passed"
    return (
        f"{row.model:19}{row.metric:18}{row.value:9.4g}{row.threshold:8.3g}  {passed}  "
        f"{row.control:17}{row.control_value:9.4g}  {control} {row.seed:4d} {row.seconds:8.1f}"
    )


def summary(model: str, gate: str, figures: list[Figure]) -> str:
    """Which figure is worst, and which control is nearest to passing."""
    control = nearest(figures)
    (own, figure), (other, failed) = worst(figures), worst(figures, control)
    return (
        f"{model}, {gate}: at worst {own:.2f} of what a bar allows ({figure.metric}); the nearest "
        f"of {len(figures[0].controls)} that must fail: {control} at {other:.2f} ({failed.metric})"
    )


def say(text):
    print(text, flush=True)  # minutes lie between two lines, also in a file


def trained(model: str, seed: int, quick: bool, device: str):
    """The gates of a model and a seed, and the processor's seconds that they took."""
    before, begun = get_num_threads(), time.process_time()
    set_num_threads(1)
    try:
        with tinygan.device(device):
            return GATES[model](seed, quick), time.process_time() - begun
    finally:
        set_num_threads(before)


def finished(tasks: list[tuple], jobs: int) -> Iterator[tuple]:
    """(model, seed), gates, seconds of each task as it is done, `jobs` at a time.

    A worker goes on with gates of the module it has begun while there are any: they share a panel,
    whose fakes it then scores once.
    """
    if jobs == 1 or len(tasks) == 1:
        for task in tasks:
            yield task[:2], *trained(*task)
        return
    quietly = (signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a worker without a traceback
    waiting, running = list(tasks), {}

    def start(pool, module=None):
        task = next_task(waiting, module, [module_of(task) for task, _ in running.values()])
        running[pool.submit(trained, *task)] = task, pool

    with ExitStack() as stack:
        for _ in range(min(jobs, len(tasks))):
            pool = ProcessPoolExecutor(1, get_context("spawn"), signal.signal, quietly)
            start(stack.enter_context(pool))
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task, pool = running.pop(future)
                gates, seconds = future.result()  # after a fault nothing more is begun
                if waiting:
                    start(pool, module_of(task))
                yield task[:2], gates, seconds


def module_of(task: tuple) -> str:
    return GATES[task[0]].__module__


def next_task(waiting: list[tuple], module: str | None, others: list[str]) -> tuple:
    """Taken out of those that wait: one of `module`, else of one that no other worker is at."""
    task = min(waiting, key=lambda t: (module_of(t) != module, module_of(t) in others))
    waiting.remove(task)
    return task


def measure(models, options, keep):
    """The problems found. `keep(model, rows)` is called once all seeds of a model are done."""
    found, problems, seeds = {}, [], range(options.seeds)
    say(HEADER)
    tasks = [
        (model, seed, options.quick, options.device)
        for model in models for seed in seeds
    ]  # fmt: skip
    for (model, seed), gates, seconds in finished(tasks, options.jobs):
        found[model, seed] = []
        for name, figures in gates.items():
            rows, wrong = rows_of(model, name, figures, seed, seconds)
            for row in rows:
                say(line(row))
            say(summary(model, name, figures))
            found[model, seed] += rows
            problems += wrong
        if all((model, each) in found for each in seeds):
            keep(model, [row for each in seeds for row in found[model, each]])
    return problems


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description="Does each model learn? A gate that it passes, and that twins and fakes fail.",
    )
    parser.add_argument(
        "--models", metavar="NAME,…", default="all",
        help=f"separated by commas: {', '.join(GATES)}, or all (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (default 3)")
    parser.add_argument("--quick", action="store_true", help="short trainings: a first impression")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="gates at a time, each on one thread (default: as many as cores; on a GPU one)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="put the rows into FILE; other models' stay")
    options = parser.parse_args(arguments)
    models = list(GATES) if options.models == "all" else options.models.split(",")
    if unknown := set(models) - set(GATES):
        known = ", ".join(GATES)
        parser.error(f"no gate for {', '.join(sorted(unknown))}; there are {known}")
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: expected at least 1")
    options.jobs = options.jobs or (get_num_threads() if options.device == "cpu" else 1)
    if options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: expected at least 1")
    options.threads = 1  # of each gate
    keep = lambda model, rows: options.json and write(Path(options.json), model, rows, options)
    problems = measure(models, options, keep)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def write(path, model, rows, options):
    """The table for other programs; rows of other models stay in it."""
    others = []
    if path.exists():
        others = [r for r in json.loads(path.read_text())["rows"] if r["model"] != model]
    table = {
        "machine": machine(options),
        "versions": {"tinygan": tinygan.__version__, "numpy": np.__version__},
        "quick": options.quick,
        "rows": others + [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(table, indent=1) + "\n")
