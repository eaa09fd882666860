"""Functions of PyTorch's that are another spelling of what the core has.

Each is one line of the core's functions. Those whose first argument is `input` are methods of
tensors, too.
"""

import numpy as np

from .. import ops
from ..autograd.tensor import Tensor, as_array
from ..ops.reduce import axis_of

# -- products --------------------------------------------------------------------------------------


def _product(name, x_axes, y_axes):
    def product(input, mat2):
        if (input.ndim, mat2.ndim) != (x_axes, y_axes):
            raise ValueError(
                f"{name}: expected tensors with {x_axes} and {y_axes} axes, got shapes "
                f"{input.shape} and {mat2.shape}; matmul takes any"
            )
        if x_axes == 3 and input.shape[0] != mat2.shape[0]:
            raise ValueError(f"{name}: {input.shape[0]} and {mat2.shape[0]} matrices")
        return ops.matmul(input, mat2)

    product.__name__ = name
    product.__doc__ = f"The matrix product of tensors with {x_axes} and {y_axes} axes."
    return product


mm, bmm = _product("mm", 2, 2), _product("bmm", 3, 3)
mv, dot = _product("mv", 2, 1), _product("dot", 1, 1)


def outer(input, vec2):
    """x yᵀ of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise ValueError(f"outer: expected two vectors, got {input.shape} and {vec2.shape}")
    return input.unsqueeze(1) * vec2


def check_factors(name, dtype, *factors):
    """Whole numbers are multiplied by whole numbers, booleans by none."""
    kind = dtype.kind
    if (kind in "iu" and any(isinstance(f, float) for f in factors)) or (
        kind == "b" and any(f != 1 for f in factors)
    ):
        raise TypeError(
            f"{name}: {dtype} cannot be multiplied by {' and '.join(map(str, factors))}; convert "
            "it first, such as by .float()"
        )


def _plus_product(name, product):
    def plus(input, first, second, *, beta=1, alpha=1):
        check_factors(name, input.dtype, beta, alpha)
        added = product(first, second)
        added = added if alpha == 1 else added * alpha
        if beta == 0:  # then even NaN does not count
            return added.expand(np.broadcast_shapes(input.shape, added.shape))
        return (input if beta == 1 else input * beta) + added

    plus.__name__, plus.__doc__ = name, f"β·x + α·{product.__name__}(first, second)."
    return plus


addmm, addmv = _plus_product("addmm", mm), _plus_product("addmv", mv)
baddbmm, addr = _plus_product("baddbmm", bmm), _plus_product("addr", outer)


def addcmul(input, tensor1, tensor2, *, value=1):
    """x + value·y·z."""
    return input + value * tensor1 * tensor2


def addcdiv(input, tensor1, tensor2, *, value=1):
    """x + value·y/z."""
    return input + value * tensor1 / tensor2


def lerp(input, end, weight):
    """x + weight·(end − x)."""
    return input + weight * (end - input)


def clamp_min(input, min):
    """x, but `min` where it is less."""
    return ops.clamp(input, min=min)


def clamp_max(input, max):
    """x, but `max` where it is more."""
    return ops.clamp(input, max=max)


def cdist(x1, x2, p=2.0, compute_mode=None):
    """The distances ‖x − y‖ₚ of each row of x1 from each row of x2."""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(
            f"cdist: expected rows of one length, got shapes {x1.shape} and {x2.shape}"
        )
    return ops.norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


# -- shapes ----------------------------------------------------------------------------------------


def t(input):
    """A matrix transposed; a vector as it is."""
    if input.ndim > 2:
        raise ValueError(f"t: expected at most two axes, got shape {input.shape}; use transpose")
    return ops.transpose(input, 0, 1) if input.ndim == 2 else input


def expand_as(input, other):
    """`input` expanded to the shape of `other`."""
    return ops.expand(input, other.shape)


def view_as(input, other):
    """`input` in the shape of `other`."""
    return ops.reshape(input, other.shape)


def ravel(input):
    """All elements in a row."""
    return ops.reshape(input, -1)


def numel(input):
    """How many elements there are."""
    return input.numel()


def movedim(input, source, destination):
    """Axes moved to other places, the rest staying in order."""
    pairs = [v if isinstance(v, tuple | list) else (v,) for v in (source, destination)]
    source, destination = ([axis_of("movedim", d, input.ndim) for d in v] for v in pairs)
    if len(source) != len(destination):
        raise ValueError(f"movedim: {len(source)} axes for {len(destination)} places")
    order = [d for d in range(input.ndim) if d not in source]
    for place, axis in sorted(zip(destination, source)):
        order.insert(place, axis)
    return ops.permute(input, order)


def swapaxes(input, axis0, axis1):
    """Two axes swapped."""
    return ops.transpose(input, axis0, axis1)


swapdims = swapaxes


def unbind(input, dim=0):
    """The slices along an axis, as a tuple."""
    dim = axis_of("unbind", dim, input.ndim)
    if not input.ndim:
        raise ValueError("unbind: a 0-d tensor has no axis to take apart")
    return tuple(input[(slice(None),) * dim + (i,)] for i in range(input.shape[dim]))


def select(input, dim, index):
    """One slice of an axis."""
    dim = axis_of("select", dim, input.ndim)
    return input[(slice(None),) * dim + (int(index),)]


def tensor_split(input, indices_or_sections, dim=0):
    """Cut at the places listed, or into so many pieces of nearly one size."""
    n = input.shape[axis_of("tensor_split", dim, input.ndim)]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0:
            raise ValueError(f"tensor_split: expected a positive number, got {indices_or_sections}")
        size, larger = divmod(n, indices_or_sections)
        sizes = [size + 1] * larger + [size] * (indices_or_sections - larger)
        return ops.split(input, sizes, dim)
    places = [slice(None, p).indices(n)[1] for p in indices_or_sections]
    pairs = zip([0, *places], [*places, n])
    return tuple(ops.narrow(input, dim, a, max(b - a, 0)) for a, b in pairs)


def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each slice of an axis `repeats` times in a row, or each as often as `repeats` lists. Counts
    alone stand for how often each place occurs.
    """
    if repeats is None:
        input, repeats = ops.arange(input.numel(), device=input.device), input
    x, dim = (ravel(input), 0) if dim is None else (input, dim)
    dim = axis_of("repeat_interleave", dim, x.ndim)
    times = repeats.numpy() if isinstance(repeats, Tensor) else np.asarray(repeats)
    if times.ndim > 1 or (times.size not in (1, x.shape[dim]) if x.ndim else False):
        raise ValueError(
            f"repeat_interleave: {times.size} counts for axis {dim} of shape {x.shape}"
        )
    places = np.repeat(np.arange(x.shape[dim]), times.reshape(-1) if times.ndim else times)
    return ops.index_select(x, dim, Tensor(places).to(x.device))


