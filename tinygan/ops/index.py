"""Indexing: picking elements, and its derivative, adding them back to where they came from.

    y = x[index]         gradient of x:  zeros, with g added at index (twice where picked twice)
    y = put(g, index)    gradient of g:  the gradient of y, picked at index

gather, scatter_add, embedding and take are all this pair with an index computed first.
"""

import numpy as np

from ..autograd.mode import mode
from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import (
    array_module,
    device_module,
    device_of,
    is_array,
    kernels,
    new_zeros,
    to_device,
)
from ..backend.recording import checked
from .create import tensor
from .elementwise import where
from .reduce import axis_of


def _is_basic(index):
    return all(
        part is None or part is Ellipsis or isinstance(part, slice | int | np.integer)
        for part in index
    )


def _put_forward(xp, g, *, index, shape):
    out = new_zeros(g, shape)
    if _is_basic(index):
        out[index] = g
    else:
        kernels(g).add_at(out, index, g)
    return out


_view = Op(
    "getitem",
    lambda xp, x, *, index: x[index],
    view=True,
    x=lambda g, index, x_shape: _put(g, index=index, shape=x_shape),
)
_pick = Op(
    "getitem",
    lambda xp, x, *, index: x[index],
    x=lambda g, index, x_shape: _put(g, index=index, shape=x_shape),
)
_put = Op("put", _put_forward, g=lambda g, index: getitem(g, index))


def _replaced(xp, x, y, *, index):
    out = x.copy()
    out[index] = y
    return out


_replace = Op(  # x with y in the places of `index`
    "scatter",
    _replaced,
    x=lambda g, index: _replace(g, 0.0, index=index),
    y=lambda g, index: getitem(g, index),
)


def getitem(x, index):
    """x[index] with slices, numbers, None, ..., integer arrays or boolean masks, as in NumPy."""
    index = tuple(_raw_index(x, part) for part in (index if isinstance(index, tuple) else (index,)))
    if _is_basic(index):
        return _view(x, index=index if Ellipsis in index else (*index, Ellipsis))  # never a scalar
    if mode.grad and x.requires_grad:  # kept for backward, where writes to the index would be felt
        index = tuple(part.copy() if is_array(part) else part for part in index)
    return _pick(x, index=index)


def _raw_index(x, part):
    """One part of an index as a slice, a number, or an array on x's device."""
    if isinstance(part, Tensor):
        bytes_ = part.array.dtype == np.uint8  # in PyTorch a mask, from when it had no booleans
        part = part.array.astype(bool) if bytes_ else part.array
    if isinstance(part, bool | np.bool_ | list | range) or (
        isinstance(part, np.ndarray) and not is_array(x.array)
    ):
        part = np.asarray(
            part, dtype=np.int64 if isinstance(part, list | range) and not len(part) else None
        )
    if is_array(part):
        if part.dtype.kind not in "iub":
            raise IndexError(f"index: expected integers or booleans, got an array of {part.dtype}")
        return to_device(part, device_of(x.array))
    if part is None or part is Ellipsis or isinstance(part, slice | int | np.integer):
        return part
    raise IndexError(
        f"index: expected numbers, slices, ..., None, integer or boolean arrays; got "
        f"{type(part).__name__}"
    )


def _integers(name, index, like=None):
    """Indices as a tensor of integers; lists are placed where `like` lives."""
    if not isinstance(index, Tensor):
        index = tensor(index, device=None if like is None else like.device)
    if index.array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {index.dtype}")
    return index


def _check_places(index, name, n, what):
    if index.size and not bool(((index >= -n) & (index < n)).all()):
        raise IndexError(f"{name}: indices must lie in 0 … {n - 1}, {what}")


def _along(name, x, dim, index):
    """The full index that says: along `dim` take `index`, along the other axes stay in place."""
    if index.ndim != x.ndim:
        raise IndexError(
            f"{name}: index has {index.ndim} axes, the tensor {x.ndim}; they must be as many"
        )
    xp, n = array_module(x.array), x.shape[dim] if x.ndim else 1
    checked(_check_places, index.array, name, n, f"the size of axis {dim} of shape {x.shape}")
    grid = [
        xp.arange(m).reshape((-1,) + (1,) * (index.ndim - 1 - i)) for i, m in enumerate(index.shape)
    ]
    if grid:
        index = to_device(index.array, device_of(x.array))
        grid[dim] = index.copy()  # kept for backward, where writes to it would be felt
    return tuple(grid)


