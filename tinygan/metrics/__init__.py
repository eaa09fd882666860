"""Scores: how good samples are, in numbers, each with what real data and a collapsed model get.

All take and give NumPy arrays. Points: `mixture_scores`, `wasserstein`. Pictures: a `Judge`,
a small classifier trained by tinygan, turns them into features and labels; the other scores compare
those. `score_images` reports them together.

>>> from tinygan import data, metrics
>>> ring = data.open("ring", n=5000)
>>> metrics.mixture_scores(ring.take(5000)["x"], ring.modes, ring.sigma)["modes"]
8
"""

from .codes import (
    all_match,
    auc,
    correlation_within,
    matched_accuracy,
    moments,
    mutual_information,
)
from .coverage import precision_recall_density_coverage
from .diversity import (
    copies,
    duplicates,
    label_histogram,
    nearest_neighbours,
    within_class_diversity,
)
from .frechet import frechet_distance, kid
from .images import Yardstick, laplacian_energy, score_images
from .judge import Judge
from .mixture import mixture_scores, sliced_wasserstein, wasserstein
from .transfer import transfer_accuracy

__all__ = [
    "Judge", "Yardstick", "all_match", "auc", "copies", "correlation_within", "duplicates",
    "frechet_distance", "kid", "label_histogram", "laplacian_energy", "matched_accuracy",
    "mixture_scores", "moments", "mutual_information", "nearest_neighbours",
    "precision_recall_density_coverage", "score_images", "sliced_wasserstein",
    "transfer_accuracy", "wasserstein", "within_class_diversity",
]  # fmt: skip
