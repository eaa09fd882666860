"""Gates of the games on points in the plane, where modes can be counted and distances are exact.

What is asked of all points are modes, share of good ones and KL, always together: the share alone
rewards collapse (of perfect samples, 98.9 % are good). Some systems have a figure of their own:

    w1-correlation   WGAN: the critic's gap, a mean over each fiftieth of the training, with the
                     exact W₁ at its end (Spearman's ρ), a mean of four between 500 samples and 500
                     points: a single one is off by as much as it falls in the last third
    slope-error      WGAN-GP: |E‖∇f(x̂)‖₂ − 1|
    seconds          mode coverage: of the processor, for the training, on one thread
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.stats import spearmanr

import tinygan
from tinygan import data, metrics
from tinygan.models import EBGAN, GAN, LSGAN, WGAN, WGANGP, HingeGAN
from tinygan.train import learn

from .gate import Figure, gate
from .twins import detached, frozen, intact

MOST = ("kl", "slope-error", "seconds")  # less is better
SAMPLES = 5000
_WINDOWS = 50


@dataclass(frozen=True)
class Play:
    """A training on points, and what is asked of it: a gate, declared.

    `twins` are the same play with changed settings, or with `breaking` or `share` (of the steps).
    `own(system, dataset, history)` gives the system's own figures; the history has the mean losses
    of each fiftieth of the training, and 2,000 samples from its end.
    """

    system: type
    data: str
    steps: int
    batch: int
    config: dict
    bars: dict[str, float]
    twins: dict[str, dict]
    own: Callable[..., dict] = lambda system, dataset, history: {}
    ideal: dict[str, float] = field(default_factory=dict)  # of the system's own figures

    def trained(self, seed, breaking=intact, share=1.0, **changes):
        """The system after its training, the data, and the history."""
        dataset = data.open(self.data, seed=seed)
        tinygan.manual_seed(seed)
        settings = {"shape": dataset.shape, "latent": 2} | self.config | changes
        system, steps = breaking(self.system(**settings)), int(share * self.steps)
        window, losses, history = max(1, steps // _WINDOWS), [], []

        def watch(step, found):
            losses.append({name: loss.item() for name, loss in found.items()})
            if step % window == 0:
                mean = np.mean([each["discriminator"] for each in losses[-window:]])
                made = system.sample(system.noise(2000, "watched").numpy())
                history.append((mean, np.nan_to_num(made)))

        learn(system, dataset, steps, self.batch, watch=watch)
        return system, dataset, history

    def scores(self, seed, **twin) -> dict[str, float]:
        begun = time.process_time()
        system, dataset, history = self.trained(seed, **twin)
        spent = {"seconds": time.process_time() - begun}
        found = scored(np.nan_to_num(system.sample(SAMPLES)), dataset)
        return found | spent | self.own(system, dataset, history)

    def figures(self, seed, share=1.0) -> list[Figure]:
        """The gate. `share`: of the steps, what twins get that have none of their own."""
        dataset = data.open(self.data, seed=seed)
        ideal = scored(dataset.take(SAMPLES)["x"], dataset)
        model = self.scores(seed)
        twins = {
            name: self.scores(seed, **{"share": share} | twin) for name, twin in self.twins.items()
        }
        return [
            Figure(
                f"{self.data}-{k}" if k in ideal else k, model[k], bar,
                {name: twin[k] for name, twin in twins.items()}, k not in MOST,
                (ideal | self.ideal).get(k),
            )
            for k, bar in self.bars.items()
        ]  # fmt: skip


def scored(made, dataset) -> dict[str, float]:
    """What is asked of all points."""
    return metrics.mixture_scores(made, dataset.modes, dataset.sigma)


# -- figures of their own --------------------------------------------------------------------------


def beside_w1(system, dataset, history):
    """Does the critic's gap tell how far the samples are from the data?"""
    real = data.open(dataset.name, "test").take(2000)["x"]
    gap = -np.nan_to_num([loss for loss, _ in history])
    distance = [
        np.mean([metrics.wasserstein(x, y) for x, y in zip(by_500(made), by_500(real))])
        for _, made in history
    ]
    certain = np.ptp(gap) == 0 or np.ptp(distance) == 0  # what never changes tells nothing
    return {"w1-correlation": 0.0 if certain else spearmanr(gap, distance).statistic}


def by_500(points):
    return [np.clip(points[i : i + 500], -1e3, 1e3) for i in range(0, len(points), 500)]


