"""The CPU's own normalisation, activations, optimiser steps and products against the portable ones.

Sizes lie on both sides of the limits at which a kernel works in pieces or wakes other threads.
"""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import tinygan as tg
from tests.equations.optim import adam, adamw
from tinygan import optim
from tinygan.backend import cpu, portable
from tinygan.backend.cpu import memory, pieces, threads

random = np.random.default_rng(0)


def images(*shape, dtype=np.float32, last=True):
    """Normal numbers (N, C, …), channels last in memory or not."""
    if not last:
        return random.standard_normal(shape).astype(dtype)
    n, c, *size = shape
    return np.moveaxis(random.standard_normal((n, *size, c)).astype(dtype), -1, 1)


def close(ours, reference, rtol=2e-5):
    scale = max(np.abs(reference).max(), 1e-30)
    assert ours.shape == reference.shape
    assert np.abs(ours - reference).max() <= rtol * scale


SHAPES = [(3, 5, 7, 9), (8, 64, 16, 16), (16, 3, 33, 31), (64, 32, 32, 32), (512, 128)]


@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
@pytest.mark.parametrize("offset", [1, 20])  # in one pass, and each piece about its own mean
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_standardize(shape, per_image, last, offset, slope):
    if per_image and len(shape) == 2:
        pytest.skip("an image needs pixels")
    dims = tuple(range(2, len(shape))) if per_image else (0, *range(2, len(shape)))
    x, g = 3 * images(*shape, last=last) + offset, images(*shape, last=last)
    weight = (1 + images(1, shape[1])).reshape(1, -1, *[1] * (len(shape) - 2))
    bias = images(1, shape[1]).reshape(weight.shape)
    wide = [a.astype(np.float64) for a in (x, weight, bias)]
    out, mean, var, rstd = cpu.standardize(x, weight, bias, dims, 1e-5, slope)
    exact = portable.standardize(*wide, dims, 1e-5, slope)
    for a, b in zip((out, mean, var, rstd), exact, strict=True):
        assert a.dtype == np.float32
        close(a, b)
    behind = (out, slope)  # an activation; its kinks lie where they do in float32
    ours = cpu.standardize_gradient(g, x, weight, mean, rstd, dims, [0, 1, 2], *behind)
    theirs = portable.standardize_gradient(
        g.astype(np.float64), wide[0], wide[1], exact[1], exact[3], dims, [0, 1, 2], *behind
    )
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == np.float32
        close(a, b, 1e-4)


def test_standardize_without_weights_and_unwanted_gradients():
    x = images(8, 64, 16, 16)
    _, mean, _, rstd = cpu.standardize(x, None, None, (0, 2, 3), 1e-5)
    assert cpu.standardize_gradient(x, x, None, mean, rstd, (0, 2, 3), [1]) == (None, None, None)


def test_a_mean_far_from_zero_costs_no_accuracy():
    x = images(16, 32, 16, 16) + np.float32(1e3)
    _, mean, _, rstd = cpu.standardize(x, None, None, (0, 2, 3), 1e-5)
    assert np.abs(1 / rstd - 1).max() < 0.05  # E[x²] − E[x]² in float32 would be lost in rounding
    assert np.abs(mean - 1e3).max() < 0.1


