"""Products: matmul, linear, einsum."""

from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import kernels
from .reduce import _sum
from .shape import _permute, broadcast_to, reshape, sum_to


def _t(x):
    """The last two axes swapped."""
    n = x.ndim
    return _permute(x, order=(*range(n - 2), n - 1, n - 2))


_matmul = Op(
    "matmul",
    lambda xp, x, y: kernels(x).matmul(x, y),
    x=lambda g, y, x_shape: sum_to(_matmul(g, _t(y)), x_shape),
    y=lambda g, x, y_shape: sum_to(_matmul(_t(x), g), y_shape),
)


def matmul(x, y):
    """The matrix product, with NumPy's rules: vectors at either side, stacks of matrices
    broadcast.
    """
    x = x if isinstance(x, Tensor) else Tensor(x).to(y)
    y = y if isinstance(y, Tensor) else Tensor(y).to(x)
    if not x.ndim or not y.ndim:
        raise ValueError(
            f"matmul: expected at least one axis each, got shapes {x.shape} and {y.shape}; use "
            "* for scalars"
        )
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError(
            f"matmul: the last axis of the first ({x.shape}) must match the next-to-last of the "
            f"second ({y.shape}): {x.shape[-1]} against {y.shape[-2 if y.ndim > 1 else -1]}"
        )
    if x.ndim == 1:
        return matmul(x.unsqueeze(0), y).squeeze(-2 if y.ndim > 1 else 0)
    if y.ndim == 1:
        return matmul(x, y.unsqueeze(-1)).squeeze(-1)
    if x.ndim > 2 and y.ndim == 2:  # one large product instead of a stack of small ones
        return reshape(
            _matmul(reshape(x, -1, x.shape[-1]) if x.numel() else x, y), *x.shape[:-1], y.shape[-1]
        )
    return _matmul(x, y)


def _linear_forward(xp, x, weight, bias):
    out = kernels(x).matmul(x, weight.T)
    if bias is not None:
        out += bias
    return out


_linear = Op(
    "linear",
    _linear_forward,
    x=lambda g, weight: _matmul(g, weight),
    weight=lambda g, x: _matmul(_t(g), x),
    bias=lambda g: _sum(g, dims=(0,), keepdim=False),
    at_once=lambda g, x, weight: kernels(g).linear_gradients(x, weight, g),
)


def linear(x, weight, bias=None):
    """x Wᵀ + b, with weight (out, in) and x (…, in)."""
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: weight {weight.shape} takes inputs with {weight.shape[-1]} features, "
            f"got shape {x.shape}{' (flatten it first?)' if x.ndim > 2 else ''}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: expected a bias of shape {weight.shape[:1]}, got {bias.shape}")
    if x.ndim == 2:
        return _linear(x, weight, bias)
    return reshape(
        _linear(reshape(x, -1, weight.shape[1]), weight, bias), *x.shape[:-1], weight.shape[0]
    )


def bilinear(x1, x2, weight, bias=None):
    """y_o = x1ᵀ W_o x2 + b_o, with weight (O, I, J), x1 (…, I) and x2 (…, J)."""
    if weight.ndim != 3 or (x1.shape[-1:], x2.shape[-1:]) != (weight.shape[1:2], weight.shape[2:]):
        raise ValueError(
            f"bilinear: expected a weight (O, I, J), inputs (…, I) and (…, J), got {weight.shape}, "
            f"{x1.shape} and {x2.shape}"
        )
    out = einsum("...i,oij,...j->...o", x1, weight, x2)
    return out if bias is None else out + bias


# -- einsum ----------------------------------------------------------------------------------------


def _einsum_gradient(g, i, operands, shapes, terms, result):
    """The gradient of operand i: contract g with the other operands to its own indices.

    Indices that occur in operand i alone were summed away without a partner; the gradient is
    constant along them.
    """
    others = [(t, x) for j, (t, x) in enumerate(zip(terms, operands)) if j != i]
    available = set(result).union(*(t for t, _ in others))
    kept = "".join(c for c in terms[i] if c in available)
    g = _einsum(g, *(x for _, x in others), terms=(result, *(t for t, _ in others)), result=kept)
    shape = tuple(n if c in available else 1 for c, n in zip(terms[i], shapes[i]))
    if shape != g.shape:  # axes broadcast by an ellipsis, or absent from g
        g = sum_to(g, tuple(n for c, n in zip(terms[i], shapes[i]) if c in available))
    return broadcast_to(reshape(g, shape), shapes[i])


def _contract(xp, *operands, terms, result):
    out = kernels(operands[0]).contract(operands, terms, result)
    # For one operand NumPy may give a view, whose memory nobody would know to be shared.
    return out.copy() if len(operands) == 1 and out.base is not None else out


_einsum = Op(
    "einsum",
    _contract,
    operands=_einsum_gradient,
)


def einsum(equation, *operands):
    """Einstein summation, such as `einsum("bij,bjk->bik", x, y)`; supports `...` and repeated
    indices.

    An index that is missing on the right is summed over.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {equation!r} names {len(terms)} operands, got {len(operands)}")
    terms, dots = _expand_ellipses(equation, terms, operands)
    if not arrow:
        letters = "".join(terms)
        result = dots + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1 and c not in dots)
        )
    result = result.replace("...", dots)
    if missing := set(result) - set("".join(terms)):
        raise ValueError(
            f"einsum: index {''.join(sorted(missing))!r} of the result is in no operand of "
            f"{equation!r}"
        )
    if len(set(result)) < len(result):
        raise ValueError(f"einsum: the result of {equation!r} names an index twice")
    _check_sizes(equation, terms, operands, dots)
    pairs = [_diagonal(term, x) for term, x in zip(terms, operands)]
    return _einsum(*(x for _, x in pairs), terms=tuple(t for t, _ in pairs), result=result)


def _expand_ellipses(equation, terms, operands):
    """Replace each `...` by letters of its own, aligned from the right."""
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    longest, expanded = 0, []
    for term, x in zip(terms, operands):
        count = x.ndim - len(term.replace("...", ""))
        if count < 0 or ("..." not in term and count):
            raise ValueError(
                f"einsum: {term!r} in {equation!r} does not fit a tensor of shape {x.shape}"
            )
        longest = max(longest, count)
        expanded.append((term, count))
    dots = "".join(free[:longest])
    return [term.replace("...", dots[longest - count :]) for term, count in expanded], dots


def _check_sizes(equation, terms, operands, dots):
    sizes = {}
    for term, x in zip(terms, operands):
        for c, n in zip(term, x.shape):
            if sizes.setdefault(c, n) != n and not (c in dots and 1 in (n, sizes[c])):
                raise ValueError(
                    f"einsum: index {c!r} of {equation!r} is {sizes[c]} in one operand and {n} "
                    "in another"
                )


def _diagonal(term, x):
    """Turn an index that repeats within one operand, as in `ii`, into a single one by taking the
    diagonal.
    """
    for c in set(term):
        while term.count(c) > 1:
            first, second = term.index(c), term.rindex(c)
            rest = [k for k in range(x.ndim) if k not in (first, second)]
            n = x.shape[first]
            x = x.permute(first, second, *rest)[range(n), range(n)]
            term = c + "".join(term[k] for k in rest)
    return term, x


__all__ = ["bilinear", "einsum", "linear", "matmul"]
