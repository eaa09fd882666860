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


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hardtanh(x, min_val=-1.0, max_val=1.0):
    return np.clip(x, min_val, max_val)


def relu6(x):
    return np.clip(x, 0, 6)


def hardsigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


def hardswish(x):
    return x * np.clip(x + 3, 0, 6) / 6


def selu(x):
    """Klambauer et al. 2017; the constants are those of mean 0 and variance 1."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def celu(x, alpha=1.0):
    return np.maximum(x, 0) + np.minimum(alpha * (np.exp(x / alpha) - 1), 0)


def mish(x):
    return x * np.tanh(np.log(1 + np.exp(x)))


def logsigmoid(x):
    return -np.logaddexp(0, -x)


def softsign(x):
    return x / (1 + np.abs(x))


def tanhshrink(x):
    return x - np.tanh(x)


def softshrink(x, lambd=0.5):
    return np.sign(x) * np.maximum(np.abs(x) - lambd, 0)


def hardshrink(x, lambd=0.5):
    return np.where(np.abs(x) > lambd, x, 0)


def threshold(x, threshold, value):
    return np.where(x > threshold, x, value)


def prelu(x, weight):
    """One slope, or one for each channel (axis 1)."""
    if len(weight) > 1:
        weight = weight.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, weight * x)


def glu(x, dim=-1):
    a, b = np.split(x, 2, dim)
    return a * sigmoid(b)


def clamp(x, min=-np.inf, max=np.inf):
    return np.minimum(np.maximum(x, min), max)


def cumsum(x, dim):
    return np.add.accumulate(x, dim) if x.ndim else x


def cumprod(x, dim):
    return np.multiply.accumulate(x, dim) if x.ndim else x


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


def softmin(x, dim):
    return softmax(-x, dim)
