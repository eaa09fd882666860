"""Captured steps on a GPU: programs of CUDA graphs, and calls between them.

Most of it runs on a pretended GPU (`strict_device.py`), whose streams capture as CUDA's do; what is
marked `gpu` is the same on a real one.
"""

import contextlib
import inspect
from importlib import import_module

import numpy as np
import pytest

import tinygan as tg
import tinygan.nn.functional as F
from tests import strict_device
from tests.strict_device import Graph, waits
from tests.test_capture import SETTINGS, batches, bits, refuse
from tinygan import data, nn, optim, train
from tinygan.backend.cuda.recorder import Recorder, nodes_of
from tinygan.models import build
from tinygan.parallel import Group
from tinygan.train import callbacks
from tinygan.train.checkpoint import clone
from tinygan.train.doctor import Doctor


@pytest.fixture
def strict(monkeypatch):
    return strict_device.install(monkeypatch)


def fresh(key, config, captured, tell=refuse):
    tg.manual_seed(1)
    with tg.device("cuda"):
        system = build({"system": key, **config})
    if captured:
        system.capture(tell=tell)
    tg.manual_seed(2)
    return system


def learn(system, some):
    """Losses are read only when all steps are done."""
    losses = [system.step(dict(batch)) for batch in some]
    return [bits(each) for each in losses], bits(system.state_dict()), tg.random_state()


@pytest.mark.parametrize(("key", "config"), SETTINGS)
def test_a_captured_system_learns_what_an_eager_one_does(key, config, strict):
    given, some = batches(config["shape"], 12), 8
    eager = fresh(key, config, captured=False)
    first = learn(eager, given[:some])
    kept, random = clone(eager.state_dict()), first[2]
    rest = learn(eager, given[some:])

    captured = fresh(key, config, captured=True)
    assert learn(captured, given[:some]) == first
    assert captured.learn.programs == (2 if getattr(captured, "n_critic", 1) > 1 else 1)
    waits.clear()
    losses = [captured.step(dict(batch)) for batch in given[some:]]
    assert not waits, "the host waited for the device in a replayed step"
    assert [bits(each) for each in losses] == rest[0]
    assert (bits(captured.state_dict()), tg.random_state()) == rest[1:]

    captured.load_state_dict(kept)
    tg.restore_random_state(random)
    assert learn(captured, given[some:]) == rest


class Pair:
    """A step that is captured beside one that is not, on the pretended GPU."""

    def __init__(self, optimizer=optim.Adam, **options):
        self.nets, self.optimizers, self.steps = [], [], []
        for captured in (False, True):
            tg.manual_seed(0)
            net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
            net = net.to("cuda")
            descent = optimizer(net.parameters(), **{"lr": 1e-2, **options})

            def step(x, y, net=net, descent=descent):
                descent.zero_grad()
                loss = F.mse_loss(net(x), y)
                loss.backward()
                descent.step()
                return loss

            self.nets.append(net)
            self.optimizers.append(descent)
            self.steps.append(tg.capture(step, tell=refuse) if captured else step)
        self.captured, self.rng = self.steps[1], np.random.default_rng(0)

    def both(self, times=1, n=8):
        for _ in range(times):
            x, y = (
                tg.tensor(self.rng.standard_normal(shape).astype(np.float32), device="cuda")
                for shape in ((n, 6), (n, 1))
            )
            assert bits(self.steps[0](x, y)) == bits(self.steps[1](x, y))
            a, b = self.nets
            assert bits(a.state_dict()) == bits(b.state_dict())
            for p, q in zip(a.parameters(), b.parameters()):
                assert bits(p.grad) == bits(q.grad)

    @property
    def program(self):
        return next(iter(self.captured.kinds.values())).step.program


def test_recorded_checked_and_replayed(strict):
    pair, calls = Pair(), []
    pair.captured.function = lambda x, y, step=pair.captured.function: calls.append(1) or step(x, y)
    pair.both(2)
    assert len(calls) == 2 and pair.captured.programs == 0
    pair.both()
    assert len(calls) == 4 and pair.captured.programs == 1  # captured, and once as it is
    pair.both(10)
    assert len(calls) == 4


