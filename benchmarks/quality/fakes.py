"""Fakes: samples that nobody learned to make, each wrong in one way. A gate must refuse them all.

A fake takes real pictures x (N, C, S, S) in [-1, 1], their labels (N,), a random generator and a
number n. It gives n pictures and the labels that were asked for, which the pictures do not always
show. Each is what some way of failing leaves behind, done as well as it can be: all but the one
fault is real.
"""

from collections.abc import Callable

import numpy as np

from tinygan.data.resize import resize

FAKES: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {}


def fake(name: str):
    """Register a fake under the name that tables show."""

    def register(function):
        FAKES[name] = function
        return function

    return register


def some(x, labels, rng, n):
    """n of the pictures with their labels: different ones where there are so many."""
    chosen = rng.permutation(len(x))[:n] if len(x) >= n else rng.integers(0, len(x), n)
    return x[chosen], labels[chosen]


# -- pictures that are wrong -----------------------------------------------------------------------


@fake("chimeras")
def chimeras(x, labels, rng, n):
    """The upper half of a picture of the class asked for, the lower half of one of another."""
    above, asked = some(x, labels, rng, n)
    below, other = some(x, labels, rng, 4 * n)
    lower = [next(j for j in range(i, len(other)) if other[j] != asked[i]) for i in range(n)]
    half = x.shape[2] // 2
    return np.concatenate([above[:, :, :half], below[lower][:, :, half:]], 2), asked


@fake("few pixels")
def few_pixels(x, labels, rng, n):
    """Made four times smaller and large again: a generator whose last layers do nothing."""
    x, asked = some(x, labels, rng, n)
    return resize(resize(x, x.shape[2] // 4), x.shape[2]), asked


@fake("blurred")
def blurred(x, labels, rng, n):
    """A Gaussian blur of a thirtieth of the side: what a mean square error asks for."""
    x, asked = some(x, labels, rng, n)
    side = np.arange(x.shape[2])
    weights = np.exp(-0.5 * ((side[:, None] - side) / (x.shape[2] / 30)) ** 2)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return weights @ x @ weights.T, asked


@fake("noisy")
def noisy(x, labels, rng, n):
    """Normal noise of 0.5 on every pixel, which may become blacker than black: a generator that
    never became clean."""
    x, asked = some(x, labels, rng, n)
    return x + np.float32(0.5) * rng.standard_normal(x.shape, dtype=np.float32), asked


@fake("noise alone")
def noise_alone(x, labels, rng, n):
    """The right greys in the wrong places: the pixels of each picture shuffled."""
    x, asked = some(x, labels, rng, n)
    return rng.permuted(x.reshape(n, -1), axis=1).reshape(x.shape), asked


@fake("dropped pixels")
def dropped_pixels(x, labels, rng, n):
    """A fifth of all pixels black."""
    x, asked = some(x, labels, rng, n)
    return np.where(rng.random(x.shape) < 0.2, np.float32(-1), x), asked


# -- real pictures, but the wrong ones -------------------------------------------------------------


@fake("200 pictures")
def two_hundred(x, labels, rng, n):
    """The same 200 over and over, each time with a little noise."""
    x, asked = some(*some(x, labels, rng, 200), rng, n)
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    return np.clip(x + np.float32(0.01) * noise, -1, 1), asked


@fake("training set")
def training_set(x, labels, rng, n):
    """Pictures learned by heart; x are the training pictures for once."""
    return some(x, labels, rng, n)


@fake("half the classes")
def half_the_classes(x, labels, rng, n):
    """Even classes only: who asks for another gets the one before it."""
    even = labels % 2 == 0
    x, shown = some(x[even], labels[even], rng, n)
    return x, shown + rng.integers(0, 2, n)


@fake("a picture a class")
def one_a_class(x, labels, rng, n):
    """One picture for each class: the condition is heard, the noise is not."""
    known = np.array([rng.choice(np.flatnonzero(labels == k)) for k in np.unique(labels)])
    return some(x[known], labels[known], rng, n)


@fake("a mode a class")
def one_mode_a_class(x, labels, rng, n):
    """Of each class only the fifth that is nearest to one picture of it."""
    near = []
    for k in np.unique(labels):
        own = np.flatnonzero(labels == k)
        distance = np.square(x[own] - x[rng.choice(own)]).sum((1, 2, 3))
        near.append(own[distance.argsort()[: len(own) // 5]])
    near = np.concatenate(near)
    return some(x[near], labels[near], rng, n)
