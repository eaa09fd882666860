"""Picking elements by number or place, adding to them, ordering them."""

import numpy as np


def gather(x, dim, index):
    """out[i, j, …] = x[i, …, index[i, j, …], …]: the index stands in the place of axis `dim`."""
    x, out = np.atleast_1d(x), np.zeros(index.shape)  # a number is a row of one
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


def scatter(x, dim, index, source):
    """x with source[i, j, …] in the place of what is at [i, …, index[i, j, …], …]."""
    out = x.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[dim] = index[place]
        out[tuple(target)] = source if np.ndim(source) == 0 else source[place]
    return out


def masked_select(x, mask):
    x, mask = np.broadcast_arrays(x, mask)
    return np.array([x[place] for place in np.ndindex(x.shape) if mask[place]])


def masked_fill(x, mask, value):
    return np.where(mask, value, x)


def tril(x, diagonal=0):
    """What lies on or below a diagonal; 0 elsewhere."""
    rows, columns = np.indices(x.shape[-2:])
    return np.where(columns - rows <= diagonal, x, 0)


def triu(x, diagonal=0):
    rows, columns = np.indices(x.shape[-2:])
    return np.where(columns - rows >= diagonal, x, 0)


def diagonal(x, offset=0, dim1=0, dim2=1):
    """x[i, i + offset] for every i that is inside, as the last axis."""
    x = np.moveaxis(x, (dim1, dim2), (-2, -1))
    rows, columns = x.shape[-2:]
    inside = [(i, i + offset) for i in range(rows) if 0 <= i + offset < columns]
    return np.stack([x[..., i, j] for i, j in inside], -1)


def diag(x, diagonal=0):
    """A matrix's diagonal, or the matrix with these numbers on it."""
    if x.ndim == 2:
        return np.array([x[i, j] for i, j in np.ndindex(x.shape) if j - i == diagonal])
    side = len(x) + abs(diagonal)
    out = np.zeros((side, side))
    for k, value in enumerate(x):
        out[k + max(-diagonal, 0), k + max(diagonal, 0)] = value
    return out


def zeros_like(x):
    return np.zeros(x.shape)
