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
    "inplace": (lambda: F.leaky_relu(X.clone(), 0.2, True), lambda: F.leaky_relu(X, 0.2)),
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
    "to-by-place": (lambda: X.to("cpu", tg.float64, True), lambda: X.to(tg.float64)),
    "type": (lambda: X.type("torch.DoubleTensor"), lambda: X.to(tg.float64)),
    "clamp-by-a-tensor": (lambda: X.clamp(max=tg.tensor(1.0)), lambda: X.clamp(max=1.0)),
    "dim-of-nothing": (lambda: X.sum(dim=()), lambda: X.sum()),
    "clip": (lambda: X.clip(-1, 1), lambda: X.clamp(-1, 1)),
    "new": (lambda: X.double().new_zeros(2), lambda: tg.zeros(2, dtype=tg.float64)),
    "new-of-sizes": (lambda: X.new(2, 3).fill_(1.0), lambda: tg.ones(2, 3)),
    "cat-with-nothing": (lambda: tg.cat([tg.tensor([]), X]), lambda: X),
    "repeat_interleave": (lambda: X.repeat_interleave(2, 1), lambda: X[:, [0, 0, 1, 1, 2, 2]]),
    "unbind": (lambda: tg.stack(X.unbind(1), 1), lambda: X),
    "meshgrid": (
        lambda: tg.meshgrid(tg.arange(2), tg.arange(3))[1],
        lambda: tg.tensor([[0, 1, 2]] * 2),
    ),
    "addmm": (lambda: tg.addmm(X, X @ X.T, X, beta=0, alpha=2), lambda: X @ X.T @ X * 2),
    "tile": (lambda: tg.tile(X, (2,)), lambda: tg.cat([X, X], 1)),
    "nonzero": (lambda: (X > 1).nonzero(), lambda: tg.tensor([[0, 2], [1, 0]])),
    "count_nonzero": (lambda: (X > 1).count_nonzero(1), lambda: tg.tensor([1, 1])),
    "unique": (lambda: WHOLE.unique(), lambda: tg.tensor([-7, -5, 5, 7])),
    "clamp_min": (lambda: X.clamp_min(0.5), lambda: X.clamp(min=0.5)),
    "unsqueeze_": (lambda: X.clone().unsqueeze_(0), lambda: X[None]),
    "t_": (lambda: X.clone().t_(), lambda: X.T),
    "rounded-in-place": (
        lambda: X.clone().div_(2, rounding_mode="trunc"),
        lambda: tg.div(X, 2, rounding_mode="trunc"),
    ),
    "limited-in-place-by-a-tensor": (
        lambda: X.clone().clamp_(max=tg.tensor(1.0)),
        lambda: X.clamp(max=1.0),
    ),
    "bernoulli-of-a-tensor": (lambda: X.clone().bernoulli_(tg.ones(2, 3)), lambda: tg.ones(2, 3)),
    "counts-as-places": (
        lambda: tg.repeat_interleave(tg.tensor([1, 0, 2])),
        lambda: tg.tensor([0, 2, 2]),
    ),
    "bytes-as-a-mask": (
        lambda: X[0][tg.tensor([1, 0, 1], dtype=tg.uint8)],
        lambda: tg.tensor([1.0, 3.0]),
    ),
    "gather-a-number": (lambda: tg.gather(X[0], 0, tg.tensor(2)), lambda: tg.tensor(3.0)),
    "pieces-of-nothing": (lambda: tg.stack(tg.chunk(X[:0], 3)), lambda: tg.zeros(3, 0, 3)),
    "any-of-no-axes": (lambda: (X > 0).any(dim=()), lambda: X > 0),
    "all-of-no-axes": (lambda: (X > 0).all(dim=[]), lambda: X > 0),
    "Tensor-of-a-list": (
        lambda: tg.Tensor([[1, 2], [3, 4]]),
        lambda: tg.FloatTensor([[1, 2], [3, 4]]),
    ),
    "shift": (lambda: tg.tensor([1, 2]) << 2, lambda: tg.tensor([4, 8])),
    "bits": (lambda: ~WHOLE & 3, lambda: tg.tensor([[0, 2], [2, 0]])),
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


def test_in_place_forms_take_the_place_in_the_graph_over():
    x = tg.tensor([-1.0, 0.5, 2.0], dtype=tg.float64, requires_grad=True)

    def through(in_place):
        h = x * 3
        s = h.sigmoid_() if in_place else h.sigmoid()
        assert (s is h) is in_place
        skip = h if in_place else s
        return tg.grad((s * s + skip.exp()).sum(), x)[0]

    np.testing.assert_allclose(through(True).numpy(), through(False).numpy(), rtol=1e-12)


def test_what_an_earlier_operation_kept_is_out_of_date_after_an_in_place_form():
    h = tg.ones(3, requires_grad=True) * 2
    product = h * h
    F.relu(h, inplace=True)
    with pytest.raises(RuntimeError, match=r"'mul' needs .* changed in place by 'inplace=True'"):
        product.sum().backward()
    with pytest.raises(RuntimeError, match="exp_: this tensor is a leaf that requires gradients"):
        tg.ones(3, requires_grad=True).exp_()


def test_in_place_forms_write_into_memory_where_nothing_is_recorded():
    x = tg.tensor([-1.0, 2.0])
    part = x[:1]
    assert tg.nn.LeakyReLU(0.5, inplace=True)(x) is x
    assert x.tolist() == [-0.5, 2.0] and part.tolist() == [-0.5]
    assert x.masked_fill_(x > 0, 7.0).tolist() == [-0.5, 7.0]
    with pytest.raises(TypeError, match=r"sqrt_: .* does not fit into a tensor of .* int64"):
        tg.tensor([4]).sqrt_()


