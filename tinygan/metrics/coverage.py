"""Fidelity and coverage apart: a cloud's support as balls around its points."""

import numpy as np

from .rows import rows, same_width, squared_distances


def precision_recall_density_coverage(real, fake, k=5) -> dict[str, float]:
    """Four shares from balls B(x), each reaching to x's k-th nearest neighbour in its own set.

        precision  fake samples in some real ball (Kynkäänniemi et al. 2019)
        recall     real samples in some fake ball
        density    Σ over fakes of the real balls they are in ÷ (k·M): one outlier's large ball
                   does not spoil it as it does precision; can exceed 1 (Naeem et al. 2020)
        coverage   real balls with a fake sample in them

    real: (N, ...), fake: (M, ...), N and M > k. All are near 1 for two samples of one distribution
    (density 1, coverage 1 − 2⁻ᵏ or so).
    """
    name = "precision_recall_density_coverage"
    real, fake = rows(name, real, k + 1), rows(name, fake, k + 1)
    same_width(name, real, fake)
    radius_real, radius_fake = _radii(real, k), _radii(fake, k)
    in_real = np.zeros(len(fake), np.int64)
    in_fake, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for part, squared in squared_distances(real, fake):
        inside = squared <= radius_real[part, None]
        in_real += inside.sum(0)
        covered[part] = inside.any(1)
        in_fake[part] = (squared <= radius_fake).any(1)
    return {
        "precision": float((in_real > 0).mean()),
        "recall": float(in_fake.mean()),
        "density": float(in_real.sum() / (k * len(fake))),
        "coverage": float(covered.mean()),
    }


def _radii(x, k):
    """Squared distance to the k-th nearest other point."""
    out = np.empty(len(x))
    for part, squared in squared_distances(x, x):
        out[part] = np.partition(squared, k, axis=1)[:, k]  # the point itself comes first
    return out
