"""Activations, their derivatives and the loss on logits: a launch each (see `activation.cu`).

That holds for float32 operands of one shape which fill their memory, in whatever order of axes.
What CuPy does in one launch, such as tanh and ReLU, stays its own, as does everything else.
"""

import numpy as np

from .. import portable
from ..device import array_module, is_array
from .arrays import inverse, memory_order
from .compiled import kernel

_THREADS = 256
_LARGEST = 1 << 31  # numbers in an array: the kernels count them with 32 bits


def sigmoid(x):
    """1 / (1 + e⁻ˣ)."""
    out = _each("sigmoid", (x,))
    return portable.sigmoid(x) if out is None else out


def softplus(x):
    """log(1 + eˣ)."""
    out = _each("softplus", (x,))
    return portable.softplus(x) if out is None else out


def leaky_relu(x, slope):
    """x where it is positive, slope·x elsewhere."""
    out = _each("leaky_relu", (x,), np.float32(slope)) if slope else None
    return portable.leaky_relu(x, slope) if out is None else out


def leaky_relu_gradient(g, out, slope):
    """g where out > 0, slope·g elsewhere."""
    result = _each("leaky_relu_gradient", (g, out), np.float32(slope))
    return portable.leaky_relu_gradient(g, out, slope) if result is None else result


def tanh_gradient(g, y):
    """g·(1 − y²)."""
    result = _each("tanh_gradient", (g, y))
    return portable.tanh_gradient(g, y) if result is None else result


def bce_with_logits(x, t):
    """−t·log σ(x) − (1 − t)·log(1 − σ(x)) = softplus(x) − x·t."""
    out = _each("bce_with_logits", (x, t))
    return portable.bce_with_logits(x, t) if out is None else out


def _each(name, operands, *numbers):
    """A kernel's result, which lies in memory as the last operand does; operands that lie otherwise
    are copied. None where the kernel does not do.
    """
    x = operands[-1]
    if not all(map(is_array, operands)) or not x.size:
        return None
    if any(a.dtype != np.float32 or a.shape != x.shape for a in operands):
        return None
    order = None if x.flags.c_contiguous else memory_order(x.strides)
    if order is not None:
        operands = [a.transpose(order) for a in operands]
    if not operands[-1].flags.c_contiguous or x.size >= _LARGEST:
        return None
    xp = array_module(x)
    out = xp.empty(operands[-1].shape, np.float32)
    operands = [xp.ascontiguousarray(a) for a in operands]
    aligned = x.size % 4 == 0 and all(a.data.ptr % 16 == 0 for a in operands)
    vector = 4 if aligned else 1
    grid = (-(-x.size // (vector * _THREADS)),)
    launch = kernel("activation.cu", name, VECTOR=vector)
    launch(grid, (_THREADS,), (*operands, out, x.size, *numbers))
    return out if order is None else out.transpose(inverse(order))


VARIANTS = [
    ("activation.cu", name, {"VECTOR": vector})
    for name in (
        "sigmoid", "softplus", "leaky_relu", "leaky_relu_gradient", "tanh_gradient",
        "bce_with_logits",
    )
    for vector in (1, 4)
]  # fmt: skip
