"""In which dtype operands meet: every pair of dtypes, with axes, without, and as numbers."""

import itertools
import operator

import numpy as np
import pytest

import tinygan as tg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

DTYPES = ["float16", "float32", "float64", "int32", "int64", "uint8", "int8", "bool"]
OPERANDS = [2, -1, 0.5, True] + [
    np.array(values, dtype) for dtype in DTYPES for values in (2, [1, 2, 3])
]
OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod,
    operator.floordiv, operator.lt, operator.eq,
]  # fmt: skip


def as_operand(value, make):
    return make(value.copy()) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("compute", OPERATORS, ids=lambda compute: compute.__name__)
@pytest.mark.filterwarnings("ignore")
def test_operands_meet_as_in_pytorch(compute):
    compared = 0
    for x, y in itertools.product(OPERANDS, OPERANDS):
        try:
            theirs = compute(as_operand(x, torch.from_numpy), as_operand(y, torch.from_numpy))
        except (RuntimeError, TypeError, ZeroDivisionError):  # such as bool - bool
            continue
        if not isinstance(theirs, torch.Tensor):
            continue
        if compute is operator.pow and theirs.dtype == torch.bool:
            continue  # NumPy has no power of booleans; ours is an int8
        ours = compute(as_operand(x, tg.Tensor), as_operand(y, tg.Tensor))
        said = f"{x!r}, {y!r}: {ours} instead of {theirs}"
        assert ours.numpy().dtype == theirs.numpy().dtype, said
        tolerance = 1e-3 if theirs.dtype == torch.float16 else 1e-6
        assert np.allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, equal_nan=True), said
        compared += 1
    assert compared > 250


def test_a_number_as_base_keeps_its_value():
    x = tg.tensor([0.5, 3.0], dtype=tg.float64, requires_grad=True)
    y = tg.pow(0.1, x) + 0.1**x
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.detach().numpy(), 2 * 0.1 ** x.detach().numpy(), rtol=1e-15)
    (g,) = tg.grad(y.sum(), x)
    np.testing.assert_allclose(g.numpy(), y.detach().numpy() * np.log(0.1), rtol=1e-15)


def test_one_number_in_float64_does_not_widen_a_vector():
    x = tg.ones(3, requires_grad=True)
    scale = tg.tensor(2.0, dtype=tg.float64, requires_grad=True)
    out = x * scale
    out.sum().backward()
    assert (out.dtype, x.grad.dtype, scale.grad.dtype) == (tg.float32, tg.float32, tg.float64)
