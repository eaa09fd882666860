"""Trainings on a GPU: the CPU's numbers, the same bits when captured, no waiting, steady memory."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import tinygan as tg
from tests.gpu import SameNoise, device_bytes, distance, no_waiting, on_device, system_on
from tests.test_capture import SETTINGS, batches, bits
from tinygan.backend.cuda import float32_as
from tinygan.train.checkpoint import clone

ROOT = Path(__file__).parents[1]
every_system = pytest.mark.parametrize(
    "key, config",
    SETTINGS,
    ids=[f"{k}-{c.get('net', 'own')}{i}" for i, (k, c) in enumerate(SETTINGS)],
)
SMALL = {"shape": (1, 16, 16), "width": 8, "latent": 8}
TRAININGS = {
    "dcgan": SMALL,
    "wgan-gp": {**SMALL, "net": "dcgan", "n_critic": 2},
    "vae": {"shape": (1, 16, 16), "hidden": (32,), "latent": 4},
}
trainings = pytest.mark.parametrize("key, config", TRAININGS.items(), ids=list(TRAININGS))


def losses(system, given):
    """All losses of some steps, in a row."""
    made = [loss for batch in given for loss in system.step(dict(batch)).values()]
    return np.array([loss.item() for loss in made], np.float64)


@trainings
def test_fifty_steps_agree_with_the_cpu(gpu, key, config, monkeypatch):
    """float64 to many digits; float32 as closely as the CPU's own float32 follows its float64."""
    noise = SameNoise(monkeypatch)
    given = batches(config["shape"], 50 if gpu == "cuda" else 4)

    def trained(where, dtype):
        noise.restart()
        system = system_on(where, key, config, dtype)
        noise.restart()
        with float32_as("exact"):
            return losses(system, given)

    expected = trained("cpu", np.float64)
    np.testing.assert_allclose(trained("cuda", np.float64), expected, rtol=1e-6, atol=1e-6)
    rounding = np.maximum.accumulate(abs(trained("cpu", np.float32) - expected))
    off = abs(trained("cuda", np.float32) - expected)
    assert (off <= 10 * rounding + 1e-4).all(), (
        f"{off.max():.1e} where the CPU's is {rounding[-1]:.1e}"
    )


@every_system
def test_one_step_of_every_system(gpu, key, config, monkeypatch):
    """Its losses, and all gradients that the step leaves, are the CPU's."""
    noise = SameNoise(monkeypatch)
    config = {**config, "n_critic": 1} if "n_critic" in config else config
    (batch,) = batches(config["shape"], 1)
    found = {}
    for where in ("cpu", "cuda"):
        noise.restart()
        system = system_on(where, key, config)
        noise.restart()
        with float32_as("exact"):
            made = system.step(dict(batch))
        assert {loss.device.type for loss in made.values()} == {where}
        gradients = {
            f"{name}.{part}": p.grad.numpy()
            for name, module in system.modules.items()
            for part, p in module.named_parameters()
            if p.grad is not None
        }
        found[where] = {k: loss.numpy() for k, loss in made.items()}, gradients
    (there, slopes), (here, expected) = found["cuda"], found["cpu"]
    assert there.keys() == here.keys() and slopes.keys() == expected.keys()
    for name in here:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-5)
    for name in expected:
        assert distance(slopes[name], expected[name], noise=1e-4) < 1e-2, name


@pytest.mark.parametrize("captured", [False, True], ids=["eager", "captured"])
@every_system
def test_a_step_never_waits_for_the_device(gpu, key, config, captured):
    if captured and gpu == "pretended":
        pytest.skip("tests/test_cuda_capture.py does it there")
    system = system_on("cuda", key, config)
    if captured:
        system.capture(tell=lambda text: None)
    there = config.get("given") != "quadrants"  # those are hidden on the host
    first = 8 if gpu == "cuda" else 3  # steps, in which there may be more to make
    given = [on_device(b) if there else b for b in batches(config["shape"], first + 2)]
    for batch in given[:first]:
        system.step(batch)
    with no_waiting(gpu):
        for batch in given[first:]:
            system.step(batch)


