"""Optimisers: exact continuation, dtypes, groups, errors; schedules, clipping, averaged weights."""

import json

import numpy as np
import pytest

import tinygan as tg
from tinygan import io, nn, optim

ALL = [
    (optim.SGD, {}),
    (optim.SGD, {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    (optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
    (optim.AdamW, {}),
    (optim.RMSprop, {"centered": True, "momentum": 0.9}),
    (optim.Adagrad, {"lr_decay": 0.1}),
    (optim.Adadelta, {"weight_decay": 0.1}),
    (optim.Adamax, {"weight_decay": 0.1}),
    (optim.NAdam, {"weight_decay": 0.1}),
    (optim.RAdam, {"betas": (0.5, 0.9), "decoupled_weight_decay": True}),
    (optim.Rprop, {}),
]
each = pytest.mark.parametrize(("kind", "options"), ALL)


def network():
    tg.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def run(net, opt, steps):
    for _ in range(steps):
        opt.zero_grad()
        (net(tg.randn(8, 3)) ** 2).mean().backward()
        opt.step()


@each
def test_a_saved_optimizer_continues_bit_for_bit(kind, options, tmp_path):
    net = network()
    opt = kind(net.parameters(), lr=0.05, **options)
    run(net, opt, 3)
    io.save(
        {"net": net.state_dict(), "opt": opt.state_dict(), "random": tg.random_state()},
        tmp_path / "c",
    )
    run(net, opt, 4)
    expected = {name: t.numpy().copy() for name, t in net.state_dict().items()}

    saved = io.load(tmp_path / "c")
    other = network()
    fresh = kind(other.parameters(), lr=99.0)
    other.load_state_dict(saved["net"])
    fresh.load_state_dict(saved["opt"])
    tg.restore_random_state(saved["random"])
    run(other, fresh, 4)
    for name, t in other.state_dict().items():
        np.testing.assert_array_equal(t.numpy(), expected[name])


@each
def test_a_loaded_state_is_a_copy(kind, options):
    net = network()
    opt = kind(net.parameters(), **options)
    run(net, opt, 2)
    saved = opt.state_dict()
    again = kind(net.parameters(), **options)
    again.load_state_dict(saved)
    before = {
        k: v.numpy().copy()
        for k, v in saved["state"].get(0, {}).items()
        if isinstance(v, tg.Tensor)
    }
    run(net, again, 2)
    for key, value in before.items():
        np.testing.assert_array_equal(saved["state"][0][key].numpy(), value)


@each
@pytest.mark.parametrize("scalar", [float, np.float64])
def test_float32_stays_float32(kind, options, scalar):
    net = network()
    opt = kind(net.parameters(), lr=scalar(0.1), **options)
    run(net, opt, 3)
    tensors = [v for s in opt.state.values() for v in s.values() if isinstance(v, tg.Tensor)]
    assert {t.dtype for t in [*net.parameters(), *tensors]} == {np.dtype("float32")}
    wide = nn.Parameter(np.ones(3))
    wide.grad = tg.Tensor(np.full(3, 0.1))
    kind([wide], **options).step()
    assert wide.dtype == np.float64


@each
def test_parameters_are_written_in_place_and_the_write_is_noted(kind, options):
    p = nn.Parameter([1.0, 2.0])
    array = p.array
    loss = (p * p).sum()
    p.grad = tg.tensor([0.5, -0.5])
    kind([p], lr=0.1, **options).step()
    assert p.array is array and p.tolist() != [1.0, 2.0]
    assert p.grad.tolist() == [0.5, -0.5]
    with pytest.raises(RuntimeError, match=rf"changed in place by '{kind.__name__}\.step'"):
        loss.backward()


def test_layout_in_memory_does_not_matter():
    plain = nn.Parameter(tg.randn(4, 3, 2, 2))
    nhwc = nn.Parameter(
        np.ascontiguousarray(plain.numpy().transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    )
    for p in (plain, nhwc):
        p.grad = tg.Tensor(np.linspace(-1, 1, 48, dtype=np.float32).reshape(4, 3, 2, 2))
        opt = optim.Adam([p])
        for _ in range(3):
            opt.step()
    np.testing.assert_allclose(plain.numpy(), nhwc.numpy(), rtol=1e-6)
    assert nhwc.array.strides[1] == 4


def test_adam_by_hand():
    p = nn.Parameter(np.array([1.0]))
    opt = optim.Adam([p], lr=0.1, betas=(0.5, 0.75), eps=0.0)
    p.grad = tg.Tensor(np.array([3.0]))
    opt.step()
    assert p.item() == pytest.approx(0.9)  # the first step is lr·sign(g)
    p.grad = tg.Tensor(np.array([-1.0]))
    opt.step()
    m, v = (0.5 * 1.5 - 0.5) / 0.75, (0.75 * 2.25 + 0.25) / (1 - 0.75**2)
    assert p.item() == pytest.approx(0.9 - 0.1 * m / np.sqrt(v))


def adadelta(g, theta, rho=0.8, eps=1e-3):
    v = u = 0.0
    for each in g:
        v = rho * v + (1 - rho) * each**2
        step = np.sqrt((u + eps) / (v + eps)) * each
        u = rho * u + (1 - rho) * step**2
        theta = theta - 0.1 * step
    return theta


def adamax(g, theta, b1=0.6, b2=0.8):
    for t in range(1, len(g) + 1):
        m = sum((1 - b1) * b1 ** (t - i) * g[i - 1] for i in range(1, t + 1))
        u = max(b2 ** (t - i) * (abs(g[i - 1]) + 1e-8) for i in range(1, t + 1))
        theta -= 0.1 * m / (1 - b1**t) / u
    return theta


def moments(g, t, b1, b2):
    m = sum((1 - b1) * b1 ** (t - i) * g[i - 1] for i in range(1, t + 1))
    return m, sum((1 - b2) * b2 ** (t - i) * g[i - 1] ** 2 for i in range(1, t + 1))


def nadam(g, theta, b1=0.6, b2=0.8, psi=0.5):
    mu = [b1 * (1 - 0.5 * 0.96 ** (t * psi)) for t in range(len(g) + 2)]
    for t in range(1, len(g) + 1):
        m, v = moments(g, t, b1, b2)
        m_hat = mu[t + 1] * m / (1 - np.prod(mu[1 : t + 2]))
        m_hat += (1 - mu[t]) * g[t - 1] / (1 - np.prod(mu[1 : t + 1]))
        theta -= 0.1 * m_hat / (np.sqrt(v / (1 - b2**t)) + 1e-8)
    return theta


def radam(g, theta, b1=0.6, b2=0.8):
    longest = 2 / (1 - b2) - 1
    for t in range(1, len(g) + 1):
        m, v = moments(g, t, b1, b2)
        rho = longest - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if rho > 5:
            r = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
            step *= np.sqrt(r * (1 - b2**t)) / (np.sqrt(v) + 1e-8)
        theta -= 0.1 * step
    return theta


def rprop(g, theta):
    size, before = 0.1, 0.0
    for each in g:
        turned = each * before < 0
        size = min(size * (0.5 if turned else 1.2 if each * before > 0 else 1.0), 0.15)
        before = 0.0 if turned else each
        theta -= size * np.sign(before)
    return theta


@pytest.mark.parametrize(
    ("reference", "kind", "options"),
    [
        (adadelta, optim.Adadelta, {"rho": 0.8, "eps": 1e-3}),
        (adamax, optim.Adamax, {"betas": (0.6, 0.8)}),
        (nadam, optim.NAdam, {"betas": (0.6, 0.8), "momentum_decay": 0.5}),
        (radam, optim.RAdam, {"betas": (0.6, 0.8)}),
        (rprop, optim.Rprop, {"step_sizes": (1e-6, 0.15)}),
    ],
)
def test_equations_number_by_number(reference, kind, options):
    gradients = [1.0, 3.0, -2.0, -0.5, -0.1, 4.0, 4.0, -1.0, 0.25]
    for climb in (False, True):
        p = nn.Parameter(np.array([2.0]))
        opt = kind([p], lr=0.1, maximize=climb, **options)
        for g in gradients:
            p.grad = tg.Tensor(np.array([g]))
            opt.step()
        expected = reference([-g if climb else g for g in gradients], 2.0)
        assert p.item() == pytest.approx(expected, rel=1e-12)


def test_parameters_without_gradient_are_left_alone():
    a, b = nn.Parameter([1.0]), nn.Parameter([1.0])
    a.grad = tg.tensor([1.0])
    opt = optim.Adam([a, b], weight_decay=0.5)
    opt.step()
    assert b.item() == 1 and b not in opt.state and a.item() < 1
    b.grad = tg.tensor([1.0])
    opt.step()
    assert (opt.state[a]["step"], opt.state[b]["step"]) == (2, 1)


def test_closure_and_zero_grad():
    p = nn.Parameter([2.0])
    opt = optim.SGD([p], lr=0.25)

    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert opt.step(closure).item() == 4
    assert p.item() == 1
    opt.zero_grad(set_to_none=False)
    assert p.grad.item() == 0
    opt.zero_grad()
    assert p.grad is None


def test_momentum_may_be_switched_on_later():
    p = nn.Parameter([1.0])
    p.grad = tg.tensor([1.0])
    opt = optim.SGD([p], lr=0.5)
    opt.step()
    opt.param_groups[0]["momentum"] = 0.5
    opt.step()
    opt.step()
    assert p.item() == pytest.approx(1 - 0.5 - 0.5 - 0.75)


def test_a_new_optimizer_needs_only_its_rule():
    class SignSGD(optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        def equation(self, theta, g, room, add_scaled, t, group):
            add_scaled(theta, 1.0, np.sign(g, out=room), -group["lr"], room)

    p = nn.Parameter([1.0, 1.0])
    p.grad = tg.tensor([5.0, -3.0])
    SignSGD([p]).step()
    np.testing.assert_allclose(p.numpy(), [0.9, 1.1], rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (80, 120)])
def test_a_gradient_may_lie_in_another_order_and_be_of_another_type(shape):
    draw = np.random.default_rng(0).standard_normal
    start, gradient = draw(shape).astype(np.float32), draw(shape).astype(np.float32)
    moved = []
    for g in (gradient, np.asfortranarray(gradient), gradient.astype(np.float64)):
        p = nn.Parameter(start.copy())
        p.grad = tg.Tensor(g)
        optim.Adam([p], lr=0.1).step()
        moved.append(p.numpy())
    np.testing.assert_array_equal(moved[0], moved[1])
    np.testing.assert_array_equal(moved[0], moved[2])


P = nn.Parameter([1.0])


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda: optim.SGD([]), ValueError, "SGD: got no parameters"),
        (
            lambda: optim.SGD(P),
            TypeError,
            "expected a list of parameters or of groups, got one tensor; pass model.param",
        ),
        (
            lambda: optim.Adam([P, P]),
            ValueError,
            r"Adam: a parameter of shape \(1,\) is given twice",
        ),
        (
            lambda: optim.Adam([P * 2]),
            TypeError,
            "can only change leaf tensors of floating-point numbers, got a result of 'mul'",
        ),
        (
            lambda: optim.Adam([tg.tensor([1])]),
            TypeError,
            "can only change leaf tensors of floating-point numbers",
        ),
        (
            lambda: optim.Adam([{"params": [P], "learning_rate": 1}]),
            ValueError,
            "unknown setting learning_rate; known: lr, betas",
        ),
        (lambda: optim.Adam([{"lr": 1}]), TypeError, "expected a group as a dict with 'params'"),
        (lambda: optim.Adam([P], lr=-1), ValueError, "Adam: expected lr >= 0, got -1"),
        (
            lambda: optim.AdamW([P], betas=(0.9, 1.0)),
            ValueError,
            r"AdamW: expected two betas in \[0, 1\), got \(0.9, 1.0\)",
        ),
        (lambda: optim.SGD([P], lr=float("nan")), ValueError, "expected lr >= 0, got nan"),
        (
            lambda: optim.SGD([P], nesterov=True),
            ValueError,
            "nesterov needs momentum > 0 and dampening 0",
        ),
        (lambda: optim.RMSprop([P], alpha=-1), ValueError, "RMSprop: expected alpha >= 0, got -1"),
        (lambda: optim.Adagrad([P], eps=-1), ValueError, "Adagrad: expected eps >= 0, got -1"),
        (lambda: optim.Adadelta([P], rho=2), ValueError, r"expected rho in \[0, 1\], got 2"),
        (lambda: optim.NAdam([P], momentum_decay=-1), ValueError, "momentum_decay >= 0, got -1"),
        (lambda: optim.RAdam([P], betas=(0.5,)), ValueError, r"RAdam: expected two betas"),
        (lambda: optim.Adam([P], betas=0.5), ValueError, r"Adam: expected two betas .* got 0.5"),
        (lambda: optim.Adam([P], lr=None), ValueError, "Adam: expected lr >= 0, got None"),
        (lambda: optim.SGD([P], lr="0.1"), ValueError, "SGD: expected lr >= 0, got '0.1'"),
        (lambda: optim.Rprop([P], etas=(2, 3)), ValueError, "expected etas with 0 < η₋ < 1 < η₊"),
        (
            lambda: optim.Adam([P], differentiable=True),
            NotImplementedError,
            "Adam: differentiable=True is not part of tinygan; write the step yourself",
        ),
        (
            lambda: optim.OneCycleLR(optim.Adagrad([P]), 0.1, 10),
            ValueError,
            "OneCycleLR: Adagrad has no momentum; pass cycle_momentum=False",
        ),
        (lambda: optim.OneCycleLR(optim.SGD([P]), 0.1), ValueError, "give total_steps, or epochs"),
        (
            lambda: optim.OneCycleLR(optim.SGD([P]), 0.1, 2).step(3),
            ValueError,
            "step 3 of 2; the cycle is over",
        ),
        (
            lambda: optim.CyclicLR(optim.SGD([P]), 0.1, 1, mode="square"),
            ValueError,
            "expected mode triangular, triangular2, exp_range, got 'square'",
        ),
        (
            lambda: optim.CyclicLR(optim.SGD([P]), 0.1, [1, 2]),
            ValueError,
            "2 values of max_lr for 1 parameter groups",
        ),
        (
            lambda: optim.ReduceLROnPlateau(optim.SGD([P]), "low"),
            ValueError,
            "expected mode 'min' or 'max' and threshold_mode 'rel' or 'abs', got 'low'",
        ),
        (
            lambda: optim.ReduceLROnPlateau(optim.SGD([P]), factor=1.0),
            ValueError,
            "expected factor < 1, got 1.0",
        ),
        (
            lambda: optim.ChainedScheduler([optim.ReduceLROnPlateau(optim.SGD([P]))]),
            ValueError,
            "ReduceLROnPlateau is not a function of the epoch alone",
        ),
        (lambda: optim.StepLR(optim.SGD([P]), 0), ValueError, "expected step_size >= 1, got 0"),
        (
            lambda: optim.CosineAnnealingLR(optim.SGD([P]), 0),
            ValueError,
            "expected T_max >= 1, got 0",
        ),
        (lambda: optim.LinearLR(optim.SGD([P]), 0.0), ValueError, "expected 0 < start_factor <= 1"),
        (
            lambda: optim.LambdaLR(optim.SGD([P]), [abs, abs]),
            ValueError,
            "2 functions for 1 parameter groups",
        ),
        (
            lambda: optim.SequentialLR(optim.SGD([P]), [], [1]),
            ValueError,
            "0 schedules need -1 ascending milestones",
        ),
        (
            lambda: optim.EMA(nn.Linear(1, 1), 1.0),
            ValueError,
            r"EMA: expected a decay in \[0, 1\), got 1.0",
        ),
        (lambda: optim.clip_grad_norm_([P], 1.0, 0), ValueError, "expected norm_type > 0, got 0"),
        (lambda: optim.clip_grad_value_([P], -1), ValueError, "expected clip_value >= 0, got -1"),
    ],
)
def test_misuse_is_explained(action, error, message):
    with pytest.raises(error, match=message):
        action()


def test_a_state_that_does_not_fit_is_refused():
    net = network()
    adam = optim.Adam(net.parameters())
    run(net, adam, 1)
    saved = adam.state_dict()
    with pytest.raises(
        ValueError, match=r"groups of \[4\] parameters were saved, this one has \[2\]"
    ):
        optim.Adam(net[0].parameters()).load_state_dict(saved)
    with pytest.raises(
        ValueError,
        match=r"SGD.*parameter 0: \['exp_avg', 'exp_avg_sq', 'step'\] were saved, this optimiser",
    ):
        optim.SGD(net.parameters()).load_state_dict(saved)
    with pytest.raises(ValueError, match="expected a dict with 'state' and 'param_groups'"):
        adam.load_state_dict({})
    other = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    with pytest.raises(
        ValueError, match=r"parameter 0: 'exp_avg' has shape \(5, 3\), the parameter \(5, 4\)"
    ):
        optim.Adam(other.parameters()).load_state_dict(saved)


def test_settings_of_a_saved_state_are_plain():
    net = network()
    opt = optim.Adam(net.parameters())
    json.dumps(opt.state_dict()["param_groups"])
    assert "Adam(\n  group 0: 4 tensors, 26 numbers; lr=0.001, betas=(0.9, 0.999)" in repr(opt)


# -- schedules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda o: optim.StepLR(o, 2, 0.5),
        lambda o: optim.CosineAnnealingLR(o, 7, 0.01),
        lambda o: optim.LinearLR(o, 0.1, 1.0, 5),
        lambda o: optim.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
        lambda o: optim.SequentialLR(o, [optim.LinearLR(o, 0.1, 1.0, 3), optim.StepLR(o, 2)], [3]),
        lambda o: optim.CosineAnnealingWarmRestarts(o, 3),
        lambda o: optim.CyclicLR(o, 0.1, 0.2, 3),
        lambda o: optim.OneCycleLR(o, 0.1, 12),
    ],
)
def test_a_saved_schedule_continues(make):
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.7)
    schedule = make(optimizer)
    rates = []
    for epoch in range(10):
        if epoch == 4:
            saved = json.loads(json.dumps(schedule.state_dict()))
        rates.append(schedule.get_last_lr()[0])
        schedule.step()
    assert len(set(rates)) > 2
    again = make(optim.SGD([nn.Parameter([1.0])], lr=0.7))
    again.load_state_dict(saved)
    for epoch in range(4, 10):
        assert again.get_last_lr() == [rates[epoch]]
        again.step()
    with pytest.raises(ValueError, match="saved for 2 parameter groups, the optimiser has 1"):
        again.load_state_dict({"last_epoch": 0, "base_lrs": [1, 2]})
    with pytest.raises(ValueError, match="expected 'last_epoch' and 'base_lrs'"):
        again.load_state_dict({})