@pytest.mark.parametrize("dtype, eps", [(np.float32, 4), (np.float64, 2)])
def test_activations_whose_logarithm_must_not_lose_what_one_swallows(dtype, eps):
    """log(1 + eˣ) to a few last digits, from eˣ = 1e-37 on and for whatever is not a number."""
    x = np.concatenate([-np.geomspace(1e-6, 85, 4000), np.geomspace(1e-6, 1e6, 4000)]).astype(dtype)
    exact = np.log1p(np.exp(-np.abs(x).astype(np.longdouble))) + np.maximum(x, 0)
    t = random.uniform(0, 1, x.shape).astype(dtype)
    eps *= np.finfo(dtype).eps
    np.testing.assert_allclose(cpu.softplus(x), exact.astype(np.float64), rtol=eps)
    bound = eps * (exact + np.abs(x * t))
    assert (
        np.abs(cpu.bce_with_logits(x, t) - (exact - x.astype(np.longdouble) * t)) <= bound
    ).all()
    odd = np.tile(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], dtype), 500)
    np.testing.assert_allclose(cpu.softplus(odd)[:5], [np.inf, 0, np.nan, np.log(2), np.log(2)])


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (5, 3, 4, 4), (16, 32, 32, 32)], ids=str)
def test_activations(shape, last):
    last = last and len(shape) > 2
    x, g = (images(*shape, last=last) * np.float32(30) for _ in range(2))
    x = np.asarray(x)
    g = np.asarray(g)
    if x.size > 3:
        x.reshape(-1)[:3] = 0.0, -0.0, 1e4
    for name, arguments in [
        ("relu", ()),
        ("tanh", ()),
        ("sigmoid", ()),
        ("leaky_relu", (0.2,)),
        ("softplus", ()),
    ]:
        ours = getattr(cpu, name)(x, *arguments)
        theirs = getattr(portable, name)(x, *arguments)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)
    for t in (g, g.astype(np.float64)):
        ours, theirs = cpu.bce_with_logits(x, t), portable.bce_with_logits(x, t)
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-6, atol=1e-6 * np.abs(x * t).max(initial=0), strict=True
        )
    y = portable.leaky_relu(x, 0.2)
    for slope in (0.0, 0.2):
        ours = cpu.leaky_relu_gradient(g, y, slope)
        np.testing.assert_allclose(ours, portable.leaky_relu_gradient(g, y, slope), rtol=1e-6)
    z = np.tanh(x)
    np.testing.assert_allclose(
        cpu.tanh_gradient(g, z), portable.tanh_gradient(g, z), rtol=1e-6, atol=1e-6
    )


def test_relu_keeps_nan_and_stops_minus_infinity():
    x = np.array([np.nan, -np.inf, np.inf], np.float32)
    np.testing.assert_array_equal(cpu.relu(x), [np.nan, 0.0, np.inf])


def test_operands_in_different_orders_of_memory():
    g, y = images(4, 8, 40, 40), images(4, 8, 40, 40, last=False)
    ours = cpu.leaky_relu_gradient(g, y, 0.2)
    np.testing.assert_allclose(ours, portable.leaky_relu_gradient(g, y, 0.2), rtol=1e-6)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("same_order", [False, True])
