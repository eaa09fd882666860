"""The CUDA backend's normalisation and sums, run as fibres, beside NumPy in float64."""

from importlib import import_module

import numpy as np
import pytest

from tests import fibres
from tests.strict_device import StrictArray
from tinygan.backend import portable
from tinygan.backend.cuda import columns, norm, sums

pytestmark = fibres.needed
RNG = np.random.default_rng(0)
BATCH, INSTANCE, EPS = (0, 2, 3), (2, 3), 1e-5

SHAPES = {  # (N, C, H, W): what is special
    "several blocks": (5, 32, 9, 7),
    "no multiple of four channels": (3, 7, 5, 3),
    "more channels than a tile": (2, 140, 3, 2),
    "one channel": (2, 1, 6, 5),
    "few rows": (1, 4, 1, 2),
    "rows that nearly fill a slab": (1, 128, 5, 6),
    "many rows": (16, 3, 16, 17),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@pytest.fixture(autouse=True)
def device(fibre_device, monkeypatch):
    monkeypatch.setattr(columns, "_BLOCKS", 7)  # slabs of several rows, also where there are few
    columns._walk.cache_clear()
    yield fibre_device
    columns._walk.cache_clear()


@pytest.fixture
def no_fallback(monkeypatch):
    for name in ("standardize", "standardize_given", "standardize_gradient", "sum_over"):
        monkeypatch.setattr(portable, name, lambda *_, **__: pytest.fail("a portable kernel"))


def last(array):
    """A device array (N, C, …) whose channels lie last."""
    axes = (0, *range(2, array.ndim), 1)
    memory = np.ascontiguousarray(array.transpose(axes))
    return StrictArray(memory.transpose(np.argsort(axes)))


def case(shape, affine=True, mean=0.0, dims=BATCH):
    """Images, γ and β, and a gradient."""
    x, g = (RNG.standard_normal(shape).astype(np.float32) for _ in range(2))
    x += np.float32(mean)
    vectors = RNG.standard_normal((2, 1, shape[1], *(1,) * (len(shape) - 2))).astype(np.float32)
    return x, g, *(vectors if affine else (None, None))


def on_device(array):
    return None if array is None else StrictArray(array.copy())


def double(*arrays):
    return [None if a is None else a.astype(np.float64) for a in arrays]


REFERENCE = {
    name: getattr(portable, name)
    for name in ("standardize", "standardize_given", "standardize_gradient")
}


def forward(x, weight, bias, dims, slope):
    return REFERENCE["standardize"](*double(x, weight, bias), dims, EPS, slope)


def close(found, expected, tolerance=1e-5):
    if expected is None:
        assert found is None
        return
    assert found.dtype == np.float32 and found.shape == expected.shape
    scale = max(1.0, abs(expected).max())
    np.testing.assert_allclose(found.get(), expected, rtol=tolerance, atol=tolerance * scale)


def all_shapes_and_all_settings():
    """Every shape with one setting and every setting with one shape; all pairs take long."""
    for what, shape in SHAPES.items():
        for slope, affine in ((0.2, True), (0.2, False), (0.0, True), (None, False)):
            pair = (slope, affine) != (0.2, True) and what != "no multiple of four channels"
            marks = [pytest.mark.slow] if pair else []
            yield pytest.param(shape, slope, affine, id=f"{what}-{slope}-{affine}", marks=marks)


@pytest.mark.parametrize("dims", [BATCH, INSTANCE], ids=["batch", "instance"])
@pytest.mark.parametrize("shape, slope, affine", list(all_shapes_and_all_settings()))
def test_forward_and_backward(no_fallback, shape, dims, slope, affine):
    x, g, weight, bias = case(shape, affine)
    there = [last(x), on_device(weight), on_device(bias)]
    found = norm.standardize(*there, dims, EPS, slope)
    expected = forward(x, weight, bias, dims, slope)
    for a, b in zip(found, expected, strict=True):
        close(a, b)
    assert found[0].transpose(0, 2, 3, 1).flags.c_contiguous

    out, mean, _, rstd = found
    result = None if slope is None else out
    needed = [0, 1, 2] if affine else [0]
    grads = norm.standardize_gradient(
        last(g), there[0], there[1], mean, rstd, dims, needed, result, slope
    )
    result = None if slope is None else out.get().astype(np.float64)  # of which the signs count
    wanted = REFERENCE["standardize_gradient"](
        *double(g, x, weight), expected[1], expected[3], dims, needed, result, slope
    )
    for a, b in zip(grads, wanted, strict=True):
        close(a, b, 1e-4 if a is not None and a.size < 4 * shape[1] else 2e-5)


@pytest.mark.parametrize("dims", [BATCH, INSTANCE], ids=["batch", "instance"])
def test_a_large_mean_does_not_cancel(no_fallback, dims):
    x, g, weight, bias = case((6, 12, 8, 9), mean=1e4)
    out, mean, var, rstd = norm.standardize(last(x), on_device(weight), on_device(bias), dims, EPS)
    expected = forward(x, weight, bias, dims, None)
    np.testing.assert_allclose(var.get(), expected[2], rtol=1e-5)
    np.testing.assert_allclose(mean.get(), expected[1], rtol=1e-7)
    np.testing.assert_allclose(out.get(), expected[0], atol=3e-3)  # μ itself is that coarse
    dx, gamma, _ = norm.standardize_gradient(
        last(g), last(x), on_device(weight), mean, rstd, dims, [0, 1, 2]
    )
    wanted = REFERENCE["standardize_gradient"](
        *double(g, x, weight), expected[1], expected[3], dims, [0, 1, 2]
    )
    np.testing.assert_allclose(dx.get(), wanted[0], atol=1e-2)
    np.testing.assert_allclose(gamma.get(), wanted[1], atol=5e-2)


@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (1, 4, 1, 1)])
def test_what_is_not_a_number_stays_so(shape):
    x = case(shape)[0]
    x[0, 1, 0, 0], x[-1, 2, 0, 0] = np.nan, np.inf
    out, *statistics = norm.standardize(last(x), None, None, BATCH, EPS)
    for a in (out, *statistics[1:]):
        assert np.isnan(a.get()[:, 1:3]).all() and np.isfinite(a.get()[:, ::3]).all()