def test_schedules_of_one_optimizer_multiply_and_respect_changes_by_hand():
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=1.0)
    warm_up, decay = optim.ConstantLR(optimizer, 0.5, 2), optim.ExponentialLR(optimizer, 0.1)
    rates = []
    for epoch in range(4):
        rates += (optimizer.param_groups[0]["lr"],)
        if epoch == 2:
            optimizer.param_groups[0]["lr"] *= 7
        warm_up.step()
        decay.step()
    assert rates == pytest.approx([0.5, 0.05, 0.01, 0.007])


def test_a_schedule_goes_on_from_another_rate():
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=1.0)
    schedule = optim.LinearLR(optimizer, 1.0, 0.0, 10)
    for _ in range(5):
        schedule.step()
    optimizer.param_groups[0]["lr"] = 3.0
    schedule.rebase(2.0)
    assert schedule.get_last_lr() == [1.0]
    schedule.step()
    assert schedule.get_last_lr() == [pytest.approx(0.8)]


# -- clipping --------------------------------------------------------------------------------------


def test_clipping_refuses_what_is_not_finite():
    p = nn.Parameter([1.0])
    p.grad = tg.tensor([float("inf")])
    with pytest.raises(RuntimeError, match=r"the norm \(of order 2.0\) of the gradients is inf"):
        optim.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.item() == float("inf")
    assert optim.clip_grad_norm_([nn.Parameter([1.0])], 1.0).item() == 0


