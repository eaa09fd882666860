"""The gate of samples that are pictures, and the panel of twins and fakes that it must refuse.

Each figure is there for what it alone refuses; real held-out pictures get the ideal:

    frechet-share    distance ÷ that of a collapsed generator       the whole distribution
    smallest-class   the share of the rarest class                  half the classes
    transfer-share   worth as training data ÷ that of real data     a picture, or a mode, a class
    precision        samples among the real ones                    chimeras, dropped pixels
    confident        the judge sees one class, with 0.9 or more     chimeras, malformed digits
    diversity        distance within a class ÷ real data's          a picture a class
    sharpness-error  |Laplacian energy ÷ that of real data − 1|     blur, noise
    duplicates       samples that repeat one another                the same 200 pictures
    copies           samples that are training pictures             the training set by heart
"""

from functools import cache, cached_property

import numpy as np

from tinygan import data, metrics

from .fakes import FAKES
from .gate import Figure

MOST = ("frechet-share", "sharpness-error", "duplicates", "copies")  # less is better
_COMPARED = 500  # pictures whose nearest training picture is looked for


class Panel:
    """What samples of a data set are measured against, and the fakes, scored once.

    training: the data set that models learn from. held_out: others of its kind; a quarter tests
    what samples are worth as training data, of the rest the fakes are made, so that it should hold
    several times n. n: how many samples are scored.
    """

    def __init__(self, training, held_out, judge, n=2500):
        self.training, self.judge, self.n = training, judge, n
        self.known, held = training.take(20_000), held_out.take(20_000)
        quarter = len(held["x"]) // 4
        self.test = {key: array[:quarter] for key, array in held.items()}
        self.pool = {key: array[quarter:] for key, array in held.items()}

    def scores(self, samples, labels=None) -> dict[str, float]:
        """All figures of n samples; "label-accuracy" if `labels` were asked for."""
        s = self.yardstick.score(samples)
        seen = self.judge.labels(samples)
        out = {
            "frechet-share": s["frechet_share"],
            "smallest-class": s["smallest_class"],
            "transfer-share": self.worth(samples, seen) / self.worth_of_real,
            "precision": s["precision"],
            "confident": s["confident"],
            "diversity": s["diversity"],
            "sharpness-error": abs(s["sharpness"] - 1),
            "duplicates": s["duplicates"],
            "copies": metrics.copies(
                samples[:_COMPARED], self.known["x"], self.test["x"][:_COMPARED]
            ),
        }
        if labels is not None:
            out["label-accuracy"] = float((seen == labels).mean())
        return out

    def worth(self, x, labels) -> float:
        return metrics.transfer_accuracy(x, labels, self.test["x"], self.test["label"])

    @cached_property
    def yardstick(self) -> metrics.Yardstick:
        return metrics.Yardstick(self.training, self.judge, self.n)

    @cached_property
    def worth_of_real(self) -> float:
        real = self.training.take(self.n)
        return self.worth(real["x"], real["label"])

    @cached_property
    def ideal(self) -> dict[str, float]:
        """What real held-out pictures get."""
        return self.scores(self.pool["x"][-self.n :], self.pool["label"][-self.n :])

    @cached_property
    def fakes(self) -> dict[str, dict[str, float]]:
        """The figures of each fake: of held-out pictures, but for the training set by heart."""
        found = {}
        for name, make in FAKES.items():
            rng = np.random.Generator(np.random.SFC64(0))
            source = self.known if name == "training set" else self.pool
            found[name] = self.scores(*make(source["x"], source["label"], rng, self.n))
        return found

    def gate(self, bars: dict[str, float], made: dict, twins: dict[str, dict]) -> list[Figure]:
        """Figures with these bars, of a model's scores `made` and its twins'; fakes come along."""
        return [
            Figure(
                name, made[name], bar,
                {who: each[name] for who, each in (twins | self.fakes).items()},
                least=name not in MOST, ideal=self.ideal[name],
            )
            for name, bar in bars.items()
        ]  # fmt: skip


@cache
def digits(size=32, n=2500) -> Panel:
    """Drawn digits."""
    held_out = data.open("digits", "test", size=size, seed=1, n=20_000)
    known = data.open("digits", size=size, seed=0)
    return Panel(known, held_out, metrics.Judge.load("digits"), n)
