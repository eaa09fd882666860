"""Distances between two clouds of features: Fréchet's, and the kernel one."""

import numpy as np

from .rows import rows, same_width

_BLOCK = 1024


def frechet_distance(features_a, features_b) -> float:
    """Fréchet distance of the normal distributions with the clouds' means and covariances.

        d² = ‖μ_a − μ_b‖² + Tr C_a + Tr C_b − 2 Tr (C_a^½ C_b C_a^½)^½

    The matrix in the last root is symmetric, so its eigenvalues are real and the root needs no
    complex arithmetic. features: (N, D) and (M, D) with N, M ≥ D, since fewer samples leave a
    covariance singular and the distance meaningless.

    >>> x = np.random.default_rng(0).normal(size=(1000, 3))
    >>> round(frechet_distance(x, x + [3, 4, 0]), 6)
    25.0
    """
    a, b = (rows("frechet_distance", f, 2) for f in (features_a, features_b))
    same_width("frechet_distance", a, b)
    for x in (a, b):
        if len(x) < x.shape[1]:
            raise ValueError(
                f"frechet_distance: {len(x):,} samples of {x.shape[1]} features give a singular "
                f"covariance; use at least {x.shape[1]} samples, better ten times as many"
            )
    return _between(a.mean(0), _covariance(a), b.mean(0), _covariance(b))


def _covariance(x):
    x = x - x.mean(0)
    return x.T @ x / (len(x) - 1)


def _between(mu_a, cov_a, mu_b, cov_b):
    root = _root(cov_a)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    d = ((mu_a - mu_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    return max(0.0, float(d))


def _root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def kid(features_a, features_b) -> float:
    """Kernel distance (Bińkowski et al. 2018): the unbiased squared maximum mean discrepancy

        E k(a, a′) + E k(b, b′) − 2 E k(a, b),     k(x, y) = (x·y/D + 1)³

    over pairs of different samples. Its mean for equal distributions is 0 at any number of samples,
    so that it can be slightly negative. features: (N, D) and (M, D).
    """
    a, b = (rows("kid", f, 2) for f in (features_a, features_b))
    same_width("kid", a, b)
    within = [(_kernel_sum(x, x) - _own_sum(x)) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return float(sum(within) - 2 * _kernel_sum(a, b) / (len(a) * len(b)))


def _kernel_sum(x, y):
    """Σ k(x, y) over all pairs, in blocks of rows."""
    width = x.shape[1]
    starts = range(0, len(x), _BLOCK)
    return sum(((x[i : i + _BLOCK] @ y.T / width + 1) ** 3).sum() for i in starts)


def _own_sum(x):
    """Σ k(x, x) over each sample with itself."""
    return (((x * x).sum(1) / x.shape[1] + 1) ** 3).sum()
