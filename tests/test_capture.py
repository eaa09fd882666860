"""Captured steps: right to the last bit, or not captured and a line that says why."""

import gc
import inspect
import mmap
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest

import tinygan as tg
import tinygan.nn.functional as F
from tinygan import nn, optim
from tinygan.backend.cpu import processes, set_num_threads
from tinygan.backend.cpu import program as programs
from tinygan.backend.cpu.processes import HelperDied, helpers_wanted, team
from tinygan.backend.cpu.program import Arena, Region
from tinygan.backend.cpu.recorder import Recorder
from tinygan.backend.cpu.threads import parallel_for
from tinygan.backend.cpu.views import written_by
from tinygan.models import build
from tinygan.models.system import SYSTEMS
from tinygan.train.checkpoint import clone


def refuse(text):
    """Called where a step should be captured and is not."""
    raise AssertionError(text)


def bits(value):
    """Nested dicts of tensors and numbers as something that == compares to the last bit."""
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [bits(v) for v in value]
    return value.numpy().tobytes() if isinstance(value, tg.Tensor) else value


def batches(shape, count, n=16, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "x": rng.uniform(-1, 1, (n, *shape)).astype(np.float32),
            "label": rng.integers(0, 10, n),
            "caption": rng.integers(0, 8, (n, 6)),
        }
        for _ in range(count)
    ]


IMAGES = {"shape": (1, 28, 28), "width": 8}
SETTINGS = [  # every system, and each family of networks
    ("gan", {"shape": (2,), "width": 16}), ("gan", {**IMAGES, "net": "dcgan"}),
    ("dcgan", {"shape": (1, 32, 32), "width": 8}),
    ("wgan", {"shape": (2,), "width": 16, "n_critic": 2}),
    ("wgan-gp", {"shape": (2,), "width": 16, "n_critic": 2}),
    ("wgan-gp", {**IMAGES, "net": "dcgan", "n_critic": 2}),
    ("lsgan", {"shape": (2,), "width": 16}), ("hinge", {"shape": (2,), "width": 16}),
    ("hinge", {**IMAGES, "net": "dcgan"}), ("ebgan", IMAGES), ("cgan", IMAGES),
    ("cgan-heads", IMAGES), ("acgan", IMAGES), ("infogan", IMAGES),
    ("text2image", {"shape": (3, 32, 32), "width": 8}), ("mse-vs-adversarial", IMAGES),
    ("ae", {"shape": (1, 28, 28), "hidden": (32,)}),
    ("vae", {"shape": (1, 28, 28), "hidden": (32,)}),
    ("vae", {"shape": (1, 28, 28), "net": "conv", "width": 4}),
    ("cvae", {"shape": (1, 28, 28), "hidden": (32,)}),
    ("cvae", {"shape": (1, 28, 28), "hidden": (32,), "given": "quadrants"}),
]  # fmt: skip


def test_every_system_is_tried():
    assert {key for key, _ in SETTINGS} >= set(SYSTEMS) - {"breaking", "bad-backward", "poisoned"}


def test_a_system_captured_anew_is_captured_once():
    system = build({"system": "gan", "shape": (2,), "width": 16})
    plain = system.learn
    first = system.capture(tell=refuse).learn
    assert system.capture(tell=refuse).learn is not first
    assert first.function == system.learn.function == plain


@pytest.mark.parametrize(("key", "config"), SETTINGS)
def test_a_captured_system_learns_what_an_eager_one_does(key, config):
    """Over 20 steps, with a resume in the middle, by one that is not captured and one that is."""
    given = batches(config["shape"], 20)

    def fresh(captured):
        tg.manual_seed(1)
        system = build({"system": key, **config})
        if captured:
            system.capture(tell=refuse)
        tg.manual_seed(2)
        return system

    def learn(system, some):
        losses = [bits(system.step(dict(batch))) for batch in some]
        return losses, bits(system.state_dict()), tg.random_state()

    eager = fresh(captured=False)
    first, middle, random = learn(eager, given[:12])
    kept = clone(eager.state_dict())
    rest, end, last = learn(eager, given[12:])

    captured = fresh(captured=True)
    assert learn(captured, given[:12]) == (first, middle, random)
    assert captured.learn.programs == (2 if getattr(captured, "n_critic", 1) > 1 else 1)
    assert learn(captured, given[12:]) == (rest, end, last)

    for resumed in (captured, fresh(captured=True)):
        resumed.load_state_dict(kept)
        tg.restore_random_state(random)
        assert learn(resumed, given[12:]) == (rest, end, last)


