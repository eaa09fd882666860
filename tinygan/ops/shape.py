"""Operations that move elements about without computing: shapes, axes, joins, cuts, padding.

The derivative of each is the operation that moves the gradients back.
"""

import math

from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import kernels, new_zeros
from .reduce import axes_of, axis_of

_reshape = Op(
    "reshape",
    lambda xp, x, *, shape: x.reshape(shape),
    view=True,
    x=lambda g, x_shape: _reshape(g, shape=x_shape),
)
_permute = Op(
    "permute",
    lambda xp, x, *, order: x.transpose(order),
    view=True,
    x=lambda g, order: _permute(g, order=tuple(sorted(range(len(order)), key=order.__getitem__))),
)
_expand = Op(
    "expand",
    lambda xp, x, *, shape: xp.broadcast_to(x, shape),
    view=True,
    x=lambda g, x_shape: sum_to(g, x_shape),
)


def _sum_to_shape(xp, x, *, shape):
    lead = x.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(
        i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1
    )
    return kernels(x).sum_over(x, dims).reshape(shape)


_sum_to = Op("sum_to", _sum_to_shape, x=lambda g, x_shape: expand(g, x_shape))


def shape_from(args):
    """Let `f(2, 3)` and `f((2, 3))` mean the same."""
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], tuple | list) else args


def reshape(x, *shape):
    """The same elements in another shape; one size may be -1."""
    shape = tuple(int(n) for n in shape_from(shape))
    if shape.count(-1) > 1:
        raise ValueError(f"reshape: only one size may be -1, got {shape}")
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and x.numel() % known == 0:
        shape = tuple(x.numel() // known if n == -1 else n for n in shape)
    if math.prod(shape) != x.numel() or any(n < 0 for n in shape):
        raise ValueError(
            f"reshape: {x.numel()} elements of shape {x.shape} do not fit into shape {shape}"
        )
    return _reshape(x, shape=shape)


def flatten(x, start_dim=0, end_dim=-1):
    """Axes start_dim … end_dim as one."""
    if not x.ndim:
        return reshape(x, 1)
    start, end = axis_of("flatten", start_dim, x.ndim), axis_of("flatten", end_dim, x.ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    return _reshape(
        x, shape=x.shape[:start] + (math.prod(x.shape[start : end + 1]),) + x.shape[end + 1 :]
    )


def unflatten(x, dim, sizes):
    """One axis as several: the inverse of flatten."""
    dim = axis_of("unflatten", dim, x.ndim)
    return reshape(x, x.shape[:dim] + tuple(sizes) + x.shape[dim + 1 :])


def permute(x, *dims):
    """Axes in another order."""
    dims = shape_from(dims)
    order = tuple(axis_of("permute", d, x.ndim) for d in dims)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(
            f"permute: expected each of the {x.ndim} axes of shape {x.shape} once, got {dims}"
        )
    return _permute(x, order=order)


def transpose(x, dim0=-2, dim1=-1):
    """Two axes swapped."""
    order = list(range(x.ndim))
    a, b = axis_of("transpose", dim0, x.ndim), axis_of("transpose", dim1, x.ndim)
    if order:
        order[a], order[b] = order[b], order[a]
    return _permute(x, order=tuple(order))


def squeeze(x, dim=None):
    """Without axes of size 1: all of them, or only `dim` where its size is 1."""
    dims = axes_of("squeeze", dim, x.ndim) if dim != () else ()
    return _reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in dims))


def unsqueeze(x, dim):
    """With a new axis of size 1 at `dim`."""
    dim = axis_of("unsqueeze", dim, x.ndim + 1)
    return _reshape(x, shape=x.shape[:dim] + (1,) + x.shape[dim:])


def expand(x, *shape):
    """Axes of size 1 repeated to `shape` without copying; -1 keeps a size."""
    shape = shape_from(shape)
    lead = len(shape) - x.ndim
    if lead >= 0 and -1 in shape:
        shape = tuple(
            x.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape)
        )
    if lead < 0 or any(
        n < 0 or (i >= lead and x.shape[i - lead] not in (1, n)) for i, n in enumerate(shape)
    ):
        raise ValueError(
            f"expand: shape {x.shape} cannot be stretched to {shape}; only axes of size 1 stretch"
        )
    return _expand(x, shape=shape)


def broadcast_to(x, shape):
    """As `expand`."""
    return expand(x, tuple(shape))


def sum_to(x, shape):
    """Sum over the axes along which `shape` was broadcast: the derivative of broadcasting."""
    return x if x.shape == shape else _sum_to(x, shape=tuple(shape))


# -- joining and cutting ---------------------------------------------------------------------------


def _own_part(g, i, shapes, dim):
    return narrow(g, dim, sum(shape[dim] for shape in shapes[:i]), shapes[i][dim])


_cat = Op("cat", lambda xp, *tensors, dim: xp.concatenate(tensors, axis=dim), tensors=_own_part)


def _sequence(name, tensors):
    if isinstance(tensors, Tensor) or not len(tensors):
        raise ValueError(f"{name}: expected a list of at least one tensor")
    return [t if isinstance(t, Tensor) else Tensor(t) for t in tensors]


