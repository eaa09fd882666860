"""What a code that nobody named came to mean: classes up to their names, factors up to their sign.

A category that was found without labels has no name, so that its categories are matched with the
classes that a judge sees: one class each, the best such naming (the Hungarian method). A continuous
code is compared with what it may have come to stand for, `moments` of the pictures.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata


def together(asked, seen) -> np.ndarray:
    """How often category i and class j came together, float64 (K, L)."""
    asked, seen = np.asarray(asked), np.asarray(seen)
    if asked.shape != seen.shape or asked.ndim != 1 or not len(asked):
        raise ValueError(
            f"expected as many classes as categories (N,), got {seen.shape} and {asked.shape}"
        )
    counts = np.zeros((asked.max() + 1, seen.max() + 1))
    np.add.at(counts, (asked, seen), 1)
    return counts


def matched_accuracy(asked, seen) -> float:
    """The share of samples that show the class matched with their category, by the best naming.

    >>> matched_accuracy([0, 0, 1, 1], [5, 5, 2, 5])
    0.75
    """
    counts = together(asked, seen)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def mutual_information(asked, seen) -> float:
    """I(category; class) in nats: Σ p(i, j) log p(i, j) / (p(i) p(j)).

    >>> round(mutual_information([0, 1, 0, 1], [3, 2, 3, 2]), 4)  # log 2
    0.6931
    """
    p = together(asked, seen)
    p /= p.sum()
    alone = p.sum(1, keepdims=True) * p.sum(0)
    nats = (p[p > 0] * np.log(p[p > 0] / alone[p > 0])).sum()
    return max(0.0, float(nats))  # it is never less, but for rounding


def correlation_within(values, code, groups) -> float:
    """The correlation of two numbers of each sample, (N,) both, once the mean of its group is taken
    from each: what goes together whatever the group is.

    >>> round(correlation_within([0, 1, 10, 11], [0, 1, 0, 1], [0, 0, 1, 1]), 4)
    1.0
    """
    groups = np.unique(groups, return_inverse=True)[1]

    def centred(x):
        x = np.asarray(x, np.float64)
        return x - (np.bincount(groups, x) / np.bincount(groups))[groups]

    a, b = centred(values), centred(code)
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-300))


def auc(positive, negative) -> float:
    """The chance that a positive score is above a negative one; a tie counts half.

    >>> auc([2.0, 3.0], [1.0, 2.0])
    0.875
    """
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))[:n]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def all_match(found: dict, factors) -> float:
    """The share of pictures in which every factor is as it was asked for.

    found: what `data.read_factors` gives; factors: (N, 4), in the same order.
    """
    right = [found[name] == column for name, column in zip(found, np.asarray(factors).T)]
    return float(np.all(right, 0).mean())


def moments(images) -> dict[str, np.ndarray]:
    """How bright, how slanted, how tall and how wide a bright thing on black is, each (N,).

    images: (N, 1, H, W) in [-1, 1]. With the ink w ≥ 0 of a pixel at (u, v) from the ink's centre,
    in units of half the picture's side: ink is the mean of w, slant = ⟨uv⟩/⟨v²⟩, the shear that
    would make it upright, height = √⟨v²⟩ and width = √⟨(u − slant·v)²⟩.
    """
    w = np.clip((np.asarray(images, np.float64)[:, 0] + 1) / 2, 0, 1) + 1e-9
    at = [(np.arange(n) + 0.5) * (2 / n) - 1 for n in w.shape[1:]]
    ink = w.sum((1, 2))
    u = at[1] - (w.sum(1) @ at[1] / ink)[:, None]
    v = at[0] - (w.sum(2) @ at[0] / ink)[:, None]
    uu, uv, vv = (
        np.einsum("nij,ni,nj->n", w, v**a, u**b) / ink for a, b in ((0, 2), (1, 1), (2, 0))
    )
    return {
        "ink": ink / w[0].size,
        "slant": uv / vv,
        "height": np.sqrt(vv),
        "width": np.sqrt(np.maximum(uu - uv**2 / vv, 0)),
    }
