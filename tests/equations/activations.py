"""Functions of one number, and of the numbers along an axis."""

import math

import numpy as np


def leaky_relu(x, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope * x)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def gelu(x, approximate="none"):
    """x·Φ(x), Φ the normal distribution function, or Hendrycks and Gimpel's approximation of it."""
    if approximate == "tanh":
        return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))


def clamp(x, min=-np.inf, max=np.inf):
    return np.minimum(np.maximum(x, min), max)


def cumsum(x, dim):
    return np.add.accumulate(x, dim) if x.ndim else x


def min(x, dim, keepdim=False):
    """The smallest numbers along an axis, and where they stand."""
    return x.min(dim, keepdims=keepdim), np.argmin(x, dim, keepdims=keepdim)


def logsumexp(x, dim, keepdim=False):
    """log Σ exp(x) = m + log Σ exp(x − m), where m is the maximum, so that nothing overflows."""
    top = x.max(dim, keepdims=True)
    out = top + np.log(np.exp(x - top).sum(dim, keepdims=True))
    return out if keepdim else out.squeeze(dim)


def log_softmax(x, dim):
    return x - logsumexp(x, dim, keepdim=True)


def softmax(x, dim):
    return np.exp(log_softmax(x, dim))
