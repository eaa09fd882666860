"""Does each model learn? A gate of figures that it passes, and a broken twin that fails it.

    python -m benchmarks.quality [--models gan,dcgan] [--seeds 3] [--quick] [--json FILE]

`--json` puts the rows into FILE and leaves those of other models there as they are.

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
from tinygan.models import AE, CVAE, DCGAN, GAN, VAE, GaussianMixture

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

# The ring's bars let a GAN miss one mode of eight, the grid's a third: a vanilla GAN gets 17.3 of
# its 25 in PacGAN's table. What counts is width, a rate that falls to 0, and on the ring two steps
# of D for one of G (with one, a ring of three ends with two modes), on the grid a batch that shows
# every mode often (with 256 points, a grid of three ends with sixteen).
POINTS = {
    "ring": {"modes": 7, "share": 0.90, "kl": 0.3, "steps": 6000, "batch": 256, "n_critic": 2},
    "grid": {"modes": 16, "share": 0.80, "kl": 0.45, "steps": 7500, "batch": 512, "n_critic": 1},
}


@gate("gan")
def gan(seed, quick):
    return [points(name, seed) for name in (["ring"] if quick else POINTS)]


def points(name, seed):
    """GAN on a mixture in the plane: modes, share of good samples and KL, always together."""
    bar, dataset = POINTS[name], data.open(name, seed=seed)

    def scores(breaking):
        tinygan.manual_seed(seed)
        system = breaking(GAN(shape=(2,), latent=2, width=256, lr=1e-3, n_critic=bar["n_critic"]))
        made = train(system, dataset, bar["steps"], bar["batch"]).sample(5000)
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

    model, twin = scores(intact), scores(constant_noise)
    bars = {"frechet-share": 0.25, "smallest-class": 0.03, "transfer-share": 0.85}
    return [
        [
            Figure(k, model[k], bar, {"constant z": twin[k]}, least=k != "frechet-share")
            for k, bar in bars.items()
        ]
    ]  # fmt: skip


# Likelihoods are of black and white digits at 16 px, so that they are nats of a true density, and a
# seed takes half a minute at most.


def black_and_white():
    """Digits of 16 px, each pixel −1 or 1: a training set, and 1000 held-out images, labels."""
    sets = [data.open("digits", split, size=16, seed=0) for split in ("train", "test")]
    batches = [sets[0].take(20_000), sets[1].take(1000)]
    train_set, test_set = (
        data.ArrayDataset("digits", np.where(b["x"] > 0, 1, -1).astype(np.float32), b["label"])
        for b in batches
    )
    return train_set, test_set.take(1000)


@gate("ae")
def ae(seed, quick):
    """The linear AE beside PCA, which it equals at best; a deep one below it at equal code size.

    Its broken twin has a linear net, which cannot come below PCA.
    """
    train_set, test = data.open("digits", size=16, seed=0), data.open("digits", "test", size=16)
    x, known = test.take(2000)["x"], train_set.take(20_000)["x"].reshape(-1, 256)
    mean = known.mean(0, dtype=np.float64)
    axes = np.linalg.eigh(np.cov(known, rowvar=False))[1][:, -8:]
    centred = x.reshape(-1, 256) - mean
    pca = np.square(centred - centred @ axes @ axes.T).mean()

    def share(steps, lr=2e-3, **config):
        tinygan.manual_seed(seed)
        system = AE(shape=(1, 16, 16), latent=8, lr=lr, **config)
        return (train(system, train_set, steps, 128) if steps else system).error(x) / pca

    linear = share(4000, lr=0.02, net="linear")
    deep = share(1000 if quick else 2000, hidden=(256, 128))
    untrained = share(0, net="linear")
    return [
        [Figure("linear-of-pca", linear, 1.02, {"untrained": untrained}, least=False)],
        [Figure("deep-of-pca", deep, 0.65, {"linear": linear}, least=False)],
    ]


@gate("vae")
def vae(seed, quick):
    """VAE on digits: likelihood in nats, the tighter bound, units in use, samples from the prior.

    Bars are of this short training; nll − ELBO's bound must be below 0, since more draws tighten.
    """
    train_set, test = black_and_white()
    x, judge = test["x"], metrics.Judge.load("digits")

    def scores(beta):
        tinygan.manual_seed(seed)
        system = VAE(shape=(1, 16, 16), hidden=(200,), latent=16, beta=beta, lr=2e-3)
        train(system, train_set, 800 if quick else 1500, 128)
        nll = system.nll(x[:100], k=500).mean()
        score = metrics.score_images(system.sample(2000), train_set, judge)
        return {
            "nll": nll,
            "nll-over-elbo": nll / -np.mean([system.elbo(x[:100]).mean() for _ in range(10)]),
            "active-units": system.active_units(x),
            "frechet-share": score["frechet_share"],
        }

    model, twins = scores(1.0), {"KL×50": scores(50.0), "KL=0": scores(0.0)}
    bars = {"nll": 46.0, "nll-over-elbo": 1.0, "active-units": 6, "frechet-share": 0.10}
    return [
        [
            Figure(
                k, model[k], bar, {name: twin[k] for name, twin in twins.items()},
                least=k == "active-units",
            )
            for k, bar in bars.items()
        ]
    ]  # fmt: skip


def untold(system):
    """Both networks see zeros in the condition's place."""
    join = system.join
    system.join = lambda a, c: join(a, c * 0)
    return system