# -- what may change between calls -----------------------------------------------------------------


class Pair:
    """A step that is captured beside one that is not, from the same weights."""

    def __init__(self, make, optimizer=optim.Adam, **options):
        self.nets, self.optimizers, self.steps = [], [], []
        for captured in (False, True):
            tg.manual_seed(0)
            net = make()
            descent = optimizer(net.parameters(), **{"lr": 1e-2, **options})
            step = self.step_of(net, descent)
            self.nets.append(net)
            self.optimizers.append(descent)
            self.steps.append(tg.capture(step, tell=refuse) if captured else step)
        self.captured, self.rng = self.steps[1], np.random.default_rng(0)

    @staticmethod
    def step_of(net, descent):
        def step(x, y):
            descent.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            descent.step()
            return loss

        return step

    def both(self, times=1, n=8, size=6):
        """Some calls of both, which must leave the same bits."""
        for _ in range(times):
            x = tg.tensor(self.rng.standard_normal((n, size)).astype(np.float32))
            y = tg.tensor(self.rng.standard_normal((n, 1)).astype(np.float32))
            random, results = tg.random_state(), []
            for step in self.steps:
                tg.restore_random_state(random)
                results.append(bits(step(x, y)))
            assert results[0] == results[1]
            a, b = self.nets
            assert bits(a.state_dict()) == bits(b.state_dict())
            for p, q in zip(a.parameters(), b.parameters()):
                assert bits(p.grad) == bits(q.grad)


def small():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))


def test_it_is_replayed_from_the_fourth_call_on():
    pair, calls = Pair(small), []
    pair.captured.function = lambda x, y, step=pair.captured.function: calls.append(1) or step(x, y)
    pair.both(3)
    assert len(calls) == 3  # as it is, recorded, checked
    pair.both(10)
    assert len(calls) == 3 and pair.captured.programs == 1


@pytest.mark.parametrize(
    "optimizer", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad]
)
def test_rates_and_schedules_are_read_anew(optimizer):
    pair = Pair(small, optimizer)
    schedules = [optim.ExponentialLR(o, 0.9) for o in pair.optimizers]
    for lr in (None, None, 0.5, 1e-3):
        pair.both(3)
        for schedule in schedules:
            schedule.step()
        for descent in pair.optimizers:
            descent.param_groups[0]["weight_decay"] = 0.1
            descent.param_groups[0]["lr"] = lr or descent.param_groups[0]["lr"]
    assert pair.captured.programs == 1  # and nothing was recorded again


def test_momentum_that_is_switched_on():
    pair = Pair(small, optim.SGD)
    pair.both(5)
    for descent in pair.optimizers:
        descent.param_groups[0].update(momentum=0.9)
    pair.both(5)
    assert pair.captured.programs == 1  # replayed again, as it now is


def test_training_and_evaluation():
    def make():
        return nn.Sequential(small(), nn.Dropout(0.5))

    pair = Pair(make)
    pair.both(5)
    for mode in (False, True, False):
        for net in pair.nets:
            net.train(mode)
        pair.both(5)
        assert pair.captured.programs == 1  # replayed again, as it now is


def test_a_setting_of_a_module():
    pair = Pair(lambda: nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.1), nn.Linear(16, 1)))
    pair.both(5)
    for net in pair.nets:
        net[1].p = 0.9
    pair.both(5)
    assert pair.captured.programs == 1  # replayed again, as it now is


