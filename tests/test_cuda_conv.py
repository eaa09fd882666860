"""The GPU's convolutions, run as fibres on the CPU, against plain sums in float64."""

from itertools import product

import numpy as np
import pytest

from tests import fibres
from tinygan.backend import portable
from tinygan.backend.cuda import conv
from tinygan.backend.cuda.precision import set_float32_precision

pytestmark = fibres.needed
RNG = np.random.default_rng(5)


@pytest.fixture
def card(fibre_device, monkeypatch):
    """A small card of a chosen kind and precision; gives the array module."""

    def chosen(hopper=False, precision="tf32", processors=3):
        monkeypatch.setattr(conv, "is_hopper", lambda: hopper)
        monkeypatch.setattr(conv, "has_bfloat16", lambda: True)
        monkeypatch.setattr(conv, "multiprocessors", lambda: processors)
        set_float32_precision(precision)
        conv._plan.cache_clear()
        return fibre_device

    yield chosen
    set_float32_precision("tf32")
    conv._plan.cache_clear()


def stored_as_bfloat16(x):
    """To the nearest with 7 bits of mantissa; of two, to the even one."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def check(xp, shape, filters, geometry, rtol):
    """All three maps of one geometry; numbers like images'."""
    x, w = (RNG.standard_normal(s).astype(np.float32) + 0.2 for s in (shape, filters))
    y = portable.conv2d(x.astype(np.float64), w.astype(np.float64), *geometry, 1)
    g = RNG.standard_normal(y.shape).astype(np.float32)
    there = [xp.array(a) for a in (x, w, g)]
    found = (
        conv.conv2d(there[0], there[1], *geometry, 1),
        conv.conv2d_input_grad(there[2], there[1], shape[2:], *geometry, 1),
        conv.conv2d_weight_grad(there[0], there[2], filters[2:], *geometry, 1),
    )
    if conv._precision() == "bfloat16":
        x, w, g = map(stored_as_bfloat16, (x, w, g))
    x, w, g = (a.astype(np.float64) for a in (x, w, g))
    wanted = (
        portable.conv2d(x, w, *geometry, 1),
        portable.conv2d_input_grad(g, w, shape[2:], *geometry, 1),
        portable.conv2d_weight_grad(x, g, filters[2:], *geometry, 1),
    )
    for name, a, b in zip(("y", "dx", "dw"), found, wanted):
        assert a.shape == b.shape and a.dtype == np.float32
        assert a.transpose(0, 2, 3, 1).flags.c_contiguous or 1 in a.shape or name == "dw"
        assert np.linalg.norm(a.get() - b) < rtol * np.linalg.norm(b), name


RTOL = {"tf32": 6e-4, "exact": 2e-6, "bfloat16": 2e-6}  # the last of what is stored
SQUARE = ((1, 1), (1, 1), (1, 1))
HALVING = ((2, 2), (1, 1), (1, 1))


def test_windows_that_halve_an_image(card):
    check(card(), (2, 3, 10, 8), (20, 3, 4, 4), HALVING, RTOL["tf32"])


def test_a_sum_that_blocks_share(card):
    """Few tiles and long sums: each block adds up a part."""
    xp = card(processors=40)
    assert conv._plan(conv.FORWARD, (32, 16), 36 * 9, 1, False)[1] > 1
    check(xp, (2, 36, 4, 4), (16, 36, 3, 3), SQUARE, RTOL["tf32"])


def test_warpgroups(card):
    """What `conv_hopper.cu` computes: more than 64 channels."""
    xp = card(hopper=True, processors=40)
    tile, splits = conv._plan(conv.FORWARD, (24, 132), 72 * 16, 1, True)
    assert tile.file == "conv_hopper.cu" and splits > 1
    check(xp, (2, 72, 6, 8), (132, 72, 4, 4), HALVING, RTOL["tf32"])


@pytest.mark.parametrize("hopper", [False, True])
def test_factors_stored_as_bfloat16(card, hopper):
    xp = card(hopper, "bfloat16", processors=40)
    tiles = [conv._plan(kind, (24, 132), 36 * 16, 1, hopper) for kind in range(3)]
    assert {tile.file for tile, _ in tiles[:2]} == {f"conv{'_hopper' * hopper}.cu"}
    assert all(splits > 1 for _, splits in tiles)
    check(xp, (2, 70, 6, 8), (132, 70, 4, 4), HALVING, RTOL["bfloat16"])


def test_cards_before_ampere_do_without_bfloat16(card, monkeypatch):
    xp = card(precision="bfloat16")
    monkeypatch.setattr(conv, "has_bfloat16", lambda: False)
    check(xp, (2, 3, 10, 8), (20, 3, 4, 4), HALVING, RTOL["tf32"])


def test_what_is_stored_as_bfloat16(card):
    """Ties go to even numbers, what has no room overflows, what is not a number stays none."""
    xp = card(precision="bfloat16")
    x = np.array(
        [1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.4e38, np.inf, np.nan, 0, -0.0, 5]
    )
    nan = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    words = conv._stored(xp.array(np.concatenate([x.astype(np.float32), nan])[None])).get()
    assert words.shape == (1, 8) and words.dtype == np.uint32
    stored = (words.view(np.uint16).astype(np.uint32) << 16).view(np.float32)[0]
    wanted = [1, 1 + 2**-6, 1 + 2**-7, -np.inf, np.inf, np.nan, 0, -0.0, 5, *2 * [np.nan], *5 * [0]]
    np.testing.assert_array_equal(stored, np.float32(wanted))