def slopes(system, dataset, history):
    """How steep the critic is between the data and the samples."""
    x, made = system.tensor(dataset.take(SAMPLES)["x"]), system.tensor(system.sample(SAMPLES))
    return {"slope-error": abs(system.slopes(system.interpolated(x, made)).mean().item() - 1)}


# -- the gates -------------------------------------------------------------------------------------

BROKEN = {"frozen D": {"breaking": frozen}, "a tenth of the steps": {"share": 0.1}}

# GAN's bars let it miss one mode of eight, and a third of the grid's: a vanilla GAN gets 17.3 of
# its 25 in PacGAN's table. What counts is width, a rate that falls to 0, and on the ring two steps
# of D for one of G (with one, a ring of three ends with two modes, LSGAN's with seven), on the grid
# a batch that shows every mode often (with 256 points, a grid of three ends with sixteen).
_WIDE, _NARROW = {"width": 256, "lr": 1e-3}, {"width": 128}
PLAYS = {
    "gan": {
        "ring": Play(
            GAN, "ring", 6000, 256, _WIDE | {"n_critic": 2},
            {"modes": 7, "share": 0.9, "kl": 0.3}, {"frozen D": {"breaking": frozen}},
        ),
        "grid": Play(
            GAN, "grid", 7500, 512, _WIDE,
            {"modes": 16, "share": 0.8, "kl": 0.45}, {"frozen D": {"breaking": frozen}},
        ),
    },
    "lsgan": {
        "ring": Play(
            LSGAN, "ring", 6000, 256, _NARROW | {"lr": 1e-3, "n_critic": 2},
            {"modes": 7, "share": 0.8, "kl": 0.1}, BROKEN,
        ),
    },
    "hinge": {
        "ring": Play(
            HingeGAN, "ring", 3000, 256, _NARROW | {"lr": 1e-3, "beta1": 0.0, "slope": 10.0},
            {"modes": 7, "share": 0.8, "kl": 0.1},
            {"K = 1": {"slope": 1.0}, "a tenth of the steps": {"share": 0.1}},
        ),
    },
    "wgan": {
        "ring": Play(
            WGAN, "ring", 12_000, 256, _NARROW | {"lr": 2e-3, "clip": 0.1, "alpha": 0.9},
            {"modes": 8, "kl": 0.5, "w1-correlation": 0.8},
            {"no clipping": {"clip": np.inf}, "c = 1e-5": {"clip": 1e-5},
             "a tenth of the steps": {"share": 0.1}},
            beside_w1, {"w1-correlation": 1.0},
        ),
    },
    # λ = 1 after 9,000 steps: share .944, mean slope 1.04; λ = 0.1: share .913, and after 2,500
    # steps a mean slope of 2.3 (one seed each).
    "wgan-gp": {
        "grid": Play(
            WGANGP, "grid", 9000, 256, _NARROW | {"lr": 6e-3, "penalty": 1.0, "n_critic": 2},
            {"modes": 24, "share": 0.8, "kl": 0.1, "slope-error": 0.3},
            {"λ = 0": {"penalty": 0.0}, "a tenth of the steps": {"share": 0.1}}, slopes,
        ),
    },
    # What no mode escapes, within two minutes, on five seeds: beside PacGAN's and VEEGAN's figures.
    "mode-coverage": {
        "ring": Play(
            WGANGP, "ring", 5000, 128, _NARROW | {"lr": 3e-3, "penalty": 0.1, "n_critic": 2},
            {"modes": 8, "share": 0.9, "seconds": 120}, {"a tenth of the steps": {"share": 0.1}},
        ),
        "grid": Play(
            WGANGP, "grid", 10_000, 256, _NARROW | {"lr": 6e-3, "penalty": 1.0, "n_critic": 2},
            {"modes": 25, "share": 0.9, "seconds": 120}, {"a tenth of the steps": {"share": 0.1}},
        ),
    },
    "ebgan": {
        "ring": Play(
            EBGAN, "ring", 3000, 64, {"width": 64, "lr": 1e-3, "code": 8, "pull": 1.0},
            {"modes": 4, "kl": 1.2}, {"detached target": {"breaking": detached}},
        ),
    },
}  # fmt: skip


def played(model, seed, quick):
    """The gates of a model's plays; in quick runs of the first, with twins half as long."""
    plays, share = PLAYS[model], 0.5 if quick else 1.0
    return {
        name: plays[name].figures(seed, share) for name in (list(plays)[:1] if quick else plays)
    }


for _model in PLAYS:
    if _model != "ebgan":  # most of whose gates are of pictures: adversarial.py
        gate(_model)(partial(played, _model))
