"""Does each model learn? A gate of figures that it passes, and a broken twin that fails it.

    python -m benchmarks.quality [--models gan,dcgan] [--seeds 3] [--quick] [--json FILE]

A gate that a broken twin passes measures nothing, so both are trained in the same way and scored
alike. A twin fails a gate if it fails one of its figures. Exit status 1 says that a model failed or
a twin passed.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import tinygan
from tinygan import data, metrics, optim
from tinygan.backend.cpu import get_num_threads, set_num_threads
from tinygan.models import DCGAN, GAN

from .report import machine


@dataclass
class Figure:
    """One number of a gate: the model's, its twins', and on which side of the bar they lie."""

    metric: str
    value: float
    threshold: float
    controls: dict[str, float] = field(default_factory=dict)  # the broken twin -> its value
    least: bool = True  # is the bar the least that passes, or the most?

    def passes(self, value: float) -> bool:
        return bool(value >= self.threshold if self.least else value <= self.threshold)


GATES: dict[str, Callable[[int, bool], list[list[Figure]]]] = {}


def gate(model: str):
    """Register `f(seed, quick)`, which trains a model and its twins: a list of gates."""

    def register(function):
        GATES[model] = function
        return function

    return register


def train(system, dataset, steps: int, batch_size: int, decay: float = 0.0):
    """`steps` steps at a rate falling to 0; the samplers then have their average weights."""
    loader = data.Loader(dataset, batch_size)
    schedules = [
        optim.LambdaLR(o, lambda step: max(0.0, 1 - step / steps))
        for o in system.optimizers.values()
    ]
    averages = [optim.EMA(system.modules[name], decay) for name in system.sampled if decay]
    for _ in range(steps):
        system.step(loader.next())
        for each in averages:
            each.update()
        for each in schedules:
            each.step()
    for each in averages:
        each.copy_to(each.module)
    return system


# -- broken twins ----------------------------------------------------------------------------------


def frozen(system):
    """A discriminator that never learns: what it says at the start is all that G hears."""
    system.optimizers["discriminator"].step = lambda: None
    return system


def constant_noise(system):
    """One z for all: G can make one picture only."""
    draw = system.noise
    system.noise = lambda n, purpose="noise": draw(n, purpose) * 0 + 1
    return system


def intact(system):
    return system


# -- gates -----------------------------------------------------------------------------------------

# Ring: 7 of 8 modes, 90% of the samples within 3σ. Grid: the published vanilla GAN reaches 17.3 of
# the 25 modes (PacGAN's table); a rate that falls to 0 does much of what packing does.
POINTS = {
    "ring": {"modes": 7, "share": 0.90, "kl": 0.3, "steps": 8000},
    "grid": {"modes": 18, "share": 0.80, "kl": 0.4, "steps": 10000},
}


@gate("gan")
def gan(seed, quick):
    return [points(name, seed) for name in (["ring"] if quick else POINTS)]


def points(name, seed):
    """GAN on a mixture in the plane: modes, share of good samples and KL, always together."""
    bar, dataset = POINTS[name], data.open(name, seed=seed)

    def scores(breaking):
        tinygan.manual_seed(seed)
        system = breaking(GAN(shape=(2,), latent=2, lr=1e-3))
        made = train(system, dataset, bar["steps"], 256).sample(5000)
        return metrics.mixture_scores(np.nan_to_num(made), dataset.modes, dataset.sigma)

    model, twin = scores(intact), scores(frozen)
    return [
        Figure(f"{name}-{k}", model[k], bar[k], {"frozen D": twin[k]}, least=k != "kl")
        for k in ("modes", "share", "kl")
    ]


@gate("dcgan")
def dcgan(seed, quick):
    """DCGAN on digits: distance on the judge's features, all classes, worth as training data."""
    train_set, test_set = data.open("digits", seed=0), data.open("digits", "test", seed=0)
    judge, steps = metrics.Judge.load("digits"), 1500 if quick else 2500
    n = 2000 if quick else 5000
    test, real = test_set.take(2000), train_set.take(n)

    def worth(x, labels):
        return metrics.transfer_accuracy(x, labels, test["x"], test["label"])

    reference = worth(real["x"], real["label"])

    def scores(breaking):
        tinygan.manual_seed(seed)
        system = breaking(DCGAN(shape=(1, 32, 32), width=32, lr=5e-4))
        made = train(system, train_set, steps, 64, decay=0.99).sample(n)
        score = metrics.score_images(made, train_set, judge)
        return {
            "frechet-share": score["frechet_share"],
            "smallest-class": score["smallest_class"],
            "transfer-share": worth(made, judge.labels(made)) / reference,
        }

    model = scores(intact)
    twins = {"constant z": scores(constant_noise), "frozen D": scores(frozen)}
    bars = {"frechet-share": 0.25, "smallest-class": 0.03, "transfer-share": 0.85}
    return [
        [
            Figure(
                k, model[k], bar, {name: twin[k] for name, twin in twins.items()},
                least=k != "frechet-share",
            )
            for k, bar in bars.items()
        ]
    ]  # fmt: skip


