"""The fibres themselves: right kernels compute what they should, and wrong ones are found out."""

from importlib import import_module

import numpy as np
import pytest

import tinygan as tg
from tests import fibres
from tests.fibres import HERE, FibreError
from tinygan.backend.cuda import compiled
from tinygan.backend.device import kernels

pytestmark = fibres.needed
FILE = HERE / "selftest.cu"
x = np.random.default_rng(0).standard_normal(256).astype(np.float32)
backwards = x.reshape(4, 64)[:, ::-1].ravel()


def reverse(name, missing=0):
    """All kernels of that name turn the numbers of each tile around."""
    kernel, y = fibres.kernel(FILE, name), np.zeros_like(x)
    if name == "reverse":
        kernel((4,), (64,), (x, y, missing))
    else:
        kernel((1,), (64,), (x, y, missing, 4), shared_mem=256)
    return y


@pytest.mark.parametrize("name", ["reverse", "reverse_tiles", "reverse_ahead"])
def test_right_kernels(name):
    assert (reverse(name) == backwards).all()


@pytest.mark.parametrize(
    "name, missing",
    [("reverse", 1), ("reverse_tiles", 1), *(("reverse_ahead", i) for i in (1, 2, 3))],
)
def test_a_missing_barrier_or_wait_is_noticed(name, missing):
    assert (reverse(name, missing) != backwards).any()


def test_threads_take_turns_in_no_order():
    shift, y, expected = fibres.kernel(FILE, "shift"), np.zeros_like(x), np.append(x[:1], x[:-1])
    shift((1,), (256,), (x, y, 0))
    assert (y == expected).all()
    shift((1,), (256,), (x, y, 1))
    assert (y != expected).any()


def test_copies_of_four_numbers_and_of_none():
    y = np.ones(256, np.float32)
    fibres.kernel(FILE, "by_fours")((1,), (64,), (x, y, np.int32(10)))
    assert (y[:40] == x[:40]).all() and not y[40:].any()


def product(a, b, d, **macros):
    d = d.copy()
    fibres.kernel(HERE / "product.cu", "product", **macros)((1,), (32,), (a, b, d))
    return d


def test_products_of_small_matrices():
    draw = np.random.default_rng(1)
    a, b, d = (draw.standard_normal(size).astype(np.float32) for size in ((16, 8), (8, 8), (16, 8)))
    cut = [(m.view(np.uint32) & 0xFFFFE000).view(np.float32) for m in (a, b)]
    expected = d + cut[0].astype(np.float64) @ cut[1]
    found = product(a, b, d)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert abs(found - (d + a.astype(np.float64) @ b)).max() > 1e-4  # TF32 it is
    assert (found == product(*cut, d)).all()
    assert (found == product(*cut, d, FALLBACK=1)).all()  # what GPUs without TF32 do


def test_products_of_words_of_two_bfloat16():
    draw = np.random.default_rng(1)
    a, b = (
        draw.standard_normal(size).astype(np.float32).view(np.uint16)[:, 1::2]
        for size in ((16, 16), (8, 16))
    )
    left, right = ((m.astype(np.uint32) << 16).view(np.float32).astype(np.float64) for m in (a, b))
    d = draw.standard_normal((16, 8)).astype(np.float32)
    words = (
        np.ascontiguousarray(a).view(np.float32),
        np.ascontiguousarray(b).view(np.float32).T.copy(),
    )
    found = product(*words, d, BFLOAT16=1)
    np.testing.assert_allclose(found, d + left @ right.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [32, 64, 256])
def test_sums_by_shuffles(threads):
    y = np.zeros(1, np.float32)
    fibres.kernel(FILE, "total")((1,), (threads,), (x, y))
    np.testing.assert_allclose(y[0], x[:threads].sum(dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize(
    "slip, message",
    [
        (0, r"thread 0 waits for its block at .*selftest.cu:\d+, but thread 5 has ended"),
        (1, r"thread 0 waits for its block at .*, but thread 1 waits for its block at .*"),
        (2, r"thread 0 waits for its warp at .*, but thread 20 waits for its block at .*"),
        (3, r"lane 31 is asked, and is not in the mask"),
        (4, r"selftest.cu:\d+: an index outside an array's bounds \(thread 63 of block 0, 0, 0\)"),
        (5, r"shared memory is written 0 bytes after its end"),
        (6, r"an array is written outside its bounds"),
        (7, r"an array is written outside its bounds"),
        (8, r"an address that is not aligned to its type"),
        (9, r"a copy of 16 bytes between addresses that are not aligned to that"),
        (10, r"a copy to what is not shared memory"),
        (11, r"a sum of integers overflows"),
    ],
)
def test_slips_are_errors(slip, message):
    wrong, y = fibres.kernel(FILE, "wrong"), np.zeros(64, np.float32)
    with pytest.raises(FibreError, match=message):
        wrong((1,), (64,), (y, np.int32(slip)), shared_mem=256)
    wrong((1,), (64,), (y, np.int32(-1)), shared_mem=256)  # the next launch is not disturbed


def test_arguments_are_checked():
    wrong, y = fibres.kernel(FILE, "wrong"), np.zeros(64, np.float32)
    for arguments, message in (
        ((y,), "1 arguments, and the kernel takes 2"),
        ((y, np.int64(1)), "argument 1 is i8, and the kernel takes i4"),
        ((y, 1.0), "argument 1 is f8, and the kernel takes i4"),
        ((np.int64(0), np.int32(1)), "argument 0 is i8, and the kernel takes p8"),
    ):
        with pytest.raises(FibreError, match=message):
            wrong((1,), (64,), arguments, shared_mem=256)
    with pytest.raises(FibreError, match="50000 bytes of shared memory are too many"):
        wrong((1,), (64,), (y, 1), shared_mem=50_000)
    wrong((1,), (64,), (y, -1), shared_mem=256)  # an int of Python's, as CuPy takes it


def test_views_of_one_array_share_its_memory():
    y = np.zeros(128, np.float32)
    fibres.kernel(FILE, "reverse")((1,), (64,), (x, y[64:], 0))
    assert not y[:64].any() and (y[64:] == backwards[:64]).all()
    fibres.kernel(FILE, "reverse")((1,), (64,), (y[64:], y[32:96], 0))
    assert (y[32:96] == x[:64]).all() and (y[96:] == backwards[32:64]).all()


def test_python_code_for_the_gpu_runs_on_fibres(fibre_device):
    x = tg.arange(64, dtype=np.float32, device="cuda")
    y = tg.zeros_like(x)
    compiled.kernel(FILE, "reverse")((1,), (64,), (x.array, y.array, 0))
    assert y.tolist() == list(range(63, -1, -1))
    assert kernels(x.array) is import_module("tinygan.backend.cuda")
