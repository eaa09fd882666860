"""Picking elements by number, adding to them, ordering them."""

import numpy as np


def gather(x, dim, index):
    """out[i, j, …] = x[i, …, index[i, j, …], …]: the index stands in the place of axis `dim`."""
    out = np.zeros(index.shape)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[dim] = index[place]
        out[place] = x[tuple(source)]
    return out


def scatter_add(x, dim, index, source):
    """x with source[i, j, …] added at [i, …, index[i, j, …], …]."""
    out = x.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[dim] = index[place]
        out[tuple(target)] += source[place]
    return out


def index_select(x, dim, index):
    return np.stack([np.moveaxis(x, dim, 0)[i] for i in index], dim)


def embedding(index, weight):
    out = np.zeros((*index.shape, weight.shape[1]))
    for place in np.ndindex(index.shape):
        out[place] = weight[index[place]]
    return out


def sort(x, dim=-1, descending=False):
    """In order along an axis, and where each came from; without ties."""
    order = np.argsort(-x if descending else x, dim)
    return np.take_along_axis(x, order, dim), order


def topk(x, k, dim=-1, largest=True):
    return tuple(np.take(part, range(k), dim) for part in sort(x, dim, largest))