def test_waiting_would_be_noticed(gpu):
    x = tg.ones(3, device="cuda")
    for read in (
        lambda: x.sum().item(),
        lambda: float(x[0]),
        x.tolist,
        lambda: bool((x > 0).all()),
    ):
        with pytest.raises((AssertionError, RuntimeError)), no_waiting(gpu):
            read()


@every_system
def test_captured_steps_give_the_eager_bits(gpu, key, config):
    """Over some steps. Eager ones give their own bits again: nothing is left to chance."""
    if gpu == "pretended":
        pytest.skip("tests/test_cuda_capture.py does it there")
    there = config.get("given") != "quadrants"
    given = batches(config["shape"], 12 if gpu == "cuda" else 8)
    given = [on_device(batch) if there else batch for batch in given]

    def trained(captured):
        system, told = system_on("cuda", key, config), []
        if captured:
            system.capture(tell=told.append)
        tg.manual_seed(2)
        made = [bits(system.step(dict(batch))) for batch in given]
        if captured:
            assert not told and system.learn.programs, told or "it was never captured"
        return made, bits(system.state_dict()), tg.random_state()

    eager = trained(captured=False)
    assert trained(captured=False) == eager, "two eager runs differ"
    assert trained(captured=True) == eager


@pytest.mark.parametrize("captured", [False, True], ids=["eager", "captured"])
@trainings
def test_memory_is_steady_over_500_steps(gpu, key, config, captured):
    system = system_on("cuda", key, config)
    if captured:
        system.capture(tell=lambda text: None)
    given = [on_device(batch) for batch in batches(config["shape"], 4)]
    steps = 500 if gpu == "cuda" else 6
    for i in range(steps):
        system.step(given[i % 4])
        if i == min(50, steps // 2):
            before = device_bytes(gpu)
    used, taken = device_bytes(gpu)
    assert used <= before[0] + 2**16 and taken <= before[1] + 2**20, (before, used, taken)


@trainings
def test_a_checkpoint_of_the_gpu_goes_on_on_the_cpu_and_back(gpu, key, config, tmp_path):
    there, path = system_on("cuda", key, config), tmp_path / "state.safetensors"
    given = batches(config["shape"], 3)
    for batch in given[:2]:
        there.step(batch)
    tg.save({"system": there.state_dict(), "random": tg.random_state()}, path)
    saved = tg.load(path, device="cpu")
    here = system_on("cpu", key, config)
    here.load_state_dict(clone(saved["system"]))
    assert bits(here.state_dict()) == bits(there.state_dict()) and here.device == "cpu"
    z = np.random.default_rng(0).standard_normal((5, here.latent)).astype(np.float32)
    with float32_as("exact"):
        np.testing.assert_allclose(there.sample(z), here.sample(z), atol=1e-4)
    here.step(given[2])
    again = system_on("cuda", key, config)
    again.load_state_dict(clone(here.state_dict()))
    again.step(given[2])
    assert again.device.type == "cuda" and again.updates == 4

    tg.restore_random_state(saved["random"])  # the streams of the device, too
    there.step(given[2])
    after = bits(there.state_dict())
    there.load_state_dict(clone(saved["system"]))
    tg.restore_random_state(saved["random"])
    there.step(given[2])
    assert bits(there.state_dict()) == after


def test_the_readmes_command_trains_there(gpu, tmp_path, capsys):
    """From the data to the report, and on from the checkpoint."""
    scored = gpu == "cuda"  # a minute's work for the pretended one
    main = runpy.run_path(str(ROOT / "examples/train_dcgan.py"))["main"]
    small = ["--width=4", "--critic-width=4", "--batch-size=8", "--sample-every=2"]
    small += ["--device=cuda"] + ["--no-score"] * (not scored)
    assert main([*small, "--steps", "4", "--out", str(tmp_path / "run")]) == 0
    assert main(["--resume", str(tmp_path / "run"), "--steps", "6"]) == 0
    said = capsys.readouterr().out
    assert "trained 6 steps" in said and ("precision" in said) == scored
    assert (tmp_path / "run/samples/step-0000006.png").exists()
    assert "cuda" in (tmp_path / "run/config.json").read_text()