def test_loading_weights_and_what_an_optimiser_keeps():
    pair = Pair(small)
    pair.both(5)
    kept = [clone(o.state_dict()) for o in pair.optimizers]
    for net in pair.nets:
        tg.manual_seed(5)
        net.load_state_dict(small().state_dict())
    pair.both(5)
    for descent, state in zip(pair.optimizers, kept):
        descent.load_state_dict(state)
    pair.both(5)
    assert pair.captured.programs == 1
    for net in pair.nets:
        net[3].bias.data = np.ones(1, np.float32)
    pair.both(5)


def test_freezing():
    pair = Pair(small)
    pair.both(5)
    for net in pair.nets:
        net[0].weight.requires_grad_(False)
    for step in pair.steps:
        step(tg.ones(8, 6), tg.ones(8, 1))
    assert bits(pair.nets[0].state_dict()) == bits(pair.nets[1].state_dict())
    for net in pair.nets:
        net[0].weight.requires_grad_(True)
    pair.both(5)


def test_a_smaller_last_batch_is_a_second_program():
    pair = Pair(small)
    for _ in range(4):
        pair.both(3, n=8)
        pair.both(1, n=5)
    assert pair.captured.programs == 2


def test_gradients_that_add_up_over_calls():
    nets, steps = [], []
    for captured in (False, True):
        tg.manual_seed(0)
        net = small()
        nets.append(net)

        def step(x, net=net):
            loss = net(x).square().mean()
            loss.backward()
            return loss

        steps.append(tg.capture(step, tell=refuse) if captured else step)
    for i in range(12):
        x = tg.randn(8, 6)
        assert bits(steps[0](x)) == bits(steps[1](x))
        for p, q in zip(nets[0].parameters(), nets[1].parameters()):
            assert bits(p.grad) == bits(q.grad), i
    assert steps[1].programs == 1


def test_numbers_that_the_function_finds_around_it():
    factor = 1.0
    net = nn.Linear(3, 1)

    def loss(x):
        return (net(x) * factor).square().mean().detach()

    captured, x = tg.capture(loss, tell=refuse), tg.randn(4, 3)
    for now in (1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0):
        factor = now
        assert bits(captured(x)) == bits(loss(x))


def test_results_are_copies_and_arguments_stay():
    captured = tg.capture(lambda x: {"double": x * 2, "parts": (x + 1, 7)}, tell=refuse)
    arguments = [tg.tensor([float(i), 1.0]) for i in range(6)]
    results = [captured(x) for x in arguments]
    assert [r["double"][0].item() for r in results] == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert results[5]["parts"][1] == 7 and results[5]["parts"][0].tolist() == [6.0, 2.0]
    assert [x[0].item() for x in arguments] == [0, 1, 2, 3, 4, 5]


def test_a_graph_kept_over_a_replay_refuses():
    pair = Pair(small)
    pair.both(5)
    _, loss = (net(tg.ones(8, 6)).sum() for net in pair.nets)
    pair.both(1)
    with pytest.raises(RuntimeError, match="changed in place by 'a captured step'"):
        loss.backward()


def test_recurrent_networks_embeddings_and_attention():
    class Reader(nn.Module):
        def __init__(self):
            self.words = nn.Embedding(20, 8)
            self.gru, self.lstm = nn.GRU(8, 8, batch_first=True), nn.LSTM(8, 8, batch_first=True)
            self.attention, self.out = nn.MultiheadAttention(8, 2), nn.Linear(8, 5)

        def forward(self, t):
            h, _ = self.gru(self.words(t))
            h, _ = self.lstm(h)
            h, _ = self.attention(h, h, h)
            return self.out(h[:, -1])

    nets, steps = [], []
    for captured in (False, True):
        tg.manual_seed(0)
        net = Reader()
        descent = optim.Adam(net.parameters(), lr=1e-2)

        def step(t, y, net=net, descent=descent):
            descent.zero_grad()
            loss = F.cross_entropy(net(t), y)
            loss.backward()
            optim.clip_grad_norm_(net.parameters(), 1.0)
            descent.step()
            return loss

        nets.append(net)
        steps.append(tg.capture(step, tell=refuse) if captured else step)
    rng = np.random.default_rng(0)
    for _ in range(8):
        t, y = rng.integers(0, 20, (4, 7)), rng.integers(0, 5, 4)
        assert bits(steps[0](tg.tensor(t), tg.tensor(y))) == bits(
            steps[1](tg.tensor(t), tg.tensor(y))
        )
    assert bits(nets[0].state_dict()) == bits(nets[1].state_dict())
    assert steps[1].programs == 1
    with pytest.raises(IndexError, match="embedding: indices run from"):
        steps[1](tg.tensor(t + 20), tg.tensor(y))


