"""Measuring the rows on a GPU: who takes part, in turns, and what is written down at once.

Up to five contenders a row: tinygan captured and eager, PyTorch eager, as one CUDA graph, and
compiled into one; two more if asked for, in bfloat16. Each engine has a process; so has each row
that PyTorch compiles, as compiling takes half a minute and all rows do it side by side before
anything is timed. Whoever fails is noted in the row and left out; the table is written after every
row, so that whatever ends the run, what was measured is kept.
"""

import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..machine import machine
from ..rows import FLIPS
from .process import Patient, Renewed
from .report import print_rows, print_table
from .rows import ROWS

EAGER = ("channels_last", "contiguous")
GRAPHED = ("channels_last, CUDA graph", "contiguous, CUDA graph")
BF16 = ("channels_last, CUDA graph, bf16",)
COMPILED = "channels_last, compiled, CUDA graph"
EAGERLY, CAPTURED, CAPTURED_BF16 = ("eager",), ("captured",), ("captured, bf16",)
# The columns of PyTorch, and of tinygan, between which ratios are taken.
PEERS = {"torch": "tinygan", "graph": "tinygan", "compiled": "tinygan", "bf16": "tinygan bf16"}
ALONE = 0.05  # up to so many seconds a step, 20 are timed together

# TF32 rounds to one part in 2000, which flips the slopes of some LeakyReLUs: gradients of a deep
# network then agree to some percent, in norm. A wrong rule is off by as much as the gradient.
PARITY, PARITY_SHALLOW = 0.15, 0.03


@dataclass
class Contender:
    """One engine in one setting, on one row, in its process."""

    row: str
    label: str  # the column
    worker: object
    setting: str
    prepared: dict | None = None
    life: int = 0  # of its process, as those are replaced

    def prepare(self, file=None):
        self.prepared = self.worker.ask(
            "prepare", 90, row=self.row, setting=self.setting, path=file
        )
        self.life = self.worker.life
        return self.prepared

    def measure(self):
        """Seconds a step, over so many that starting and waiting do not count."""
        each = self.prepared["seconds"]
        repeats = max(20 if each < ALONE else 5, min(300, int(0.05 / each)))
        return self.worker.ask(
            "measure", 30 + 5 * repeats * each, row=self.row, setting=self.setting,
            repeats=repeats, settle=max(1, repeats // 5),
        )  # fmt: skip


class Run:
    """A run over some rows; `table` is what is known so far."""

    def __init__(self, options, names):
        self.options, self.names = options, names
        self.start = time.perf_counter()
        self.log = open(f"{options.json}.log" if options.json else os.devnull, "w")  # noqa: SIM115
        self.torch = Renewed("torch", options, self.log)
        self.tinygan = None if options.peer_only else Renewed("tinygan", options, self.log)
        self.compilers = {}
        self.table = {
            "machine": machine(options),
            "versions": {"numpy": np.__version__},
            "rows": [],
        }

    def elapsed(self):
        return time.perf_counter() - self.start

    def write(self):
        """The table so far, complete at every moment: it replaces the last one in one piece."""
        self.table["seconds"] = round(self.elapsed(), 1)
        if self.options.json:
            path = Path(self.options.json)
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(json.dumps(self.table, indent=1) + "\n")
            fresh.replace(path)

    def all(self):
        try:
            self.describe_the_card()
            self.compile_all()
            for name in self.names:
                if self.elapsed() > self.options.limit:
                    self.note(f"{name}: no time was left")
                    continue
                row = self.measure_row(name)
                self.table["rows"].append(row)
                self.write()
                print_rows([row], header=len(self.table["rows"]) == 1)
        finally:
            for worker in (self.torch, self.tinygan, *self.compilers.values()):
                if worker is not None:
                    worker.end()
            self.log.close()
            self.write()
        print_table(self.table)

    def note(self, text):
        self.table.setdefault("notes", []).append(text)
        print(text, flush=True)

    def describe_the_card(self):
        if self.options.device == "cpu":  # a rehearsal
            return
        try:
            self.table["machine"] |= self.torch.ask("card", 90)
        except Exception as error:
            self.note(f"the card is unknown: {error}")
        self.write()

    def compile_all(self):
        """PyTorch compiles all rows that are marked at once, each in a process of its own."""
        if self.options.no_compile:
            return
        deadline = time.perf_counter() + self.options.compile_limit
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "4")
        started = {}
        for name in self.names:
            if ROWS[name].compiled:
                started[name] = Patient("torch", self.options, self.log)
                started[name].tell("prepare", row=name, setting=COMPILED)
        for name, worker in started.items():
            try:
                worker.prepared = worker.answer(deadline - time.perf_counter())
                self.compilers[name] = worker
            except Exception as error:
                worker.end()
                self.note(f"{name}: PyTorch did not compile it: {error}")
        if started:
            print(f"{len(self.compilers)} rows compiled after {self.elapsed():.0f} s", flush=True)

    # -- a row -------------------------------------------------------------------------------------

    def measure_row(self, name):
        known = ROWS[name].row
        row = {"name": name, "kind": known.kind, "images": known.images}
        with tempfile.TemporaryDirectory() as folder:
            contenders = self.contenders(name, row, folder)
            if self.tinygan is not None:
                files = (f"{folder}/tinygan.npz", f"{folder}/torch.npz")
                row["parity"] = self.attempt(row, "parity", parity, known, *files)
        row |= summary(self.take_turns(contenders, row), contenders, ROWS[name])
        for contender in contenders:
            engine = "tinygan" if contender.worker is self.tinygan else "torch"
            self.table["versions"][engine] = contender.prepared["version"]
        for worker in (self.torch, self.tinygan):
            if worker is not None:
                self.attempt(row, "forget", worker.ask, "forget", row=name)
        if name in self.compilers:
            self.compilers.pop(name).end()
        return row

    def attempt(self, row, what, do, /, *arguments, **keywords):
        """What `do` gives; None where it fails, which the row then tells."""
        try:
            return do(*arguments, **keywords)
        except Exception as error:
            row.setdefault("failed", {})[what] = str(error)
            return None

    def contenders(self, name, row, folder):
        """All that can run the row, warm; of PyTorch's memory formats the faster one."""
        asked = [("torch", self.torch, EAGER), ("graph", self.torch, GRAPHED)]
        if self.tinygan is not None:
            asked += [("eager", self.tinygan, EAGERLY), ("tinygan", self.tinygan, CAPTURED)]
        if self.options.bf16:
            asked.append(("bf16", self.torch, BF16))
            if self.tinygan is not None:
                asked.append(("tinygan bf16", self.tinygan, CAPTURED_BF16))
        found = []
        for label, worker, settings in asked:
            file = {"torch": f"{folder}/torch.npz", "eager": f"{folder}/tinygan.npz"}.get(label)
            tried = [Contender(name, label, worker, setting) for setting in settings]
            tried = [c for c in tried if self.attempt(row, label, c.prepare, file)]
            found += self.fastest(tried, row)
        for lost in [c for c in found if c.life != c.worker.life]:  # its process had to end
            if not self.attempt(row, lost.label, lost.prepare):
                found.remove(lost)
        if name in self.compilers:
            worker = self.compilers[name]
            found.append(Contender(name, "compiled", worker, COMPILED, worker.prepared))
        return found

    def fastest(self, tried, row):
        """The fastest of some settings, in a list that is empty if none runs."""
        if len(tried) < 2:
            return tried
        seconds = [
            min((self.attempt(row, c.label, c.measure) or np.inf) for _ in range(2)) for c in tried
        ]
        return [tried[int(np.argmin(seconds))]]

    def take_turns(self, contenders, row):
        """label → seconds of a step in each turn; those who fail are left out from then on."""
        times = {c.label: [] for c in contenders}
        for turn in range(self.options.turns):
            first = turn % max(1, len(contenders))
            for contender in contenders[first:] + contenders[:first]:
                seconds = self.attempt(row, contender.label, contender.measure)
                if seconds is None:
                    contenders.remove(contender)
                    times.pop(contender.label)
                else:
                    times[contender.label].append(seconds)
        return times


