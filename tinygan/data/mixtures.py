"""Points in the plane: the data on which a GAN's failures can be seen and counted.

`ring`:      8 Gaussians, σ = 0.01, evenly on the circle of radius 1
`grid`:      25 Gaussians, σ = 0.05, at {-4, -2, 0, 2, 4}²
`swissroll`: r(t) = t·(cos t, sin t)/2π, t ∈ [3π/2, 9π/2], evenly in t, σ = 0.05
`moons`:     two half circles that interlock, σ = 0.05
"""

import zlib

import numpy as np

from ..backend import Stream
from .dataset import ArrayDataset

LENGTHS = {"train": 100_000, "test": 10_000}


class PointsDataset(ArrayDataset):
    """Points x (2,), each with the mode it was drawn from as its label.

    `sigma` is the noise. Where the density is a mixture of equal Gaussians, `modes` (K, 2) are
    their means, else None.
    """

    modes: np.ndarray | None = None
    sigma: float


def _ring():
    angle = np.arange(8) * (np.pi / 4)
    return np.stack([np.cos(angle), np.sin(angle)], 1), 0.01


def _grid():
    side = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2), 0.05


def _swissroll(stream, n):
    t = 1.5 * np.pi * (1 + 2 * stream.uniform((n,), np.float64))
    return np.stack([t * np.cos(t), t * np.sin(t)], 1) / (2 * np.pi), None


def _moons(stream, n):
    t, moon = np.pi * stream.uniform((n,), np.float64), stream.integers(0, 2, (n,))
    upper = np.stack([np.cos(t) - 0.5, np.sin(t) - 0.25], 1)
    return np.where(moon[:, None] == 0, upper, -upper), moon


_MIXTURES = {"ring": _ring, "grid": _grid}
_CURVES = {"swissroll": _swissroll, "moons": _moons}
NAMES = (*_MIXTURES, *_CURVES)


def points(name: str, split="train", seed=0, n: int | None = None) -> PointsDataset:
    """The data set of that name with `n` points, by default 100,000 to train and 10,000 to test."""
    n = LENGTHS[split] if n is None else n
    stream = Stream([seed, zlib.crc32(name.encode()), zlib.crc32(split.encode())])
    if name in _MIXTURES:
        modes, sigma = _MIXTURES[name]()
        label = stream.integers(0, len(modes), (n,))
        centre = modes[label]
    else:
        modes, sigma = None, 0.05
        centre, label = _CURVES[name](stream, n)
    x = centre + sigma * stream.normal((n, 2), np.float64)
    classes = 2 if modes is None else len(modes)
    names = None if label is None else [str(i) for i in range(classes)]
    data = PointsDataset(name, x.astype(np.float32), label, split=split, class_names=names)
    data.modes, data.sigma = modes, sigma
    return data