def test_a_step_without_arguments_gives_its_result_when_it_is_recorded_too(strict):
    x = tg.ones(3, device="cuda")

    def step():
        x.mul_(2.0)
        return x + 1

    step = tg.capture(step, tell=refuse)
    assert [step().tolist() for _ in range(5)] == [[2.0**i + 1] * 3 for i in range(1, 6)]
    assert step.programs == 1


class Split(Group):
    """Of two processes, of which the other one never goes on where this one does."""

    size = 2

    def __init__(self):
        self.asked = 0

    def agree(self, number):
        self.asked += 1
        return self.asked != 3  # whether both have a program


def test_what_one_process_alone_has_recorded_is_computed_all_the_same(strict):
    x, group = tg.ones(3, device="cuda"), Split()
    step = tg.capture(lambda: x.mul_(2.0) + 0, tell=refuse, group=group)
    assert [step()[0].item() for _ in range(6)] == [2, 4, 8, 16, 32, 64]
    assert group.asked == 7 and step.programs == 1


def test_nothing_is_computed_while_a_step_is_captured(strict):
    """And a part without launches is no part."""
    pair = Pair()
    pair.both(3)
    parts = pair.program.parts
    graphs = [part for part in parts if type(part) is Graph]
    assert len(graphs) == 1 and all(graph.nodes for graph in graphs)
    assert graphs[0].launches == 1  # the check
    assert len(parts) == 2  # a graph, and the optimiser's step
    graphs[0].calls.clear()
    before = bits(pair.nets[1][1].running_mean)
    pair.captured.function = None  # so it is the program that runs
    pair.captured(tg.ones(8, 6, device="cuda"), tg.ones(8, 1, device="cuda"))
    assert bits(pair.nets[1][1].running_mean) == before


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, optim.RMSprop])
def test_rates_are_read_anew(strict, optimizer):
    pair = Pair(optimizer)
    for lr in (None, 0.5, 1e-3):
        pair.both(4)
        for descent in pair.optimizers:
            descent.param_groups[0]["lr"] = lr or descent.param_groups[0]["lr"]
            descent.param_groups[0]["weight_decay"] = 0.1
        pair.both(4)
    assert pair.captured.programs == 1


def test_other_shapes_modes_and_weights(strict):
    pair = Pair()
    for _ in range(5):
        pair.both(3, n=8)
        pair.both(1, n=5)
    assert pair.captured.programs == 2
    for training in (False, True):
        for net in pair.nets:
            net.train(training)
        pair.both(5)
    for net in pair.nets:
        net[3].bias.data = tg.ones(1, device="cuda")
    pair.both(5)
    for net in pair.nets:
        net[0].weight.requires_grad_(False)
        net[0].weight.grad = None
    pair.steps[0](tg.ones(8, 6, device="cuda"), tg.ones(8, 1, device="cuda"))
    pair.steps[1](tg.ones(8, 6, device="cuda"), tg.ones(8, 1, device="cuda"))
    assert bits(pair.nets[0].state_dict()) == bits(pair.nets[1].state_dict())


@pytest.mark.parametrize("forgetting", ["to None", "to zeros", "never"])
def test_gradients_from_before_the_call(strict, forgetting):
    nets, steps = [], []
    for captured in (False, True):
        tg.manual_seed(0)
        net = nn.Linear(6, 3).to("cuda")
        nets.append(net)

        def step(x, net=net):
            if forgetting != "never":
                net.zero_grad(set_to_none=forgetting == "to None")
            loss = net(x).square().mean()
            loss.backward()
            return loss

        steps.append(tg.capture(step, tell=refuse) if captured else step)
    for _ in range(12):
        x = tg.randn(8, 6).to("cuda")
        assert bits(steps[0](x)) == bits(steps[1](x))
        assert bits(nets[0].weight.grad) == bits(nets[1].weight.grad)
    assert steps[1].programs == 1