@pytest.mark.parametrize("shape", [(3, 4), (64, 32, 4, 4), (128, 160, 4, 4)], ids=str)
def test_adam(shape, same_order, amsgrad, decoupled):
    """Two steps from a state of zeros, against the textbook; gradients in another order of memory
    stay as they are.
    """
    settings = {"lr": 0.3, "betas": (0.5, 0.75), "weight_decay": 0.1, "amsgrad": amsgrad}
    start, *grads = random.random((3, *shape), np.float32)
    if not same_order and len(shape) == 4:
        grads = [np.moveaxis(np.ascontiguousarray(np.moveaxis(g, 1, -1)), -1, 1) for g in grads]
    param = tg.tensor(start, requires_grad=True)
    optimizer = (optim.AdamW if decoupled else optim.Adam)([param], **settings)
    for grad in grads:
        before, param.grad = grad.copy(), tg.Tensor(grad)
        optimizer.step()
        np.testing.assert_array_equal(grad, before)
    param = param.numpy()
    exact = [a.astype(np.float64) for a in (start, *grads)]
    *_, expected = (adamw if decoupled else adam)(exact[0], exact[1:], **settings)
    np.testing.assert_allclose(param - start, expected - exact[0], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
@pytest.mark.parametrize("shape", [(1, 8, 4, 4), (16, 64, 16, 16), (64, 64, 32, 32)])
def test_norm_by_given_statistics(shape, slope, two_threads):
    x, (weight, bias, mean) = images(*shape), images(3, 1, shape[1], 1, 1, last=False)
    rstd = 1 / np.sqrt(images(1, shape[1], 1, 1, last=False) ** 2 + 0.1)
    for gamma, beta in ((weight, bias), (None, None)):
        ours = cpu.standardize_given(x, gamma, beta, mean, rstd, slope)
        exact = [None if a is None else a.astype(np.float64) for a in (x, gamma, beta, mean, rstd)]
        close(ours, portable.standardize_given(*exact, slope))
        assert ours.dtype == np.float32


@pytest.mark.parametrize("m, k, n", [(3, 1, 5), (4, 4, 4), (256, 128, 128), (700, 300, 400)])
def test_products(m, k, n):
    a, b = images(m, k, last=False), images(k, n, last=False)
    ours = cpu.matmul(a, b)
    close(ours, a.astype(np.float64) @ b.astype(np.float64))
    assert ours.dtype == np.float32


@pytest.mark.parametrize("rows, columns, outputs", [(1, 2, 8), (256, 128, 128), (128, 784, 400)])
def test_gradients_of_a_linear_layer(rows, columns, outputs, two_threads):
    x, weight, g = (
        images(*shape, last=False)
        for shape in ((rows, columns), (outputs, columns), (rows, outputs))
    )
    exact = [a.astype(np.float64) for a in (x, weight, g)]
    for ours, reference in zip(
        cpu.linear_gradients(x, weight, g), portable.linear_gradients(*exact), strict=True
    ):
        close(ours, reference)
        assert ours.dtype == np.float32


def test_small_work_wakes_nobody(monkeypatch):
    monkeypatch.setattr(pieces, "parallel_for", lambda *a: pytest.fail("woke a thread"))
    cpu.relu(images(16, 32, 16, 16))
    with pytest.raises(pytest.fail.Exception):
        cpu.sigmoid(images(64, 64, 32, 32))


def test_results_do_not_depend_on_the_number_of_threads():
    x = images(64, 64, 32, 32)
    results, before = [], threads.get_num_threads()
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            results.append((cpu.sigmoid(x), *cpu.standardize(x, None, None, (0, 2, 3), 1e-5)))
    finally:
        threads.set_num_threads(before)
    for others in results[1:]:
        for a, b in zip(results[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_kept_unless_told_otherwise():
    code = (
        "import resource, numpy as np, tinygan; from tinygan.backend import cpu\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(3): np.ones(1 << 22)\n"
        "before = faults()\n"
        "for _ in range(3): np.ones(1 << 22)\n"
        "print(faults() - before)"
    )

    def faults(**environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
        clean["NUMPY_MADVISE_HUGEPAGE"] = "0"  # a fault a small page, whatever the kernel's pages
        run = [sys.executable, "-c", code]
        return int(subprocess.check_output(run, env=clean | environment, text=True))

    if not memory.keep_freed_memory():
        pytest.skip("this C library's allocator cannot be told")
    kept, returned = faults(), faults(TINYGAN_MALLOC="system")
    assert kept < returned / 4


def test_an_equation_in_pieces_is_the_equation_as_a_whole(two_threads):
    """Also where the parameter itself lies in no order that can be cut."""

    def equation(theta, g, kept, room, add_scaled):
        add_scaled(kept, 0.5, g, 0.25, room)
        np.multiply(kept, kept, out=room)
        add_scaled(theta, 1.0, room, -0.1, room)

    rows = [[images(*shape, last=False) for _ in "123"] for shape in [(300, 900), (7,), (0, 3)]]
    whole = [[array.copy() for array in row] for row in rows]
    cpu.apply_to_many(equation, rows)
    portable.apply_to_many(equation, whole)
    for row, expected in zip(rows, whole):
        for a, b in zip(row, expected):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)

    for order in [(0, 1, 2, 3), (1, 0, 3, 2)]:
        theta, g, kept = (images(128, 96, 8, 8, last=False) for _ in range(3))
        turned = np.asfortranarray(g.transpose(order))
        arrays = [theta.transpose(order), turned, kept.transpose(order)]
        exact = [a.copy() for a in arrays]
        gradient = arrays[1].copy()
        cpu.apply_to_many(equation, [arrays])
        portable.apply_to_many(equation, [exact])
        for ours, expected in zip(arrays, exact, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(arrays[1], gradient)


def test_an_equation_over_memory_with_gaps_and_a_gradient_that_lies_otherwise():
    """What goes neither in pieces nor in the parameter's order."""
    draw = np.random.default_rng(0).standard_normal
    theta, m, v = (draw((80, 160)).astype("f4")[:, ::2] for _ in range(3))
    g = draw((80, 80)).astype("f4").T
    exact = [np.abs(a).astype("f8") if a is v else a.astype("f8") for a in (theta, g, m, v)]
    v[...] = np.abs(v)
    optimizer = optim.Adam([tg.ones(1)])
    equation = partial(optimizer.equation, t=3, group=optimizer.param_groups[0])
    cpu.apply_to_many(equation, [[theta, g, m, v]])
    portable.apply_to_many(equation, [exact])
    for a, b in zip((theta, g, m, v), exact):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
