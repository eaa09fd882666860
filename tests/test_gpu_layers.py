"""Layers on a GPU against the CPU in float64: every geometry that the collection uses, and odd.

Rounding is measured in norm. A product of float32 numbers in TF32 is off by 2⁻¹¹ or so, in exact
float32 by 2⁻²⁴, of what was stored as bfloat16 by 2⁻⁸, and their sums by little more; a wrong tap
or a missing edge is off by far more.
"""

import numpy as np
import pytest

import tinygan as tg
from tests.gpu import distance
from tinygan.backend.cuda import float32_as

ALLOWED = {"tf32": 1e-3, "exact": 1e-5, "bfloat16": 6e-3}

# x, weight, and what else conv2d or conv_transpose2d is told
CONVOLUTIONS = {
    "k4s2p1, 3 → 64": ((8, 3, 32, 32), (64, 3, 4, 4), {"stride": 2, "padding": 1}),
    "k4s2p1, 64 → 128": ((16, 64, 16, 16), (128, 64, 4, 4), {"stride": 2, "padding": 1}),
    "k4s2p1, 100 → 36": ((4, 100, 10, 10), (36, 100, 4, 4), {"stride": 2, "padding": 1}),
    "k4s2p1, 1 → 7": ((5, 1, 14, 14), (7, 1, 4, 4), {"stride": 2, "padding": 1}),
    "k4s1p0, to 1": ((16, 128, 4, 4), (1, 128, 4, 4), {}),
    "k3s1p1, 64": ((4, 64, 16, 16), (64, 64, 3, 3), {"padding": 1}),
    "k3s1p1, odd": ((3, 17, 13, 11), (19, 17, 3, 3), {"padding": 1}),
    "k3s2p1, odd": ((3, 16, 15, 9), (24, 16, 3, 3), {"stride": 2, "padding": 1}),
    "k1": ((4, 40, 9, 7), (24, 40, 1, 1), {}),
    "k7p3": ((2, 3, 20, 20), (16, 3, 7, 7), {"padding": 3}),
    "groups": ((4, 16, 12, 12), (32, 8, 3, 3), {"padding": 1, "groups": 2}),
    "depthwise": ((4, 12, 9, 9), (12, 1, 3, 3), {"padding": 1, "groups": 12}),
    "dilation": ((4, 16, 15, 15), (16, 16, 3, 3), {"padding": 2, "dilation": 2}),
    "strides of two kinds": ((3, 8, 11, 14), (8, 8, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    "one image": ((1, 64, 32, 32), (64, 64, 3, 3), {"padding": 1}),
    "large batch": ((130, 32, 8, 8), (64, 32, 4, 4), {"stride": 2, "padding": 1}),
}
TRANSPOSED = {
    "from noise, k4s1p0": ((16, 100, 1, 1), (100, 64, 4, 4), {}),
    "k4s2p1, 128 → 64": ((16, 128, 8, 8), (128, 64, 4, 4), {"stride": 2, "padding": 1}),
    "k4s2p1, 64 → 3": ((16, 64, 16, 16), (64, 3, 4, 4), {"stride": 2, "padding": 1}),
    "k4s2p1, 6 → 1, odd": ((5, 6, 7, 9), (6, 1, 4, 4), {"stride": 2, "padding": 1}),
    "output padding": (
        (2, 8, 7, 7), (8, 12, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1},
    ),
    "groups": ((2, 8, 6, 6), (8, 6, 4, 4), {"stride": 2, "padding": 1, "groups": 2}),
}  # fmt: skip
EVERY = [("conv2d", *row) for row in CONVOLUTIONS.items()]
EVERY += [("conv_transpose2d", *row) for row in TRANSPOSED.items()]


def results(function, arrays, g, device, dtype, layout=None):
    """A function of tensors, its gradients by all of them for an incoming g: arrays by name."""
    tensors = [placed(a.astype(dtype), device, layout) for a in arrays]
    for t in tensors:
        t.requires_grad = True
    y = function(*tensors)
    if g is None:
        g = np.random.default_rng(1).standard_normal(y.shape)
    gradients = tg.grad(y, tensors, placed(g.astype(dtype), device, layout))
    names = ("output", "gradient of x", "of the weight", "of the bias")
    return dict(zip(names, [t.detach().numpy() for t in (y, *gradients)]))


def placed(array, device, layout):
    """A tensor of an array; images with their channels last in memory, where that is asked for."""
    if layout == "channels last" and array.ndim == 4:
        array = np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return tg.tensor(array, device=device)


def normal(*shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("way", ALLOWED)
@pytest.mark.parametrize("op, name, geometry", EVERY, ids=[f"{r[0]}: {r[1]}" for r in EVERY])
def test_convolutions_and_their_gradients(gpu, op, name, geometry, way):
    x, w, told = geometry
    outputs = w[0] if op == "conv2d" else w[1] * told.get("groups", 1)
    arrays = [a.astype(np.float32) for a in normal(x, w, (outputs,))]  # the same numbers in both
    convolve = lambda x, w, b: getattr(tg, op)(x, w, b, **told)
    expected = results(convolve, arrays, None, "cpu", np.float64)
    for layout in ("channels last", "in order"):
        with float32_as(way):
            found = results(convolve, arrays, None, "cuda", np.float32, layout)
        for what, value in expected.items():
            assert found[what].dtype == np.float32
            off = distance(found[what], value, noise=1e-2)
            assert off < ALLOWED[way] * (1 if gpu == "cuda" else 10), f"{what}, {layout}: {off:.1e}"


SHAPES = [(16, 64, 16, 16), (8, 100, 7, 5), (128, 3, 32, 32), (4, 1, 9, 9), (2, 512, 4, 4)]
NORMS = {
    "batch": lambda x, w, b: tg.batch_norm(x, None, None, w, b, training=True),
    "instance": lambda x, w, b: tg.instance_norm(x, weight=w, bias=b),
    "group": lambda x, w, b: tg.group_norm(x, 1, w, b),
    "layer": lambda x, w, b: tg.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], w, b),
}


@pytest.mark.parametrize("offset, allowed", [(0, 2e-5), (30, 1e-3)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NORMS)
def test_norms_and_their_gradients(gpu, name, shape, offset, allowed):
    if name == "layer" and shape[1] == 1:
        pytest.skip("one number has no deviation")
    x, w, b = normal(shape, shape[1:2], shape[1:2])
    arrays = [a.astype(np.float32) for a in (x + offset, w + 2, b)]
    expected = results(NORMS[name], arrays, None, "cpu", np.float64)
    for layout in ("channels last", "in order"):
        found = results(NORMS[name], arrays, None, "cuda", np.float32, layout)
        for what, value in expected.items():
            off = distance(found[what], value, noise=1e-3)
            assert off < allowed, f"{what}, {layout}: {off:.1e}"


def test_running_statistics(gpu):
    x = (normal((16, 8, 6, 6))[0] * 2 + 3).astype(np.float32)
    kept = {}
    for device in ("cpu", "cuda"):
        mean, var = tg.zeros(8, device=device), tg.ones(8, device=device)
        for _ in range(3):
            tg.batch_norm(placed(x, device, "channels last"), mean, var, training=True)
        y = tg.batch_norm(placed(x, device, None), mean, var, training=False)
        kept[device] = [t.numpy() for t in (mean, var, y)]
    for there, here in zip(kept["cuda"], kept["cpu"], strict=True):
        assert distance(there, here) < 1e-5


@pytest.mark.parametrize("way", ALLOWED)
@pytest.mark.parametrize("m, k, n", [(64, 128, 256), (1, 100, 17), (129, 33, 65), (7, 1, 5)])
def test_linear_layers_and_their_gradients(gpu, m, k, n, way):
    arrays = [a.astype(np.float32) for a in normal((m, k), (n, k), (n,))]
    expected = results(tg.linear, arrays, None, "cpu", np.float64)
    with float32_as(way):
        found = results(tg.linear, arrays, None, "cuda", np.float32)
    for what, value in expected.items():
        off = distance(found[what], value, noise=1e-3)
        assert off < ALLOWED[way] * (1 if gpu == "cuda" else 10), f"{what}: {off:.1e}"
