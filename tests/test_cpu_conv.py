"""The CPU convolution kernels against the definition of convolution."""

import threading

import numpy as np
import pytest

from tinygan.backend.cpu import conv, direct, gemm, layout, threads, weights, winograd


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
    results, exact = all_directions(x, w, g, rest), all_expected(x, w, g, rest)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    names = ("y", "dx", "dw", "dx with dw", "dw with dx", "y with dw", "dw with y")
    for name, value, expected in zip(names, results, exact, strict=True):
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
        for a, b in zip(conv.conv_transpose2d_gradients(g, w, x, s, p, d, 1), (g, w), strict=True):
            assert a.shape == b.shape and not a.any() and a.dtype == dtype
        assert y.shape == g.shape and not y.any() and y.dtype == dtype
        assert dx.shape == x.shape and not dx.any()
        assert dw.shape == w.shape and not dw.any()


def test_float16_goes_by_float32():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 8, 8)), rng.standard_normal((4, 3, 3, 3))
    rest = ((1, 1), (1, 1), (1, 1), 1)
    g = np.ones((2, 4, 8, 8), np.float16)
    results = all_directions(x.astype(np.float16), w.astype(np.float16), g, rest)
    for value, expected in zip(results, all_expected(x, w, g, rest), strict=True):
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
    for path in conv.PATHS:
        with conv.use_path(path):
            all_directions(x, w, g)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("x", "weight", "stride", "path"),
    [
        ((64, 1, 32, 32), (32, 1, 4, 4), 2, "direct"),  # hardly any channels
        ((1, 512, 4, 4), (512, 512, 4, 4), 2, "direct"),  # hardly any pixels
        ((8, 64, 8, 8), (128, 64, 4, 4), 2, "direct"),  # not enough for the weight's transform
        ((64, 64, 8, 8), (128, 64, 4, 4), 2, "winograd4"),
        ((64, 256, 8, 8), (512, 256, 4, 4), 2, "winograd2"),  # a large weight and few pixels
        ((64, 16, 16, 16), (16, 16, 3, 3), 1, "winograd4"),
        ((64, 64, 32, 32), (64, 64, 3, 3), 2, "direct"),  # 3x3 with stride 2 is not of its kind
    ],
)
def test_path_of_a_layer(monkeypatch, x, weight, stride, path):
    """As measured on two processors' kernels: see `benchmarks/paths.py`."""
    monkeypatch.delenv("TINYGAN_CONV", raising=False)
    chosen = conv.chosen_path(x, weight, (stride,) * 2, (1, 1), (1, 1), 1, np.float32)
    assert chosen == path


def test_choice_of_path(monkeypatch):
    monkeypatch.delenv("TINYGAN_CONV", raising=False)
    d_layer = ((64, 64, 32, 32), (128, 64, 4, 4), (2, 2), (1, 1), (1, 1), 1)
    block = ((4, 64, 64, 64), (64, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1)
    assert conv.chosen_path(*d_layer, np.float32) == "winograd4"
    assert conv.chosen_path(*block, np.float32) == "winograd4"
    assert conv.chosen_path(*d_layer, np.float64) == "direct"
    assert conv.chosen_path(*d_layer[:-1], 2, np.float32) == "direct"
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


HALVING = ((2, 2), (1, 1), (1, 1), 1)


def all_directions(x, w, g, rest=HALVING):
    size = x.shape[2:]
    return [
        *(conv.conv2d(x, w, *rest), conv.conv2d_input_grad(g, w, size, *rest)),
        conv.conv2d_weight_grad(x, g, w.shape[2:], *rest),
        *conv.conv2d_gradients(x, w, g, *rest),
        *conv.conv_transpose2d_gradients(g, w, x, *rest),
    ]


def all_expected(x, w, g, rest=HALVING):
    """What `all_directions` should give."""
    y, dx, dw = reference(x, w, g, *rest)
    return y, dx, dw, dx, dw, y, dw


def operands(seed=0, N=16):
    rng = np.random.default_rng(seed)
    shapes = ((N, 32, 16, 16), (48, 32, 4, 4), (N, 48, 8, 8))
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


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
    expected = all_expected(x, w, g)
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