def parity(row, ours, theirs):
    """The largest difference between two engines' numbers, each relative in norm."""
    allowed, worst = (PARITY if row.rtol >= FLIPS else PARITY_SHALLOW), 0.0
    with np.load(ours) as a, np.load(theirs) as b:
        for x, y in zip((a[k] for k in a.files), (b[k] for k in b.files), strict=True):
            if x.shape != y.shape:
                raise ValueError(f"shapes {x.shape} and {y.shape}")
            x, y = x.astype(np.float64), y.astype(np.float64)
            noise = 1e-5 * np.sqrt(y.size)  # what is 0 but for rounding (a bias before a norm)
            worst = max(worst, float(np.linalg.norm(x - y) / (np.linalg.norm(y) + noise)))
    return {"worst": float(f"{worst:.2g}"), "allowed": allowed, "holds": worst <= allowed}


def summary(times, contenders, row):
    """Medians of the turns, and of the turns' ratios; what they achieve of the card's best."""
    times = {label: seconds for label, seconds in times.items() if seconds}
    ms = {label: round(1e3 * statistics.median(s), 4) for label, s in times.items()}
    result = {"ms": ms, "ratio": {}, "spread": {}}
    for label, seconds in times.items():
        if (ours := PEERS.get(label)) in times:
            ratios = sorted(b / a for a, b in zip(times[ours], seconds))
            quarter = len(ratios) // 4
            result["ratio"][label] = round(statistics.median(ratios), 3)
            result["spread"][label] = [round(ratios[i], 3) for i in (quarter, -1 - quarter)]
    if row.flops:
        result["tflops"] = {k: round(row.flops / t / 1e9, 1) for k, t in ms.items()}
    if row.traffic:
        result["gb_s"] = {k: round(row.traffic / t / 1e6) for k, t in ms.items()}
    running = [c for c in contenders if c.label in ms]
    return result | {
        "settings": {c.label: c.setting for c in running},
        "peak_mb": {c.label: round(c.prepared["peak_mb"], 1) for c in running},
        "not_captured": next(
            (c.prepared["problem"] for c in running if c.prepared["problem"]), None
        ),
    }
