"""Collapse and copying: are the samples different from each other, and from the training set?"""

import numpy as np

from .rows import rows, same_width, squared_distances


def label_histogram(labels, classes: int) -> np.ndarray:
    """The share of each class among the labels, float64 (classes,).

    >>> label_histogram(np.array([0, 0, 2, 1]), 3).tolist()
    [0.5, 0.25, 0.25]
    """
    labels = np.asarray(labels)
    if labels.size == 0 or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"label_histogram: expected labels in 0…{classes - 1}, at least one")
    return np.bincount(labels, minlength=classes) / labels.size


def within_class_diversity(samples, labels) -> float:
    """The mean distance of two samples of the same class, over all classes that have two.

    samples: (N, ...), pictures or features; labels: (N,). Compare it with the real data's.
    """
    x, labels = rows("within_class_diversity", samples, 2), np.asarray(labels)
    means = []
    for label in np.unique(labels):
        own = x[labels == label]
        n = len(own)
        if n > 1:
            total = sum(np.sqrt(d).sum() for _, d in squared_distances(own, own))
            means.append(total / (n * (n - 1)))
    if not means:
        raise ValueError("within_class_diversity: no class has two samples")
    return float(np.mean(means))


def duplicates(samples, tolerance=0.02) -> float:
    """The share of samples that nearly repeat another: a root mean square difference of at most
    `tolerance` in each number (a fiftieth of half the range of a picture).

    >>> duplicates(np.array([[0.0, 0.0], [0.0, 0.001], [1.0, 1.0]])) == 2 / 3
    True
    """
    x = rows("duplicates", samples, 2)
    limit = tolerance**2 * x.shape[1]
    repeated = np.zeros(len(x), bool)
    for part, squared in squared_distances(x, x):
        own = np.arange(len(x))[part]
        squared[np.arange(len(own)), own] = np.inf
        repeated[part] = squared.min(1) <= limit
    return float(repeated.mean())


def nearest_neighbours(samples, training) -> tuple[np.ndarray, np.ndarray]:
    """For each sample the index of the nearest training item, and the distance to it.

    samples: (N, ...), training: (M, ...). Distances near 0, while those of held-out real data are
    not, mean that the model has learned pictures by heart.
    """
    x, y = rows("nearest_neighbours", samples), rows("nearest_neighbours", training)
    same_width("nearest_neighbours", x, y)
    index, distance = np.empty(len(x), np.int64), np.empty(len(x))
    for part, squared in squared_distances(x, y):
        index[part] = squared.argmin(1)
        distance[part] = np.linalg.norm(x[part] - y[index[part]], axis=1)
    return index, distance


def copies(samples, training, held_out) -> float:
    """The share of samples that are training pictures, or nearly so.

    A sample is a copy if its distance to the nearest training item is below half of what it is for
    a typical (the median) held-out item, which nobody can have learned by heart. Of real held-out
    data some thousandths lie that close by chance. samples: (N, ...), training: (M, ...),
    held_out: (K, ...). A copy that was moved by some pixels is not noticed.

    >>> known, fresh = np.eye(4), np.eye(4) + 0.5
    >>> copies(known[:2] + 0.1, known, fresh), copies(fresh, known, fresh)
    (1.0, 0.0)
    """
    _, distance = nearest_neighbours(samples, training)
    _, typical = nearest_neighbours(held_out, training)
    return float((distance < np.median(typical) / 2).mean())