def gather(x, dim, index):
    """out[i][j] = x[index[i][j]][j] for dim 0, and so on: one element of axis `dim` for each
    index.
    """
    dim, index = axis_of("gather", dim, x.ndim), _integers("gather", index, x)
    if not x.ndim:
        return x.expand(index.shape)
    if x.ndim == 1 and not index.ndim:
        return gather(x, dim, index.reshape(1)).reshape(())
    return _pick(x, index=_along("gather", x, dim, index))


def scatter(x, dim, index, src):
    """x with src[i][j] in the place of [index[i][j]][j] for dim 0, and so on; src may be a
    number.
    """
    dim, index = axis_of("scatter", dim, x.ndim), _integers("scatter", index, x)
    full = _along("scatter", x, dim, index)
    if isinstance(src, Tensor):
        src = src[tuple(slice(0, n) for n in index.shape)].to(x.dtype)
    return _replace(x, src, index=full)


def masked_fill(x, mask, value):
    """x with `value` wherever the mask is true; in x's dtype."""
    if not x.is_floating_point() and isinstance(value, float) and value != int(value):
        raise TypeError(f"masked_fill: {value} cannot be stored in a tensor of {x.dtype}")
    return where(mask, value, x).to(x.dtype)


def masked_select(x, mask):
    """The elements of x, in order, where the mask is true; both broadcast."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return getitem(x.expand(shape), mask.expand(shape))


def scatter_add(x, dim, index, src):
    """x with src[i][j] added at [index[i][j]][j] for dim 0, and so on: the reverse of gather."""
    dim, index = axis_of("scatter_add", dim, x.ndim), _integers("scatter_add", index, x)
    full = _along("scatter_add", x, dim, index)
    if src.shape != index.shape:
        src = src[tuple(slice(0, n) for n in index.shape)]
    return x + _put(src, index=full, shape=x.shape)


def take(x, index):
    """Elements of the flattened tensor."""
    return getitem(x.reshape(-1), _integers("take", index, x))


def index_select(x, dim, index):
    """Whole slices along `dim`."""
    dim, index = axis_of("index_select", dim, x.ndim), _integers("index_select", index, x)
    if not x.ndim:
        return x.clone()
    return getitem(x, (slice(None),) * dim + (index.reshape(-1),))


def _check_rows(index, rows):
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < rows:
        raise IndexError(
            f"embedding: indices run from {int(index.min())} to {int(index.max())}, "
            f"the table has rows 0 … {rows - 1}"
        )


def embedding(index, weight, padding_idx=None):
    """Rows of `weight` (V, D), one for each index; no gradient reaches the row `padding_idx`."""
    if weight.ndim != 2:
        raise ValueError(f"embedding: expected a table (V, D), got shape {weight.shape}")
    index, rows = _integers("embedding", index, weight), weight.shape[0]
    checked(_check_rows, index.array, rows)
    if padding_idx is None:
        return getitem(weight, index)
    if not -rows <= padding_idx < rows:
        raise IndexError(f"embedding: padding_idx {padding_idx} is not a row of {rows}")
    picked = getitem(weight, index)
    return where((index == padding_idx % rows).unsqueeze(-1), picked.detach(), picked)


def _check_labels(labels, name, classes):
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, -1)
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name}: labels must lie in 0 … {max(classes - 1, 0)}, got {low} … {high}"
        )


def one_hot(index, num_classes=-1):
    """Rows of zeros with a one at each index, as whole numbers; `.float()` makes a condition."""
    index = _integers("one_hot", index)
    if num_classes in (-1, None):
        num_classes = max(int(index.array.max()) + 1, 0) if index.numel() else 0
    checked(_check_labels, index.array, "one_hot", num_classes)
    xp = device_module(index.device)
    return Tensor((index.array[..., None] == xp.arange(num_classes)).astype(xp.int64))


__all__ = [
    "embedding", "gather", "getitem", "index_select", "masked_fill", "masked_select", "one_hot",
    "scatter", "scatter_add", "take",
]  # fmt: skip
