"""Matrix products on the GPU.

cuBLAS counts in the order of columns: to it, a matrix that lies row by row is its own transpose.
So Z = X Y of matrices that lie row by row is asked for as Zᵀ = Yᵀ Xᵀ, and an operand that is a
transposed view costs a letter in the call, not a copy. Which letter and which leading dimension
follow from the strides alone (`order_of`, `batch_stride`).

Without cuBLAS CuPy multiplies, which no CUDA graph can hold.
"""

from math import prod

import numpy as np

from .. import portable
from ..device import array_module
from .cublas import TYPES, N, T, handle, library


def matmul(x, y):
    """x @ y for matrices and stacks of them, whose leading axes broadcast."""
    xp = array_module(x)
    kind = np.result_type(x.dtype, y.dtype)
    if kind.name not in TYPES or x.ndim < 2 or y.ndim < 2 or not _found(x):
        return portable.matmul(x, y)
    x, y = x.astype(kind, copy=False), y.astype(kind, copy=False)
    stack = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    (rows, inner), columns = x.shape[-2:], y.shape[-1]
    out = xp.empty((*stack, rows, columns), kind)
    if not out.size:
        return out
    if not inner:
        out[...] = 0
        return out
    x, y = (_ready(xp, a, (*stack, *a.shape[-2:])) for a in (x, y))
    operations, left, right = _letters(x, y)
    operands = [(y.data.ptr, left), (x.data.ptr, right), (out.data.ptr, columns)]
    sizes, batch = (columns, rows, inner), None
    if stack:
        batch = prod(stack)
        operands = [(*o, batch_stride(a)) for o, a in zip(operands, (y, x, out))]
    handle().multiply(kind.name, operations, sizes, *operands, batch=batch)
    return out


def linear_gradients(x, weight, g):
    """The gradients of x, weight and bias of y = x Wᵀ + b: g W, gᵀ x, and g summed over rows."""
    return matmul(g, weight), matmul(g.T, x), g.sum(axis=0)


def contract(operands, terms, result):
    """Einstein's sum over operands with the indices `terms`, in products of stacks of matrices."""
    sizes = {(c, n) for term, x in zip(terms, operands) for c, n in zip(term, x.shape)}
    if len(operands) < 2 or len(dict(sizes)) < len(sizes):  # some broadcast
        return portable.contract(operands, terms, result)
    x, term = operands[0], terms[0]
    for i in range(1, len(operands)):
        x, term = _pair(x, term, operands[i], terms[i], {*result, *"".join(terms[i + 1 :])})
    return x.transpose([term.index(c) for c in result])


def _pair(x, left, y, right, wanted):
    """Two operands as one, and its indices: all that are wanted later on."""
    x, left = _without(x, left, {*right} | wanted)
    y, right = _without(y, right, {*left} | wanted)
    both = [c for c in left if c in right]
    stack, inner = [c for c in both if c in wanted], [c for c in both if c not in wanted]
    rows, columns = ([c for c in t if c not in both] for t in (left, right))
    size = dict(zip((*left, *right), (*x.shape, *y.shape)))
    product = matmul(
        _grouped(x, left, size, stack, rows, inner), _grouped(y, right, size, stack, inner, columns)
    )
    term = [*stack, *rows, *columns]
    return product.reshape([size[c] for c in term]), "".join(term)


def _without(x, term, kept):
    """The sum over the indices that nobody needs."""
    axes = tuple(i for i, c in enumerate(term) if c not in kept)
    return (x.sum(axis=axes), "".join(c for c in term if c in kept)) if axes else (x, term)


def _grouped(x, term, size, *groups):
    """A stack of matrices: axes in the order of three groups of indices, each made one."""
    order = [term.index(c) for group in groups for c in group]
    return x.transpose(order).reshape([prod(size[c] for c in group) for group in groups])


def _found(x):
    """Is there a cuBLAS for this array, which lies on a device?"""
    return hasattr(x, "data") and hasattr(x.data, "ptr") and library() is not None


def _letters(x, y):
    """((operation of Y, operation of X), leading dimension of Y, of X), for Zᵀ = Yᵀ Xᵀ."""
    (by_rows_x, lead_x), (by_rows_y, lead_y) = order_of(x), order_of(y)
    return (N if by_rows_y else T, N if by_rows_x else T), lead_y, lead_x


def _ready(xp, a, shape):
    """`a` broadcast to `shape`: as it lies where cuBLAS can read it so, else a copy."""
    a = xp.broadcast_to(a, shape)
    if order_of(a) is None or batch_stride(a) is None:
        a = xp.ascontiguousarray(a)
    return a


def order_of(a):
    """(row by row?, leading dimension) of the last two axes, counted in numbers; None where
    neither rows nor columns lie in one piece.

    >>> x = np.zeros((3, 5), np.float32)
    >>> order_of(x), order_of(x.T), order_of(x[:, :4]), order_of(x[:, ::2])
    ((True, 5), (False, 5), (True, 5), None)
    """
    (rows, columns), size = a.shape[-2:], a.itemsize
    down, along = a.strides[-2:]
    for by_rows, lead, step, count, length in (
        (True, down, along, rows, columns),
        (False, along, down, columns, rows),
    ):
        if length > 1 and step != size:
            continue
        if count <= 1:  # there is no second row, wherever it would be
            return by_rows, max(1, length)
        if lead >= length * size and lead % size == 0:
            return by_rows, lead // size
    return None


def batch_stride(a):
    """How far from one matrix of a stack to the next, in numbers: one step for all leading axes,
    0 where it is always the same matrix. None where the steps differ.

    >>> x = np.zeros((2, 3, 4, 5), np.float32)
    >>> batch_stride(x), batch_stride(x[:, ::2]), batch_stride(np.broadcast_to(x[0, 0], x.shape))
    (20, None, 0)
    """
    axes = [(n, s) for n, s in zip(a.shape[:-2], a.strides[:-2]) if n > 1]
    if not axes:
        return 0
    for (_, outer), (n, inner) in zip(axes, axes[1:]):
        if outer != n * inner:
            return None
    step = axes[-1][1]
    return step // a.itemsize if step >= 0 and step % a.itemsize == 0 else None
