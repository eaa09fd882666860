"""The CPU convolution kernels against the definition of convolution, and the threads and scratch
memory below them."""

import os
import threading

import numpy as np
import pytest

from tinygan.backend.cpu import (
    conv,
    direct,
    gemm,
    layout,
    threads,
    weights,
    winograd,
    workspace,
)  # fmt: skip


def reference(x, w, g, stride, padding, dilation, groups):
    """Convolution and its two gradients in float64, one kernel tap at a time: (y, dx, dw); g may be
    None."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    (N, C, H, W), (O, cg, kh, kw) = x.shape, w.shape
    (sh, sw), (ph, pw), (dh, dw_) = stride, padding, dilation
    oh, ow = layout.output_size((H, W), (kh, kw), stride, padding, dilation)
    xp = np.zeros((N, C, H + 2 * ph, W + 2 * pw))
    xp[:, :, ph : ph + H, pw : pw + W] = x
    y, dxp, dw = np.zeros((N, O, oh, ow)), np.zeros_like(xp), np.zeros_like(w)
    og = O // groups
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            columns = slice(j * dw_, j * dw_ + (ow - 1) * sw + 1, sw)
            for k in range(groups):
                c, o = slice(k * cg, (k + 1) * cg), slice(k * og, (k + 1) * og)
                y[:, o] += np.einsum("nchw,oc->nohw", xp[:, c, rows, columns], w[o, :, i, j])
                if g is not None:
                    dxp[:, c, rows, columns] += np.einsum("nohw,oc->nchw", g[:, o], w[o, :, i, j])
                    dw[o, :, i, j] = np.einsum("nohw,nchw->oc", g[:, o], xp[:, c, rows, columns])
    return y, dxp[:, :, ph : ph + H, pw : pw + W], dw


def in_order(array, order):
    """The same values, laid out as the order says."""
    if order == "channels_last":
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if order == "strided":
        wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
        view = wide[::2, 1::2, ::-2, ::2] if array.size else wide[::2, ::2, ::2, ::2]
        view[...] = array
        return view
    return np.ascontiguousarray(array)


def error(value, expected):
    return np.linalg.norm(value.astype(np.float64) - expected) / max(
        np.linalg.norm(expected), 1e-300
    )


def check(
    N,
    C,
    O,
    size,
    kernel,
    stride,
    padding,
    dilation=(1, 1),
    groups=1,
    dtype=np.float32,
    order="contiguous",
):
    rng = np.random.default_rng(N * 1000 + C * 100 + O)
    x = in_order(rng.standard_normal((N, C, *size)).astype(dtype), order)
    w = in_order(rng.standard_normal((O, C // groups, *kernel)).astype(dtype), order)
    out = layout.output_size(size, kernel, stride, padding, dilation)
    g = in_order(rng.standard_normal((N, O, *out)).astype(dtype), order)
    rest = (stride, padding, dilation, groups)
    results = (
        conv.conv2d(x, w, *rest),
        conv.conv2d_input_grad(g, w, size, *rest),
        conv.conv2d_weight_grad(x, g, kernel, *rest),
    )
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    for name, value, expected in zip(
        ("y", "dx", "dw"), results, reference(x, w, g, *rest), strict=True
    ):
        assert value.shape == expected.shape, name
        assert value.dtype == dtype, name
        assert value.transpose(0, 2, 3, 1).flags.c_contiguous, name
        assert error(value, expected) <= tolerance, name


GEOMETRIES = [  # size, kernel, stride, padding, dilation
    ((7, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((9, 12), (3, 2), (2, 1), (0, 1), (1, 1)),
    ((11, 8), (2, 3), (1, 3), (1, 2), (2, 1)),
    ((13, 10), (3, 3), (2, 2), (2, 2), (3, 2)),
    ((6, 6), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((6, 7), (1, 1), (2, 3), (0, 0), (1, 1)),
    ((5, 6), (1, 1), (1, 1), (2, 1), (1, 1)),
    ((4, 4), (4, 4), (1, 1), (0, 0), (1, 1)),
    ((4, 3), (4, 3), (2, 1), (0, 0), (1, 1)),
    ((8, 8), (4, 4), (2, 2), (1, 1), (1, 1)),
    ((10, 7), (5, 4), (2, 2), (2, 1), (1, 1)),
    ((9, 9), (2, 2), (3, 3), (0, 0), (1, 1)),  # pixels that no window covers
    ((12, 17), (1, 4), (3, 2), (1, 0), (1, 1)),
]


@pytest.mark.parametrize("order", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("channels", [(1, 1, 1), (3, 5, 1), (4, 6, 2), (3, 3, 3), (17, 20, 1)])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_direct_path(geometry, channels, order):
    C, O, groups = channels
    with conv.use_path("direct"):
        for N, dtype in ((1, np.float64), (3, np.float32)):
            check(N, C, O, *geometry, groups=groups, dtype=dtype, order=order)


@pytest.mark.parametrize("path", ["winograd2", "winograd4"])
@pytest.mark.parametrize("order", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("size", [(4, 4), (5, 9), (8, 8), (13, 6), (16, 18), (31, 33)])
@pytest.mark.parametrize(
    "kernel, stride, padding",
    [(4, 2, (1, 1)), (4, 2, (0, 2)), (3, 1, (1, 1)), (3, 1, (0, 0)), (3, 1, (2, 1))],
)
def test_winograd_path(kernel, stride, padding, size, order, path):
    with conv.use_path(path):
        for N, C, O in ((1, 3, 5), (5, 16, 8)):
            check(N, C, O, size, (kernel, kernel), (stride, stride), padding, order=order)


@pytest.mark.parametrize("path", ["direct", "winograd2", "winograd4"])
@pytest.mark.parametrize("share_bytes", [0, 1 << 30])
def test_many_pieces(path, share_bytes, two_threads, monkeypatch):
    """Budgets so small that images are cut by rows, batches are summed, and every thread has
    several pieces."""
    monkeypatch.setattr(threads, "_WORTH_WAKING", 0)
    monkeypatch.setattr(winograd, "_SHARE_BYTES", share_bytes)
    monkeypatch.setattr(weights, "_SMALL", 0)
    for name in ("_TRANSFORM_BYTES", "_PRODUCT_BYTES", "_BATCH_BYTES"):
        monkeypatch.setattr(winograd, name, 20_000)
    monkeypatch.setattr(direct, "_PIECE_BYTES", 5_000)
    with conv.use_path(path):
        for N in (1, 2, 7):
            check(N, 8, 12, (26, 22), (4, 4), (2, 2), (1, 1))
            check(N, 8, 12, (21, 24), (3, 3), (1, 1), (1, 1))
            check(N, 2, 12, (21, 24), (4, 4), (2, 2), (1, 1))


@pytest.mark.parametrize("path", ["auto", "winograd2", "winograd4"])
def test_accuracy_of_dcgan_and_residual_layers(path):
    with conv.use_path(path):
        check(8, 64, 128, (32, 32), (4, 4), (2, 2), (1, 1), order="channels_last")
        check(8, 64, 64, (32, 32), (3, 3), (1, 1), (1, 1), order="channels_last")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N, C, O", [(0, 3, 4), (2, 0, 4)])
def test_empty(N, C, O, dtype):
    for kernel, stride in ((4, 2), (3, 1), (1, 1)):
        k, s, p, d = (kernel, kernel), (stride, stride), (1, 1), (1, 1)
        out = layout.output_size((8, 8), k, s, p, d)
        x, w, g = (
            np.ones((N, C, 8, 8), dtype),
            np.ones((O, C, *k), dtype),
            np.ones((N, O, *out), dtype),
        )
        y, dx = conv.conv2d(x, w, s, p, d, 1), conv.conv2d_input_grad(g, w, (8, 8), s, p, d, 1)
        dw = conv.conv2d_weight_grad(x, g, k, s, p, d, 1)
        assert y.shape == g.shape and not y.any() and y.dtype == dtype
        assert dx.shape == x.shape and not dx.any()
        assert dw.shape == w.shape and not dw.any()


def test_float16_goes_by_float32():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 8, 8)), rng.standard_normal((4, 3, 3, 3))
    rest = ((1, 1), (1, 1), (1, 1), 1)
    y = conv.conv2d(x.astype(np.float16), w.astype(np.float16), *rest)
    g = np.ones(y.shape, np.float16)
    dx = conv.conv2d_input_grad(g, w.astype(np.float16), (8, 8), *rest)
    dw = conv.conv2d_weight_grad(x.astype(np.float16), g, (3, 3), *rest)
    for value, expected in zip((y, dx, dw), reference(x, w, g, *rest), strict=True):
        assert value.dtype == np.float16
        assert error(value, expected) < 2e-3


def test_operands_are_left_alone():
    rng = np.random.default_rng(1)
    arrays = [
        rng.standard_normal(s).astype(np.float32)
        for s in ((4, 16, 16, 16), (16, 16, 4, 4), (4, 16, 8, 8))
    ]
    copies = [a.copy() for a in arrays]
    x, w, g = arrays
    rest = ((2, 2), (1, 1), (1, 1), 1)
    for path in conv.PATHS:
        with conv.use_path(path):
            conv.conv2d(x, w, *rest)
            conv.conv2d_input_grad(g, w, (16, 16), *rest)
            conv.conv2d_weight_grad(x, g, (4, 4), *rest)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_choice_of_path(monkeypatch):
    monkeypatch.delenv("TINYGAN_CONV", raising=False)
    d_layer = ((64, 64, 32, 32), (128, 64, 4, 4), (2, 2), (1, 1), (1, 1), 1)
    block = ((4, 64, 64, 64), (64, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1)
    assert conv.chosen_path(*d_layer, np.float32) == "winograd4"
    assert conv.chosen_path(*block, np.float32) == "winograd4"
    assert conv.chosen_path(*d_layer, np.float64) == "direct"
    assert conv.chosen_path(*d_layer[:-1], 2, np.float32) == "direct"
    assert (
        conv.chosen_path((64, 1, 32, 32), (32, 1, 4, 4), (2, 2), (1, 1), (1, 1), 1, np.float32)
        == "direct"
    )
    assert (
        conv.chosen_path((64, 64, 32, 32), (64, 64, 3, 3), (2, 2), (1, 1), (1, 1), 1, np.float32)
        == "direct"
    )
    assert (
        conv.chosen_path((1, 512, 4, 4), (512, 512, 4, 4), (2, 2), (1, 1), (1, 1), 1, np.float32)
        == "direct"
    )
    monkeypatch.setenv("TINYGAN_CONV", "direct")
    assert conv.chosen_path(*d_layer, np.float32) == "direct"
    with conv.use_path("winograd2"):
        assert conv.chosen_path(*d_layer, np.float32) == "winograd2"
    monkeypatch.setenv("TINYGAN_CONV", "fast")
    with pytest.raises(ValueError, match=r"TINYGAN_CONV: expected one of auto, direct.*got 'fast'"):
        conv.chosen_path(*d_layer, np.float32)
    with pytest.raises(ValueError, match="use_path: expected one of"), conv.use_path("fast"):
        pass


def test_paths_run_what_they_say(monkeypatch):
    called = []

    def record(module):
        function = module.conv2d

        def recorded(*args, **kwargs):
            called.append(module.__name__)
            return function(*args, **kwargs)

        monkeypatch.setattr(module, "conv2d", recorded)

    record(direct)
    record(winograd)
    x, w = np.ones((2, 8, 8, 8), np.float32), np.ones((8, 8, 4, 4), np.float32)
    for path in ("direct", "winograd2", "winograd4"):
        with conv.use_path(path):
            conv.conv2d(x, w, (2, 2), (1, 1), (1, 1), 1)
    assert called == [direct.__name__, winograd.__name__, winograd.__name__]


def all_directions(x, w, g):
    rest = ((2, 2), (1, 1), (1, 1), 1)
    size = x.shape[2:]
    return [
        *(conv.conv2d(x, w, *rest), conv.conv2d_input_grad(g, w, size, *rest)),
        conv.conv2d_weight_grad(x, g, w.shape[2:], *rest),
    ]


def operands(seed=0, N=16):
    rng = np.random.default_rng(seed)
    shapes = ((N, 32, 16, 16), (48, 32, 4, 4), (N, 48, 8, 8))
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


@pytest.fixture
def two_threads():
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("path", ["direct", "winograd2", "winograd4"])
def test_same_bits_every_time(path, two_threads):
    x, w, g = operands(N=33)
    with conv.use_path(path):
        first = all_directions(x, w, g)
        for _ in range(5):
            for a, b in zip(first, all_directions(x, w, g), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_number_of_threads(count):
    before = threads.get_num_threads()
    x, w, g = operands()
    expected = reference(x, w, g, (2, 2), (1, 1), (1, 1), 1)
    try:
        threads.set_num_threads(count)
        for path in ("direct", "winograd4"):
            with conv.use_path(path):
                for value, exact in zip(all_directions(x, w, g), expected, strict=True):
                    assert error(value, exact) < 1e-5
    finally:
        threads.set_num_threads(before)


def test_convolutions_from_several_threads_at_once(two_threads):
    problems = [operands(seed) for seed in range(4)]
    expected = [all_directions(*problem) for problem in problems]
    wrong = []

    def run(index):
        for _ in range(5):
            for a, b in zip(all_directions(*problems[index]), expected[index], strict=True):
                if not np.array_equal(a, b):
                    wrong.append(index)

    users = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join(300)  # long, in case the whole process is paused meanwhile
    assert not any(user.is_alive() for user in users)
    assert not wrong


def test_parallel_for_covers_the_range_once(two_threads):
    for n, chunk in ((0, 1), (1, 5), (7, 3), (100, 7)):
        seen = np.zeros(n, int)
        threads.parallel_for(lambda i, j, seen=seen: np.add(seen[i:j], 1, out=seen[i:j]), n, chunk)
        assert (seen == 1).all()


def test_parallel_for_uses_more_than_one_thread(two_threads):
    meeting = threading.Barrier(2)
    threads.parallel_for(lambda i, j: meeting.wait(10), 2)  # each piece waits for the other


def test_loop_inside_a_loop_is_serial(two_threads):
    names = []

    def outer(i, j):
        inner = []
        threads.parallel_for(lambda a, b: inner.append(threading.current_thread().name), 8)
        names.append(set(inner))

    threads.parallel_for(outer, 4)
    assert len(names) == 4
    assert all(len(inner) == 1 for inner in names)


def test_an_error_in_a_piece_reaches_the_caller(two_threads):
    def fail(i, j):
        raise KeyError(i)

    for _ in range(3):
        with pytest.raises(KeyError):
            threads.parallel_for(fail, 10)
    seen = []
    threads.parallel_for(lambda i, j: seen.append(i), 3)
    assert sorted(seen) == [0, 1, 2]


def test_a_later_loop_waits_for_what_it_needs(two_threads):
    for _ in range(20):
        made, seen = np.zeros(8), []
        first = threads.Loop(lambda i, j, made=made: np.add(made[i:j], 1, out=made[i:j]), 8, 3)

        def use(i, j, first=first, made=made, seen=seen):
            first.wait()
            seen.append(made.sum())

        threads.parallel_loops(first, threads.Loop(use, 5))
        assert seen == [8] * 5
    threads.parallel_loops(threads.Loop(None, 0), threads.Loop(lambda i, j: seen.append(i), 1))
    assert seen[-1] == 0


def test_an_error_in_the_first_loop_is_the_one_raised(two_threads):
    def fail(i, j):
        raise KeyError(i)

    first, reached = threads.Loop(fail, 2), []

    def use(i, j):
        first.wait()
        reached.append(i)

    with pytest.raises(KeyError):
        threads.parallel_loops(first, threads.Loop(use, 4))
    assert not reached


def test_a_loop_inside_leaves_its_thread_inside(two_threads):
    """After a nested loop the thread is still in the outer one: the next is serial as well."""
    names = []

    def outer(i, j):
        for _ in range(2):
            threads.parallel_for(lambda a, b: names.append((i, threading.get_ident())), 4)

    threads.parallel_for(outer, 2)
    for i in (0, 1):
        assert len({ident for piece, ident in names if piece == i}) == 1


def test_little_work_stays_with_the_caller(two_threads):
    assert threads.threads_for(1e6) == 1
    assert threads.threads_for(1e9) == 2


def test_thread_count_is_checked(monkeypatch):
    for bad in (0, -1, 2.0, None):
        with pytest.raises(ValueError, match="set_num_threads: expected a whole number above 0"):
            threads.set_num_threads(bad)
    monkeypatch.setenv("TINYGAN_THREADS", "3")
    assert threads._default_num_threads() == 3
    monkeypatch.setenv("TINYGAN_THREADS", "many")
    with pytest.raises(
        ValueError, match="TINYGAN_THREADS must be a whole number above 0, not 'many'"
    ):
        threads._default_num_threads()


def _switches():
    return [threads._switch(library) for library in threads.numpy_blas()]


def blas_threads():
    return [library.get_num_threads() for library in _switches()]


def test_blas_runs_on_one_thread_inside_and_as_before_outside(two_threads):
    libraries = _switches()
    if not libraries:
        pytest.skip("no BLAS whose threads can be set")
    before = blas_threads()
    try:
        for library in libraries:
            library.set_num_threads(2)
        outside, inside = blas_threads(), []
        threads.parallel_for(lambda i, j: inside.append(blas_threads()), 4)
        assert all(count == 1 for counts in inside for count in counts)
        assert blas_threads() == outside
        with threads.single_threaded_blas():
            threads.parallel_for(lambda i, j: None, 4)
            assert blas_threads() == [1] * len(libraries)
        assert blas_threads() == outside
        with pytest.raises(ZeroDivisionError):
            threads.parallel_for(lambda i, j: 1 / 0, 4)
        assert blas_threads() == outside
    finally:
        for library, count in zip(libraries, before, strict=True):
            library.set_num_threads(count)


def test_blas_is_limited_whichever_thread_begins(two_threads):
    if not (libraries := _switches()):
        pytest.skip("no BLAS whose threads can be set")
    inside = []

    def use():
        with threads.single_threaded_blas():
            inside.append(blas_threads())

    use()
    for _ in range(2):
        user = threading.Thread(target=use)
        user.start()
        user.join()
    use()
    assert inside == [[1] * len(libraries)] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_child_after_fork_has_a_working_pool(two_threads):
    problem = operands()
    expected = all_directions(*problem)
    child = os.fork()
    if child == 0:
        try:
            meeting = threading.Barrier(2)
            threads.parallel_for(lambda i, j: meeting.wait(10), 2)
            same = all(map(np.array_equal, all_directions(*problem), expected))
            os._exit(0 if same else 1)
        finally:
            os._exit(2)
    finished = threading.Event()
    watchdog = threading.Timer(20, lambda: finished.is_set() or os.kill(child, 9))
    watchdog.start()
    _, status = os.waitpid(child, 0)
    finished.set()
    watchdog.cancel()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(
    "shape",
    [(3, 4, 5), (300, 64, 200), (64, 100, 900), (5, 9000, 7), (1, 50_000, 20), (700, 33, 1)],
)
def test_matmul(shape, two_threads):
    m, k, n = shape
    rng = np.random.default_rng(0)
    for a, b in (
        (rng.random((m, k)), rng.random((k, n))),
        (rng.random((k, m)).T, rng.random((n, k)).T),
    ):
        out = np.full((m, n), np.nan)
        assert gemm.matmul(a, b, out) is out
        np.testing.assert_allclose(out, a @ b, rtol=1e-12)


def test_matmul_tall():
    rng = np.random.default_rng(0)
    for rows, k, n in ((640, 20, 30), (641, 20, 30), (128, 200, 300), (64, 3, 2)):
        a, b, out = rng.random((4, rows, k)), rng.random((4, k, n)), np.empty((4, rows, n))
        np.testing.assert_allclose(gemm.matmul_tall(a, b, out), a @ b, rtol=1e-12)


def test_cut_covers_everything_once():
    for images in (0, 1, 2, 3, 5, 64):
        for rows in (1, 4, 31):
            for budget in (1, 100, 1000, 10**9):
                seen = np.zeros((images, rows), int)
                pieces = layout.cut(images, rows, 10, budget, fewest=2)
                for p in pieces:
                    assert p.n1 - p.n0 == 1 or (p.r0, p.r1) == (0, rows)
                    seen[p.n0 : p.n1, p.r0 : p.r1] += 1
                assert (seen == 1).all()
                assert len(pieces) >= min(2, images * rows)


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
    exact = reference(x, w, g, (2, 2), (1, 1), (1, 1), 1)
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
