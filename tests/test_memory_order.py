"""Images keep their channels last in memory on a GPU, too, whose functions give C order by
themselves: no convolution then has to turn them round.
"""

from importlib import import_module

import numpy as np
import pytest

import tinygan as tg
from tests import strict_device
from tests.strict_device import StrictArray
from tinygan import nn
from tinygan.backend.cuda.arrays import keeping_order
from tinygan.backend.device import array_module, device_module, kernels

N, C, H, W = 2, 3, 4, 5
RNG = np.random.default_rng(0)


@pytest.fixture
def strict(monkeypatch):
    return strict_device.install(monkeypatch)


def images(order="channels last", shape=(N, C, H, W)):
    """A host array (N, C, H, W) in some order of memory."""
    axes = {"channels last": (0, 2, 3, 1), "C": (0, 1, 2, 3), "reversed": (3, 2, 1, 0)}[order]
    memory = RNG.standard_normal([shape[i] for i in axes]).astype(np.float32)
    return memory.transpose(np.argsort(axes))


def is_channels_last(x):
    return x.transpose(0, 2, 3, 1).flags.c_contiguous


CALLS = {
    "one operand": lambda xp, x, y: xp.exp(x),
    "two": lambda xp, x, y: xp.add(x, y),
    "a number": lambda xp, x, y: xp.multiply(2.0, x),
    "numbers per channel": lambda xp, x, y: xp.multiply(x, y[:1, :, :1, :1]),
    "fewer axes": lambda xp, x, y: xp.multiply(y[0, :, :1, :1], x),
    "one axis": lambda xp, x, y: xp.subtract(x, y[0, 0, 0]),
    "no axis": lambda xp, x, y: xp.maximum(x, y.max()),
    "three": lambda xp, x, y: xp.where(xp.greater(x, 0), x, y),
    "limits": lambda xp, x, y: xp.clip(x, -0.5, 0.5),
    "into an array": lambda xp, x, y: xp.multiply(x, y, out=xp.empty_like(x)),
    "two results": lambda xp, x, y: xp.divmod(x, xp.square(y))[1],
    "joined": lambda xp, x, y: xp.concatenate([x, y], axis=1),
    "joined, counted from the end": lambda xp, x, y: xp.concatenate((y, x, y), axis=-2),
    "a copy": lambda xp, x, y: xp.copy(x),
    "ones": lambda xp, x, y: xp.ones_like(x),
    "part of the channels": lambda xp, x, y: xp.exp(x[:, 1:]),
    "with a repeated one": lambda xp, x, y: xp.add(xp.broadcast_to(y[:1, :, :1, :1], x.shape), x),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("order", ["channels last", "C", "reversed"])
@pytest.mark.parametrize("other", ["channels last", "C"])
def test_functions_keep_the_order(strict, call, order, other):
    x, y = images(order), images(other)
    found = CALLS[call](keeping_order(strict), StrictArray(x), StrictArray(y))
    np.testing.assert_array_equal(found.get(), CALLS[call](np, x, y))
    if order == "channels last" or (order == "C" and other == "C"):
        assert found.strides == images(order, found.shape).strides


def test_the_strict_device_forgets_the_order_as_cupy_does(strict):
    x = StrictArray(images())
    for y in (strict.exp(x), x + x, -x, strict.where(x > 0, x, x)):
        assert y.flags.c_contiguous
    assert is_channels_last(x.astype(np.float64)) and is_channels_last(strict.zeros_like(x))


def test_all_elements_are_reduced_in_the_order_of_memory(strict, monkeypatch):
    xp, x = keeping_order(strict), StrictArray(images())
    seen, plain = [], xp.sum.function
    monkeypatch.setattr(xp.sum, "function", lambda x, **kw: seen.append(x) or plain(x, **kw))
    xp.sum(x), xp.sum(x, axis=(0, 1, 2, 3), keepdims=True), xp.sum(x, axis=(0, 2, 3))
    assert [a.flags.c_contiguous for a in seen] == [True, True, False]
    assert xp.sum(x, axis=(0, 1, 2, 3), keepdims=True).shape == (1, 1, 1, 1)


def test_that_module_serves_arrays_of_the_device(strict):
    with tg.device("cuda"):
        x = tg.ones(2).array
    assert array_module(x) is keeping_order(strict) and device_module(tg.device("cuda")) is strict


def dcgan():
    def block(layer, channels, slope):
        return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.LeakyReLU(slope))

    G = nn.Sequential(
        block(nn.ConvTranspose2d(6, 16, 4, 1, 0, bias=False), 16, 0.0),
        block(nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), 8, 0.0),
        nn.ConvTranspose2d(8, 3, 4, 2, 1),
        nn.Tanh(),
    )
    D = nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1),
        nn.LeakyReLU(0.2),
        block(nn.Conv2d(8, 16, 4, 2, 1, bias=False), 16, 0.2),
        nn.Conv2d(16, 1, 4, 1, 0, bias=False),
        nn.Flatten(),
    )
    return G, D


def step(G, D, real, noise):
    """A step of both games, then the gradients of all parameters and of D at the images."""
    loss = tg.binary_cross_entropy_with_logits
    fake = G(noise)
    ones = tg.ones(len(real), 1)
    both = loss(D(real), ones) + loss(D(fake.detach()), 0 * ones)
    both.backward()
    loss(D(fake), ones).backward()
    return [p.grad for net in (G, D) for p in net.parameters()]


IMAGES = {  # operands of the kernels of convolution that are images
    "conv2d": (0,),
    "conv2d_input_grad": (0,),
    "conv2d_gradients": (0, 2),
    "conv2d_weight_grad": (0, 1),
    "conv_transpose2d_gradients": (0, 2),
}


def watch(monkeypatch, module, seen):
    """Note how the images lie that kernels of convolution are given."""

    def noting(name, kernel):
        def noted(*arguments):
            seen.extend((name, i, is_channels_last(arguments[i])) for i in IMAGES[name])
            return kernel(*arguments)

        return noted

    for name in IMAGES:
        monkeypatch.setattr(module, name, noting(name, getattr(module, name)))


@pytest.mark.parametrize("device", ["strict", pytest.param("fibre_device", marks=pytest.mark.slow)])
def test_a_step_of_a_dcgan_keeps_channels_last(device, request, monkeypatch):
    request.getfixturevalue(device)
    seen = []
    with tg.device("cuda"):
        G, D = dcgan()
        real, noise = tg.tensor(StrictArray(images(shape=(4, 3, 16, 16)))), tg.randn(4, 6, 1, 1)
        for module in {kernels(real.array), import_module("tinygan.backend.portable")}:
            watch(monkeypatch, module, seen)
        gradients = step(G, D, real, noise)
    assert len(seen) > 20
    assert [call for call in seen if not call[2]] == []
    assert all(g is not None and type(g.array) is StrictArray for g in gradients)