@pytest.mark.torch
def test_a_skip_past_an_in_place_activation_is_that_of_pytorch():
    """A U-Net's: its skips carry what the activation has written, as in pix2pix."""
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    weight = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)

    def run(lib):
        linear = lib.nn.Linear(3, 3, bias=False)
        linear.weight.data = lib.from_numpy(weight)
        block = lib.nn.Sequential(lib.nn.LeakyReLU(0.2, True), linear, lib.nn.ReLU(inplace=True))
        x = lib.from_numpy(values)
        x.requires_grad_(True)
        h = x * 2
        out = lib.cat([h, block(h)], 1)
        (out * out).sum().backward()
        return [out.detach().numpy(), x.grad.numpy(), linear.weight.grad.numpy()]

    for ours, theirs in zip(run(tg), run(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


SMALLEST = -(2**63)
SORTED = [
    (np.array([3, 250, 0, 7], np.uint8), [250, 7, 3, 0]),
    (np.array([5, SMALLEST, -5]), [5, -5, SMALLEST]),
    (np.array([False, True, False]), [True, False, False]),
    (np.array([1.0, np.nan, -np.inf]), [np.nan, 1.0, -np.inf]),
]


@pytest.mark.parametrize("values, expected", SORTED, ids=lambda v: str(getattr(v, "dtype", "")))
def test_the_largest_come_first_in_every_dtype(values, expected):
    x = tg.tensor(values)
    ordered, indices = x.sort(descending=True)
    for out in (ordered, x[indices], x[x.argsort(descending=True)], x.topk(len(values)).values):
        np.testing.assert_array_equal(out.numpy(), np.array(expected, values.dtype))


REFUSALS = [
    (lambda: X.sum(True), TypeError, "sum: expected dim as a whole number, got True"),
    (lambda: tg.add(WHOLE, WHOLE, alpha=0.5), TypeError, "int64 cannot be multiplied by 0.5"),
    (lambda: X & X, TypeError, r"bitwise_and\(\(2, 3\) float32, "),
    (lambda: X.view(tg.int32), TypeError, "view: the bytes of a tensor"),
    (lambda: WHOLE.masked_fill(WHOLE > 0, 0.5), TypeError, "masked_fill: 0.5 cannot be stored"),
    (lambda: tg.mm(X, X[0]), ValueError, r"mm: expected tensors with 2 and 2 axes, got shapes"),
    (lambda: X.scatter(1, WHOLE, 1.0, reduce="max"), ValueError, "scatter: expected reduce"),
    (lambda: tg.multinomial(-X, 1), ValueError, "multinomial: expected rows of finite weights"),
    (lambda: tg.bernoulli(X), ValueError, "bernoulli: expected probabilities between 0 and 1"),
    (lambda: tg.div(X, 2, rounding_mode="up"), ValueError, "div: expected rounding_mode"),
    (lambda: WHOLE.clone().clamp_(max=2.5), TypeError, "clamp_: limits None, 2.5 do not fit"),
    (lambda: X.clone().clamp_(), ValueError, "clamp: give min, max, or both"),
    (lambda: tg.Tensor(3), TypeError, r"in PyTorch a tensor of 3 numbers, .* zeros\(3\) here"),
    (lambda: tg.zeros(3).index_add_(0, tg.ones(2), X[0]), TypeError, "index_add_: expected int"),
]


@pytest.mark.parametrize("make, kind, text", REFUSALS, ids=lambda v: v if type(v) is str else "")
def test_refusals_name_the_operation(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


def test_the_smaller_of_multinomial_weights_are_drawn_less_often():
    tg.manual_seed(0)
    weights = tg.tensor([[1.0, 3.0, 0.0], [0.0, 1.0, 1.0]])
    drawn = tg.multinomial(weights, 4000, replacement=True).numpy()
    shares = np.stack([np.bincount(row, minlength=3) for row in drawn]) / 4000
    np.testing.assert_allclose(shares, [[0.25, 0.75, 0], [0, 0.5, 0.5]], atol=0.03)
    without = np.stack([tg.multinomial(weights[0], 2).numpy() for _ in range(2000)])
    assert set(map(frozenset, without.tolist())) == {frozenset({0, 1})}
    assert abs((without[:, 0] == 1).mean() - 0.75) < 0.04


def test_nothing_of_another_kind_equals_a_tensor():
    assert (X == None) is False and (X != None) is True  # noqa: E711
    assert (X == "mean") is False and X != "mean" and X not in (None, "mean")


def test_gradients_of_several_losses_add_up():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    tg.autograd.backward([y.sum(), y], [tg.tensor(2.0), tg.ones(2)])
    assert x.grad.tolist() == [6.0, 12.0]
    tg.autograd.backward((x * 3).sum())
    assert x.grad.tolist() == [9.0, 15.0]
    with pytest.raises(ValueError, match="backward: 2 tensors, but 1 gradients"):
        tg.autograd.backward([y, y], [tg.ones(2)])


def test_what_ported_code_asks_of_a_tensor():
    x = tg.ones(2, 3, requires_grad=True)
    y = x.t() * 2
    assert (x.nelement(), x.ndimension(), x.element_size(), x.get_device()) == (6, 2, 4, -1)
    assert not x.is_cuda and x.is_contiguous() and not x.t().is_contiguous()
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    with pytest.raises(RuntimeError, match="squeeze_: this tensor is a leaf that requires"):
        x.squeeze_()
