"""Optimiser steps in pieces that stay in the cache, on all threads.

A step reads and writes several arrays as large as the model, a dozen times in plain NumPy. Cut into
pieces, every array travels from memory once; sums of two scaled arrays are one pass each.
"""

from .. import portable
from .blas import add_scaled
from .pieces import in_pieces
from .workspace import scratch

_LARGE = 1 << 12


def adam_step(param, grad, m, v, v_max, step, lr, beta1, beta2, eps, decay, decoupled, room):
    """As `portable.adam_step`."""
    rest = (step, lr, beta1, beta2, eps, decay, decoupled)

    def piece(param, grad, m, v, v_max=None):
        room = scratch("optimiser", param.shape, param.dtype)
        portable.adam_step(param, grad, m, v, v_max, *rest, room, add_scaled=add_scaled)

    if param.size >= _LARGE and grad.strides != param.strides:
        room[...] = grad  # brought into the parameter's order of memory
        grad = room
    arrays = (param, grad, m, v) if v_max is None else (param, grad, m, v, v_max)
    if param.size < _LARGE or not in_pieces(piece, *arrays, passes=14):
        portable.adam_step(param, grad, m, v, v_max, *rest, room)
