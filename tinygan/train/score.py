"""The score of a model on its data, beside what real data and a collapsed model would get.

Which scores there are depends on the data: where the density is a known mixture, its modes are
counted; where a judge exists, its features and labels are compared.
"""

from dataclasses import dataclass

import numpy as np

from .. import metrics
from ..metrics import Judge

_FEWEST = 256  # pictures: a covariance of 64 features is estimated from half of them


@dataclass(frozen=True)
class Line:
    """One figure: what it is, how large, and between what it lies."""

    name: str
    value: float
    floor: float | None = None  # other real data in the place of samples
    ceiling: float | None = None  # a collapsed generator
    note: str = ""

    def __str__(self):
        between = ""
        if self.floor is not None:
            between = f"   (real data {_figure(self.floor)}, collapsed {_figure(self.ceiling)})"
        note = f"   {self.note}" if self.note else ""
        return f"{self.name:<38} {_figure(self.value):>9}{between}{note}"


def _figure(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def scorer(dataset):
    """`score(samples) -> list[Line]` for the data set; None where there is no score for it: neither
    points nor pictures, or too few of them.
    """
    if getattr(dataset, "modes", None) is not None:
        return lambda samples: score_points(samples, dataset)
    judge = judge_for(dataset)
    return None if judge is None else lambda samples: score_pictures(samples, dataset, judge)


def judge_for(dataset) -> Judge | None:
    """The judge of these pictures: one that comes along with tinygan, one trained now on their
    classes, or untrained features where there are none.
    """
    if len(dataset.shape) != 3 or len(dataset) < _FEWEST:
        return None
    return Judge.of(dataset, log=lambda line: print(f"training a judge of these classes: {line}"))


def score_points(samples, dataset) -> list[Line]:
    """Modes reached, share of good samples, and how evenly they fall: none of them alone is good
    evidence."""
    modes, sigma = dataset.modes, dataset.sigma
    real = dataset.take(len(samples))["x"]
    one = np.repeat(modes[:1], len(samples), 0) + 0.01 * sigma
    made, floor, ceiling = (metrics.mixture_scores(x, modes, sigma) for x in (samples, real, one))
    names = {
        "modes": f"modes reached, of {len(modes)}",
        "share": "share of samples within 3σ of a mode",
        "kl": "reverse KL over the modes, nats",
    }
    return [Line(name, made[k], floor[k], ceiling[k]) for k, name in names.items()]


def score_pictures(samples, dataset, judge) -> list[Line]:
    """The Fréchet distance on the judge's features, coverage, and the balance of the classes."""
    s = metrics.score_images(samples, dataset, judge)
    share = f"{s['frechet_share']:.1%} of the way from perfect to collapsed"
    by_class = []
    if not judge.classes:
        share += ", on untrained features"
    if judge.classes:
        balanced = sum(share >= 0.3 / judge.classes for share in s["classes"])
        by_class = [
            Line(
                f"classes with {0.3 / judge.classes:.1%} of the samples or more", balanced,
                note=f"of {judge.classes}",
            ),
            Line("diversity within classes, real = 1", s["diversity"]),
        ]  # fmt: skip
    return [
        Line("Fréchet distance", s["frechet"], s["frechet_floor"], s["frechet_ceiling"], share),
        Line("kernel distance (KID)", s["kid"], s["kid_floor"], s["kid_ceiling"]),
        *by_class,
        Line("precision: samples among the data", s["precision"]),
        Line("recall: data among the samples", s["recall"]),
        Line("sharpness, real = 1", s["sharpness"]),
        Line("copies among the samples", s["duplicates"]),
    ]
