"""Optimisers, averages and clipping on the CUDA backend: one kernel for all parameters, written
down from the optimiser's own equation. Here it runs as fibres; with a GPU, on it too.
"""

import math
from functools import partial

import numpy as np
import pytest

import tinygan as tg
from tests.gpu import no_waiting
from tests.test_cuda_sources import binary
from tests.test_optim import ALL
from tinygan import nn, optim
from tinygan.backend import portable
from tinygan.backend.cuda import clipping, equations
from tinygan.backend.cuda import optim as together
from tinygan.backend.device import array_module

EVERY = ALL + [
    (optim.SGD, {"momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
    (optim.Adam, {"betas": (0.5, 0.999), "maximize": True}),
    (optim.RMSprop, {"weight_decay": 0.01}),
    (optim.RMSprop, {"momentum": 0.9}),
    (optim.Adagrad, {"initial_accumulator_value": 0.5, "weight_decay": 0.1}),
    (optim.NAdam, {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    (optim.RAdam, {"betas": (0.5, 0.9), "weight_decay": 0.1}),
    (optim.Rprop, {"maximize": True}),
]
FIRST = [[kind for kind, _ in EVERY].index(kind) for kind, _ in EVERY]  # each kind's first options
each = pytest.mark.parametrize(
    ("kind", "options"),
    [pytest.param(*e, marks=[pytest.mark.slow] * (i != FIRST[i])) for i, e in enumerate(EVERY)],
)


SAME = lambda a: a
SHAPES = [  # of memory, and the view of it that is the parameter
    ((1,), SAME), ((3,), SAME), ((1000,), SAME), ((4097,), SAME), ((0, 2), SAME), ((), SAME),
    ((2 * together.CHUNK + 1,), SAME),
    ((33, 7), lambda a: a.T),
    ((4, 5, 3, 2), lambda a: a.transpose(0, 3, 1, 2)),  # channels last
    ((10,), lambda a: a[1:]),  # at an address that 16 does not divide
    ((6, 8), lambda a: a[:, ::2]),  # with gaps: not for a kernel
]  # fmt: skip


@pytest.fixture(params=["pretended", pytest.param("cuda", marks=pytest.mark.gpu)])
def card(request):
    """A GPU, and in another run of the test one whose kernels are run as fibres."""
    if request.param == "pretended":
        request.getfixturevalue("fibre_device")
    return request.param


def on(device, memory, view=SAME):
    """A parameter there, with memory of its own."""
    p = nn.Parameter(tg.zeros(1))
    p.array = view(tg.Tensor(memory.copy()).to(device).array)
    return p


def trained(device, kind, options, dtype=np.float32, grad_view=None, card="pretended"):
    """Parameters after steps with a rate that falls, and what the optimiser keeps for them."""
    draw = np.random.default_rng(0).standard_normal
    parameters = [on(device, draw(shape).astype(dtype), view) for shape, view in SHAPES]
    half = len(parameters) // 2
    groups = [{"params": parameters[:half]}, {"params": parameters[half:], "lr": 0.02}]
    optimizer = kind(groups, lr=0.05, **options)
    for step in range(5):
        for p, (shape, view) in zip(parameters, SHAPES):
            p.grad = on(device, draw(shape).astype(dtype), view)
            if grad_view is not None:
                p.grad.array = grad_view(p.grad.array)
            if shape == (1000,) and step:
                p.grad.array[:4] = tg.tensor([0, math.inf, math.nan, 1e-30]).to(device).array
        if step == 2:
            parameters[1].grad = None  # from here on it lags one step behind the others
        with np.errstate(all="ignore"), no_waiting(card):
            optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= 0.9
    kept = [v for p in parameters for v in optimizer.state[p].values() if isinstance(v, tg.Tensor)]
    return [t.numpy() for t in [*parameters, *kept]]


def assert_close(device, host):
    assert len(device) == len(host)
    for a, b in zip(device, host):
        scale = max(1.0, np.abs(b).max(initial=0, where=np.isfinite(b)))  # what differences lose
        np.testing.assert_allclose(a, b, rtol=3e-6, atol=3e-7 * scale)
        assert a.dtype == b.dtype


@each
def test_every_optimiser_does_on_the_gpu_what_it_does_on_the_cpu(card, kind, options):
    device = trained("cuda", kind, options, card=card)
    assert_close(device, trained("cpu", kind, options))


def test_gradients_that_lie_otherwise_in_memory(card):
    turned = lambda a: a.T.copy().T if a.ndim else a
    device = trained("cuda", optim.Adam, {}, grad_view=turned)
    assert_close(device, trained("cpu", optim.Adam, {}, grad_view=turned))


def test_float64(card):
    device, host = (trained(d, optim.Adam, {}, np.float64) for d in ("cuda", "cpu"))
    assert device[0].dtype == np.float64
    for a, b in zip(device, host):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


class Launches:
    """Counts the launches of kernels."""

    def __init__(self, monkeypatch, *modules):
        self.count = 0
        for module in modules:
            monkeypatch.setattr(module, "kernel", partial(self._kernel, module.kernel))

    def _kernel(self, kernel, *names, **macros):
        def launch(*arguments):
            self.count += 1
            kernel(*names, **macros)(*arguments)

        return launch


@pytest.mark.parametrize(("tensors", "launches"), [(1, 1), (20, 1), (64, 1), (65, 2), (130, 3)])
def test_one_launch_for_up_to_64_parameters(card, monkeypatch, tensors, launches):
    counted = Launches(monkeypatch, together)
    parameters = [on("cuda", np.full(i + 1, i, np.float32)) for i in range(tensors)]
    optimizer = optim.Adam(parameters, lr=0.5)
    for p in parameters:
        p.grad = tg.ones_like(p)
    optimizer.step()
    assert counted.count == launches
    for i, p in enumerate(parameters):
        np.testing.assert_allclose(p.numpy(), np.full(i + 1, i - 0.5), rtol=1e-6)


def test_a_step_of_a_thousand_numbers_does_not_change_those_beside_them(card):
    memory = tg.Tensor(np.zeros(1200, np.float32)).to("cuda").array
    p = nn.Parameter(tg.zeros(1))
    p.array = memory[99:1098]
    p.grad = tg.Tensor(np.ones(999, np.float32)).to("cuda")
    optim.SGD([p], lr=1.0).step()
    expected = np.zeros(1200, np.float32)
    expected[99:1098] = -1
    np.testing.assert_array_equal(memory.get(), expected)


def test_which_arrays_a_kernel_may_run_through_side_by_side():
    x, y = np.zeros((2, 3, 4), np.float32), np.zeros((2, 3, 4), np.float32)
    channels_last = np.zeros((2, 4, 3), np.float32).transpose(0, 2, 1)
    assert together.lie_alike([x, y])
    assert together.lie_alike([channels_last, channels_last.copy(order="K")])
    assert together.lie_alike([x[:1], y[1:]])
    assert not together.lie_alike([x, channels_last])
    assert not together.lie_alike([x, y.astype(np.float64)])
    assert not together.lie_alike([x[:, :2], y[:, :2]])
    one = np.lib.stride_tricks.as_strided(x, (1, 4), (99, 4))  # one row has no distance to a next
    assert together.lie_alike([one, y[0, :1]])


# -- what is written down --------------------------------------------------------------------------


def written(kind, options, t):
    optimizer = kind([nn.Parameter(tg.zeros(1))], **options)
    group, p = optimizer.param_groups[0], optimizer.param_groups[0]["params"][0]
    state = optimizer.initial_state(p, group)
    for _ in range(t):
        settings = optimizer.prepare(p.array, state, group)
    kept = [v for v in state.values() if isinstance(v, tg.Tensor)]
    equation = partial(optimizer._uphill_too, t=t, group=settings)
    return equations.write_down(equation, 2 + len(kept))


@each
def test_the_statements_stay_while_numbers_change(kind, options):
    first, second = (written(kind, options, t) for t in (60, 61))
    assert first.text == second.text
    assert len(first.numbers) == len(second.numbers)
    assert not first.mask & 0b10 and first.mask & 1  # θ changes, g never does


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
@each
def test_the_kernel_of_every_optimiser_compiles_for_gpus(kind, options, architecture):
    for t in {1, 60}:
        equation = written(kind, options, t)
        table, _ = together.structs(equation.arrays, len(equation.numbers), "f")
        macros = together.macros_of(equation, table, "f")
        code = binary("equation.cu", tuple(macros.items()), architecture)
        assert b"apply_equation" in code


def everything(y, x, room, add_scaled):
    """What may stand in an equation, each once."""
    xp = array_module(x)
    y[...] = 2 - x
    y -= 3 / xp.add(xp.square(x), 1, out=room)
    y += xp.subtract(x, 0.5) * xp.negative(x) + -x
    y *= xp.exp(xp.divide(x, 4)) + xp.log(xp.abs(x) + 1) ** 2
    y /= xp.power(xp.multiply(x, x) + 2, 0.25)
    add_scaled(y, 0.5, xp.sqrt(abs(x)), 3.0, room)
    y += xp.where(x >= 0.5, xp.maximum(x, 0.7), xp.minimum(x, -0.7)) + xp.sign(x)
    y += xp.where(x != 1, xp.clip(x, -0.2, 0.9), 0) + xp.where(x <= 0, 1, x) + 1 * x
    y += xp.where(x == 1, 2.0, xp.where(x < 1, 1, 0.25)) + xp.where(x > 0, x, 1)


def test_all_that_may_stand_in_an_equation(card, monkeypatch):
    counted = Launches(monkeypatch, together)
    x = np.random.default_rng(0).standard_normal(1001).astype(np.float32)
    x[:3] = 0, 1, -1
    y = np.zeros_like(x)
    on_device = [tg.Tensor(a.copy()).to("cuda").array for a in (y, x)]
    together.apply_to_many(everything, [on_device])
    portable.apply_to_many(everything, [[y, x]])
    assert counted.count == 1
    np.testing.assert_allclose(on_device[0].get(), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(on_device[1].get(), x)


@pytest.mark.parametrize("arrays", [1, 2, 5, 9, 30])
@pytest.mark.parametrize("numbers", [0, 7, 40])
def test_arguments_stay_within_what_a_launch_may_carry(arrays, numbers):
    table, given = together.structs(arrays, numbers, "d")
    assert table.itemsize + given.itemsize <= 4096 and table["size"].shape[0] > 4


@pytest.mark.parametrize(
    "equation",
    [
        lambda theta, g, room, add: theta.__isub__(g.sum()),
        lambda theta, g, room, add: theta.__isub__(g * np.ones(3, np.float32)),
        lambda theta, g, room, add: theta.__isub__(np.sqrt(g)),
        lambda theta, g, room, add: theta.__isub__(g) if g else None,
        lambda theta, g, room, add: theta.__setitem__(0, g),
        lambda theta, g, room, add: theta.__isub__(room),
    ],
)
def test_what_is_no_statement_about_single_numbers_is_not_written_down(equation):
    with pytest.raises((equations.CannotBeWrittenDown, AttributeError, TypeError)):
        equations.write_down(equation, 2)


class Normalized(optim.Optimizer):
    """A step of length lr, whose norm looks at all numbers at once."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def equation(self, theta, g, room, add_scaled, t, group):
        add_scaled(theta, 1.0, g / (g * g).sum() ** 0.5, -group["lr"], room)


def test_an_equation_of_more_than_single_numbers_goes_the_portable_way(card):
    results = []
    for device in ("cuda", "cpu"):
        p = on(device, np.array([3.0, 4.0], np.float32))
        p.grad = on(device, np.array([3.0, 4.0], np.float32))
        Normalized([p]).step()
        results.append(p.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)
    assert abs(results[0][0] - 3) > 0.01


# -- averages and clipping -------------------------------------------------------------------------


def averaged(device):
    tg.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Linear(2, 3))
    net.to(device)
    ema = optim.EMA(net, 0.9)
    for _ in range(4):
        with tg.no_grad():
            for tensor in [*net.parameters(), *net.buffers()]:
                tensor += 1
        ema.update()
    return {name: value.numpy() for name, value in ema.average.items()}


def test_averages_take_two_launches(card, monkeypatch):
    counted = Launches(monkeypatch, together)
    device = averaged("cuda")
    assert counted.count == 4 * 2  # of weights, and of counters
    for name, value in averaged("cpu").items():
        np.testing.assert_allclose(device[name], value, rtol=1e-6)
        assert device[name].dtype == value.dtype


@pytest.mark.parametrize("order", [2.0, math.inf, 1.0])
@pytest.mark.parametrize("largest", [0.5, 1e6, math.nan])
def test_clipping_without_a_look_at_the_norm(card, monkeypatch, order, largest):
    counted, found = Launches(monkeypatch, clipping), []
    for device in ("cuda", "cpu"):
        draw = np.random.default_rng(0).standard_normal
        parameters = [nn.Parameter(tg.zeros(1)) for _ in range(300)]  # and a block has 256 threads
        for i, p in enumerate(parameters):
            memory = draw((3, i % 40) if i else (5000,)).astype(np.float32)
            p.grad = on(device, memory, lambda a: a.T)
        if math.isnan(largest):
            parameters[3].grad.array[0] = largest
        with no_waiting(card):
            norm = optim.clip_grad_norm_(parameters, 0.0 if math.isnan(largest) else largest, order)
        assert counted.count == 2 * 5 + 1
        found.append([norm.numpy(), *(p.grad.numpy() for p in parameters)])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-5)
        assert a.dtype == b.dtype == np.float32


def test_the_norm_is_that_of_all_and_the_launches_are_few(card, monkeypatch):
    counted = Launches(monkeypatch, clipping)
    parameters = [on("cuda", np.zeros(2, np.float32)) for _ in range(64)]
    for p in parameters:
        p.grad = tg.Tensor(np.array([0.3, 0.4], np.float32)).to("cuda")
    assert optim.clip_grad_norm_(parameters, 1.0).item() == pytest.approx(4.0)
    assert counted.count == 3
    np.testing.assert_allclose(parameters[5].grad.numpy(), [0.075, 0.1], rtol=1e-5)
