"""Random numbers made on the GPU: the same bits as in NumPy, distributed as they should be."""

import json

import numpy as np
import pytest
import scipy.stats

import tinygan as tg
from tests import fibres, philox
from tests.fibres import HERE
from tests.strict_device import waits
from tinygan.backend.cuda.random import Generator
from tinygan.backend.device import to_numpy


@pytest.fixture
def generator(fibre_device):
    return Generator(0x1234_5678_9ABC_DEF0)


# -- the words ------------------------------------------------------------------------------------

KNOWN = [  # counter, key, words: from Random123, the authors' own library
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def hexadecimal(text):
    return np.array([int(word, 16) for word in text.split()], np.uint32)


KNOWN_WORDS = [tuple(map(hexadecimal, row)) for row in KNOWN]


@pytest.mark.parametrize("counter, key, words", KNOWN_WORDS)
def test_known_answers_in_numpy(counter, key, words):
    assert philox.philox(counter, key).tolist() == words.tolist()


@fibres.needed
@pytest.mark.parametrize("counter, key, words", KNOWN_WORDS)
def test_known_answers_of_the_kernel(counter, key, words):
    out = np.zeros(4, np.uint32)
    fibres.kernel(HERE / "words.cu", "words")((1,), (1,), (counter, key.view(np.uint64)[0], out))
    assert out.tolist() == words.tolist()


# -- the kernels beside their twins in NumPy ------------------------------------------------------

DRAWS = [
    (f"{name}_{dtype}", lambda g, n, method=method, dtype=dtype: getattr(g, method)(n, dtype), ())
    for name, method in (("normal", "standard_normal"), ("uniform", "random"))
    for dtype in ("float32", "float64")
]
for low, high in ((0, 3), (-5, 6), (0, 10**18), (-(1 << 63), 1 << 63)):  # the last: whole words
    span = np.uint64((high - low) % (1 << 64))
    draw = lambda g, n, low=low, high=high: g.integers(low, high, n)
    DRAWS.append(("integers", draw, (low, span)))
TOLERANCES = {"normal_float32": 2e-6, "normal_float64": 1e-13}  # those of logf, sincospif


def check_against_numpy(generator):
    """Whole and uniform numbers and the state are to have the same bits."""
    state = np.array(generator.state(), np.uint64)
    for size in (1, 2, 3, 4, 5, 1023, 5000):
        for name, draw, numbers in DRAWS:
            found = to_numpy(draw(generator, (size,)))
            expected = np.empty_like(found)
            philox.kernel("philox.cu", name)((1,), (1,), (state, expected, size, *numbers))
            tolerance = TOLERANCES.get(name, 0)
            np.testing.assert_allclose(found, expected, tolerance, tolerance)
            philox.advance(state, -(-found.nbytes // 16))
    assert generator.state() == state.tolist()


def test_kernels_do_as_numpy(generator):
    check_against_numpy(generator)
    generator.restore([(1 << 64) - 1, (1 << 32) - 7])  # across the end of the counter's first word
    check_against_numpy(generator)


@pytest.mark.gpu
def test_kernels_do_as_numpy_on_the_gpu():
    check_against_numpy(Generator(0x1234_5678_9ABC_DEF0))


@pytest.mark.gpu
def test_a_graph_draws_new_numbers_at_each_launch():
    import cupy

    generator, twin = Generator(7), Generator(7)
    stream = cupy.cuda.Stream(non_blocking=True)
    out = cupy.empty((2, 1000), np.float32)
    generator.standard_normal(1000), twin.standard_normal(1000)  # compiles
    cupy.cuda.Device().synchronize()
    pool = cupy.cuda.MemoryPool()
    with stream, cupy.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        out[0] = generator.standard_normal(1000)
        out[1] = generator.random(1000)
        graph = stream.end_capture()
    for _ in range(3):
        graph.launch(stream)
        stream.synchronize()
        assert (out[0] == twin.standard_normal(1000)).all()
        assert (out[1] == twin.random(1000)).all()
    assert generator.state() == twin.state()


# -- distributions --------------------------------------------------------------------------------


def sample(draw, size=100_000):
    return to_numpy(draw(size)).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_numbers(generator, dtype):
    z = sample(lambda n: generator.standard_normal(n, dtype))
    assert scipy.stats.kstest(z, "norm").pvalue > 1e-3
    for power, moment in enumerate((0, 1, 0, 3, 0, 15), 1):
        error = np.std(z**power) / np.sqrt(len(z))
        assert abs(np.mean(z**power) - moment) < 4 * error
    expected = 2 * scipy.stats.norm.sf(3) * len(z)  # 270 beyond three standard deviations
    assert abs((abs(z) > 3).sum() - expected) < 4 * np.sqrt(expected)
    assert 3.9 < abs(z).max() < 6.8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_numbers(generator, dtype):
    u = sample(lambda n: generator.random(n, dtype))
    assert 0 <= u.min() < 1e-3 and 1 - 1e-3 < u.max() < 1
    assert scipy.stats.kstest(u, "uniform").pvalue > 1e-3


def test_uniform_numbers_never_round_up_to_one(monkeypatch):
    largest = np.uint32(0xFFFFFFFF)
    monkeypatch.setattr(philox, "words", lambda state, n: np.full(n, largest))
    out32, out64 = np.empty(4, np.float32), np.empty(4, np.float64)
    philox.uniform_float32(None, out32, 4), philox.uniform_float64(None, out64, 4)
    assert (out32 == 1 - 2.0**-24).all() and (out64 == 1 - 2.0**-53).all()


def test_whole_numbers(generator):
    k = sample(lambda n: generator.integers(-2, 5, n))
    counts = np.bincount((k + 2).astype(int), minlength=7)
    assert len(counts) == 7 and scipy.stats.chisquare(counts).pvalue > 1e-3
    assert not to_numpy(generator.integers(4, 5, 10) - 4).any()


def test_neighbours_draws_and_streams_are_not_correlated(generator):
    z = sample(lambda n: generator.standard_normal(n))
    others = [np.roll(z, shift) for shift in (1, 2, 3, 4, 256, 1024)]
    others += [sample(lambda n: generator.standard_normal(n))]
    others += [sample(Generator(key).standard_normal) for key in (0, 1, 2, 1 << 63)]
    others += [abs(others[0]) - abs(others[0]).mean()]
    for other in others:
        assert abs(np.corrcoef(z, other)[0, 1]) < 4 / np.sqrt(len(z))


# -- streams --------------------------------------------------------------------------------------


def numbers(stream, n=9):
    return to_numpy(stream.normal((n,), device=tg.device("cuda"))).tolist()


def test_a_stream_goes_on_from_its_saved_state(fibre_device):
    stream = tg.Stream(5)
    untouched = stream.state()
    numbers(stream)
    state = json.loads(json.dumps(stream.state()))
    after = numbers(stream), numbers(stream, 2)
    for other in (stream, tg.Stream(99)):
        other.restore(state)
        assert (numbers(other), numbers(other, 2)) == after
    stream.restore(untouched)
    assert stream.state() == untouched and numbers(stream) == numbers(tg.Stream(5))


def test_the_same_seed_gives_the_same_numbers(fibre_device):
    stream = tg.stream("noise")
    memory = stream._generator(tg.device("cuda"))._state
    first = numbers(stream), numbers(stream)
    assert first[0] != first[1] != numbers(tg.stream("init"))
    tg.manual_seed(0)
    assert (numbers(stream), numbers(stream)) == first
    tg.manual_seed(1)
    assert numbers(stream) != first[0]
    assert stream._generator(tg.device("cuda"))._state is memory  # a captured draw still knows it


def test_random_state_holds_what_was_drawn(fibre_device):
    numbers(tg.stream("noise")), numbers(tg.stream("init"))
    tg.manual_seed(0)
    assert tg.random_state()["streams"] == {}
    numbers(tg.stream("noise"))
    state = json.loads(json.dumps(tg.random_state()))
    after = numbers(tg.stream("noise")), numbers(tg.stream("init"))
    tg.manual_seed(3)
    tg.restore_random_state(state)
    assert (numbers(tg.stream("noise")), numbers(tg.stream("init"))) == after


def test_draws_do_not_wait_and_say_what_is_wrong(generator):
    waits.clear()
    assert generator.random(()).shape == () and generator.random((0, 3)).shape == (0, 3)
    generator.restore([1, 2])
    assert not waits
    with pytest.raises(ValueError, match="integers: low >= high: 3 and 3"):
        generator.integers(3, 3, (2,))
    for draw in (generator.random, generator.standard_normal):
        with pytest.raises(TypeError, match="random numbers of type int32 are not made on the GPU"):
            draw((2,), np.int32)
