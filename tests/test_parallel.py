"""Training in several processes, on the CPU over MPI: the losses are those of one process with the
whole batch, and all processes keep the same weights.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygan as tg
from tinygan import data, nn, optim
from tinygan.backend.device import Device, DeviceError
from tinygan.models import build
from tinygan.parallel import ALONE, Group, distribute, join
from tinygan.parallel import share as sharing
from tinygan.parallel.group import Processes

ROOT = Path(__file__).parents[1]
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
SETTINGS = (
    "--batch-size 8 --width 4 --critic-width 4 --sample-every 0 --no-score --threads 1 "
    "--device cpu --ema 0.5 --schedule constant"
)


@pytest.fixture
def mpi():
    pytest.importorskip("mpi4py")
    if MPIEXEC is None:
        pytest.skip("needs mpiexec")


def command(processes, *arguments):
    start = [MPIEXEC, "--oversubscribe", "-n", str(processes)] if processes > 1 else []
    shared = ["--distributed"] if processes > 1 else []
    return [
        *start, sys.executable, str(ROOT / "examples/train_dcgan.py"), *SETTINGS.split(),
        *map(str, arguments), *shared,
    ]  # fmt: skip


def environment():
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **allowed, **single}


def run(*given):
    done = subprocess.run(command(*given), capture_output=True, text=True, env=environment())
    return done.returncode, done.stdout + done.stderr


def losses(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [list(line["losses"].values()) for line in lines if "losses" in line]


@pytest.mark.parametrize("processes", [2, 4])
def test_the_losses_are_those_of_one_process_with_the_whole_batch(mpi, tmp_path, processes):
    for n, more in ((1, []), (processes, ["--sync-batchnorm"])):
        status, said = run(n, "--steps", 6, "--out", tmp_path / str(n), *more)
        assert status == 0, said
        assert said.count("trained 6 steps") == 1  # only one speaks
    one, several = (np.array(losses(tmp_path / str(n))) for n in (1, processes))
    assert one.shape == (6, 2)
    np.testing.assert_allclose(several, one, rtol=1e-4)
    np.testing.assert_allclose(several[0], one[0], rtol=1e-6)


def test_batchnorm_of_a_share_is_another_one(mpi, tmp_path):
    for n in (1, 2):
        assert run(n, "--steps", 2, "--out", tmp_path / str(n))[0] == 0
    one, two = (np.array(losses(tmp_path / str(n))) for n in (1, 2))
    assert (abs(one - two) > 1e-3).any()


def test_a_resumed_run_goes_on_bit_for_bit(mpi, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(2, "--steps", 6, "--out", whole)[0] == 0
    assert run(2, "--steps", 3, "--out", parts)[0] == 0
    status, said = run(2, "--steps", 6, "--resume", parts)
    assert status == 0, said
    assert losses(parts) == losses(whole)


def test_all_go_on_with_the_rate_that_is_asked_for(mpi, tmp_path):
    for n, more in ((1, []), (2, ["--sync-batchnorm"])):
        folder = tmp_path / str(n)
        assert run(n, "--steps", 2, "--out", folder, *more)[0] == 0
        status, said = run(n, "--steps", 6, "--lr", 0.02, "--resume", folder)
        assert status == 0, said
        assert said.count("the learning rate is 0.02 from here on") == 1
    np.testing.assert_allclose(losses(tmp_path / "2"), losses(tmp_path / "1"), rtol=1e-3)


def test_a_killed_process_ends_all_and_the_run_can_go_on(mpi, tmp_path):
    folder = tmp_path / "killed"
    long = command(2, "--steps", 100000, "--checkpoint-every", 2, "--out", folder)
    process = subprocess.Popen(
        long, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )
    deadline = time.monotonic() + 60
    while len(list(folder.glob("checkpoints/step-*.safetensors"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    os.kill(ranks_of(process.pid)[1], signal.SIGKILL)
    said = process.communicate(timeout=60)[0]
    assert process.returncode != 0 and "Killed" in said
    last = max(folder.glob("checkpoints/step-*.safetensors")).stem
    status, said = run(2, "--steps", int(last[5:]) + 3, "--resume", folder)
    assert status == 0, said
    assert "trained" in said


def ranks_of(pid):
    """The processes that an mpiexec has started, by rank."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            variables = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue
        rank = [v for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
        if parent == pid and rank:
            found[int(rank[0].split(b"=")[1])] = int(entry.name)
    return found


def test_all_stop_at_one_step_when_asked(mpi, tmp_path):
    folder = tmp_path / "stopped"
    process = subprocess.Popen(
        command(2, "--steps", 100000, "--checkpoint-every", 2, "--out", folder),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(folder.glob("checkpoints/step-*.safetensors"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    os.kill(ranks_of(process.pid)[1], signal.SIGTERM)  # one is asked, and tells the others
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 143, said
    assert "everything is saved. To go on:" in said


def test_a_batch_that_cannot_be_shared_is_refused_and_nobody_waits(mpi, tmp_path):
    status, said = run(2, "--batch-size", 7, "--out", tmp_path / "odd")
    assert status == 1
    assert "a batch of 7 cannot be shared equally by 2 processes: choose another" in said
    assert not (tmp_path / "odd").exists()


WEIGHTS = """
import hashlib, numpy as np, tinygan as tg
from tinygan import data, nn, optim
from tinygan.backend.device import Device
from tinygan.parallel import distribute, join

group = join(Device("cpu"))
tg.manual_seed(group.rank)  # weights of their own, until they are shared
net = nn.Sequential(nn.Linear(3, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.2), nn.Linear(64, 2))
adam = optim.Adam(net.parameters())
distribute({"net": net}, {"adam": adam}, group, synchronised=True)
for step in range(5):
    adam.zero_grad()
    loss = (net(tg.randn(6, 3)) ** 2).mean()  # other data in each process
    loss.backward()
    adam.step()
    assert group.any(group.rank == 1) and not group.any(False)
    shown = group.mean({"loss": loss.detach()})["loss"].item()
tensors = [t.numpy().tobytes() for t in [*net.parameters(), *net.buffers()]]
print(hashlib.sha256(b"".join(tensors)).hexdigest(), shown, flush=True)
"""


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_the_weights_of_all_processes_are_the_same_bits(mpi, processes):
    start = [MPIEXEC, "--oversubscribe", "-n", str(processes), sys.executable, "-c", WEIGHTS]
    done = subprocess.run(start, capture_output=True, text=True, env=environment())
    lines = done.stdout.splitlines()
    assert len(lines) == processes, done.stderr
    assert len(set(lines)) == 1


CAPTURED = """
import hashlib, numpy as np, sys, tinygan as tg
from tinygan import nn, optim
from tinygan.backend.device import Device
from tinygan.parallel import distribute, join

group, told = join(Device("cpu")), []
tg.manual_seed(group.rank)
net = nn.Sequential(nn.Linear(3, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.2), nn.Linear(64, 2))
adam = optim.Adam(net.parameters())
distribute({"net": net}, {"adam": adam}, group, synchronised=True)

def step(x):
    adam.zero_grad()
    loss = (net(x) ** 2).mean()
    if "looks" in sys.argv and group.rank == 1:
        float(loss)  # no program can
    loss.backward()
    adam.step()
    return loss.detach()

captured = tg.capture(step, told.append, group) if "captured" in sys.argv else step
for i in range(12):
    rows = 4 if "uneven" in sys.argv and i % 3 == group.rank else 6  # one has met it, the other not
    captured(tg.randn(rows, 3))
tensors = [t.numpy().tobytes() for t in [*net.parameters(), *net.buffers()]]
shown = hashlib.sha256(b"".join(tensors)).hexdigest(), getattr(captured, "programs", 0), len(told)
print(*shown, flush=True)  # in one piece
"""


def captured_in_two(*how):
    """What each of two processes has to show: a digest of its weights, programs, problems."""
    start = [MPIEXEC, "--oversubscribe", "-n", "2", sys.executable, "-c", CAPTURED, *how]
    done = subprocess.run(start, capture_output=True, text=True, env=environment(), timeout=60)
    lines = sorted(done.stdout.splitlines(), key=lambda line: line.split()[2])
    assert len(lines) == 2, done.stderr
    return [(digest, int(p), int(told)) for digest, p, told in map(str.split, lines)]


def test_a_step_of_several_is_captured_with_what_they_tell_each_other(mpi):
    as_it_is, captured = captured_in_two(), captured_in_two("captured")
    assert as_it_is == [(as_it_is[0][0], 0, 0)] * 2
    assert captured == [(as_it_is[0][0], 1, 0)] * 2


def test_where_one_cannot_capture_none_does(mpi):
    (digest, *_), _ = captured_in_two()
    assert captured_in_two("captured", "looks") == [(digest, 0, 0), (digest, 0, 1)]


def test_nobody_replays_what_another_has_not_met(mpi):
    """Each has statistics of its own there, as their shares differ."""
    as_it_is, captured = captured_in_two("uneven"), captured_in_two("captured", "uneven")
    assert {digest for digest, *_ in captured} == {digest for digest, *_ in as_it_is}
    assert [told for *_, told in captured] == [0, 0]


# -- without MPI -----------------------------------------------------------------------------------


class Twins(Group):
    """A group of two in one process: the other one has what this one has."""

    size = 2

    def add_up(self, array):
        array += array


def test_synchronised_statistics_of_twins_are_those_of_one():
    x, slope = tg.randn(4, 3, 2, 2), 0.2
    found = []
    for group in (None, Twins()):
        layer = nn.BatchNorm2d(3)
        layer.group = group
        leaf = tg.Tensor(x.numpy().copy(), requires_grad=True)
        (layer(leaf, slope) ** 3).sum().backward()
        grads = [leaf.grad, layer.weight.grad, layer.bias.grad]
        found.append([*(g.numpy() for g in grads), layer.running_mean.numpy()])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.9 + 0.1 * unbiased(x, 2), rtol=1e-5)


def unbiased(x, times):
    return np.concatenate([x.numpy()] * times).var(axis=(0, 2, 3), ddof=1)


@pytest.mark.parametrize("row", [1, 20, 1 << 20])
def test_gradients_become_their_mean_whatever_their_sizes(monkeypatch, row):
    monkeypatch.setattr(sharing, "_ROW", row)

    class Other(Twins):
        def add_up(self, array):
            array += 3 * array

    parameters = [nn.Parameter(tg.randn(*shape)) for shape in [(3, 4), (5,), (), (2, 2)]]
    given = [tg.randn(*p.shape) for p in parameters[:-1]]
    for p, g in zip(parameters, given):
        p.grad = g
    descent = optim.SGD(parameters, lr=1.0)
    distribute({}, {"descent": descent}, Other())
    before = [p.numpy().copy() for p in parameters]
    descent.step()
    for p, g, old in zip(parameters, given, before):
        np.testing.assert_allclose(p.numpy(), old - 2 * g.numpy(), rtol=1e-5)
    assert parameters[-1].grad is None


class Slow(Group):
    """A group of two, of which the other has three times as much; its sums come when waited for."""

    size = 2

    def __init__(self):
        self.events, self.begun = [], []

    def add_up(self, array):
        self.events.append("at once")
        array += 3 * array

    def begin_to_add_up(self, array):
        self.events.append("begun")
        self.begun.append(array)

    def wait(self):
        for array in self.begun:
            array += 3 * array
        self.events += ["come"] * len(self.begun)
        self.begun.clear()


def descent_in(group, *shapes):
    parameters = [nn.Parameter(tg.randn(*shape)) for shape in shapes]
    descent = optim.SGD(parameters, lr=1.0)
    distribute({}, {"descent": descent}, group)
    return parameters, descent


def test_sums_begin_while_backward_goes_on(monkeypatch):
    monkeypatch.setattr(sharing, "_ROW", 4)
    group = Slow()
    (first, second), descent = descent_in(group, (3,), (4,))
    before = first.numpy().copy(), second.numpy().copy()
    x = first * 2
    x.register_hook(lambda g: group.events.append("on"))
    (x.sum() * second).sum().backward()
    assert group.events == ["begun", "on", "begun"]
    grads = first.grad.numpy().copy(), second.grad.numpy().copy()
    descent.step()
    assert group.events[3:] == ["come", "come"]
    for p, old, g in zip((first, second), before, grads):
        np.testing.assert_allclose(p.numpy(), old - 2 * g, rtol=1e-6)


def test_what_was_changed_since_it_was_sent_is_sent_again():
    group = Slow()
    (p, q), descent = descent_in(group, (3,), (2,))
    before = p.numpy().copy()
    ((p * 2).sum() + q.sum()).backward()
    ((p * 3).sum() + q.sum()).backward()  # gradients of two passes
    assert group.events == ["begun", "come", "begun"]
    nn.utils.clip_grad_value_(p, 1.0)
    descent.step()
    assert group.events[3:] == ["come", "at once"]
    np.testing.assert_allclose(p.numpy(), before - 2, rtol=1e-6)
    ((p * 2).sum() + q.sum()).backward()
    p.grad = q.grad = None  # of some game that is not this optimiser's
    descent.step()
    np.testing.assert_allclose(p.numpy(), before - 2, rtol=1e-6)


def test_parameters_that_came_later_or_were_frozen_have_means_too():
    group = Slow()
    (p, frozen), descent = descent_in(group, (3,), (3,))
    late = nn.Parameter(tg.zeros(2))
    descent.add_param_group({"params": [late]})
    frozen.requires_grad_(False)
    (p.sum() + late.sum()).backward()
    before = p.numpy().copy()
    descent.step()
    np.testing.assert_allclose(p.numpy(), before - 2, rtol=1e-6)
    assert late.tolist() == [-2, -2] and group.events == ["at once"] * 2


def test_statistics_are_those_of_both():
    """Of a twin that has one more in each place."""

    class Above(Group):
        size = 2

        def add_up(self, array):
            array += array + 1  # of means over one channel alone

    x = tg.randn(8, 1)
    layer = nn.BatchNorm1d(1, momentum=1.0)
    layer.group = Above()
    layer(x)
    np.testing.assert_allclose(layer.running_mean.numpy(), x.numpy().mean(0) + 0.5, rtol=1e-5)


def test_the_weights_are_those_of_the_first():
    class Second(Group):
        size = 2

        def follow(self, array):
            array[...] = 7.0

    net = nn.Linear(2, 3)
    distribute({"net": net}, {}, Second())
    assert all((p.numpy() == 7).all() for p in net.parameters())


def test_shares_of_noise_and_batches_make_up_the_whole():
    made = build({"system": "gan", "shape": [2], "latent": 3})
    noise, batches = [], []
    for share in ((0, 1), (0, 3), (1, 3), (2, 3)):
        tg.manual_seed(1)
        made.share = share
        noise.append(made.noise(6 // share[1]).numpy())
        loader = data.Loader(data.open("ring"), 6)
        loader.share = share
        batches.append(loader.next()["x"])
    for whole, *parts in (noise, batches):
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_on_a_gpu_too(gpu):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LeakyReLU(0.2)).to("cuda")
    descent = optim.SGD(net.parameters(), lr=1.0)
    twins = Twins()
    distribute({"net": net}, {"descent": descent}, twins, synchronised=True)
    loss = (net(tg.randn(6, 3, device="cuda")) ** 2).sum()
    loss.backward()
    before = [(p.numpy().copy(), p.grad.numpy().copy()) for p in net.parameters()]
    descent.step()
    for p, (old, g) in zip(net.parameters(), before):
        np.testing.assert_allclose(p.numpy(), old - g, rtol=1e-4, atol=1e-5)
    assert twins.mean({"loss": loss.detach()})["loss"].item() == pytest.approx(loss.item())


@pytest.mark.gpu
def test_nccl_by_itself():
    mpi = pytest.importorskip("mpi4py.MPI")
    group = Processes(mpi, Device("cuda"))
    x = tg.arange(5, device="cuda").float()
    group.add_up(x.array)
    group.follow(x.array)
    assert x.tolist() == [0, 1, 2, 3, 4]


def test_one_process_alone_is_a_group():
    assert ALONE.leads and not ALONE.any(None)
    losses = {"d": tg.tensor(1.0)}
    assert ALONE.mean(losses) is losses and ALONE.total(losses["d"]) is losses["d"]


def test_without_mpi4py_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(DeviceError, match=r"several processes need mpi4py .*tinygan\[mpi\]"):
        join(Device("cpu"))
