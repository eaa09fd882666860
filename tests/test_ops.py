"""Every row of the op table: values, derivatives of two orders, dtypes and memory layouts."""

import numpy as np
import pytest

import tinygan as tg
from tests.op_table import NOT_DIFFERENTIABLE, ROWS


def differentiable_rows(order):
    chosen = [row for row in ROWS if row.order >= order]
    return pytest.mark.parametrize("row", chosen, ids=lambda row: row.label)


rows = differentiable_rows(order=0)


def differentiable(outputs):
    return [out for out in outputs if out.requires_grad]


def weights_like(out):
    """Different for every element, so that none can stand in for another."""
    weights = np.cos(np.arange(out.numel()) + 1.0).reshape(out.shape)
    return weights.astype(out.dtype)


def test_every_differentiable_function_is_in_the_table():
    public = set(tg.ops.__all__)
    assert public >= NOT_DIFFERENTIABLE
    missing = public - NOT_DIFFERENTIABLE - {row.op for row in ROWS if row.order == 2}
    assert not missing, f"functions without a gradient check: {sorted(missing)}"


@pytest.mark.torch
@rows
def test_values(row):
    arrays = row.arrays()
    expected = row.expected(arrays)
    if expected is None:
        pytest.skip("the reference needs PyTorch")
    results = row(*row.tensors(arrays))
    assert len(results) == len(expected)
    for result, reference in zip(results, expected):
        assert result.shape == reference.shape
        np.testing.assert_allclose(result.numpy(), reference, rtol=1e-9, atol=1e-11)


@differentiable_rows(order=1)
def test_first_derivatives(row):
    tensors = row.tensors(row.arrays())
    assert differentiable(row(*tensors)), "no result depends on the inputs"
    assert tg.gradcheck(lambda *ts: differentiable(row(*ts)), tensors)


@differentiable_rows(order=2)
def test_second_derivatives(row):
    assert tg.gradgradcheck(lambda *ts: differentiable(row(*ts)), row.tensors(row.arrays()))


@differentiable_rows(order=2)
def test_a_gradient_that_is_recorded_is_the_same_gradient(row):
    """Fused kernels compute it otherwise than the formula that is recorded."""
    tensors = row.tensors(row.arrays())
    wanted = [t for t in tensors if isinstance(t, tg.Tensor) and t.requires_grad]

    def gradients(create_graph):
        outs = differentiable(row(*tensors))
        outs = list(outs) if isinstance(outs, tuple | list) else [outs]
        seeds = [
            tg.tensor(np.cos(np.arange(o.numel())).reshape(o.shape), dtype=o.dtype) for o in outs
        ]
        return tg.grad(outs, wanted, seeds, create_graph=create_graph, allow_unused=True)

    for plain, recorded in zip(gradients(False), gradients(True), strict=True):
        assert (plain is None) == (recorded is None)
        if plain is not None:
            np.testing.assert_allclose(plain.numpy(), recorded.numpy(), rtol=1e-7, atol=1e-10)


class WideNumbers:
    """Watches every operation and notes those that make 64-bit floats."""

    def __init__(self):
        self.makers = []

    def wrap_forward(self, op, run):
        def noted(*args, **keywords):
            result = run(*args, **keywords)
            array = result[0] if op.saves else result
            if array.dtype == np.float64:
                self.makers.append(op.name)
            return result

        return noted

    def wrap_backward(self, node, run):
        return run

    def where(self):
        return ""


@rows
def test_float32_stays_float32(row, monkeypatch):
    from tinygan.autograd.mode import mode

    wide = WideNumbers()
    tensors = row.tensors(row.arrays(np.float32))
    active = [t for t in tensors if t.requires_grad]
    monkeypatch.setattr(mode, "watch", (wide,))
    outputs = differentiable(row(*tensors))
    assert {out.dtype for out in outputs} == {np.dtype("float32")}
    if row.order:
        weights = [tg.Tensor(weights_like(out)) for out in outputs]
        firsts = tg.grad(outputs, active, weights, create_graph=row.order > 1, allow_unused=True)
        firsts = [g for g in firsts if g is not None]
        assert {g.dtype for g in firsts} == {np.dtype("float32")}
        seconds = differentiable(firsts)
        if seconds:
            for g in tg.grad([(s * s).sum() for s in seconds], active, allow_unused=True):
                assert g is None or g.dtype == np.float32
    assert not wide.makers


@rows
def test_float32_is_close_to_float64(row):
    arrays = row.arrays(np.float32)
    narrow = row(*row.tensors(arrays))
    wide = row(*row.tensors([a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]))
    for a, b in zip(narrow, wide):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-5)


def channels_last(array):
    """The same values, the second axis varying fastest in memory."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)).transpose(
        0, array.ndim - 1, *range(1, array.ndim - 1)
    )


def with_gaps(array):
    """The same values as every second element of a larger array."""
    wide = np.zeros([2 * n for n in array.shape], array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


LAYOUTS = {
    "channels-last": lambda a: channels_last(a) if a.ndim > 2 else a,
    "fortran": lambda a: np.asfortranarray(a) if a.ndim else a,
    "gaps": lambda a: with_gaps(a) if a.ndim else a,
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1] if a.ndim else a,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "row", [row for row in ROWS if any(a.ndim for a in row.arrays())], ids=lambda row: row.label
)
def test_memory_layout_does_not_matter(row, layout):
    def run(arrays):
        tensors = row.tensors(arrays)
        outputs = row(*tensors)
        active = [t for t in tensors if t.requires_grad]
        flowing = differentiable(outputs)
        grads = tg.grad(
            flowing, active, [tg.Tensor(weights_like(o)) for o in flowing], allow_unused=True
        )
        return [*outputs, *(g for g in grads if g is not None)] if row.order else outputs

    arrays = row.arrays()
    for plain, laid_out in zip(run(arrays), run([LAYOUTS[layout](a) for a in arrays])):
        np.testing.assert_allclose(laid_out.numpy(), plain.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("path", ["direct", "winograd2", "winograd4", "auto"])
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.op.startswith("conv")], ids=lambda row: row.label
)
def test_every_convolution_path_gives_the_same(row, path):
    """Values, first and second derivatives in float32, against float64 (which is always direct)."""
    from tinygan.backend.cpu.conv import use_path

    def run(dtype):
        arrays = [a.astype(dtype) for a in row.arrays(np.float32)]
        tensors = row.tensors(arrays)
        active = [t for t in tensors if t.requires_grad]
        (out,) = row(*tensors)
        firsts = tg.grad((out * out).sum(), active, create_graph=True)
        seconds = tg.grad(sum((g * g).sum() for g in firsts), active)
        return [out, *firsts, *seconds]

    with use_path(path):
        narrow = run(np.float32)
    for a, b in zip(narrow, run(np.float64), strict=True):
        scale = np.abs(b.numpy()).max(initial=1e-30)
        np.testing.assert_allclose(a.numpy() / scale, b.numpy() / scale, atol=5e-5)