def test_a_window_over_the_whole_image_is_a_product_of_matrices(card, monkeypatch):
    monkeypatch.setattr(conv, "_launch", None)
    monkeypatch.setattr(conv, "matmul", lambda x, y: x @ y)
    check(card(), (3, 5, 4, 4), (7, 5, 4, 4), ((1, 1), (0, 0), (1, 1)), 2e-6)


def test_fewer_windows_than_fit_and_larger_images(card):
    """An output_padding that only a transposed convolution knows."""
    xp = card()
    y, w = (RNG.standard_normal(s).astype(np.float32) for s in ((2, 6, 3, 3), (6, 4, 3, 3)))
    g = RNG.standard_normal((2, 4, 8, 8)).astype(np.float32)  # 7 × 7, and one more
    geometry = ((2, 2), (0, 0), (1, 1))
    there = xp.array(y), xp.array(w), xp.array(g)
    out = conv.conv2d_input_grad(there[0], there[1], (8, 8), *geometry, 1)
    dy, dw = conv.conv_transpose2d_gradients(*there, *geometry, 1)
    for found, wanted in (
        (out, portable.conv2d_input_grad(y, w, (8, 8), *geometry, 1)),
        (dy, portable.conv2d(g, w, *geometry, 1)[:, :, :3, :3]),
        (dw, portable.conv2d_weight_grad(g, y, (3, 3), *geometry, 1)),
    ):
        assert np.linalg.norm(found.get() - wanted) < 6e-4 * np.linalg.norm(wanted)


def test_what_tensor_cores_see_is_not_changed(card):
    """Numbers of 10 bits of mantissa give exact results, on all kinds of cards."""
    for hopper, precision in ((False, "tf32"), (True, "tf32"), (False, "bfloat16")):
        xp = card(hopper, precision)
        x, w = (RNG.integers(-9, 9, s).astype(np.float32) for s in ((1, 8, 4, 4), (72, 8, 3, 3)))
        y = conv.conv2d(xp.array(x), xp.array(w), *SQUARE, 1).get()
        np.testing.assert_array_equal(y, portable.conv2d(x, w, *SQUARE, 1))


def test_groups_other_types_and_empty_batches_go_the_portable_way(card, monkeypatch):
    xp = card()
    monkeypatch.setattr(conv, "_launch", None)
    for dtype, groups, n in (("f8", 1, 2), ("f4", 2, 2), ("f4", 1, 0)):
        x = RNG.standard_normal((n, 4, 5, 5)).astype(dtype)
        w = RNG.standard_normal((6, 4 // groups, 3, 3)).astype(dtype)
        y = conv.conv2d(xp.array(x), xp.array(w), *SQUARE, groups)
        np.testing.assert_allclose(y.get(), portable.conv2d(x, w, *SQUARE, groups), rtol=1e-5)


TABLE = [
    ((2, 64, 8, 8), (72, 64, 4, 4), HALVING),
    ((3, 3, 17, 16), (40, 3, 4, 4), HALVING),
    ((2, 8, 9, 11), (12, 8, 3, 3), ((2, 2), (1, 1), (1, 1))),
    ((2, 36, 10, 10), (20, 36, 3, 3), ((1, 1), (2, 2), (2, 2))),
    ((1, 5, 8, 8), (7, 5, 5, 5), ((3, 3), (2, 2), (1, 1))),
    ((4, 32, 6, 6), (160, 32, 4, 4), HALVING),
    ((3, 132, 5, 5), (131, 132, 3, 3), SQUARE),
    ((2, 6, 7, 9), (200, 6, 3, 2), ((2, 1), (0, 2), (1, 2))),
    ((2, 8, 7, 7), (5, 8, 1, 1), ((2, 2), (0, 0), (1, 1))),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "hopper, precision", [(0, "tf32"), (1, "tf32"), (0, "exact"), (0, "bfloat16"), (1, "bfloat16")]
)
@pytest.mark.parametrize("shape, filters, geometry", TABLE, ids=str)
def test_table(card, shape, filters, geometry, hopper, precision):
    for processors in (2, 30):
        check(card(hopper, precision, processors), shape, filters, geometry, RTOL[precision])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_every_tile(card, monkeypatch, precision):
    """Each in all that it is for, by itself."""
    every = {id(t): t for t in conv._PIXELS + conv._LARGE_PIXELS + conv._FILTERS}
    for tile, kind in product(every.values(), (conv.FORWARD, conv.WEIGHT_GRADIENT)):
        if (tile in conv._FILTERS) != (kind == conv.WEIGHT_GRADIENT):
            continue
        xp = card(precision=precision)
        plan = conv._plan
        monkeypatch.setattr(
            conv,
            "_plan",
            lambda k, *rest, tile=tile, plan=plan: (
                (tile, 2)
                if (k == conv.WEIGHT_GRADIENT) == (tile in conv._FILTERS)
                else plan(k, *rest)
            ),
        )
        check(xp, (2, 12, 7, 6), (36, 12, 3, 3), SQUARE, RTOL[precision])
        monkeypatch.setattr(conv, "_plan", plan)