def test_averages_within_a_step_are_counted_once():
    """Checking makes the call twice: neither the averages nor their count may see it."""
    averages = []

    class Averaged(Pair):
        @staticmethod
        def step_of(net, descent):
            plain, ema = Pair.step_of(net, descent), optim.EMA(net, 0.99)
            averages.append(ema)

            def step(x, y):
                loss = plain(x, y)
                ema.update()
                return loss

            return step

    pair = Averaged(small)
    pair.both(8)
    assert pair.captured.programs == 1
    assert averages[0].updates == averages[1].updates == 8
    assert bits(averages[0].average) == bits(averages[1].average)


# -- what no program can do again ------------------------------------------------------------------


def told_of(function, *arguments):
    said = []
    captured = tg.capture(function, tell=said.append)
    for _ in range(6):
        assert bits(captured(*arguments)) == bits(function(*arguments))
    assert captured.programs == 0
    (line,) = said
    assert captured.problem in line
    return line


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: x * float(x.sum()), "float()"),
        (lambda x: x + x.sum().item(), "item()"),
        (lambda x: -x if x.sum() > 0 else x, "bool()"),
        (lambda x: x * tg.tensor(x.numpy().max()), "numpy()"),
        (lambda x: x * np.asarray(x).sum(), "array()"),
        (lambda x: [x.tolist(), x][1], "tolist()"),
        (lambda x: x[x > 0].sum(), "x[mask]"),
        (lambda x: [str(x), x][1] + 1, "repr()"),
        (lambda x: x * float(x.array.max()), "float()"),
        (lambda x: x if x.array.max() > 1 else -x, "bool()"),
    ],
)
def test_values_that_leave_are_named_with_the_users_line(function, operation):
    line = told_of(function, tg.tensor([1.0, 2.0, -1.0]))
    _, number = inspect.getsourcelines(function)
    assert operation in line and f"{__file__}:{number}" in line, line


def test_what_else_cannot_be_captured():
    x = tg.tensor([1.0, 2.0])
    weight = tg.tensor([1.0], requires_grad=True)
    assert "detach" in told_of(lambda x: (x * weight).sum(), x)
    assert "into its arguments" in told_of(lambda x: x.add_(0.0), x.clone())
    net = nn.Linear(2, 1)
    net.register_forward_hook(lambda module, inputs, output: None)
    assert "hook watches a Linear" in told_of(lambda x: net(x).detach(), x)
    p = nn.Linear(2, 1)
    p.weight.register_hook(lambda g: None)
    assert "hook watches a tensor" in told_of(lambda x: p(x).detach(), x)


def test_a_number_that_changes_with_every_call_is_found_out_by_the_check():
    """A list is not looked into: that its number changes shows when both results are compared."""
    turn, said = [0], []

    def step(x):
        turn[0] += 1
        return x * turn[0]

    captured, x = tg.capture(step, tell=said.append), tg.tensor([1.0])
    results = [captured(x).item() for _ in range(12)]
    assert results == list(range(1, 13))
    assert said == [captured.problem and said[0]] and "another result" in said[0]


def test_a_memory_that_is_replaced():
    net = nn.Linear(2, 1)

    def step(x):
        net.bias.data = np.zeros(1, np.float32)
        return net(x).detach()

    assert "was replaced" in told_of(step, tg.ones(3, 2))


