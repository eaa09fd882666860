"""Check derivative rules against differences.

For a random direction v and random weights u, the rule's claim and the central difference

    ⟨u, J v⟩   and   (s(x + εv) − s(x − εv)) / 2ε,   s(x) = ⟨u, f(x)⟩

must agree. One pair of directions tests every entry of the Jacobian at once: a wrong entry escapes
with probability 0. Where the differences to the left and to the right disagree, the function has a
kink at x; such a direction says nothing and is skipped, and a check all of whose directions were
skipped fails.
"""

import numpy as np

from ..backend.device import to_device
from .backward import grad
from .tensor import Tensor


class GradcheckError(AssertionError):
    """A derivative rule disagrees with the differences."""


def gradcheck(fn, inputs, eps=1e-6, atol=1e-6, rtol=1e-4, directions=3, seed=0) -> bool:
    """True if the derivatives of `fn(*inputs)` by its float64 inputs are right; else raises
    GradcheckError.

    >>> gradcheck(lambda x: x * x, [Tensor(np.array([1.0, 2.0]), requires_grad=True)])
    True
    """
    inputs = _as_inputs(inputs)
    random = _directions(seed, 1)
    active = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    for x in active:
        if x.dtype != np.float64:
            raise GradcheckError(f"gradcheck: differences need float64 inputs, got {x.dtype}")
    if not active:
        raise GradcheckError("gradcheck: no input requires gradients")
    outputs = _outputs(fn, inputs)
    if not outputs:
        raise GradcheckError("gradcheck: no result of the function requires gradients")
    weights = [_like(random, out) for out in outputs]
    claimed = grad(outputs, active, weights, allow_unused=True, retain_graph=True)
    informative = 0
    for _ in range(directions):
        vs = [_like(random, x) for x in active]
        claim = sum(float((g * v).sum().item()) for g, v in zip(claimed, vs) if g is not None)
        centre, left, right = (
            _shifted(fn, inputs, active, vs, weights, t) for t in (0.0, -eps, eps)
        )
        slope, kink = (right - left) / (2 * eps), abs((right - centre) - (centre - left)) / eps
        noise = 1e-9 * (1 + abs(centre)) / (eps * 1e3)
        if kink > 1e-3 * (1 + abs(slope)) + noise and abs(claim - slope) > atol + rtol * abs(slope):
            continue
        informative += 1
        if not abs(claim - slope) <= atol + rtol * abs(slope) + noise:
            raise GradcheckError(
                f"gradcheck: along a random direction the rule gives {claim:.9g}, differences "
                f"give {slope:.9g}"
            )
    if not informative and sum(x.numel() for x in active):
        raise GradcheckError("gradcheck: the function has a kink at these inputs; choose others")
    return True


def gradgradcheck(fn, inputs, eps=1e-6, atol=1e-6, rtol=1e-4, directions=3, seed=0) -> bool:
    """True if the second derivatives are right: a gradcheck of the gradient, by the inputs and by
    its own weights.
    """
    inputs = _as_inputs(inputs)
    random = _directions(seed, 2)
    active = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    weights = [_like(random, out).requires_grad_() for out in _outputs(fn, inputs)]

    def first(*arguments):
        xs, us = arguments[: len(inputs)], arguments[len(inputs) :]
        outs = _outputs(fn, xs)
        gs = grad(outs, [xs[i] for i in active], us, create_graph=True, allow_unused=True)
        return [g for g in gs if g is not None and g.requires_grad]

    return gradcheck(first, [*inputs, *weights], eps, atol, rtol, directions, seed)


def _directions(seed, order):
    """A generator that no caller is likely to have made the inputs with: directions equal to the
    inputs are special, and hide errors.
    """
    return np.random.default_rng([seed, order, 0x6772_6164])


def _as_inputs(inputs):
    return [inputs] if isinstance(inputs, Tensor) else list(inputs)


def _outputs(fn, inputs):
    out = fn(*inputs)
    outs = [out] if isinstance(out, Tensor) else list(out)
    return [o for o in outs if isinstance(o, Tensor) and o.requires_grad]


def _like(random, x):
    values = random.standard_normal(x.shape)
    return Tensor(to_device(np.asarray(values), x.device))


def _shifted(fn, inputs, active, vs, weights, t):
    """s(x + t·v), computed anew."""
    moved = {id(x): (x.detach() + v * t).requires_grad_() for x, v in zip(active, vs)}
    outs = _outputs(fn, [moved.get(id(x), x) for x in inputs])
    return sum(float((o.detach() * u).sum().item()) for o, u in zip(outs, weights))