# -- the table -------------------------------------------------------------------------------------


@dataclass
class Row:
    """A figure of one seed. `control` is the twin that came nearest to passing it."""

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


def rows_of(model, figures, seed, seconds):
    """The rows of a gate, and what is wrong with it in words."""
    rows, problems = [], []
    for f in figures:
        nearest = max(f.controls, key=lambda name: f.controls[name] * (1 if f.least else -1))
        value = f.controls[nearest]
        rows.append(
            Row(
                model, f.metric, round(float(f.value), 4), f.threshold, f.passes(f.value),
                nearest, round(float(value), 4), not f.passes(value), seed, round(seconds, 1),
            )
        )  # fmt: skip
        if not f.passes(f.value):
            problems.append(f"{model}, seed {seed}: {f.metric} is {f.value:.4g}, bar {f.threshold}")
    for name in figures[0].controls:
        if all(f.passes(f.controls[name]) for f in figures):
            metrics_named = ", ".join(f.metric for f in figures)
            problems.append(f"{model}, seed {seed}: the twin with {name} passes {metrics_named}")
    return rows, problems


HEADER = (
    f"{'model':8}{'metric':18}{'value':>9}{'bar':>8}  {'':6}{'broken twin':14}{'value':>9}  "
    f"{'':6} seed  seconds"
)


def line(row):
    passed = "passed" if row.passed else "FAILED"
    control = "failed" if row.control_failed else "passed"
    return (
        f"{row.model:8}{row.metric:18}{row.value:9.4g}{row.threshold:8.3g}  {passed}  "
        f"{row.control:14}{row.control_value:9.4g}  {control} {row.seed:4d} {row.seconds:8.1f}"
    )


def measure(models, seeds, quick, say=print):
    """All rows of these models, and the problems found."""
    rows, problems = [], []
    say(HEADER)
    for model in models:
        for seed in range(seeds):
            begun = time.monotonic()
            gates = GATES[model](seed, quick)
            seconds = time.monotonic() - begun
            for figures in gates:
                found, wrong = rows_of(model, figures, seed, seconds)
                for row in found:
                    say(line(row))
                rows, problems = rows + found, problems + wrong
    return rows, problems


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--models", help=f"separated by commas: {', '.join(GATES)} (default all)")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (default 3)")
    parser.add_argument("--quick", action="store_true", help="short trainings: a first impression")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--threads", type=int, help="on the CPU (default: all cores)")
    parser.add_argument("--json", metavar="FILE", help="write the table for other programs")
    options = parser.parse_args(arguments)
    models = options.models.split(",") if options.models else list(GATES)
    if unknown := set(models) - set(GATES):
        known = ", ".join(GATES)
        parser.error(f"no gate for {', '.join(sorted(unknown))}; there are {known}")
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: expected at least 1")
    options.threads = options.threads or get_num_threads()
    set_num_threads(options.threads)
    with tinygan.device(options.device):
        rows, problems = measure(models, options.seeds, options.quick)
    if options.json:
        table = {
            "machine": machine(options),
            "versions": {"tinygan": tinygan.__version__, "numpy": np.__version__},
            "quick": options.quick,
            "rows": [asdict(row) for row in rows],
        }
        Path(options.json).write_text(json.dumps(table, indent=1) + "\n")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
