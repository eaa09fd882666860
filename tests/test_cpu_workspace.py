"""Scratch memory, and what is kept beside weights."""

import threading

import numpy as np
import pytest

from tests.test_cpu_conv import all_directions, all_expected, error, operands
from tinygan.backend.cpu import conv, threads, weights, workspace


@pytest.fixture
def empty_workspace():
    limit = workspace.workspace_limit()
    workspace.clear_workspace()
    yield
    workspace.set_workspace_limit(limit)
    workspace.clear_workspace()


def test_scratch_is_kept_aligned_and_cleared(empty_workspace):
    a = workspace.scratch("a", (100, 7), np.float32)
    assert a.shape == (100, 7) and a.dtype == np.float32 and a.ctypes.data % 64 == 0
    assert workspace.workspace_bytes() == 2800
    assert np.shares_memory(a, workspace.scratch("a", (50,), np.float64))
    assert not np.shares_memory(a, workspace.scratch("b", (50,), np.float64))
    workspace.clear_workspace()
    assert workspace.workspace_bytes() == 0
    a.fill(1)  # who holds a buffer keeps it


def test_each_thread_has_its_own_scratch_and_gives_it_back(empty_workspace):
    mine, other = workspace.scratch("a", (1000,), np.uint8), []

    def use():
        other.append(np.shares_memory(mine, workspace.scratch("a", (1000,), np.uint8)))
        other.append(workspace.workspace_bytes())

    user = threading.Thread(target=use)
    user.start()
    user.join()
    assert other == [False, 2000]
    assert workspace.workspace_bytes() == 1000


def test_workspace_is_bounded(empty_workspace):
    workspace.set_workspace_limit(10_000)
    x, w, g = operands()
    exact = all_expected(x, w, g)
    for path in ("direct", "winograd4"):
        with conv.use_path(path):
            for value, expected in zip(all_directions(x, w, g), exact, strict=True):
                assert error(value, expected) < 1e-5
        assert workspace.workspace_bytes() <= 10_000
    workspace.scratch("small", (100,), np.uint8)
    workspace.set_workspace_limit(50)
    assert workspace.workspace_bytes() == 0
    with pytest.raises(ValueError, match="set_workspace_limit: expected a number of bytes"):
        workspace.set_workspace_limit(-1)


def layer(C=16, O=8, side=12):
    random = np.random.default_rng(0)
    x = random.standard_normal((4, C, side, side)).astype(np.float32)
    weight = random.standard_normal((O, 4, 4, C)).astype(np.float32)
    return x, np.moveaxis(weight, -1, 1)


@pytest.mark.parametrize("small", [0, 1 << 30])
@pytest.mark.parametrize("function", ["forward", "data gradient"])
def test_a_kept_weight_is_used_only_while_it_is_the_same(function, small, monkeypatch):
    """Whoever changes it, and however little, nobody has to say so."""
    monkeypatch.setattr(weights, "_SMALL", small)
    geometry = ((2, 2), (1, 1), (1, 1), 1)
    x, weight = layer()
    y = conv.conv2d(x, weight, *geometry)

    def run(path="winograd4"):
        with conv.use_path(path):
            if function == "forward":
                return conv.conv2d(x, weight, *geometry)
            return conv.conv2d_input_grad(y, weight, x.shape[2:], *geometry)

    first = run()
    with monkeypatch.context() as unused:
        unused.setattr(weights, "matmul_wide", None)  # what transforms a weight
        np.testing.assert_array_equal(run(), first)
    for change in (np.s_[0, 0, 0, 0], np.s_[-1, -1, -1, -1], np.s_[3], np.s_[:, 5]):
        weight[change] += 1
        np.testing.assert_allclose(run(), run("direct"), rtol=1e-4, atol=1e-3)
    weight[0, 0, 0, 0] = np.nan
    assert np.isnan(run()).any()
    weight[0, 0, 0, 0] = 0
    np.testing.assert_allclose(run(), run("direct"), rtol=1e-4, atol=1e-3)


def test_what_is_kept_beside_a_weight_goes_with_it_and_makes_room(empty_workspace):
    x, weight = layer()
    with conv.use_path("winograd4"):
        conv.conv2d(x, weight, (2, 2), (1, 1), (1, 1), 1)
        with_weight = workspace.workspace_bytes()
        kept = sum(size for _, _, size in workspace._kept.values())
        assert kept > weight.nbytes
        others = [layer()[1] for _ in range(3)]
        workspace.set_workspace_limit(with_weight + kept)
        for other in others:  # the third has to push out the first
            conv.conv2d(x, other, (2, 2), (1, 1), (1, 1), 1)
            assert workspace.workspace_bytes() <= with_weight + kept
        owners = {number for number, _ in workspace._kept}
        assert owners == {id(other.base) for other in others[1:]}
        del weight, other, others
        assert workspace.workspace_bytes() == with_weight - kept


def test_a_very_large_weight_is_not_kept(empty_workspace, monkeypatch):
    x, weight = layer()
    geometry = ((2, 2), (1, 1), (1, 1), 1)
    with conv.use_path("winograd4"):
        kept = conv.conv2d(x, weight, *geometry)
        workspace.clear_workspace()
        monkeypatch.setattr(weights, "_LARGEST", 0)
        np.testing.assert_array_equal(conv.conv2d(x, weight, *geometry), kept)
    assert not workspace._kept


def test_what_is_kept_is_handed_out_once(empty_workspace):
    array = np.zeros(3)
    workspace.keep(array, "name", value := object(), 100)
    assert workspace.take(np.zeros(3), "name") is None
    assert workspace.take(array, "name") is value
    assert workspace.take(array, "name") is None


def test_threads_that_share_a_weight_do_not_share_what_is_kept():
    x, weight = layer()
    with conv.use_path("winograd4"):
        expected = conv.conv2d(x, weight, (2, 2), (1, 1), (1, 1), 1)
        results = []

        def work():
            with conv.use_path("winograd4"):
                for _ in range(50):
                    results.append(conv.conv2d(x, weight, (2, 2), (1, 1), (1, 1), 1))

        several = [threading.Thread(target=work) for _ in range(4)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
    assert len(results) == 200 and all((r == expected).all() for r in results)


def test_repeated_calls_keep_no_more_memory(two_threads, empty_workspace):
    problem = operands()
    threads.set_num_threads(1)
    kept = []
    for _ in range(5):
        all_directions(*problem)
        kept.append(workspace.workspace_bytes())
    assert kept[1:] == kept[:-1]
    threads.set_num_threads(2)  # which thread keeps what is left to chance
    for _ in range(10):
        all_directions(*problem)
    assert workspace.workspace_bytes() <= 3 * kept[0]
    assert workspace.workspace_bytes() <= workspace.workspace_limit()
