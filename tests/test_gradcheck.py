"""The checks of derivatives, fed with wrong rules of every kind: each must be refused.

Some 2,000 tests rest on `gradcheck` and `gradgradcheck`; a check that passes everything would pass
them all. So beside each right rule stand its plausible slips.
"""

import re

import numpy as np
import pytest

import tinygan as tg
from tinygan.autograd.gradcheck import GradcheckError

random = np.random.default_rng(7)


def tensors(*shapes, dtype=np.float64, low=0.5, high=2.0):
    return [tg.Tensor(random.uniform(low, high, s).astype(dtype)).requires_grad_() for s in shapes]


def op(forward, **rules):
    return tg.Op("sample", forward, elementwise=True, **rules)


def product(**rules):
    """x·y; the right rules, or others in their place."""
    right = {"x": lambda g, y: g * y, "y": lambda g, x: g * x}
    return op(lambda xp, x, y: x * y, **{**right, **rules})


def cube(rule):
    return op(lambda xp, x: x**3, x=rule)


def matmul(**rules):
    right = {"a": lambda g, b: g @ b.T, "b": lambda g, a: a.T @ g}
    return tg.Op("matmul", lambda xp, a, b: a @ b, **{**right, **rules})


def last_row_wrong(g, x):
    """x ↦ x³'s rule, one element of which is 1 % too large."""
    factor = np.full(x.shape, 3.0)
    factor[-1, -1] *= 1.01
    return g * x * x * tg.Tensor(factor)


RIGHT = {
    "product": (product(), [(3, 4), (3, 4)]),
    "broadcast": (product(), [(3, 4), (4,)]),
    "matrix product": (matmul(), [(3, 4), (4, 2)]),
    "cube": (cube(lambda g, x: 3 * g * x * x), [(200, 50)]),
    "by its result": (op(lambda xp, x: xp.exp(x), x=lambda g, out: g * out), [(5,)]),
    "at a single number": (cube(lambda g, x: 3 * g * x * x), [()]),
    "constant in one result": (lambda x: [x * x, (x > 1).double()], [(5,)]),
    "unused input": (lambda x, y: x * x, [(3,), (2,)]),
    "nothing": (cube(lambda g, x: 3 * g * x * x), [(0, 3)]),
}

WRONG_FIRST = {
    "sign": (cube(lambda g, x: -3 * g * x * x), [(4,)]),
    "factor": (cube(lambda g, x: 2 * g * x * x), [(4,)]),
    "factor by a thousandth": (cube(lambda g, x: 3.003 * g * x * x), [(4,)]),
    "missing term": (op(lambda xp, x: x * xp.exp(x), x=lambda g, x: g * x.exp()), [(4,)]),
    "missing g": (cube(lambda g, x: 3 * x * x), [(4,)]),
    "no rule at all": (lambda x: x * x.detach(), [(4,)]),
    "a rule that gives None": (product(y=lambda g, x: None), [(4,), (4,)]),
    "transposed": (matmul(a=lambda g, b: (g @ b.T).T), [(3, 3), (3, 3)]),
    "not transposed": (matmul(b=lambda g, a: a @ g), [(3, 3), (3, 3)]),
    "wrong only for the second argument": (product(y=lambda g, y: g * y), [(4,), (4,)]),
    "broadcast undone by a mean": (product(y=lambda g, x: (g * x).mean(0)), [(3, 4), (4,)]),
    "undone along the wrong axis": (product(y=lambda g, x: (g * x).sum(1)), [(4, 4), (4,)]),
    "not the shape of the input": (
        tg.Op("total", lambda xp, x: x.sum(0, keepdims=True), x=lambda g: g.expand(4, 3)), [(1, 3)],
    ),
    "right only at 0": (op(lambda xp, x: xp.exp(x), x=lambda g, x: g * (1 + x)), [(4,)]),
    "wrong by 1 % in one element of 10,000": (cube(last_row_wrong), [(200, 50)]),
    "hidden by a large constant": (op(lambda xp, x: x + 1e4, x=lambda g: 1.001 * g), [(4,)]),
    "a factor of what has kinks elsewhere": (
        op(lambda xp, x: abs(x), x=lambda g, x: 0.9 * g * x.sign()), [(4,)]
    ),
    "NaN": (cube(lambda g, x: 3 * g * x * x * float("nan")), [(4,)]),
    "the second result only": (lambda x: [x * x, x * x.detach()], [(4,)]),
    "a result that claims to be constant": (lambda x: [x * x, (x * x).detach()], [(4,)]),
}  # fmt: skip


