"""The CUDA backend's activations, run as fibres, beside NumPy in float64."""

from importlib import import_module

import numpy as np
import pytest

from tests import fibres
from tests.strict_device import StrictArray
from tinygan.backend import portable
from tinygan.backend.cuda import activation
from tinygan.backend.device import kernels

pytestmark = [fibres.needed, pytest.mark.usefixtures("fibre_device")]
RNG = np.random.default_rng(0)

CALLS = {  # name: operands, numbers
    "sigmoid": (1, ()),
    "softplus": (1, ()),
    "leaky_relu": (1, (0.2,)),
    "leaky_relu_gradient": (2, (0.2,)),
    "tanh_gradient": (2, ()),
    "bce_with_logits": (2, ()),
}
calls = pytest.mark.parametrize("name", CALLS)


def drawn(count, shape=(3, 8, 5, 4), dtype=np.float32):
    return [(3 * RNG.standard_normal(shape)).astype(dtype) for _ in range(count)]


def last(array):
    """A device array (N, C, H, W) whose channels lie last."""
    memory = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
    return StrictArray(memory.transpose(0, 3, 1, 2))


def found_and_expected(name, operands, *there):
    numbers = CALLS[name][1]
    expected = getattr(portable, name)(*(a.astype(np.float64) for a in operands), *numbers)
    return getattr(kernels(there[0]), name)(*there, *numbers), expected


@pytest.fixture
def no_fallback(monkeypatch):
    """A kernel of the portable ones that is given device arrays fails."""
    for name in CALLS:
        plain = getattr(portable, name)
        refusing = lambda x, *rest, plain=plain: (
            pytest.fail("a portable kernel") if isinstance(x, StrictArray) else plain(x, *rest)
        )
        monkeypatch.setattr(portable, name, refusing)


@calls
@pytest.mark.parametrize("shape", [(3, 8, 5, 4), (1, 3, 3, 5), (2, 4, 32, 5)])
@pytest.mark.parametrize("place", [last, StrictArray], ids=["channels last", "C"])
def test_values(no_fallback, name, shape, place):
    operands = drawn(CALLS[name][0], shape)
    found, expected = found_and_expected(name, operands, *map(place, operands))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-6, atol=1e-6)
    assert found.dtype == np.float32 and found.strides == place(operands[0]).strides


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "leaky_relu"])
def test_extreme_values(no_fallback, name):
    x = np.array([-np.inf, -1e4, -89, 0, 89, 1e4, np.inf, np.nan], np.float32)
    with np.errstate(all="ignore"):
        found, expected = found_and_expected(name, [x], StrictArray(x))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("name", ["leaky_relu_gradient", "tanh_gradient", "bce_with_logits"])
def test_the_last_operand_says_how_the_result_lies(no_fallback, name):
    x, y = drawn(2)
    found, expected = found_and_expected(name, [x, y], StrictArray(x), last(y))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-6, atol=1e-6)
    assert found.strides == last(y).strides


@calls
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.astype(np.float64),
        lambda a: a[..., ::2],
        lambda a: a[:0],
        lambda a: np.broadcast_to(a[:1], a.shape),
    ],
)
def test_everything_else_is_the_portable_kernels_work(monkeypatch, name, change):
    monkeypatch.setattr(activation, "kernel", lambda *_, **__: pytest.fail("a kernel"))
    operands = [change(a) for a in drawn(CALLS[name][0])]
    found, expected = found_and_expected(name, operands, *map(StrictArray, operands))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-5, atol=1e-5)


def test_operands_that_broadcast_are_the_portable_kernels_work():
    (x,) = drawn(1, (4, 3))
    (t,) = drawn(1, (3,))
    found, expected = found_and_expected("bce_with_logits", [x, t], StrictArray(x), StrictArray(t))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-5, atol=1e-5)
    assert import_module("tinygan.backend.cuda").bce_with_logits is activation.bce_with_logits


def test_an_address_that_16_does_not_divide(no_fallback):
    memory = drawn(1, (17,))[0]
    found, expected = found_and_expected("sigmoid", [memory[1:]], StrictArray(memory[1:]))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-6)


@calls
def test_a_single_number_stays_without_axes(no_fallback, name):
    operands = drawn(CALLS[name][0], shape=(1,))
    there = [StrictArray(a.reshape(())) for a in operands]
    found, expected = found_and_expected(name, operands, *there)
    assert found.shape == ()
    np.testing.assert_allclose(found.get(), expected[0], rtol=1e-6)


def test_a_target_that_is_a_number_is_the_portable_kernels_work():
    (x,) = drawn(1)
    found = activation.bce_with_logits(StrictArray(x), 1.0)
    np.testing.assert_allclose(found.get(), portable.bce_with_logits(x, 1.0), rtol=1e-6)
