"""Check derivative rules against differences.

For a random direction v and random weights u, the rule's claim and the central difference

    ⟨u, J v⟩   and   ⟨u, f(x + εv) − f(x − εv)⟩ / 2ε

must agree. One pair of directions tests every entry of the Jacobian at once: a wrong entry escapes
with probability 0, and as no entry of u and v is small, none hides below the tolerance. Where the
differences to the left and to the right disagree, the function has a kink at x; such a direction
says nothing and is skipped, and a check all of whose directions were skipped fails. So does one
whose function or rule gives different numbers the second time: they have no derivative to speak of.
"""

import numpy as np

from ..backend.device import to_device
from .backward import grad
from .tensor import Tensor


class GradcheckError(AssertionError):
    """A derivative rule disagrees with the differences."""


def gradcheck(fn, inputs, eps=1e-6, atol=1e-6, rtol=1e-5, directions=3, seed=0) -> bool:
    """True if the derivatives of `fn(*inputs)` by its float64 inputs are right; else raises
    GradcheckError. A result that does not require gradients claims to be constant.

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
    if not any(out.requires_grad for out in outputs):
        raise GradcheckError("gradcheck: no result of the function requires gradients")
    us, centre = [_like(random, out) for out in outputs], _arrays(outputs)
    claimed = _claims(outputs, active, us)
    if not _equal(centre, _arrays(_outputs(fn, inputs))):
        raise GradcheckError("gradcheck: the function gives other numbers the second time")
    if not _equal(claimed, _claims(outputs, active, us)):
        raise GradcheckError("gradcheck: the rule gives other numbers the second time")
    # What rounding leaves of a difference: a few units in the last place of what is subtracted.
    noise = 16 * np.finfo(np.float64).eps * _dot(map(np.abs, us), map(np.abs, centre)) / eps
    informative = 0
    for _ in range(directions):
        vs = [_like(random, x) for x in active]
        left, right = (_arrays(_outputs(fn, _moved(inputs, active, vs, t))) for t in (-eps, eps))
        slope = _dot(us, (r - l for l, r in zip(left, right))) / (2 * eps)
        bend = _dot(us, (l - 2 * c + r for l, c, r in zip(left, centre, right))) / eps
        claim = _dot(vs, claimed)
        wrong = not abs(claim - slope) <= atol + rtol * abs(slope) + noise
        if wrong and abs(bend) > 1e-3 * (1 + abs(slope)) + noise:
            continue  # a kink
        informative += 1
        if wrong:
            raise GradcheckError(
                f"gradcheck: along a random direction the rule gives {claim:.9g}, differences "
                f"give {slope:.9g}"
            )
    if not informative and sum(x.numel() for x in active):
        raise GradcheckError("gradcheck: the function has a kink at these inputs; choose others")
    return True


def gradgradcheck(fn, inputs, eps=1e-6, atol=1e-6, rtol=1e-5, directions=3, seed=0) -> bool:
    """True if the second derivatives are right: a gradcheck of the gradient, by the inputs and by
    its own weights.
    """
    inputs = _as_inputs(inputs)
    random = _directions(seed, 2)
    active = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    weights = [_tensor(_like(random, o), o).requires_grad_() for o in _flowing(fn, inputs)]

    def first(*arguments):
        xs, us = arguments[: len(inputs)], arguments[len(inputs) :]
        outs = _flowing(fn, xs)
        gs = grad(outs, [xs[i] for i in active], us, create_graph=True, allow_unused=True)
        return [g for g in gs if g is not None]

    return gradcheck(first, [*inputs, *weights], eps, atol, rtol, directions, seed)


def _directions(seed, order):
    """A generator that no caller is likely to have made the inputs with: directions equal to the
    inputs are special, and hide errors.
    """
    return np.random.default_rng([seed, order, 0x6772_6164])


def _like(random, x):
    """Random numbers in the shape of x, all of them between ½ and 1½ in size."""
    sizes, signs = random.uniform(0.5, 1.5, x.shape), random.choice([-1.0, 1.0], x.shape)
    return sizes * signs


def _as_inputs(inputs):
    return [inputs] if isinstance(inputs, Tensor) else list(inputs)


def _outputs(fn, inputs):
    out = fn(*inputs)
    outs = [out] if isinstance(out, Tensor) else list(out)
    return [o for o in outs if isinstance(o, Tensor) and o.is_floating_point()]


def _flowing(fn, inputs):
    return [out for out in _outputs(fn, inputs) if out.requires_grad]


def _arrays(tensors):
    return [np.array(x.numpy()) for x in tensors]


def _equal(ones, others):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(ones, others, strict=True))


def _tensor(array, beside):
    return Tensor(to_device(np.asarray(array), beside.device))


def _moved(inputs, active, vs, t):
    """The inputs x + t·v."""
    moved = {id(x): (x.detach() + _tensor(t * v, x)).requires_grad_() for x, v in zip(active, vs)}
    return [moved.get(id(x), x) for x in inputs]


def _claims(outputs, active, us):
    """What the rules give for ⟨u, J⟩: an array for each of the active inputs."""
    outputs, us = zip(*((o, _tensor(u, o)) for o, u in zip(outputs, us) if o.requires_grad))
    gradients = grad(outputs, active, us, allow_unused=True, retain_graph=True)
    for x, g in zip(active, gradients):
        if g is not None and g.shape != x.shape:
            raise GradcheckError(
                f"gradcheck: a rule gives a gradient of shape {g.shape} for an input of shape "
                f"{x.shape}"
            )
    return [np.zeros(x.shape) if g is None else g.numpy() for x, g in zip(active, gradients)]


def _dot(us, xs):
    return sum(float((u * x).sum()) for u, x in zip(us, xs))