def cat(tensors, dim=0):
    """Tensors joined along an axis; their other sizes must agree."""
    tensors = _sequence("cat", tensors)
    dim = axis_of("cat", dim, tensors[0].ndim)
    rest = {t.shape[:dim] + t.shape[dim + 1 :] for t in tensors}
    if len(rest) > 1 or not tensors[0].ndim:
        raise ValueError(
            f"cat: shapes {', '.join(str(t.shape) for t in tensors)} differ in more than dim {dim}"
        )
    return _cat(*tensors, dim=dim)


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new axis."""
    tensors = _sequence("stack", tensors)
    if len({t.shape for t in tensors}) > 1:
        raise ValueError(
            f"stack: expected equal shapes, got {', '.join(str(t.shape) for t in tensors)}"
        )
    return cat([unsqueeze(t, dim) for t in tensors], axis_of("stack", dim, tensors[0].ndim + 1))


def narrow(x, dim, start, length):
    """The slice start : start+length of one axis."""
    dim = axis_of("narrow", dim, x.ndim)
    if start < 0 or length < 0 or start + length > x.shape[dim]:
        raise IndexError(
            f"narrow: {start}:{start + length} is outside axis {dim} of shape {x.shape}"
        )
    return x[(slice(None),) * dim + (slice(start, start + length),)]


def split(x, sizes, dim=0):
    """A tuple of pieces along an axis: of one size (the last may be smaller), or of the sizes
    listed.
    """
    n = x.shape[axis_of("split", dim, x.ndim)]
    if isinstance(sizes, int):
        if sizes <= 0:
            raise ValueError(f"split: expected a positive size, got {sizes}")
        sizes = [min(sizes, n - start) for start in range(0, n, sizes)] or [0]
    if sum(sizes) != n:
        raise ValueError(
            f"split: sizes {list(sizes)} add up to {sum(sizes)}, axis {dim} of shape {x.shape} "
            f"has {n}"
        )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(x, dim, start, size) for start, size in zip(starts, sizes))


def chunk(x, chunks, dim=0):
    """At most `chunks` pieces of equal size (the last may be smaller)."""
    if chunks <= 0:
        raise ValueError(f"chunk: expected a positive number of chunks, got {chunks}")
    length = x.shape[axis_of("chunk", dim, x.ndim)]
    return split(x, -(-length // chunks) if length else [0] * chunks, dim)


# -- flipping, rolling, repeating, padding ---------------------------------------------------------

_flip = Op(
    "flip",
    lambda xp, x, *, dims: xp.flip(x, dims),
    view=True,
    x=lambda g, dims: _flip(g, dims=dims),
)
_roll = Op(
    "roll",
    lambda xp, x, *, shifts, dims: xp.roll(x, shifts, dims),
    x=lambda g, shifts, dims: _roll(g, shifts=tuple(-s for s in shifts), dims=dims),
)
_pad = Op(
    "pad",
    lambda xp, x, *, widths, value: xp.pad(x, widths, constant_values=value),
    x=lambda g, widths, x_shape: g[tuple(slice(w[0], w[0] + n) for w, n in zip(widths, x_shape))],
)


def flip(x, *dims):
    """Reversed along the given axes."""
    dims = shape_from(dims)
    return _flip(x, dims=axes_of("flip", dims, x.ndim) if dims else ())


def roll(x, shifts, dim=None):
    """Shifted along axes, what leaves at one end coming in at the other; without `dim`, in the
    flattened tensor.
    """
    if dim is None:
        return _roll(flatten(x), shifts=(shifts,), dims=(0,)).reshape(x.shape)
    shifts, dim = (s if isinstance(s, tuple | list) else (s,) for s in (shifts, dim))
    if len(shifts) != len(dim):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(dim)} axes")
    return _roll(x, shifts=tuple(shifts), dims=tuple(axis_of("roll", d, x.ndim) for d in dim))


_triangle = Op(  # below the diagonal, or above it
    "triangle",
    lambda xp, x, *, diagonal, lower: (xp.tril if lower else xp.triu)(x, diagonal),
    x=lambda g, diagonal, lower: _triangle(g, diagonal=diagonal, lower=lower),
)
_diagonal = Op(
    "diagonal",
    lambda xp, x, *, offset: xp.diagonal(x, offset, -2, -1),
    view=True,
    x=lambda g, x_shape, offset: _on_diagonal(g, shape=x_shape[-2:], offset=offset),
)


def _spread_on_diagonal(xp, x, *, shape, offset):
    out = new_zeros(x, x.shape[:-1] + shape)
    places = xp.arange(x.shape[-1])
    out[..., places + max(-offset, 0), places + max(offset, 0)] = x
    return out


_on_diagonal = Op("diag", _spread_on_diagonal, x=lambda g, offset: _diagonal(g, offset=offset))


def tril(x, diagonal=0):
    """The lower triangle of the last two axes, zeros elsewhere."""
    return _triangle(_matrices("tril", x), diagonal=diagonal, lower=True)


def triu(x, diagonal=0):
    """The upper triangle of the last two axes, zeros elsewhere."""
    return _triangle(_matrices("triu", x), diagonal=diagonal, lower=False)


def _matrices(name, x):
    if x.ndim < 2:
        raise ValueError(f"{name}: expected at least two axes, got shape {x.shape}")
    return x


def diagonal(x, offset=0, dim1=0, dim2=1):
    """x[i, i + offset] of two axes, as the last axis of the result."""
    ends = axis_of("diagonal", dim1, x.ndim), axis_of("diagonal", dim2, x.ndim)
    if ends[0] == ends[1]:
        raise ValueError(f"diagonal: dim1 and dim2 are the same axis of shape {x.shape}")
    rest = [i for i in range(x.ndim) if i not in ends]
    return _diagonal(_permute(x, order=(*rest, *ends)), offset=offset)


def diag(x, diagonal=0):
    """A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector."""
    if x.ndim == 1:
        n = x.shape[0] + abs(diagonal)
        return _on_diagonal(x, shape=(n, n), offset=diagonal)
    if x.ndim != 2:
        raise ValueError(f"diag: expected a vector or a matrix, got shape {x.shape}")
    return _diagonal(x, offset=diagonal)


def repeat(x, *sizes):
    """Tiled: copied `sizes[i]` times along axis i."""
    sizes = shape_from(sizes)
    if len(sizes) < x.ndim:
        raise ValueError(
            f"repeat: expected at least {x.ndim} sizes for shape {x.shape}, got {sizes}"
        )
    shape = (1,) * (len(sizes) - x.ndim) + x.shape
    paired = reshape(x, tuple(m for n in shape for m in (1, n)))
    tiled = expand(paired, tuple(m for n, k in zip(shape, sizes) for m in (k, n)))
    return reshape(tiled, tuple(n * k for n, k in zip(shape, sizes)))


def pad(x, pad, mode="constant", value=None):
    """Padded at the last axes: `pad` lists (before, after) from the last axis backwards, as in
    PyTorch.

    Modes: "constant" (with `value`, 0 by default), "reflect" (mirrored, edge not repeated),
    "replicate" (edge repeated), "circular" (what leaves at one end comes in at the other). Negative
    widths cut.
    """
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ValueError(
            f"pad: expected pairs of widths for at most {x.ndim} axes, got {tuple(pad)}"
        )
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + [
        tuple(pad[i : i + 2]) for i in range(len(pad) - 2, -1, -2)
    ]
    if mode in ("constant", "circular") and any(w < 0 for pair in pairs for w in pair):
        x = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, x.shape))]
        pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode == "constant":
        return _pad(x, widths=tuple(pairs), value=value or 0)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(
            f"pad: expected mode 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}"
        )
    for dim, (before, after) in enumerate(pairs):
        if before or after:
            x = x[(slice(None),) * dim + (_border(x, dim, before, after, mode),)]
    return x


def _border(x, dim, before, after, mode):
    """For each position of a padded axis, the one it is copied from."""
    n = x.shape[dim]
    most = {"reflect": n - 1, "circular": n, "replicate": math.inf}[mode]
    if max(before, after) > most or before + after < -n or not n:
        raise ValueError(
            f"pad: {mode} needs widths of at most {most} for axis {dim} of size {n}, got "
            f"{(before, after)}"
        )
    positions = range(-before, n + after)
    if mode == "replicate":
        return [min(max(i, 0), n - 1) for i in positions]
    if mode == "circular":
        return [i % n for i in positions]
    return [n - 1 - builtin_abs(n - 1 - builtin_abs(i)) for i in positions]


builtin_abs = abs


def pixel_shuffle(x, upscale_factor):
    """(N, C·r², H, W) → (N, C, H·r, W·r): channels become pixels."""
    r = upscale_factor
    if x.ndim != 4 or x.shape[1] % r**2:
        raise ValueError(f"pixel_shuffle: expected (N, C·{r**2}, H, W), got shape {x.shape}")
    n, c, h, w = x.shape
    return (
        x.reshape(n, c // r**2, r, r, h, w)
        .permute(0, 1, 4, 2, 5, 3)
        .reshape(n, c // r**2, h * r, w * r)
    )


def pixel_unshuffle(x, downscale_factor):
    """(N, C, H·r, W·r) → (N, C·r², H, W): the inverse of pixel_shuffle."""
    r = downscale_factor
    if x.ndim != 4 or x.shape[2] % r or x.shape[3] % r:
        raise ValueError(
            f"pixel_unshuffle: expected height and width divisible by {r}, got shape {x.shape}"
        )
    n, c, h, w = x.shape
    return (
        x.reshape(n, c, h // r, r, w // r, r)
        .permute(0, 1, 3, 5, 2, 4)
        .reshape(n, c * r * r, h // r, w // r)
    )


__all__ = [
    "broadcast_to", "cat", "chunk", "diag", "diagonal", "expand", "flatten", "flip", "narrow",
    "pad", "permute", "pixel_shuffle", "pixel_unshuffle", "repeat", "reshape", "roll", "split",
    "squeeze", "stack", "sum_to", "transpose", "tril", "triu", "unflatten", "unsqueeze",
]  # fmt: skip
