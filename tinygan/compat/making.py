"""New tensors in PyTorch's ways: `as_tensor`, `x.new_zeros`, `normal`, `multinomial` and kin."""

import numpy as np

from .. import ops
from ..autograd.mode import no_grad
from ..autograd.tensor import Tensor, as_array
from ..backend.device import to_device
from ..backend.random import stream


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor: itself where it is one already, shared memory where it is an array."""
    if not isinstance(data, Tensor):
        data = Tensor(as_array(data))
    return ops.to(data, device=device, dtype=dtype)


def empty_like(input, dtype=None):
    """A tensor like `input`, of arbitrary content."""
    return ops.zeros_like(input, dtype)


def randint_like(input, low=0, high=None, dtype=None):
    """Whole numbers low … high-1 in the shape and dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    return ops.randint(low, high, input.shape, device=input.device).to(dtype=dtype or input.dtype)


# -- like another tensor ---------------------------------------------------------------------------


def new_tensor(input, data, *, dtype=None, device=None, requires_grad=False):
    """A copy of `data` with the dtype and the device of `input`."""
    return ops.tensor(data, dtype or input.dtype, device or input.device, requires_grad)


def _new(make):
    def new(input, *size, dtype=None, device=None, requires_grad=False):
        return make(
            *size, dtype=dtype or input.dtype, device=device or input.device,
            requires_grad=requires_grad,
        )  # fmt: skip

    new.__doc__ = f"As `{make.__name__}`, with the dtype and the device of `input`."
    return new


new_zeros, new_ones, new_empty = _new(ops.zeros), _new(ops.ones), _new(ops.empty)


def new_full(input, size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """As `full`, with the dtype and the device of `input`."""
    return ops.full(size, fill_value, dtype or input.dtype, device or input.device, requires_grad)


def new(input, *content):
    """PyTorch's oldest way: `x.new(2, 3)` is empty, `x.new([1, 2])` holds what is given."""
    if all(isinstance(size, int) for size in content):
        return new_empty(input, *(content or (0,)))
    return new_tensor(input, *content)


# -- random numbers --------------------------------------------------------------------------------


def normal(mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, device=None):
    """Normal numbers; `mean` and `std` are numbers, with a `size`, or tensors that broadcast."""
    for tensor in (mean, std):
        if size is None and isinstance(tensor, Tensor):
            size = np.broadcast_shapes(getattr(mean, "shape", ()), getattr(std, "shape", ()))
            dtype, device = dtype or tensor.dtype, device or tensor.device
    if size is None:
        raise ValueError("normal: expected a size, or a tensor of means or deviations")
    with no_grad():
        return ops.randn(size, dtype=dtype, device=device, generator=generator) * std + mean


def bernoulli(input, p=None, *, generator=None):
    """Ones with the probabilities in `input` (or with probability p), zeros otherwise."""
    p = input if p is None else p
    chance = p.array if isinstance(p, Tensor) else np.asarray(p)
    if not bool(((chance >= 0) & (chance <= 1)).all()):
        raise ValueError("bernoulli: expected probabilities between 0 and 1")
    drawn = (generator or stream("noise")).uniform(input.shape, np.float32, input.device)
    return Tensor((drawn < chance).astype(input.dtype))


def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Column numbers drawn by the weights of each row, with or without `replacement`."""
    weights = input.detach().numpy().astype(np.float64)
    if weights.ndim not in (1, 2) or (weights < 0).any() or not np.isfinite(weights).all():
        raise ValueError(
            f"multinomial: expected rows of finite weights >= 0, got shape {input.shape}"
        )
    rows = weights.reshape(-1, weights.shape[-1])
    enough = (rows > 0).sum(1) >= (1 if replacement else num_samples)
    if not enough.all():
        raise ValueError(
            f"multinomial: cannot draw {num_samples} from a row with fewer weights above 0"
        )
    source = generator or stream("noise")
    if replacement:  # where a uniform number falls among the summed weights
        steps = np.cumsum(rows, 1) / rows.sum(1, keepdims=True)
        uniform = source.uniform((len(rows), num_samples), np.float64)
        drawn = np.stack([np.searchsorted(s, u, "right") for s, u in zip(steps, uniform)])
        drawn = np.minimum(drawn, [[np.flatnonzero(row)[-1]] for row in rows])
    else:  # the earliest of exponential clocks with these rates (Efraimidis & Spirakis, 2006)
        with np.errstate(divide="ignore"):
            clocks = -np.log1p(-source.uniform(rows.shape, np.float64)) / rows
        drawn = np.argsort(clocks, 1)[:, :num_samples]
    shape = (*weights.shape[:-1], num_samples)
    return Tensor(to_device(drawn.astype(np.int64).reshape(shape), input.device))