# -- averaged weights ------------------------------------------------------------------------------


def make_averaged():
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    return net, optim.EMA(net, decay=0.9, warm_up=False)


def test_ema_is_the_weighted_mean():
    net, ema = make_averaged()
    expected = {k: v.numpy().astype(float) for k, v in net.state_dict().items()}
    opt = optim.SGD(net.parameters(), lr=0.5)
    for _ in range(5):
        opt.zero_grad()
        net(tg.randn(8, 2)).tanh().sum().backward()
        opt.step()
        ema.update()
        for k, v in net.state_dict().items():
            expected[k] = v.numpy() if v.dtype.kind == "i" else 0.9 * expected[k] + 0.1 * v.numpy()
    assert set(ema.average) == set(net.state_dict())
    for k, v in ema.average.items():
        np.testing.assert_allclose(v.numpy(), expected[k], rtol=1e-5, atol=1e-6, err_msg=k)
        assert v.dtype == net.state_dict()[k].dtype
    assert ema.average["1.num_batches_tracked"].item() == 5


def test_ema_of_what_has_no_weights():
    ema = optim.EMA(nn.ReLU())
    ema.update()
    assert ema.updates == 1 and ema.average == {}


def test_ema_applied_and_taken_back():
    net, ema = make_averaged()
    with tg.no_grad():
        for p in net.parameters():
            p.add_(1.0)
    ema.update()
    own = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    with pytest.raises(ZeroDivisionError), ema.applied():
        for k, v in net.state_dict().items():
            np.testing.assert_array_equal(v.numpy(), ema.average[k].numpy())
        net(tg.randn(8, 2))  # moves the running statistics of the borrowed state
        raise ZeroDivisionError
    for k, v in net.state_dict().items():
        np.testing.assert_array_equal(v.numpy(), own[k])
    other = make_averaged()[0]
    ema.copy_to(other)
    np.testing.assert_array_equal(other[0].weight.numpy(), ema.average["0.weight"].numpy())
    with pytest.raises(
        ValueError, match=r"not the one that was averaged; these differ: 0\.bias, 0\.weight"
    ):
        ema.copy_to(nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(3)))


