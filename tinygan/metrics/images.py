"""Everything that can be said of a set of generated pictures, beside what real ones would get."""

import numpy as np

from .coverage import precision_recall_density_coverage
from .diversity import duplicates, label_histogram, within_class_diversity
from .frechet import frechet_distance, kid

_DISTANCES = {"frechet": frechet_distance, "kid": kid}
_COLLAPSED = 8  # the ceiling is a mean over so many pictures to collapse to
_CONFIDENT = 0.9  # of real digits the judge is that sure in all but one of a thousand


def laplacian_energy(images) -> float:
    """The mean square of the discrete Laplacian: sharpness. Blurred pictures have less than real
    ones, noisy ones more. images: (N, C, H, W) in [-1, 1].
    """
    x = np.asarray(images, np.float32)
    middle = x[:, :, 1:-1, 1:-1]
    around = x[:, :, :-2, 1:-1] + x[:, :, 2:, 1:-1] + x[:, :, 1:-1, :-2] + x[:, :, 1:-1, 2:]
    return float(np.mean((around - 4 * middle) ** 2, dtype=np.float64))


def score_images(samples, dataset, judge) -> dict:
    """`Yardstick.score` of pictures `samples` (N, C, H, W) against as many of a data set's."""
    n = min(len(samples), len(dataset) // 2)
    return Yardstick(dataset, judge, n).score(samples[:n])


class Yardstick:
    """n real pictures of a data set, what as many others get, and what a collapsed generator gets:
    found once, for any number of sets of samples.
    """

    def __init__(self, dataset, judge, n):
        real = dataset.take(2 * n)["x"]
        self.judge, self.n, self.real, self.other = judge, n, real[::2], real[1::2]
        self.f_real, f_other = judge.features(self.real), judge.features(self.other)
        collapsed = [
            judge.features(_collapsed(self.real, i, min(n, 256))) for i in range(_COLLAPSED)
        ]
        self.limits = {}
        for name, distance in _DISTANCES.items():
            ceiling = [distance(self.f_real, f) for f in collapsed]
            self.limits[f"{name}_floor"] = distance(self.f_real, f_other)
            self.limits[f"{name}_ceiling"] = float(np.mean(ceiling))
        if judge.classes:
            self.real_diversity = within_class_diversity(self.f_real, judge.labels(self.real))

    def score(self, samples) -> dict:
        """Scores of pictures (n, C, H, W).

        Fréchet distance and kernel distance on the judge's features come with their `_floor`, which
        other real pictures get, and their `_ceiling`, which a collapsed generator gets: one real
        picture over and over with noise of 0.01 (the mean over eight such generators).
        "frechet_share" is the distance ÷ ceiling. Also precision, recall, density, coverage (on
        features), "duplicates", "sharpness": Laplacian energy ÷ that of real pictures; and with a
        judge that knows classes their shares, "classes", the "smallest_class", "confident": the
        share of samples in which the judge sees one class with a probability of 0.9 or more, and
        "diversity": within-class diversity ÷ that of real pictures.
        """
        samples, judge = np.asarray(samples, np.float32), self.judge
        if len(samples) != self.n:
            raise ValueError(f"Yardstick: expected {self.n} samples, got {len(samples)}")
        f_fake, out = judge.features(samples), {"n": self.n} | self.limits
        out |= {name: distance(self.f_real, f_fake) for name, distance in _DISTANCES.items()}
        out["frechet_share"] = out["frechet"] / out["frechet_ceiling"]
        out.update(precision_recall_density_coverage(self.f_real, f_fake))
        if judge.classes:
            p = judge.probabilities(samples)
            labels = p.argmax(1)
            shares = label_histogram(labels, judge.classes)
            out["classes"], out["smallest_class"] = shares.tolist(), float(shares.min())
            out["confident"] = float((p.max(1) >= _CONFIDENT).mean())
            out["diversity"] = within_class_diversity(f_fake, labels) / self.real_diversity
        out["duplicates"] = duplicates(samples)
        out["sharpness"] = laplacian_energy(samples) / laplacian_energy(self.real)
        return out


def _collapsed(real, i, n):
    """What a generator that knows one picture would give."""
    picture = real[i * len(real) // _COLLAPSED]
    rng = np.random.Generator(np.random.SFC64(i))
    noise = rng.standard_normal((n, *picture.shape), dtype=np.float32)
    return np.clip(picture + np.float32(0.01) * noise, -1, 1)