class Rule:
    """x ↦ x² with the right first derivative, computed by an operation whose own rules are given:
    (g, x) ↦ 2gx.
    """

    def __new__(cls, **rules):
        right = {"g": lambda h, x: 2 * h * x, "x": lambda h, g: 2 * h * g}
        first = op(lambda xp, g, x: 2 * g * x, **{**right, **rules})
        return op(lambda xp, x: x * x, x=lambda g, x: first(g, x))


def detached(*names):
    """x·y, whose rules for these arguments cannot be differentiated."""
    rules = {"x": lambda g, y: (g * y).detach(), "y": lambda g, x: (g * x).detach()}
    return product(**{name: rules[name] for name in names})


WRONG_SECOND = {
    "sign": (Rule(x=lambda h, g: -2 * h * g), [(4,)]),
    "factor": (Rule(x=lambda h, g: h * g), [(4,)]),
    "missing by the inputs": (Rule(x=lambda h: None), [(4,)]),
    "by the weights g only": (Rule(g=lambda h, x: h * x), [(4,)]),
    "missing by the weights g": (Rule(g=lambda h: None), [(4,)]),
    "a saved array in place of a tensor": (
        cube(lambda g, x: g * tg.Tensor(3 * x.array**2)), [(4,)]
    ),
    "every rule detaches": (detached("x", "y"), [(4,), (4,)]),
    "one of two rules detaches": (detached("y"), [(4,), (4,)]),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_rules_pass(name):
    fn, shapes = RIGHT[name]
    inputs = tensors(*shapes)
    assert tg.gradcheck(fn, inputs) is True
    assert tg.gradgradcheck(fn, inputs) is True


@pytest.mark.parametrize("name", WRONG_FIRST)
def test_wrong_rules_are_refused(name):
    fn, shapes = WRONG_FIRST[name]
    for seed in range(3):
        with pytest.raises(GradcheckError):
            tg.gradcheck(fn, tensors(*shapes), seed=seed)


@pytest.mark.parametrize("name", WRONG_SECOND)
def test_wrong_second_derivatives_are_refused(name):
    fn, shapes = WRONG_SECOND[name]
    inputs = tensors(*shapes)
    assert tg.gradcheck(fn, inputs), "the first derivative is right"
    with pytest.raises(GradcheckError):
        tg.gradgradcheck(fn, inputs)


def test_what_is_not_deterministic_is_refused():
    noise = lambda x: tg.Tensor(1 + 1e-12 * random.standard_normal(x.shape))
    with pytest.raises(GradcheckError, match="function gives other numbers the second time"):
        tg.gradcheck(lambda x: x * x * noise(x), tensors((4,)))
    with pytest.raises(GradcheckError, match="rule gives other numbers the second time"):
        tg.gradcheck(cube(lambda g, x: 3 * g * x * x * noise(x)), tensors((4,)))

    def spoils(x):
        with tg.no_grad():
            x.add_(1e-9)
        return x * x

    with pytest.raises(GradcheckError, match="second time"):
        tg.gradcheck(spoils, tensors((4,)))


def test_inputs_that_say_nothing_are_refused():
    with pytest.raises(GradcheckError, match="need float64 inputs, got float32"):
        tg.gradcheck(lambda x: x * x, tensors((3,), dtype=np.float32))
    with pytest.raises(GradcheckError, match="no input requires gradients"):
        tg.gradcheck(lambda x: x * x, [tg.Tensor(np.ones(3))])
    with pytest.raises(GradcheckError, match="no result of the function requires gradients"):
        tg.gradcheck(lambda x: (x * x).detach(), tensors((3,)))
    zero = tg.Tensor(np.zeros(3)).requires_grad_()
    with pytest.raises(GradcheckError, match="kink"):
        tg.gradcheck(tg.relu, [zero])
    with pytest.raises(GradcheckError, match="kink"):
        tg.gradcheck(op(lambda xp, x: abs(x), x=lambda g, x: g), [zero])


def test_the_message_names_both_slopes():
    fn = op(lambda xp, x: 2 * x, x=lambda g: 3 * g)
    with pytest.raises(GradcheckError, match=r"the rule gives .*, differences give") as caught:
        tg.gradcheck(fn, [tg.Tensor(np.array(1.0)).requires_grad_()])
    claim, slope = re.findall(r"-?\d\.\d+", str(caught.value))
    assert float(claim) / float(slope) == pytest.approx(1.5)
    with pytest.raises(GradcheckError, match=r"gradient of shape \(4, 3\) for an input of shape"):
        fn, shapes = WRONG_FIRST["not the shape of the input"]
        tg.gradcheck(fn, tensors(*shapes))