QUADRANTS = {"one": (1, 0, 0, 0), "two": (1, 0, 1, 0), "three": (1, 1, 1, 0)}


@gate("cvae")
def cvae(seed, quick):
    """CVAE: samples of the class asked for; completions likelier than a deterministic net's.

    The gain is in nats an image, over the same decoder without a code, given one, two and three
    quadrants of the images.
    """
    train_set, test = black_and_white()
    x, judge = test["x"][:100], metrics.Judge.load("digits")

    def trained(breaking=intact, **config):
        tinygan.manual_seed(seed)
        system = breaking(CVAE(shape=(1, 16, 16), lr=2e-3, **config))
        return train(system, train_set, 1000 if quick else 2000, 128)

    def accuracy(breaking):
        system = trained(breaking, hidden=(256, 128), latent=8)
        asked = np.arange(2000) % 10
        return (judge.labels(system.sample(2000, system.one_hot(asked))) == asked).mean()

    def nll(breaking=intact, latent=16):
        system = trained(breaking, hidden=(200,), latent=latent, given="quadrants")
        shown = {name: np.tile(q, (len(x), 1)) for name, q in QUADRANTS.items()}
        return {
            name: system.nll(x, system.hidden_image(x, q), k=100 if latent else 1).mean()
            for name, q in shown.items()
        }

    model, twin, certain = nll(), nll(untold), nll(latent=0)
    name = "condition zeroed"
    return [
        [Figure("label-accuracy", accuracy(intact), 0.95, {name: accuracy(untold)})],
        [
            Figure(f"gain-{k}", certain[k] - model[k], bar, {name: certain[k] - twin[k]})
            for k, bar in {"one": 6.0, "two": 4.0, "three": 1.0}.items()
        ],
    ]


@gate("gmm")
def gmm(seed, quick):
    """The 25-grid recovered: a component at every mode, a density as good as the true one, and a
    likelihood that never falls on the way.

    Its broken twin stops before the first E step.
    """
    dataset = data.open("grid", seed=seed)
    x, test = dataset.take(5000)["x"], data.open("grid", "test", seed=seed).take(5000)["x"]

    def log_density(x):
        distance = ((x[:, None] - dataset.modes) ** 2).sum(2) / dataset.sigma**2
        normal = -0.5 * distance - np.log(2 * np.pi * dataset.sigma**2 * len(dataset.modes))
        return np.logaddexp.reduce(normal, axis=1).mean()

    def scores(**options):
        fitted = GaussianMixture(25, random_state=seed, tol=1e-6, **options).fit(x)
        distance = np.linalg.norm(fitted.means_[:, None] - dataset.modes, axis=2).min(0)
        return {
            "modes-found": (distance < dataset.sigma).sum(),
            "nats-from-truth": log_density(test) - fitted.score(test),
            "largest-fall": -min(0, *np.diff(fitted.history_), 0),
        }

    model = scores(n_init=10, max_iter=500)
    twin = scores(init_params="random_from_data", max_iter=0)
    bars = {"modes-found": 25, "nats-from-truth": 0.05, "largest-fall": 1e-9}
    return [
        [
            Figure(k, model[k], bar, {"no EM": twin[k]}, least=k == "modes-found")
            for k, bar in bars.items()
        ]
    ]


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
        path, others = Path(options.json), []
        if path.exists():
            others = [r for r in json.loads(path.read_text())["rows"] if r["model"] not in models]
        table = {
            "machine": machine(options),
            "versions": {"tinygan": tinygan.__version__, "numpy": np.__version__},
            "quick": options.quick,
            "rows": others + [asdict(row) for row in rows],
        }
        path.write_text(json.dumps(table, indent=1) + "\n")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
