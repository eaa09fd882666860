"""Initial weights, each from the numbers that a uniform or normal generator gives.

fan_in is how many inputs feed one output, fan_out the reverse. Glorot and Bengio 2010: the variance
is 2/(fan_in + fan_out). He et al. 2015: it is gain²/fan, where a rectifier's gain makes up for the
half of the signal that it removes. A uniform distribution on ±b has the variance b²/3.
"""

from statistics import NormalDist

import numpy as np


def fans(shape):
    window = int(np.prod(shape[2:]))
    return shape[1] * window, shape[0] * window


def gain(nonlinearity, slope=0.01):
    if nonlinearity == "leaky_relu":
        return np.sqrt(2 / (1 + slope**2))
    return {"relu": np.sqrt(2), "tanh": 5 / 3, "selu": 3 / 4}.get(nonlinearity, 1.0)


def xavier_std(shape, gain=1.0):
    return gain * np.sqrt(2 / sum(fans(shape)))


def kaiming_std(shape, a=0.0, mode="fan_in", nonlinearity="leaky_relu"):
    return gain(nonlinearity, a) / np.sqrt(fans(shape)[0 if mode == "fan_in" else 1])


def uniform_by_std(u, std):
    """u in [0, 1) to ±√3·std."""
    return (2 * u - 1) * np.sqrt(3) * std


def truncated_normal(u, mean, std, a, b):
    """u in [0, 1) to [a, b], by the inverse of the distribution function."""
    normal = NormalDist(mean, std)
    low, high = normal.cdf(a), normal.cdf(b)
    return np.vectorize(normal.inv_cdf)(low + u * (high - low))


def orthogonal(z, gain=1.0):
    """Gram and Schmidt's method: from each vector, what lies along the earlier ones is removed. The
    vectors are the columns, or the rows where they are the shorter side.
    """
    z = z.reshape(len(z), -1)
    vectors, done = (z if z.shape[0] < z.shape[1] else z.T), []
    for v in vectors:
        for q in done:
            v = v - (v @ q) * q
        done.append(v / np.linalg.norm(v))
    q = np.stack(done)
    return gain * (q if z.shape[0] < z.shape[1] else q.T)
