"""Changing where a tensor lives and how its numbers are stored."""

import numpy as np

from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import Device, device, device_of, to_device

_cast = Op(
    "cast",
    lambda xp, x, *, dtype, origin: x.astype(dtype),
    x=lambda g, dtype, origin: _cast(g, dtype=origin, origin=dtype),
)
_move = Op(
    "move",
    lambda xp, x, *, where, origin: to_device(x, where),
    x=lambda g, where, origin: _move(g, where=origin, origin=where),
)
_clone = Op("clone", lambda xp, x: x.copy(order="K"), x=lambda g: g)
_contiguous = Op("contiguous", lambda xp, x: xp.ascontiguousarray(x), x=lambda g: g)


def to(x, *targets, device=None, dtype=None):
    """x on another device and/or with another dtype: `x.to("cuda")`, `x.to(float64)`,
    `x.to(other)`.

    Differentiable; gives x itself when nothing changes.
    """
    device, dtype = destination(targets, device, dtype)
    if dtype is not None and np.dtype(dtype) != x.dtype:
        x = _cast(x, dtype=np.dtype(dtype), origin=x.dtype)
    if device is not None:
        where = _device(device)
        if where != x.device:
            x = _move(x, where=where, origin=device_of(x.array))
    return x


def destination(targets, device=None, dtype=None):
    """What `.to(*targets)` names: a device, a dtype, or a tensor's own; None for what is not."""
    for target in targets:
        if isinstance(target, Tensor):
            device, dtype = target.device, target.dtype
        elif isinstance(target, Device | str):
            device = target
        else:
            dtype = target
    return device, dtype


_device = device  # the name is also a keyword of `to`


def clone(x):
    """A copy, through which gradients flow."""
    return _clone(x)


def contiguous(x):
    """x in C order in memory; x itself when it already is."""
    return x if x.array.flags.c_contiguous else _contiguous(x)


__all__ = ["clone", "contiguous", "to"]
