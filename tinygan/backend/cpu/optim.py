"""Optimiser steps in pieces that stay in the cache, on all threads.

A step reads and writes several arrays as large as the model, a dozen times in plain NumPy. Cut into
pieces, every array travels from memory once; sums of two scaled arrays are one pass each.
"""

import numpy as np

from .. import portable
from .blas import add_scaled
from .pieces import in_pieces
from .workspace import scratch

_LARGE = 1 << 15


def adam_step(param, grad, m, v, v_max, step, lr, beta1, beta2, eps, decay, decoupled, room):
    """As `portable.adam_step`."""

    root = (1 - beta2**step) ** 0.5
    rate = lr * root / (1 - beta1**step)

    def piece(param, grad, m, v, v_max=None):
        room = scratch("optimiser", param.shape, param.dtype)
        if decay and decoupled:
            param *= 1 - lr * decay
        elif decay:
            penalised = scratch("penalised gradient", param.shape, param.dtype)
            grad = np.add(grad, np.multiply(param, decay, out=room), out=penalised)
        add_scaled(m, beta1, grad, 1 - beta1, room)
        add_scaled(v, beta2, np.multiply(grad, grad, out=room), 1 - beta2, room)
        if v_max is not None:
            np.maximum(v_max, v, out=v_max)
        np.sqrt(v if v_max is None else v_max, out=room)
        room += eps * root
        add_scaled(param, 1.0, np.divide(m, room, out=room), -rate, room)

    if param.size >= _LARGE and grad.strides != param.strides:
        room[...] = grad  # brought into the parameter's order of memory
        grad = room
    arrays = (param, grad, m, v) if v_max is None else (param, grad, m, v, v_max)
    if param.size < _LARGE or not in_pieces(piece, *arrays, passes=14):
        portable.adam_step(
            param, grad, m, v, v_max, step, lr, beta1, beta2, eps, decay, decoupled, room
        )