@shapes
@pytest.mark.parametrize("slope", [None, 0.2])
def test_given_statistics(no_fallback, shape, slope):
    x, _, weight, bias = case(shape)
    mean, rstd = case(shape)[2], abs(case(shape)[3])
    found = norm.standardize_given(last(x), *map(on_device, (weight, bias, mean, rstd)), slope)
    close(found, REFERENCE["standardize_given"](*double(x, weight, bias, mean, rstd), slope))


@pytest.mark.parametrize("matrices", [1, 5])
def test_running_statistics_move_in_place(monkeypatch, matrices):
    before = [RNG.random(130).astype(np.float32) for _ in range(2)]
    batch = [RNG.random((matrices, 130, 1, 1)).astype(np.float32) for _ in range(2)]
    running, expected = [StrictArray(a.copy()) for a in before], [a.copy() for a in before]
    portable.move_statistics(*expected, *batch, 0.1, 1.25)
    monkeypatch.setattr(portable, "move_statistics", lambda *_: pytest.fail("a portable kernel"))
    norm.move_statistics(*running, *(StrictArray(a) for a in batch), 0.1, 1.25)
    for a, b, unmoved in zip(running, expected, before):
        np.testing.assert_allclose(a.get(), b, rtol=1e-6)
        assert abs(b - unmoved).max() > 0.01


def test_vectors_and_signals(no_fallback):
    for shape, dims in (((9, 6), (0,)), ((4, 5, 8), (0, 2)), ((4, 5, 8), (2,))):
        x, _, weight, bias = case(shape)
        found = norm.standardize(last(x), on_device(weight), on_device(bias), dims, EPS)
        for a, b in zip(found, forward(x, weight, bias, dims, None), strict=True):
            close(a, b)


def test_images_that_lie_otherwise_are_copied(no_fallback):
    x, _, weight, bias = case((3, 8, 4, 5))
    here = StrictArray(x), on_device(weight), on_device(bias)
    out, mean, _, rstd = norm.standardize(*here, BATCH, EPS)
    close(out, forward(x, weight, bias, BATCH, None)[0])
    one = StrictArray(np.broadcast_to(np.float32(0.5), x.shape))
    dx = norm.standardize_gradient(one, here[0], here[1], mean, rstd, BATCH, [0, 1, 2])
    close(dx[2], np.full(weight.shape, 0.5 * 3 * 4 * 5))