def meshgrid(*tensors, indexing="ij"):
    """The coordinates of a grid: one tensor for each axis, all of the grid's shape."""
    tensors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: expected indexing 'ij' or 'xy', got {indexing!r}")
    shape = [t.numel() for t in tensors]
    grids = [
        t.reshape([-1 if j == i else 1 for j in range(len(shape))]).expand(shape)
        for i, t in enumerate(tensors)
    ]
    if indexing == "xy" and len(grids) > 1:
        grids = [g.transpose(0, 1) for g in grids]
    return tuple(grids)


def trace(input):
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ValueError(f"trace: expected a matrix, got shape {input.shape}")
    return ops.diagonal(input).sum()


def _joined(name, rise, axis):
    def joined(tensors):
        return ops.cat([rise(t) for t in tensors], axis(rise(tensors[0])))

    joined.__name__, joined.__doc__ = name, f"Tensors joined, as {name} of NumPy joins arrays."
    return joined


hstack = _joined("hstack", lambda t: t if t.ndim else t.reshape(1), lambda t: min(t.ndim - 1, 1))
vstack = _joined("vstack", lambda t: t if t.ndim > 1 else t.reshape(1, -1), lambda t: 0)


def tile(input, *dims):
    """Copied `dims[i]` times along axis i, counted from the last."""
    dims = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims
    return ops.repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


def nonzero(input, as_tuple=False):
    """The places of what is not 0: one row each, or, `as_tuple`, one tensor for each axis."""
    places = input.array.nonzero() if input.ndim else input.array.reshape(1).nonzero()
    if as_tuple:
        return tuple(Tensor(axis) for axis in places)
    rows = ops.stack([Tensor(axis) for axis in places], 1)
    return rows if input.ndim else rows[:, :0]


def unique(input, return_inverse=False, return_counts=False, dim=None):
    """The different elements (or slices of an axis) in order; also where they came from, and how
    often they occur.
    """
    found = np.unique(
        input.detach().numpy(), return_inverse=return_inverse, return_counts=return_counts, axis=dim
    )
    found = found if isinstance(found, tuple) else (found,)
    tensors = tuple(Tensor(as_array(a, where=input.device)) for a in found)
    return tensors if len(tensors) > 1 else tensors[0]


# -- comparisons and statistics --------------------------------------------------------------------


def count_nonzero(input, dim=None):
    """How many elements are not 0."""
    return ops.sum(input != 0, dim)


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Where |x − y| ≤ atol + rtol·|y|."""
    x, y = input.detach(), other.detach()
    near = np.isclose(x.numpy(), y.numpy(), rtol=rtol, atol=atol, equal_nan=equal_nan)
    return Tensor(as_array(near, where=input.device))


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Do all elements lie within the tolerance?"""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input, other):
    """Are shapes and all elements the same?"""
    return input.shape == other.shape and bool((input == other).all())


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=1):
    """The pair (variance, mean)."""
    return _with_mean(ops.var, input, dim, unbiased, keepdim, correction)


def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=1):
    """The pair (standard deviation, mean)."""
    return _with_mean(ops.std, input, dim, unbiased, keepdim, correction)


def _with_mean(spread, x, dim, unbiased, keepdim, correction):
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    correction = 1 if correction is None else correction
    return spread(x, dim, correction=correction, keepdim=keepdim), ops.mean(x, dim, keepdim)


def is_tensor(obj):
    """Is this a tensor?"""
    return isinstance(obj, Tensor)


def is_floating_point(input):
    """Does it hold fractions?"""
    return input.is_floating_point()


def result_type(tensor1, tensor2):
    """The dtype in which two operands meet."""
    from_numbers = ops.elementwise.result_dtype
    return from_numbers([tensor1, tensor2])


ALIASES = {  # PyTorch's second name for something: the first
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "concat": "cat",
    "concatenate": "cat", "divide": "div", "fix": "trunc", "ger": "outer", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "moveaxis": "movedim",
    "multiply": "mul", "negative": "neg", "not_equal": "ne", "reshape_as": "view_as",
    "row_stack": "vstack", "subtract": "sub",
    "true_divide": "div",
}  # fmt: skip
