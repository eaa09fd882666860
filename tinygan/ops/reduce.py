"""Reductions: sum, mean, variance, extremes, log-sum-exp and kin.

`dim` is one axis, several, or None for all; negative ones count from the end.
"""

import functools
import math
from collections import namedtuple

import numpy as np

from ..autograd.op import Op
from ..backend.device import array_module, kernels
from .elementwise import _inverse_or_zero, exp, sqrt, square, where

Extreme = namedtuple("Extreme", "values indices")


def axis_of(name, dim, ndim):
    """One axis as a number in 0 … ndim-1."""
    if not isinstance(dim, int) or isinstance(dim, bool):
        if isinstance(dim, bool) or not hasattr(dim, "__index__"):
            raise TypeError(f"{name}: expected dim as a whole number, got {dim!r}")
        dim = dim.__index__()
    if not -max_(ndim, 1) <= dim < max_(ndim, 1):
        raise IndexError(f"{name}: dim {dim} is out of range for a tensor with {ndim} dimensions")
    return dim % ndim if ndim else 0


def axes_of(name, dim, ndim):
    """Axes as a sorted tuple of numbers in 0 … ndim-1; all of them for None and for ()."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(ndim))
    axes = sorted(
        axis_of(name, d, ndim) for d in (dim if isinstance(dim, tuple | list) else (dim,))
    )
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: dim {dim} names an axis twice")
    return tuple(axes) if ndim else ()


max_ = max  # the built-in, which this module shadows


def _kept(shape, dims):
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


_restore = Op(  # a reduced gradient, stretched over the axes that were reduced
    "restore",
    lambda xp, x, *, shape, dims: xp.broadcast_to(x.reshape(_kept(shape, dims)), shape),
    view=True,
    x=lambda g, x_shape, dims: _sum(g, dims=dims, keepdim=False).reshape(x_shape),
)


def _count(shape, dims):
    return math.prod(shape[d] for d in dims)


def _keep(x, dims):
    return _kept(x.shape, dims)


# -- sums ------------------------------------------------------------------------------------------


def _added(function, x, **axes):
    """A sum or product: of whole numbers in int64, of half precision in single precision."""
    if x.dtype.char == "e":
        with np.errstate(all="ignore"):
            return function(x, dtype=np.float32, **axes).astype(np.float16)
    return function(x, dtype=x.dtype if x.dtype.kind == "f" else np.int64, **axes)


def in_single(function):
    """Let half-precision numbers be squared in single precision, where that does not overflow."""

    @functools.wraps(function)
    def computed(x, *arguments, **keywords):
        if x.dtype.char == "e":
            single = x.to(np.dtype(np.float32))
            return function(single, *arguments, **keywords).to(x.dtype)
        return function(x, *arguments, **keywords)

    return computed


_sum = Op(
    "sum",
    lambda xp, x, *, dims, keepdim: _added(kernels(x).sum_over, x, axis=dims, keepdims=keepdim),
    x=lambda g, x_shape, dims: _restore(g, shape=x_shape, dims=dims),
)
_mean = Op(
    "mean",
    lambda xp, x, *, dims, keepdim: _added(xp.mean, x, axis=dims, keepdims=keepdim),
    floating=True,
    x=lambda g, x_shape, dims: _restore(
        g * (1.0 / max_(_count(x_shape, dims), 1)), shape=x_shape, dims=dims
    ),
)


def sum(x, dim=None, keepdim=False):
    """The sum over `dim` (all axes by default)."""
    return _sum(x, dims=axes_of("sum", dim, x.ndim), keepdim=keepdim)


def mean(x, dim=None, keepdim=False):
    """The mean over `dim` (all axes by default)."""
    dims = axes_of("mean", dim, x.ndim)
    if not _count(x.shape, dims):
        raise ValueError(f"mean: no elements to average over dim {dims} of shape {x.shape}")
    return _mean(x, dims=dims, keepdim=keepdim)


@in_single
def var(x, dim=None, *, correction=1, keepdim=False):
    """The variance, Σ(x − mean)² / (n − correction)."""
    return _variance("var", x, dim, correction, keepdim)


def _variance(name, x, dim, correction, keepdim):
    dims = axes_of(name, dim, x.ndim)
    n = _count(x.shape, dims)
    if n <= correction:
        raise ValueError(f"{name}: {n} value(s) with correction={correction}: nothing to average")
    return sum(square(x - mean(x, dims, True)), dims, keepdim) / (n - correction)


@in_single
def std(x, dim=None, *, correction=1, keepdim=False):
    """The standard deviation; its derivative at 0 is taken as 0."""
    return sqrt(_variance("std", x, dim, correction, keepdim))


@in_single
def norm(x, p=2, dim=None, keepdim=False):
    """(Σ|x|ᵖ)^(1/p) over `dim`; the derivative at 0 is 0, never NaN.

    For p = ∞ the largest |x|, for −∞ the smallest, for 0 how many elements are not 0.
    """
    dims = axes_of("norm", dim, x.ndim)
    if not isinstance(p, int | float):
        raise TypeError(f"norm: expected p as a number, got {p!r}")
    if p == math.inf:
        return amax(x.abs(), dims, keepdim)
    if p == 1:
        return sum(x.abs(), dims, keepdim)
    if p == 2:
        return _norm(x, dims=dims, keepdim=keepdim)
    if p == -math.inf:
        return amin(x.abs(), dims, keepdim)
    if p == 0:
        return sum((x != 0).to(x.dtype), dims, keepdim)
    total = sum(x.abs() ** p, dims, keepdim)
    return where(total == 0, 0.0, where(total == 0, 1.0, total) ** (1.0 / p))


_norm = Op(
    "norm",
    lambda xp, x, *, dims, keepdim: xp.sqrt(xp.sum(xp.square(x), axis=dims, keepdims=keepdim)),
    floating=True,
    x=lambda g, x, out, dims: x * (g * _inverse_or_zero(out)).reshape(_keep(x, dims)),
)


def prod(x, dim=None, keepdim=False):
    """The product over `dim`; exact derivatives also where elements are 0."""
    dims = axes_of("prod", dim, x.ndim)
    return _prod(x, dims=dims, keepdim=keepdim)


def _products_of_others(x, out, dims):
    """For every element the product of all others along `dims`: total / element, where no element
    is 0.
    """
    if (x.array != 0).all():
        return out.reshape(_keep(x, dims)) / x
    order = tuple(i for i in range(x.ndim) if i not in dims) + dims
    flat = x.permute(order)
    n = _count(x.shape, dims)
    rows = flat.reshape(*flat.shape[: x.ndim - len(dims)], 1, n)
    eye = array_module(x.array).eye(n, dtype=bool)
    others = prod(where(eye, 1.0, rows.expand(*rows.shape[:-2], n, n)), -1)
    inverse = sorted(range(x.ndim), key=order.__getitem__)
    return others.reshape(flat.shape).permute(inverse)


_prod = Op(
    "prod",
    lambda xp, x, *, dims, keepdim: _added(xp.prod, x, axis=dims, keepdims=keepdim),
    x=lambda g, x, out, dims: g.reshape(_keep(x, dims)) * _products_of_others(x, out, dims),
)
_cumsum = Op(
    "cumsum",
    lambda xp, x, *, dim: _added(xp.cumsum, x, axis=dim),
    x=lambda g, dim: cumsum(g.flip(dim), dim).flip(dim),
)
_cumprod = Op(
    "cumprod",
    lambda xp, x, *, dim: _added(xp.cumprod, x, axis=dim),
    x=lambda g, x, out, dim: _cumprod_gradient(g, x, out, dim),
)


def cumsum(x, dim):
    """Running sums along `dim`."""
    dim = axis_of("cumsum", dim, x.ndim)
    return _cumsum(x, dim=dim) if x.ndim else sum(x)


def cumprod(x, dim):
    """Running products along `dim`; exact derivatives also where elements are 0."""
    dim = axis_of("cumprod", dim, x.ndim)
    return _cumprod(x, dim=dim) if x.ndim else prod(x)


def _cumprod_gradient(g, x, out, dim):
    """Σ_{j ≥ i} g_j · out_j / x_i; where an element is 0, the products without x_i one by one."""
    if (x.array != 0).all():
        return cumsum((g * out).flip(dim), dim).flip(dim) / x
    rows = x.transpose(dim, -1).unsqueeze(-2)
    n = rows.shape[-1]
    eye = array_module(x.array).eye(n, dtype=bool)
    without = cumprod(where(eye, 1.0, rows.expand(*rows.shape[:-2], n, n)), -1)  # [i, j]: x_i is 1
    later = array_module(x.array).tri(n, dtype=bool).T
    share = where(later, without * g.transpose(dim, -1).unsqueeze(-2), 0.0)
    return sum(share, -1).transpose(dim, -1)


# -- extremes --------------------------------------------------------------------------------------

_share_among_equals = dict(  # noqa: C408 (it becomes keywords)
    x=lambda g, x, out, dims: _restore(g, shape=x.shape, dims=dims) * _among_equals(x, out, dims)
)  # the gradient of a maximum goes in equal parts to all elements that attain it


def _among_equals(x, out, dims):
    equal = (x == out.reshape(_keep(x, dims))).to(x.dtype)
    return equal / sum(equal, dims, True)


_amax = Op(
    "amax",
    lambda xp, x, *, dims, keepdim: xp.max(x, axis=dims, keepdims=keepdim),
    **_share_among_equals,
)
_amin = Op(
    "amin",
    lambda xp, x, *, dims, keepdim: xp.min(x, axis=dims, keepdims=keepdim),
    **_share_among_equals,
)


def _nonempty(name, x, dims):
    if not _count(x.shape, dims):
        raise ValueError(f"{name}: no elements along dim {dims} of shape {x.shape}")
    return dims


def amax(x, dim=None, keepdim=False):
    """The largest values; ties share the gradient."""
    return _amax(x, dims=_nonempty("amax", x, axes_of("amax", dim, x.ndim)), keepdim=keepdim)


def amin(x, dim=None, keepdim=False):
    """The smallest values; ties share the gradient."""
    return _amin(x, dims=_nonempty("amin", x, axes_of("amin", dim, x.ndim)), keepdim=keepdim)


def max(x, dim=None, keepdim=False):
    """The largest value; with `dim`, a pair (values, indices) along it, as in PyTorch."""
    return amax(x) if dim is None else _extreme(x, argmax(x, dim, True), dim, keepdim)


def min(x, dim=None, keepdim=False):
    """The smallest value; with `dim`, a pair (values, indices) along it, as in PyTorch."""
    return amin(x) if dim is None else _extreme(x, argmin(x, dim, True), dim, keepdim)


def _extreme(x, indices, dim, keepdim):
    values = x.gather(dim, indices)
    return (
        Extreme(values, indices) if keepdim else Extreme(values.squeeze(dim), indices.squeeze(dim))
    )


_argmax = Op("argmax", lambda xp, x, *, dim, keepdim: xp.argmax(x, axis=dim, keepdims=keepdim))
_argmin = Op("argmin", lambda xp, x, *, dim, keepdim: xp.argmin(x, axis=dim, keepdims=keepdim))


def argmax(x, dim=None, keepdim=False):
    """Where the largest value is; without `dim`, in the flattened tensor."""
    dim = None if dim is None else axis_of("argmax", dim, x.ndim)
    _nonempty("argmax", x, axes_of("argmax", dim, x.ndim))
    return _argmax(x, dim=dim if x.ndim else None, keepdim=keepdim)


def argmin(x, dim=None, keepdim=False):
    """Where the smallest value is; without `dim`, in the flattened tensor."""
    dim = None if dim is None else axis_of("argmin", dim, x.ndim)
    _nonempty("argmin", x, axes_of("argmin", dim, x.ndim))
    return _argmin(x, dim=dim if x.ndim else None, keepdim=keepdim)


_all = Op("all", lambda xp, x, *, dims, keepdim: xp.all(x, axis=dims, keepdims=keepdim))
_any = Op("any", lambda xp, x, *, dims, keepdim: xp.any(x, axis=dims, keepdims=keepdim))


def all(x, dim=None, keepdim=False):
    """True where all elements along `dim` are true."""
    return _all(x, dims=_no_axes_or("all", dim, x.ndim), keepdim=keepdim)


def any(x, dim=None, keepdim=False):
    """True where some element along `dim` is true."""
    return _any(x, dims=_no_axes_or("any", dim, x.ndim), keepdim=keepdim)


def _no_axes_or(name, dim, ndim):
    """As `axes_of`, but no axes are no axes: only here PyTorch does not take them for all."""
    return () if isinstance(dim, tuple | list) and not dim else axes_of(name, dim, ndim)


# -- log-sum-exp -----------------------------------------------------------------------------------


def _shift(xp, x, dims):
    """The maximum, to be subtracted before exp; 0 where it is infinite."""
    top = xp.max(x, axis=dims, keepdims=True) if x.size else xp.zeros(_keep(x, dims), x.dtype)
    return xp.where(xp.isfinite(top), top, xp.zeros_like(top))


def _log_sum_exp(xp, x, *, dims, keepdim):
    top = _shift(xp, x, dims)
    total = xp.sum(xp.exp(xp.subtract(x, top)), axis=dims, keepdims=True)
    out = (
        xp.where(total == 0, -xp.inf, xp.log(xp.where(total == 0, 1, total))).astype(x.dtype) + top
    )
    return out if keepdim else out.reshape([n for i, n in enumerate(x.shape) if i not in dims])


def _soft_max(xp, x, *, dim):
    e = xp.exp(xp.subtract(x, _shift(xp, x, (dim,))))
    return xp.true_divide(e, xp.sum(e, axis=dim, keepdims=True), out=e)


def _log_soft_max(xp, x, *, dim):
    shifted = xp.subtract(x, _shift(xp, x, (dim,)))
    return xp.subtract(shifted, xp.log(xp.sum(xp.exp(shifted), axis=dim, keepdims=True)))


_logsumexp = Op(
    "logsumexp",
    _log_sum_exp,
    floating=True,
    quiet=True,
    x=lambda g, x, out, dims: g.reshape(_keep(x, dims)) * _share_of_exp(x, out, dims),
)
_softmax = Op(
    "softmax", _soft_max, floating=True, x=lambda g, out, dim: out * (g - sum(g * out, dim, True))
)
_log_softmax = Op(
    "log_softmax",
    _log_soft_max,
    floating=True,
    x=lambda g, out, dim: g - exp(out) * sum(g, dim, True),
)


def _share_of_exp(x, out, dims):
    """exp(x) / Σ exp(x)."""
    out = out.reshape(_keep(x, dims))
    return exp(x - where(out == -math.inf, 0.0, out))


def logsumexp(x, dim=None, keepdim=False):
    """log Σ exp(x), computed without overflow."""
    return _logsumexp(x, dims=axes_of("logsumexp", dim, x.ndim), keepdim=keepdim)


def softmax(x, dim=None):
    """exp(x) / Σ exp(x) along `dim`."""
    dim = axis_of("softmax", _classes(x) if dim is None else dim, x.ndim)
    return _softmax(x, dim=dim) if x.ndim else x * 0.0 + 1.0


def _classes(x):
    """The axis that PyTorch takes for that of classes where none is given."""
    return 0 if x.ndim in (0, 1, 3) else 1


def log_softmax(x, dim=None):
    """log softmax(x), accurate also where softmax rounds to 0."""
    dim = axis_of("log_softmax", _classes(x) if dim is None else dim, x.ndim)
    return _log_softmax(x, dim=dim) if x.ndim else x * 0.0


__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "cumprod", "cumsum",
    "log_softmax", "logsumexp", "max", "mean", "min", "norm", "prod", "softmax", "std",
    "sum", "var",
]  # fmt: skip