def test_random_numbers_after_another_seed(strict):
    def draw(x):
        return F.dropout(x) + tg.randn(4, device="cuda")

    captured, x = tg.capture(draw, tell=refuse), tg.ones(4, device="cuda")
    for seed in range(20):
        tg.manual_seed(seed // 7)
        state = tg.random_state()
        first = bits(draw(x))
        tg.restore_random_state(state)
        assert bits(captured(x)) == first


# -- what no program can do again ------------------------------------------------------------------


def told_of(function, *arguments):
    said = []
    captured = tg.capture(function, tell=said.append)
    for _ in range(6):
        assert bits(captured(*arguments)) == bits(function(*arguments))
    assert captured.programs == 0 and strict_device.Stream.capturing is None
    (line,) = said
    assert captured.problem in line
    return line


LEAVING = [
    (lambda x: x * float(x.sum()), "float()"),
    (lambda x: x + x.sum().item(), "item()"),
    (lambda x: -x if x.sum() > 0 else x, "bool()"),
    (lambda x: x * tg.tensor(x.numpy().max(), device="cuda"), "numpy()"),
    (lambda x: [x.tolist(), x][1], "tolist()"),
    (lambda x: x[x > 0].sum(), "getitem"),
    (lambda x: x * float(x.array.max()), "read()"),
    (lambda x: x + tg.tensor([1.0, 2.0, 3.0], device="cuda"), "host's memory"),
    (lambda x: x + tg.tensor(np.float32(3), device="cuda"), "host's memory"),
    (lambda x: x + tg.Tensor(import_module("cupy").array([1.0, 2.0])[:1]), "host's memory"),
]


@pytest.mark.parametrize(("function", "operation"), LEAVING)
def test_what_a_capture_cannot_hold_is_named_with_the_users_line(strict, function, operation):
    line = told_of(function, tg.tensor([1.0, 2.0, -1.0], device="cuda"))
    _, number = inspect.getsourcelines(function)
    assert operation in line and f"{__file__}:{number}" in line, line


def test_a_wait_that_the_function_hides(strict):
    def step(x):
        with contextlib.suppress(RuntimeError):
            float(x.sum())
        return x * 2

    assert "Invalidated" in told_of(step, tg.ones(2, device="cuda"))


def test_numbers_that_the_host_draws_are_drawn_once(strict):
    def step(x):
        return x * float(tg.stream("noise").uniform(()))

    captured, x = tg.capture(step, tell=lambda text: None), tg.ones(2, device="cuda")
    tg.manual_seed(3)
    there = [bits(captured(x)) for _ in range(6)]
    tg.manual_seed(3)
    assert there == [bits(step(x)) for _ in range(6)]


def test_what_else_cannot_be_captured(strict):
    x = tg.tensor([1.0, 2.0], device="cuda")
    net = nn.Linear(2, 1).to("cuda")
    assert "detach" in told_of(lambda x: net(x), x)
    assert "into its arguments" in told_of(lambda x: x.add_(0.5) * 0, x.clone())
    assert "not where" in told_of(lambda a, b: a + b.to("cuda"), x, tg.ones(2))
    assert "not where" in told_of(lambda b: net(b.to("cuda")).detach(), tg.ones(3, 2))
    assert "in the host's memory" in told_of(lambda x: tg.ones(2), x)


def test_the_users_error_is_the_users(strict):
    net = nn.Linear(6, 2).to("cuda")
    before = [p.array for p in net.parameters()]

    def step(x):
        net(x)
        raise KeyError("of the user's")

    captured = tg.capture(step)
    for _ in range(5):
        with pytest.raises(KeyError, match="of the user's"):
            captured(tg.ones(4, 6, device="cuda"))
    assert all(p.array is a for p, a in zip(net.parameters(), before))
    assert strict_device.Stream.capturing is None


def test_what_an_optimiser_keeps_is_not_made_in_a_capture(strict):
    """Nothing would ever set it to zeros."""
    net = nn.Linear(2, 1).to("cuda")
    descent, calls, said = optim.Adam(net.parameters()), [], []

    def step(x):
        calls.append(1)
        descent.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        if len(calls) > 2:
            descent.step()
        return loss

    captured = tg.capture(step, tell=said.append)
    for _ in range(6):
        captured(tg.ones(3, 2, device="cuda"))
    assert "what an optimiser keeps, made in the step" in said[0] and captured.programs == 0
    assert [state["step"] for state in descent.state.values()] == [4, 4]


@pytest.mark.parametrize("part", [0, 1, -1])
def test_a_part_that_is_lost_from_a_program_is_noticed(strict, part, monkeypatch):
    """The check itself: without one of its parts, no program is ever trusted."""
    whole, pair, said = Recorder.program, Pair(), []
    pair.captured.tell = said.append

    def shortened(self):
        program = whole(self)
        del program._calls[part]
        return program

    monkeypatch.setattr(Recorder, "program", shortened)
    pair.both(12)
    assert pair.captured.programs == 0 and "a replay" in said[0]


# -- training --------------------------------------------------------------------------------------


def test_a_training_reads_its_losses_when_it_logs_them(strict, tmp_path):
    """All of them at once; and what the doctor asks for, at once, too."""

    class Watch(train.Callback):
        read: list = []

        def after_step(self, run):
            self.read.append(len(waits))
            waits.clear()

    system = fresh("gan", {"shape": (2,), "width": 8}, captured=False)
    loader = data.Loader(data.open("ring", n=200), 16)
    losses, watch = callbacks.Losses(5, Doctor(), healthy_every=10_000), Watch()
    trainer = train.Trainer(
        system, loader, train.RunFolder(tmp_path / "run").prepare(), 14, [losses, watch], ema=0.9,
        schedule="cosine",
    )  # fmt: skip
    waits.clear()
    trainer.run()
    steady = watch.read[4:]  # by then it is captured
    logged = [n for i, n in enumerate(steady, 5) if i % 5 == 0]
    assert logged == [2, 2], "losses in one read, norms of gradients in another"
    assert not any(n for i, n in enumerate(steady[:-1], 5) if i % 5), watch.read


# -- on a GPU --------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_on_the_gpu_a_captured_step_gives_the_eager_bits_whatever_the_rate():
    pair = Pair()
    for lr in (1e-2, 0.5, 1e-3):
        for descent in pair.optimizers:
            descent.param_groups[0]["lr"] = lr
        pair.both(5)
    pair.both(4, n=5)
    assert pair.captured.programs == 2, pair.captured.problem
    graphs = [part for part in pair.program.parts if hasattr(part, "launch")]
    assert len(graphs) == 1 and nodes_of(graphs[0]) > 10


@pytest.mark.gpu
@pytest.mark.parametrize("forgetting", ["to None", "to zeros", "never"])
def test_on_the_gpu_gradients_from_before_the_call(forgetting):
    test_gradients_from_before_the_call(None, forgetting)


@pytest.mark.gpu
def test_on_the_gpu_random_numbers_after_another_seed():
    test_random_numbers_after_another_seed(None)


@pytest.mark.gpu
@pytest.mark.parametrize(("function", "operation"), LEAVING)
def test_on_the_gpu_what_a_capture_cannot_hold_is_named(function, operation):
    """And the device goes on as if nothing had been."""
    x = tg.tensor([1.0, 2.0, -1.0], device="cuda")
    operation = "at" if operation == "read()" else operation  # has another name there
    assert operation in told_of(function, x)
    assert bits(x * 2) == bits(x + x)


@pytest.mark.gpu
def test_on_the_gpu_memory_is_steady_over_500_replays():
    pair, pool = Pair(), import_module("cupy").get_default_memory_pool()
    pair.both(5)
    x, y = tg.ones(8, 6, device="cuda"), tg.ones(8, 1, device="cuda")
    pair.captured(x, y)
    held = []
    for _ in range(2):
        for _ in range(250):
            pair.captured(x, y)
        held.append((pool.total_bytes(), pair.program.pool.total_bytes()))
    assert held[0] == held[1]
