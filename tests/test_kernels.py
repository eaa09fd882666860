"""Kernels where they are easily wrong: sums shared by threads, numbers far from zero, and memory
that must stay within its bound.
"""

import threading

import numpy as np
import pytest

from tinygan.backend import cpu, portable
from tinygan.backend.cpu import gemm, workspace

random = np.random.default_rng(3)


def normal(*shape):
    return random.standard_normal(shape, np.float32)


PRODUCTS = [(64, 20000, 64), (64, 20001, 48), (3, 500_000, 2)]  # split along the sum
PRODUCTS += [(700, 80, 600), (100, 400, 700), (900, 1, 900)]  # by rows, by columns


@pytest.mark.parametrize(("m", "k", "n"), PRODUCTS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_products_shared_by_threads(m, k, n, threads):
    """No share is lost, none counts twice."""
    before = cpu.get_num_threads()
    cpu.set_num_threads(threads)
    try:
        a, b = normal(m, k), normal(k, n)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        for product in (cpu.matmul(a, b), gemm.matmul(a, b, np.full((m, n), np.nan, np.float32))):
            assert np.abs(product - exact).max() <= 1e-6 * k**0.5 * 10
    finally:
        cpu.set_num_threads(before)


def far(shape, offset, channels_last):
    """Numbers about `offset` whose mean is exactly that, none of them rounded."""
    half = np.round(64 * normal(shape[0] // 2, *shape[1:])) / np.float32(64)
    x = np.concatenate([half, -half]) + np.float32(offset)
    if channels_last and x.ndim == 4:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    return x


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", [(8, 64, 16, 16), (64, 16, 32, 32), (2048, 32)])
@pytest.mark.parametrize("offset", [100.0, 3000.0])
def test_the_norms_gradient_far_from_zero_mean(shape, channels_last, offset):
    """Σ g·x − μ·Σ g would lose its digits where |μ| is much larger than σ."""
    dims, column = (0, *range(2, len(shape))), (1, -1) + (1,) * (len(shape) - 2)
    x, g = far(shape, offset, channels_last), 1 + normal(*shape)
    weight, bias = (normal(shape[1]).reshape(column) for _ in range(2))
    out, mean, _, rstd = cpu.standardize(x, weight, bias, dims, 1e-5)
    dx, dweight, dbias = cpu.standardize_gradient(g, x, weight, mean, rstd, dims, [0, 1, 2])
    wide = [a.astype(np.float64) for a in (x, weight, bias)]
    exact, mean, _, rstd = portable.standardize(*wide, dims, 1e-5)
    exact = (
        exact,
        *portable.standardize_gradient(
            g.astype(np.float64), wide[0], wide[1], mean, rstd, dims, [0, 1, 2]
        ),
    )
    looser = 3e-7 * offset + 3e-5  # what rounding a·x + b leaves of a·(x − μ)
    for ours, theirs, tolerance in zip(
        (out, dx, dweight, dbias), exact, (looser, looser, 2e-5, 2e-5), strict=True
    ):
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def test_pieces_of_unequal_length_weigh_by_their_length():
    """The statistics of pieces are joined; here of 64 rows and of 8, with means of their own."""
    x = normal(9, 64, 32, 32) + np.float32(50) + np.arange(9, dtype=np.float32)[:, None, None, None]
    _, mean, var, rstd = cpu.standardize(x, None, None, (0, 2, 3), 1e-5)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean((0, 2, 3), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(var, wide.var((0, 2, 3), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(1 / rstd**2, var, rtol=1e-4)


# -- the workspace's bound -------------------------------------------------------------------------


@pytest.fixture
def limit():
    before = workspace.workspace_limit()
    workspace.clear_workspace()
    workspace.set_workspace_limit(10_000)
    yield 10_000
    workspace.set_workspace_limit(before)
    workspace.clear_workspace()


def test_scratch_memory_never_exceeds_its_bound(limit):
    asked = [("a", 4000), ("b", 4000), ("c", 4000), ("a", 9000), ("d", 2000), ("e", 11_000)]
    for name, size in asked:
        buffer = workspace.scratch(name, (size,), np.uint8)
        assert buffer.shape == (size,)  # whether it is kept or not, it can be used
        assert workspace.workspace_bytes() <= limit
    assert workspace.workspace_bytes() >= 6000  # what fits is kept
    workspace.clear_workspace()
    exactly = workspace.scratch("whole", (10_000,), np.uint8)
    assert workspace.workspace_bytes() == 10_000
    assert np.shares_memory(exactly, workspace.scratch("whole", (10_000,), np.uint8))


def test_what_is_kept_beside_arrays_makes_room_oldest_first(limit):
    arrays = [np.zeros(1) for _ in range(4)]
    for array in arrays:
        workspace.keep(array, "made", object(), 3000)
        assert workspace.workspace_bytes() <= limit
    assert [workspace.take(array, "made") is None for array in arrays] == [True] + 3 * [False]
    assert workspace.workspace_bytes() == 0
    for array in arrays[:3]:
        workspace.keep(array, "made", object(), 3000)
    workspace.scratch("buffer", (5000,), np.uint8)
    assert workspace.workspace_bytes() == 8000
    assert [workspace.take(array, "made") is None for array in arrays[:3]] == [True, True, False]
    workspace.keep(arrays[0], "too much", object(), 10_001)
    assert workspace.take(arrays[0], "too much") is None


def test_the_bound_holds_for_all_threads_together(limit):
    held, errors = threading.Barrier(3), []

    def use():
        workspace.scratch("mine", (4000,), np.uint8)
        held.wait()
        errors.append(workspace.workspace_bytes() > limit)
        held.wait()

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [False] * 3
