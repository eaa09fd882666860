"""Properties that hold for all shapes, checked on shapes that Hypothesis thinks up."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygan as tg

bounded = settings(max_examples=60, deadline=None, derandomize=True)
sizes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
filled = hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def leaf(shape, seed=0):
    return tg.Tensor(numbers(shape, seed), requires_grad=True)


def same(ours, numpys):
    assert ours.shape == np.shape(numpys)
    np.testing.assert_allclose(ours.numpy(), numpys, rtol=2e-5, atol=2e-5)


@bounded
@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4),
    st.sampled_from(["add", "mul", "sub"]),
)
def test_arithmetic_broadcasts_as_in_numpy(shapes, name):
    x, y = (leaf(shape, i) for i, shape in enumerate(shapes.input_shapes))
    out = getattr(tg, name)(x, y)
    same(out, {"add": np.add, "mul": np.multiply, "sub": np.subtract}[name](x.numpy(), y.numpy()))
    gx, gy = tg.grad(out.sum(), [x, y])
    assert gx.shape == x.shape and gy.shape == y.shape
    weight = {"add": (1, 1), "sub": (1, -1), "mul": (y.numpy(), x.numpy())}[name]
    for g, t, w in zip((gx, gy), (x, y), weight):
        same(g, unbroadcast(np.broadcast_to(np.float32(w), out.shape), t.shape))


def unbroadcast(array, shape):
    """Sum over the axes along which `shape` was stretched to the array's."""
    lead = array.ndim - len(shape)
    stretched = tuple(i + lead for i, n in enumerate(shape) if n == 1)
    return array.sum(axis=(*range(lead), *stretched)).reshape(shape)


@bounded
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=4))
def test_where_broadcasts_as_in_numpy(shapes):
    c, x, y = (leaf(shape, i) for i, shape in enumerate(shapes.input_shapes))
    condition = c.detach() > 0
    out = tg.where(condition, x, y)
    same(out, np.where(condition.numpy(), x.numpy(), y.numpy()))
    gx, gy = tg.grad(out.sum(), [x, y])
    chosen = np.broadcast_to(condition.numpy(), out.shape).astype(np.float32)
    same(gx, unbroadcast(chosen, x.shape))
    same(gy, unbroadcast(1 - chosen, y.shape))


def indices(shape):
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    mask = hnp.arrays(bool, shape)
    if shape and all(shape):
        return st.one_of(basic, mask, hnp.integer_array_indices(shape))
    return st.one_of(basic, mask)


@bounded
@given(st.data())
def test_indexing_reads_writes_and_differentiates_as_in_numpy(data):
    x = leaf(data.draw(sizes))
    index = data.draw(indices(x.shape))
    out = x[index]
    same(out, x.numpy()[index])
    weights = numbers(out.shape, 1)
    expected = np.zeros(x.shape, np.float32)
    np.add.at(expected, index, weights)
    same(tg.grad(out, x, tg.Tensor(weights))[0], expected)
    written, reference = x.detach().clone(), x.numpy().copy()
    written[index] = 7.0
    reference[index] = 7.0
    same(written, reference)


@bounded
@given(st.data())
def test_reductions_over_any_axes(data):
    x = leaf(data.draw(filled))
    dims = (
        data.draw(
            st.none()
            | st.sets(st.integers(-x.ndim, x.ndim - 1), min_size=1, max_size=x.ndim).map(tuple)
        )
        if x.ndim
        else None
    )
    if dims is not None and len({d % x.ndim for d in dims}) < len(dims):
        dims = tuple({d % x.ndim for d in dims})
    keep = data.draw(st.booleans())
    for name, reference in {
        "sum": np.sum,
        "mean": np.mean,
        "amax": np.max,
        "amin": np.min,
        "prod": np.prod,
    }.items():
        out = getattr(tg, name)(x, dims, keep)
        same(out, reference(x.numpy(), axis=dims, keepdims=keep))
        (g,) = tg.grad(out.sum(), x)
        assert g.shape == x.shape and g.dtype == np.float32
    shares = tg.grad(x.amax(dims, keep).sum(), x)[0].sum(dims, keep)
    same(shares, np.ones(shares.shape))
    same(tg.softmax(x, -1).sum(-1), np.ones(x.shape[:-1]))


@bounded
@given(st.data())
def test_reshaping_and_permuting_there_and_back(data):
    x = leaf(data.draw(sizes))
    order = data.draw(st.permutations(range(x.ndim)))
    back = sorted(range(x.ndim), key=order.__getitem__)
    moved = x.permute(*order) if x.ndim else x.permute(())
    same(moved, x.numpy().transpose(order))
    same(moved.permute(tuple(back)), x.numpy())
    same(moved.reshape(-1 if x.numel() else 0).reshape(moved.shape).permute(tuple(back)), x.numpy())
    weights = numbers(moved.shape, 1)
    same(tg.grad(moved, x, tg.Tensor(weights))[0], weights.transpose(back))


@bounded
@given(st.data())
def test_cutting_and_joining_there_and_back(data):
    x = leaf(data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = data.draw(st.integers(1, 5))
    same(tg.cat(x.split(size, dim), dim), x.numpy())
    same(tg.cat(x.chunk(size, dim), dim), x.numpy())
    same(x.flip(dim).flip(dim), x.numpy())
    same(x.roll(size, dim).roll(-size, dim), x.numpy())
    same(tg.pad(x, (size, 1))[..., size:-1], x.numpy())


@bounded
@given(st.data())
def test_matmul_broadcasts_as_in_numpy(data):
    shapes = data.draw(
        hnp.mutually_broadcastable_shapes(
            signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=3
        )
    )
    x, y = (leaf(shape, i) for i, shape in enumerate(shapes.input_shapes))
    out = x @ y
    same(out, np.matmul(x.numpy(), y.numpy()))
    gx, gy = tg.grad(out.sum(), [x, y])
    assert gx.shape == x.shape and gy.shape == y.shape