def test_arrays_that_are_not_aligned_are_read_one_by_one(no_fallback):
    x = case((2, 4, 3, 3))[0]
    memory = np.zeros(x.size + 1, np.float32)[1:].reshape(2, 3, 3, 4)
    memory[...] = x.transpose(0, 2, 3, 1)
    out = norm.standardize(StrictArray(memory.transpose(0, 3, 1, 2)), None, None, BATCH, EPS)[0]
    close(out, forward(x, None, None, BATCH, None)[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda x, w, b, dims: (x.astype(np.float64), w, b, dims),
        lambda x, w, b, dims: (x, w.astype(np.float64), b, dims),
        lambda x, w, b, dims: (x, w[..., 0, 0, 0], b[..., 0, 0, 0], (3,)),
        lambda x, w, b, dims: (x, w[0], b[0], dims),
        lambda x, w, b, dims: (x[:, ::2], w[:, ::2], b[:, ::2], dims),
        lambda x, w, b, dims: (x[:0], w, b, INSTANCE),
    ],
)
def test_everything_else_is_the_portable_kernels_work(monkeypatch, change):
    x, _, weight, bias = case((2, 4, 3, 1))
    called = []
    plain = portable.standardize
    monkeypatch.setattr(portable, "standardize", lambda *a: called.append(a) or plain(*a))
    norm.standardize(*change(last(x), on_device(weight), on_device(bias), BATCH), EPS)
    assert called


def test_launches(monkeypatch):
    """Three forward, three backward; nothing else happens on the device."""
    launched, plain = [], columns.kernel
    monkeypatch.setattr(
        columns, "kernel", lambda file, name, **kw: launched.append(name) or plain(file, name, **kw)
    )
    x, g, weight, bias = (on_device(a) for a in case((4, 8, 4, 1)))
    out, mean, _, rstd = norm.standardize(x, weight, bias, BATCH, EPS, 0.2)
    assert launched == ["statistics", "finish_statistics", "normalise"]
    launched.clear()
    norm.standardize_gradient(g, x, weight, mean, rstd, BATCH, [0, 1, 2], out, 0.2)
    assert launched == ["gradient_sums", "finish_gradient_sums", "input_gradient"]
    launched.clear()
    norm.standardize_gradient(g, x, weight, mean, rstd, BATCH, [1, 2], out, 0.2)
    assert launched == ["gradient_sums", "finish_gradient_sums"]


def test_an_h100_has_enough_to_do(monkeypatch):
    """Blocks of 256 threads for its 132 processors, and no more slabs than are joined quickly."""
    monkeypatch.undo()
    columns._walk.cache_clear()
    for channels, side in ((512, 4), (256, 8), (128, 16), (64, 32)):
        walk = columns._walk(1, 128 * side * side, channels, 4)
        assert 200 <= np.prod(walk.grid) <= 528 and np.prod(walk.block) == 256
        assert walk.slabs <= 528 and walk.slab * walk.slabs >= walk.rows


# -- sums -----------------------------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_of_columns(no_fallback, monkeypatch, shape, keepdims):
    monkeypatch.setattr(sums, "_SMALL", 0)
    if shape[1] == 1:
        pytest.skip("all elements are summed")
    x = case(shape)[0]
    found = sums.sum_over(last(x), BATCH, keepdims=keepdims)
    close(found, x.astype(np.float64).sum(axis=BATCH, keepdims=keepdims))
    if x.ndim == 4:
        close(sums.sum_over(StrictArray(x), (0, 1, 2)), x.astype(np.float64).sum(axis=(0, 1, 2)))


def test_other_sums_are_cupys(monkeypatch):
    monkeypatch.setattr(sums, "_SMALL", 0)
    monkeypatch.setattr(sums, "walk_over", lambda *_: pytest.fail("a kernel"))
    x = case((2, 4, 3, 5))[0]
    for there, axis in (
        (last(x), (2, 3)),
        (StrictArray(x), BATCH),
        (last(x)[:, :2], BATCH),
        (last(x), (0, 1, 2, 3)),
    ):
        np.testing.assert_allclose(
            sums.sum_over(there, axis).get(), there.get().sum(axis=axis), rtol=1e-5, atol=1e-5
        )
    whole = StrictArray(np.ones((4, 4), np.int64))
    assert sums.sum_over(whole, (0,)).get().tolist() == [4] * 4
    assert import_module("tinygan.backend.cuda").sum_over is sums.sum_over
