"""PyTorch's dialect: its keywords and signatures over our functions."""

import inspect

import numpy as np
import pytest

import tinygan as tg
import tinygan.nn.functional as F

X = tg.tensor([[1.0, -2.0, 3.0], [4.0, 0.5, -6.0]])
WHOLE = tg.tensor([[7, -7], [5, -5]])

SPELLINGS = {
    "input": (lambda: tg.sum(input=X), lambda: X.sum()),
    "functional-input": (lambda: F.relu(input=X), lambda: tg.relu(X)),
    "other": (lambda: tg.add(X, other=X), lambda: X + X),
    "alpha": (lambda: X.sub(X, alpha=3), lambda: X * -2),
    "axis": (lambda: X.sum(axis=1, keepdims=True), lambda: X.sum(1, True)),
    "axis-of-flip": (lambda: tg.flip(X, axis=(1,)), lambda: tg.flip(X, (1,))),
    "dtype": (lambda: WHOLE.mean(dtype=tg.float64), lambda: WHOLE.to(tg.float64).mean()),
    "softmax-dtype": (
        lambda: F.softmax(X, 1, dtype=tg.float64),
        lambda: tg.softmax(X.to(tg.float64), 1),
    ),
    "inplace": (lambda: F.leaky_relu(X, 0.2, True), lambda: F.leaky_relu(X, 0.2)),
    "floor": (lambda: tg.div(X, 2, rounding_mode="floor"), lambda: (X / 2).floor()),
    "trunc": (
        lambda: WHOLE.div(2, rounding_mode="trunc"),
        lambda: tg.tensor([[3, -3], [2, -2]]),
    ),
    "decimals": (lambda: tg.round(X / 3, decimals=2), lambda: (X / 3 * 100).round() / 100),
    "dims": (lambda: X.permute(dims=(1, 0)), lambda: X.T),
    "shape": (lambda: tg.reshape(X, shape=(3, 2)), lambda: X.reshape(3, 2)),
    "size": (lambda: tg.ones(size=(2, 3)), lambda: tg.ones(2, 3)),
    "std-unbiased": (lambda: X.std(False), lambda: X.std(correction=0)),
    "std-by-place": (lambda: X.std(1, False, True), lambda: X.std(1, correction=0, keepdim=True)),
    "std-correction": (lambda: tg.std(X, correction=None), lambda: X.std()),
    "max-of-two": (lambda: tg.max(WHOLE, tg.tensor(1)), lambda: tg.maximum(WHOLE, 1)),
    "max-other": (lambda: WHOLE.max(other=WHOLE.T), lambda: tg.maximum(WHOLE, WHOLE.T)),
    "arange-end": (lambda: tg.arange(end=4), lambda: tg.arange(4)),
    "softplus-beta": (lambda: F.softplus(X, 2.0), lambda: tg.softplus(X * 2) / 2),
    "softplus-threshold": (
        lambda: F.softplus(X, threshold=2.0),
        lambda: tg.where(X > 2, X, tg.softplus(X)),
    ),
    "memory_format": (lambda: X.T.contiguous(memory_format=None), lambda: X.T),
    "like": (
        lambda: tg.zeros_like(X, device="cpu", dtype=tg.int64),
        lambda: tg.zeros(2, 3, dtype=tg.int64),
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelling_of_pytorch_means_the_same(name):
    theirs, ours = (make() for make in SPELLINGS[name])
    assert theirs.dtype == ours.dtype and theirs.shape == ours.shape
    np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=1e-6)


def test_randint_reads_its_arguments_as_pytorch():
    for make in (
        lambda: tg.randint(3, (50,)),
        lambda: tg.randint(3, size=(50,)),
        lambda: tg.randint(0, 3, (50,)),
        lambda: tg.randint(low=0, high=3, size=(50,)),
    ):
        drawn = make()
        assert drawn.shape == (50,) and set(drawn.tolist()) == {0, 1, 2}


def test_out_receives_the_result():
    out = tg.zeros(3)
    assert tg.sum(X, 0, out=out) is out
    assert out.tolist() == X.sum(0).tolist()
    with pytest.raises(ValueError, match=r"out: expected a tensor of shape \(3,\), got \(2,\)"):
        tg.sum(X, 0, out=tg.zeros(2))
    with pytest.raises(RuntimeError, match=r"out: .* gradients"):
        tg.exp(tg.ones(2, requires_grad=True), out=tg.zeros(2))


def test_signatures_are_shown():
    assert str(inspect.signature(tg.std)).startswith("(input, dim=None, unbiased=None")
    assert inspect.signature(tg.Tensor.sum) == inspect.signature(tg.sum)
    assert tg.sum.__name__ == "sum" and "sum over" in tg.sum.__doc__


def test_unknown_keywords_are_refused_by_name():
    with pytest.raises(TypeError, match=r"sum\(\) got an unexpected keyword argument 'dimension'"):
        X.sum(dimension=1)