def test_ema_forgets_the_first_weights_quickly_when_warming_up():
    p = nn.Module()
    p.w = nn.Parameter([100.0])
    ema = optim.EMA(p, decay=0.999)
    with tg.no_grad():
        p.w.fill_(0.0)
    for _ in range(30):
        ema.update()
    assert abs(ema.average["w"].item()) < 0.1


def test_a_saved_ema_continues(tmp_path):
    _, ema = make_averaged()
    ema.update()
    io.save({"ema": ema.state_dict()}, tmp_path / "e")
    other = optim.EMA(make_averaged()[0])
    other.load_state_dict(io.load(tmp_path / "e")["ema"])
    assert (other.decay, other.updates) == (0.9, 1)
    for k, v in ema.average.items():
        np.testing.assert_array_equal(other.average[k].numpy(), v.numpy())
        assert not np.shares_memory(other.average[k].numpy(), v.numpy())
    with pytest.raises(ValueError, match=r"names or shapes differ from this module's: 0\.bias"):
        optim.EMA(nn.Linear(2, 2)).load_state_dict(ema.state_dict())


def test_single_numbers_of_two_dtypes_do_not_share_their_room():
    """Their shapes and strides are the same: ()."""
    one, other = (tg.tensor(1.0, dtype=d, requires_grad=True) for d in ("float32", "float64"))
    optimizer = optim.Adam([one, other], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (one.double() ** 2 + other**2 / 3).backward()
        optimizer.step()
    alone = tg.tensor(1.0, dtype="float64", requires_grad=True)
    optimizer = optim.Adam([alone], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (alone**2 / 3).backward()
        optimizer.step()
    assert other.item() == alone.item()