@pytest.mark.parametrize("what", ["parameter", "buffer", "gradient", "result"])
def test_a_call_that_is_lost_from_a_program_is_noticed(what, monkeypatch):
    """The check itself: without one of its calls, no program is ever trusted."""
    whole, pair, said = Recorder.program, Pair(small), []
    pair.captured.tell = said.append
    net = pair.nets[1]

    def shortened(self):
        program = whole(self)
        lost = {
            "parameter": [c for c in program.calls if _descends(c, net[3].weight)],
            "buffer": [c for c in program.calls if _writes(c, net[1].running_mean)],
            "gradient": [
                c for c, n in zip(program.calls, program.notes) if n.operation == "∂linear"
            ],
            "result": [c for c, n in zip(program.calls, program.notes) if n.operation == "mean"],
        }[what][-1]
        for calls in program._ready.values():
            calls.remove(lost)
        return program

    monkeypatch.setattr(Recorder, "program", shortened)
    pair.both(12)
    assert pair.captured.programs == 0
    assert "a replay" in said[0], said


def _descends(call, parameter):
    return any(x is parameter for x in call.args)


def _writes(call, tensor):
    return any(x is not None and np.shares_memory(x, tensor.array) for x in written_by(call))


def test_an_error_in_the_step_leaves_everything_as_it_was():
    net = small()
    before = [p.array for p in net.parameters()]

    def step(x):
        net(x)
        raise KeyError("of the user's")

    captured = tg.capture(step)
    for _ in range(4):
        with pytest.raises(KeyError, match="of the user's"):
            captured(tg.ones(4, 6))
    assert all(type(p.array) is np.ndarray for p in net.parameters())
    assert all(p.array is a for p, a in zip(net.parameters(), before))
    assert tg.backend.recording.recording.recorder is None


def test_without_a_line_to_tell_it_is_a_warning():
    captured = tg.capture(lambda x: x * float(x.sum()))
    x = tg.ones(2)
    captured(x)
    with pytest.warns(tg.CaptureWarning, match=r"float\(\) at .*test_capture"):
        captured(x)


def test_observers_see_the_step_as_it_is():
    pair = Pair(small)
    pair.both(5)
    with tg.profile() as profile:
        pair.captured(tg.ones(8, 6), tg.ones(8, 1))
    assert any(event.name == "mse_loss" or event.name == "square" for event in profile.events)
    with pytest.raises(tg.AnomalyError), tg.detect_anomaly():
        pair.captured(tg.full((8, 6), np.nan), tg.ones(8, 1))


# -- memory and threads ----------------------------------------------------------------------------


def test_an_arena_gives_places_again_and_joins_gaps(monkeypatch):
    monkeypatch.setattr(programs, "_SLAB", 1 << 24)
    arena = Arena()
    places = [arena.place(1000) for _ in range(4)]
    assert len({start for _, start, _ in places}) == 4 and all(s % 64 == 0 for _, s, _ in places)
    arena.give_back(places[1])
    assert arena.place(1024) == places[1]
    arena.hold()
    arena.give_back(places[2])
    assert arena.place(1024) not in places
    arena.let_go()
    assert arena.place(1024) == places[2]
    for place in places[:3]:
        arena.give_back(place)
    assert arena.place(3 * 1024) == (0, places[0][1], places[2][2])
    assert arena.place(1 << 25) == (1, 0, 1 << 25) and arena.bytes == (1 << 25) + 5 * 1024


def test_an_arena_takes_the_smallest_gap_that_is_large_enough():
    arena = Arena()
    large, _, small, _ = (arena.place(size) for size in (4096, 64, 1024, 64))
    for place in (large, small):
        arena.give_back(place)
    assert arena.place(1000) == small and arena.place(1000)[:2] == large[:2]
    assert arena.place(3072) == (0, 1024, 4096)


def test_an_arena_is_content_with_fewer_addresses(monkeypatch):
    real = programs.shared_memory

    def scarce(size):
        if size > 1 << 25:
            raise OSError("cannot allocate memory")
        return real(size)

    monkeypatch.setattr(programs, "shared_memory", scarce)
    arena = Arena()
    places = [arena.place(1 << 23) for _ in range(3)]
    assert [slab.size for slab in arena.slabs] == [1 << 24] * 2 and places[2][0] == 1
    with pytest.raises(OSError):
        arena.place(1 << 26)


