"""Scores of points in the plane, where the truth is known."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from .rows import rows, same_width


def mixture_scores(samples, modes, sigma: float, least_share=0.2) -> dict:
    """How well samples cover a mixture of K equal Gaussians.

    A sample is good if it lies within 3σ of the nearest mode; in the plane 1 − e^(−9/2) = 98.9% of
    the mixture's own samples are. With p_k the share of good samples at mode k:

        "modes"  the modes k with p_k ≥ `least_share`/K, a fifth of what they ought to have
        "share"  good samples ÷ all samples: quality. Alone it rewards collapse.
        "kl"     the reverse divergence KL(p ‖ u) = Σ_k p_k log(K p_k) of the modes reached from
                 the uniform one: 0 is right, log K is one mode only (and no good sample at all).

    samples: (N, 2), modes: (K, 2).

    >>> modes = np.array([[-1.0, 0.0], [1.0, 0.0]])
    >>> mixture_scores(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 5.0]]), modes, 0.1)
    {'modes': 2, 'share': 0.5, 'kl': 0.0}
    """
    x, modes = rows("mixture_scores", samples), np.asarray(modes, np.float64)
    same_width("mixture_scores", x, modes)
    if not sigma > 0:
        raise ValueError(f"mixture_scores: sigma must be positive, got {sigma}")
    distance = np.linalg.norm(x[:, None] - modes, axis=2)
    nearest = distance.argmin(1)
    good = distance.min(1) <= 3 * sigma
    k, reached = len(modes), int(good.sum())
    if not reached:
        return {"modes": 0, "share": 0.0, "kl": float(np.log(k))}
    p = np.bincount(nearest[good], minlength=k) / reached
    return {
        "modes": int((p >= least_share / k).sum()),
        "share": reached / len(x),
        "kl": max(0.0, float(np.sum(p[p > 0] * np.log(k * p[p > 0])))),
    }


def wasserstein(a, b) -> float:
    """The exact Wasserstein-1 distance between two samples of equal size.

        W₁ = min_π 1/N Σ_i ‖a_i − b_π(i)‖     over all permutations π

    is the least work that moves one heap of N equal grains onto the other: an assignment problem,
    solved in O(N³), some 30 ms for N = 500. a, b: (N, ...).

    >>> wasserstein([[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]])
    1.0
    """
    a, b = rows("wasserstein", a), rows("wasserstein", b)
    same_width("wasserstein", a, b)
    if len(a) != len(b):
        raise ValueError(
            f"wasserstein: samples of equal size, got {len(a)} and {len(b)}; cut one short, or "
            "take sliced_wasserstein"
        )
    cost = cdist(a, b)
    return float(cost[linear_sum_assignment(cost)].mean())


def sliced_wasserstein(a, b, directions=128, seed=0) -> float:
    """The Wasserstein-1 distance of two samples' projections, the mean over random directions.

        SW₁ = E_θ ∫ |F⁻¹_{θ·a}(t) − F⁻¹_{θ·b}(t)| dt

    a: (N, ...), b: (M, ...). In one dimension the optimal transport goes in order, so that each
    integral is a mean over sorted projections. The directions are the same at every call.

    >>> x = np.random.default_rng(0).normal(size=(500, 1))
    >>> round(sliced_wasserstein(x, x + 3), 6)
    3.0
    """
    a, b = rows("sliced_wasserstein", a), rows("sliced_wasserstein", b)
    same_width("sliced_wasserstein", a, b)
    theta = np.random.Generator(np.random.SFC64(seed)).standard_normal((a.shape[1], directions))
    theta /= np.linalg.norm(theta, axis=0)
    a, b = np.sort(a @ theta, axis=0), np.sort(b @ theta, axis=0)
    if len(a) == len(b):
        return float(abs(a - b).mean())
    # Both quantile functions are steps: between two neighbouring jumps both are constant.
    jumps = np.union1d(np.arange(1, len(a) + 1) / len(a), np.arange(1, len(b) + 1) / len(b))
    length = np.diff(jumps, prepend=0)
    middle = jumps - length / 2
    difference = a[(middle * len(a)).astype(int)] - b[(middle * len(b)).astype(int)]
    return float((length @ abs(difference)).mean())
