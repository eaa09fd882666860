"""Spectral normalisation (Miyato et al. 2018, algorithm 1)."""

import numpy as np


def normalised(weight, u, v, iterations=1):
    """W/σ with σ = uᵀWv, after power iterations; W is the matrix with a row per output."""
    for _ in range(iterations):
        v = weight.T @ u / np.linalg.norm(weight.T @ u)
        u = weight @ v / np.linalg.norm(weight @ v)
    return weight / (u @ weight @ v), u, v


def gradient(g, weight, u, v):
    """The gradient by W of ⟨g, W/σ⟩, u and v held: equation 12, (g − ⟨g, W̄⟩·uvᵀ)/σ."""
    sigma = u @ weight @ v
    return (g - (g * weight / sigma).sum() * np.outer(u, v)) / sigma