def test_what_an_arena_has_not_used_takes_no_memory():
    """Slabs are addresses; the system gives memory when they are written to."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell")
    used = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
    before, arena = used(), Arena()
    arena.place(1 << 20)
    assert arena.slabs[0].size >= 1 << 30 and used() - before < 1 << 23


def test_memory_is_planned_and_steady():
    """A program needs no more than the eager step, and nothing more in a thousand replays."""
    net = nn.Sequential(*[nn.Linear(64, 64) for _ in range(10)])
    descent = optim.SGD(net.parameters(), lr=1e-3)

    def step(x):
        descent.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        descent.step()
        return loss

    captured, x = tg.capture(step, tell=refuse), tg.ones(2048, 64)
    step(x)
    gc.collect()
    tracemalloc.start()
    step(x)
    _, eager = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for _ in range(4):
        captured(x)
    (kind,) = captured.kinds.values()
    assert kind.trusted and kind.step.program.peak < 1.1 * eager
    x = tg.ones(4, 64)
    held = []
    tracemalloc.start()
    for _ in range(3):
        for _ in range(300):
            captured(x)
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[2] - held[0] < 20_000


def test_a_program_goes_with_its_function():
    captured = tg.capture(lambda x: x * 2, tell=refuse)
    for _ in range(5):
        captured(tg.ones(1000, 1000))
    (kind,) = captured.kinds.values()
    program = weakref.ref(kind.step.program)
    del captured, kind
    gc.collect()
    assert program() is None


class Convolutions(Pair):
    """Layers large enough for two workers."""

    def __init__(self):
        layers = (
            lambda: nn.Sequential(
                nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
                nn.Conv2d(128, 64, 3, 1, 1), nn.ConvTranspose2d(64, 16, 4, 2, 1),
            )
        )  # fmt: skip
        super().__init__(layers)

    @staticmethod
    def step_of(net, descent):
        def step(x):
            descent.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            descent.step()
            return loss

        return step

    def both(self, times=1):
        for _ in range(times):
            x = tg.randn(32, 64, 16, 16)
            assert bits(self.steps[0](x)) == bits(self.steps[1](x))
        assert bits(self.nets[0].state_dict()) == bits(self.nets[1].state_dict())

    @property
    def regions(self):
        return next(iter(self.captured.kinds.values())).step.program.regions


def test_what_an_operation_wrote_on_the_side_goes_with_it(two_threads, monkeypatch):
    """Scratch memory is used again by the next one, whatever that calls it."""
    peaks = []
    for over in (Recorder.operation_over, lambda self: None):
        monkeypatch.setattr(Recorder, "operation_over", over)
        pair = Convolutions()
        pair.both(6)
        (kind,) = pair.captured.kinds.values()
        peaks.append(kind.step.program.peak)
    assert peaks[0] < 0.9 * peaks[1]


def test_pieces_are_recorded_as_pieces(two_threads, monkeypatch):
    """They are replayed by two threads, and by one inside another loop."""
    monkeypatch.setenv("TINYGAN_HELPERS", "threads")
    team.dismiss()  # those of other tests
    pair = Convolutions()
    pair.both(6)
    assert len(pair.regions) > 5 and not team.pids
    x = tg.randn(32, 64, 16, 16)
    parallel_for(lambda a, b: pair.captured(x), 1)
    pair.steps[0](x)
    pair.both()


@pytest.fixture
def helpers(two_threads, monkeypatch):
    """Two workers of a program, the second one a process."""
    monkeypatch.setenv("TINYGAN_HELPERS", "processes")
    if not helpers_wanted():
        pytest.skip("needs Linux on x86-64")
    yield team
    team.dismiss()


@pytest.mark.parametrize("card", [True, False])
def test_helpers_do_without_cupy_but_not_beside_a_gpu(helpers, monkeypatch, card):
    """CuPy may be installed where there is no GPU: then nothing stands in the way of a fork."""
    monkeypatch.setitem(sys.modules, "cupy", object())
    monkeypatch.setattr(processes, "cuda_is_available", lambda: card)
    assert helpers_wanted() is not card


def test_helpers_leave_the_same_bits(helpers):
    pair = Convolutions()
    pair.both(6)
    (pid,) = helpers.pids
    assert sum(region.divisible for region in pair.regions) > 5
    assert any(region.fetched for region in pair.regions)  # weights, which change all the time
    set_num_threads(1)  # another program, of which nothing is divided
    pair.both(4)
    assert helpers.pids == [pid] and pair.captured.programs == 2
    set_num_threads(2)
    pair.both(4)
    assert helpers.pids == [pid]


def test_a_helper_that_was_killed(helpers, monkeypatch):
    pair = Convolutions()
    pair.both(5)
    (pid,) = helpers.pids
    os.kill(pid, signal.SIGKILL)
    pair.both(2)  # a new one takes its place
    assert len(helpers.pids) == 1 and helpers.pids != [pid]
    begin = helpers.begin
    os.kill(helpers.pids[0], signal.SIGSTOP)
    pair.both(2)  # nobody waits for one who is not there
    os.kill(helpers.pids[0], signal.SIGCONT)
    pair.both(2)

    def killed(program, region, lists):
        order = begin(program, region, lists)
        taken = helpers.tokens[1].acquire(False)  # as a helper would that then is killed
        os.kill(helpers.pids[0], signal.SIGKILL)
        assert taken or helpers.done(1) >= order
        return order

    monkeypatch.setattr(helpers, "begin", killed)
    with pytest.raises(HelperDied, match="TINYGAN_HELPERS=threads"):
        pair.captured(tg.randn(32, 64, 16, 16))
    monkeypatch.undo()
    assert helpers.pids == []


def test_an_interrupt_in_the_middle_of_a_region(helpers, monkeypatch):
    """Nobody goes on writing, and what comes later is right."""
    pair = Convolutions()
    pair.both(5)
    whole, calls = Region.take_part, []

    def interrupted(self, worker, order):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        whole(self, worker, order)

    monkeypatch.setattr(Region, "take_part", interrupted)
    kept = [clone(o.state_dict()) for o in (pair.nets[0], pair.optimizers[0])]
    with pytest.raises(KeyboardInterrupt):
        pair.captured(tg.randn(32, 64, 16, 16))
    assert helpers.pids == []
    pair.nets[1].load_state_dict(kept[0])
    pair.optimizers[1].load_state_dict(kept[1])
    pair.both(3)
    assert helpers.pids


ALONE = """
import sys, time
import tinygan as tg
from tinygan import nn
from tinygan.backend.cpu import set_num_threads
from tinygan.backend.cpu.processes import team

set_num_threads(2)
net = nn.Conv2d(32, 64, 4, 2, 1)
step = tg.capture(lambda x: net(x).detach())
for _ in range(5):
    step(tg.ones(64, 32, 16, 16))
print(*team.pids, flush=True)
if sys.argv[1:]:
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["at its end", "by SIGKILL"])
def test_helpers_end_with_their_process(helpers, how):
    environment = os.environ | {"PYTHONPATH": str(Path(tg.__file__).parents[1])}
    command = [sys.executable, "-c", ALONE, *["sleep"] * (how == "by SIGKILL")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        pid = int(process.stdout.readline())
        if how == "by SIGKILL":
            process.kill()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break  # it has ended, and its new parent has not looked yet
        time.sleep(0.05)
    assert time.monotonic() < deadline


def test_a_step_of_an_optimiser_alone(two_threads):
    """Its parameters are seen by nobody but the optimiser."""
    net = nn.Linear(100, 300)
    optimizer = optim.Adam(net.parameters())
    for p in net.parameters():
        p.grad = tg.randn(*p.shape)
    step = tg.capture(optimizer.step)
    for _ in range(4):
        step()
    assert (step.programs, step.problem) == (1, None)
    assert [state["step"] for state in optimizer.state.values()] == [4, 4]
