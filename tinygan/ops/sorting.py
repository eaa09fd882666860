"""Sorting: the order of the elements along an axis, and what it picks.

The derivative is that of picking: see `tinygan.ops.index`.
"""

from ..autograd.op import Op
from ..autograd.tensor import Tensor
from .reduce import Extreme, axis_of


def _order(xp, x, *, dim, descending):
    if not descending:
        return xp.argsort(x, axis=dim, kind="stable")
    # The largest first, without -x, which overflows: backwards through what is turned round.
    order = xp.argsort(xp.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - xp.flip(order, dim)


_argsort = Op("argsort", _order)


def argsort(x, dim=-1, descending=False):
    """The indices that sort along `dim`; equal elements keep their order."""
    dim = axis_of("argsort", dim, x.ndim)
    if not x.ndim:
        return Tensor(x.array.astype("int64") * 0)
    return _argsort(x, dim=dim, descending=descending)


def sort(x, dim=-1, descending=False):
    """A pair (sorted values, indices)."""
    indices = argsort(x, dim, descending)
    return Extreme(x.gather(dim, indices), indices)


def topk(x, k, dim=-1, largest=True):
    """The `k` largest (or smallest) values along `dim`, best first, and their indices."""
    n = x.shape[axis_of("topk", dim, x.ndim)] if x.ndim else 1
    if not 0 <= k <= n:
        raise ValueError(
            f"topk: expected 0 <= k <= {n} along dim {dim} of shape {x.shape}, got {k}"
        )
    indices = argsort(x, dim, descending=largest)
    indices = indices.narrow(dim, 0, k) if x.ndim else indices
    return Extreme(x.gather(dim, indices), indices)


__all__ = ["argsort", "sort", "topk"]
