"""The score of a model on its data, beside what real data and a collapsed model would get, and what
stands out in words.

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
    """One figure: what it is, how large, between what it lies, and what is striking about it."""

    name: str
    value: float
    real: float | None = None  # other real data in the place of samples
    collapsed: float | None = None  # a collapsed generator
    note: str = ""
    finding: str = ""

    def __str__(self):
        beside = {"real data": self.real, "collapsed": self.collapsed}
        shown = ", ".join(f"{k} {_figure(v)}" for k, v in beside.items() if v is not None)
        between = f"   ({shown})" if shown else ""
        note = f"   {self.note}" if self.note else ""
        return f"{self.name:<38} {_figure(self.value):>9}{between}{note}"


def _figure(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


class PointScorer:
    """`scorer(samples) -> list[Line]` where the data are a known mixture."""

    judge = None

    def __init__(self, dataset):
        self.dataset = dataset

    def __call__(self, samples):
        return score_points(samples, self.dataset)


class PictureScorer:
    """`scorer(samples) -> list[Line]` for pictures. What as many real ones get is found once."""

    def __init__(self, dataset, judge):
        self.dataset, self.judge, self._real = dataset, judge, {}

    def __call__(self, samples):
        n = min(len(samples), len(self.dataset) // 2)
        if n not in self._real:
            yardstick = metrics.Yardstick(self.dataset, self.judge, n)
            self._real[n] = yardstick, yardstick.score(yardstick.other)
        yardstick, real = self._real[n]
        return score_pictures(yardstick.score(samples[:n]), real, self.dataset, self.judge)


def scorer(dataset):
    """`score(samples) -> list[Line]` for the data set; None where there is no score for it: neither
    points nor pictures, or too few of them.
    """
    if getattr(dataset, "modes", None) is not None:
        return PointScorer(dataset)
    judge = judge_for(dataset)
    return None if judge is None else PictureScorer(dataset, judge)


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
    return [
        Line(name, made[k], floor[k], ceiling[k], finding=striking(k, made[k], floor[k]))
        for k, name in names.items()
    ]


def score_pictures(s: dict, real: dict, dataset, judge) -> list[Line]:
    """The figures of a `metrics.Yardstick` for the samples, beside those that other real pictures
    have.
    """

    def line(name, key):
        return Line(name, s[key], real[key], finding=striking(key, s[key], real[key]))

    share = f"{s['frechet_share']:.1%} of the way from perfect to collapsed"
    share += "" if judge.classes else ", on untrained features"
    return [
        Line("Fréchet distance", s["frechet"], s["frechet_floor"], s["frechet_ceiling"], share),
        Line("kernel distance (KID)", s["kid"], s["kid_floor"], s["kid_ceiling"]),
        *(_by_class(s, real, dataset, judge, line) if judge.classes else ()),
        line("precision: samples among the data", "precision"),
        line("recall: data among the samples", "recall"),
        line("sharpness, real = 1", "sharpness"),
        line("copies among the samples", "duplicates"),
    ]


def _by_class(s, real, dataset, judge, line):
    """How evenly the samples fall on the classes, and how clearly."""
    enough = 0.3 / judge.classes
    names = getattr(dataset, "class_names", None) or range(judge.classes)
    rare = [str(name) for name, share in zip(names, s["classes"]) if share < enough]
    usual = sum(share >= enough for share in real["classes"])
    balanced = Line(
        f"classes with {enough:.1%} of the samples or more", judge.classes - len(rare), usual,
        note=f"of {judge.classes}",
        finding=f"hardly any sample is of class {', '.join(rare)}" if rare else "",
    )  # fmt: skip
    return [
        balanced,
        line("samples that the judge is sure of", "confident"),
        line("diversity within classes, real = 1", "diversity"),
    ]


# For each figure: when its value v stands out beside that of real data r, and what it then says.
_STRIKING = {
    "modes": [(lambda v, r: v < r, "parts of the data are never drawn")],
    "share": [(lambda v, r: v < 0.8 * r, "many samples lie where there are no data")],
    "kl": [(lambda v, r: v > r + 0.3, "some parts of the data are drawn far too rarely")],
    "precision": [(lambda v, r: v < 0.5 * r, "most samples are unlike the data")],
    "recall": [(lambda v, r: v < 0.5 * r, "most of the data are unlike any sample")],
    "confident": [(lambda v, r: v < 0.8 * r, "many samples are not clearly of any class")],
    "diversity": [
        (lambda v, r: v < 0.8 * r, "samples of a class are too much alike"),
        (lambda v, r: v > 1.25 * r, "samples of a class differ too much, many are malformed"),
    ],
    "sharpness": [
        (lambda v, r: v < 0.8 * r, "samples are blurred"),
        (lambda v, r: v > 1.25 * r, "samples are rough, their edges or their noise too strong"),
    ],
    "duplicates": [(lambda v, r: v > r + 0.02, "samples repeat each other")],
}


def striking(figure: str, value: float, real: float) -> str:
    """What stands out, in a sentence, or nothing.

    >>> striking("precision", 0.106, 0.94)
    'precision 0.106 where real data have 0.94: most samples are unlike the data'
    >>> striking("precision", 0.9, 0.94)
    ''
    """
    for stands_out, meaning in _STRIKING[figure]:
        if stands_out(value, real):
            return f"{figure} {_figure(value)} where real data have {_figure(real)}: {meaning}"
    return ""
