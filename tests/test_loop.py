"""The training loop's promises, each of them tested by its own arithmetic: averages, rates, mean
losses, which weights make samples, and which data and random numbers are used for what.
"""

import argparse
import math
import types
from types import SimpleNamespace

import numpy as np
import pytest

import tinygan as tg
from tests.equations import schedules
from tinygan import data, nn, train
from tinygan.models import GAN
from tinygan.train import callbacks, finish, resume, score
from tinygan.train.doctor import Doctor


def trainer(tmp_path, steps=6, **options):
    """A small GAN on the ring that has not begun yet."""
    tg.manual_seed(0)
    ring = data.open("ring", n=200)
    system = GAN(shape=(2,), latent=2, width=8, lr=0.01)
    folder = train.RunFolder(tmp_path / "run")
    folder.prepare()
    return train.Trainer(system, data.Loader(ring, 16), folder, steps, **options)


def weights(module):
    return {name: p.numpy().copy() for name, p in module.named_parameters()}


# -- average weights -------------------------------------------------------------------------------


def test_average_weights_follow_each_step(tmp_path):
    """θ̄ ← d·θ̄ + (1 − d)·θ with d = min(0.9, (1 + t)/(10 + t)), after every step."""
    run = trainer(tmp_path, ema=0.9)
    average = weights(run.system.generator)
    for t in range(1, 5):
        run.learn()
        d = min(0.9, (1 + t) / (10 + t))
        now = weights(run.system.generator)
        average = {name: d * average[name] + (1 - d) * now[name] for name in now}
        for name, value in run.average["generator"].average.items():
            np.testing.assert_allclose(value.numpy(), average[name], rtol=1e-5, atol=1e-7)
    assert set(run.average) == {"generator"}


@pytest.fixture
def averaged(tmp_path):
    """A run after a few steps, a fixed z, and what its average weights make of it."""
    run = trainer(tmp_path, ema=0.9)
    for _ in range(4):
        run.learn()
    z = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
    with run.averaged():
        made = run.system.sample(z)
    assert np.abs(made - run.system.sample(z)).max() > 1e-3  # the last weights make another
    return run, z, made


def test_pictures_show_what_the_average_weights_make(averaged, monkeypatch):
    run, z, made = averaged
    samples = callbacks.Samples(1, run.loader.dataset, Doctor(run.system.won_below))
    samples.z, drawn = z, []
    monkeypatch.setattr(callbacks, "draw", lambda made, *rest: drawn.append(made))
    monkeypatch.setattr(callbacks.pictures, "save_image", lambda *arguments: None)
    samples._draw(run)
    np.testing.assert_array_equal(drawn[0], made)
    np.testing.assert_array_equal(run.sample(z), made)


def test_scores_are_of_what_the_average_weights_make(averaged):
    """The same noise each time, from a stream of its own, which is put back."""
    run, _, _ = averaged
    before = tg.random_state()
    first = finish.samples(run, 30)
    assert tg.random_state() == before
    np.testing.assert_array_equal(finish.samples(run, 30), first)
    z = run.system.noise(30, "score").numpy()
    with run.averaged():
        np.testing.assert_array_equal(first, run.system.sample(z))


# -- rates -----------------------------------------------------------------------------------------

RATES = {
    "constant": lambda lr, t, steps: lr,
    "linear": lambda lr, t, steps: schedules.linear(lr, t, 1.0, 0.0, steps),
    "cosine": lambda lr, t, steps: schedules.cosine(lr, t, steps),
    "late": lambda lr, t, steps: (
        lr if 2 * t < steps else schedules.linear(lr, t - steps / 2, 1.0, 0.0, steps / 2)
    ),
}


@pytest.mark.parametrize("name", RATES)
def test_learning_rates_fall_as_their_schedule_says(name, tmp_path):
    run = trainer(tmp_path, schedule=name)
    for t in range(6):
        for optimiser in run.system.optimizers.values():
            rate = optimiser.param_groups[0]["lr"]
            assert rate == pytest.approx(RATES[name](0.01, t, 6), rel=1e-9, abs=1e-12)
        run.learn()


@pytest.mark.parametrize("name", RATES)
def test_a_changed_rate_goes_on_along_its_schedule(name, tmp_path, capsys):
    run = trainer(tmp_path, schedule=name)
    run.learn(), run.learn()
    asked = SimpleNamespace(explicit={"lr"}, values=SimpleNamespace(lr=0.5))
    assert resume.change_rate(run, {"options": {"lr": 0.01}}, asked)
    assert not resume.change_rate(run, {"options": {"lr": 0.5}}, asked)
    for t in range(2, 6):
        for optimiser in run.system.optimizers.values():
            rate = optimiser.param_groups[0]["lr"]
            assert rate == pytest.approx(RATES[name](0.5, t, 6), rel=1e-9, abs=1e-12)
        run.learn()


# -- losses ----------------------------------------------------------------------------------------


def test_the_log_has_the_mean_of_the_losses_since_its_last_line():
    reporter = callbacks.Losses(3, Doctor({}))
    written = []
    run = types.SimpleNamespace(
        step=0, steps=7, log=types.SimpleNamespace(write=written.append),
        system=types.SimpleNamespace(modules={}), mark_healthy=lambda: None, say=print,
    )  # fmt: skip
    for run.step, loss in enumerate([1.0, 2.0, 6.0, 5.0, 5.0, 8.0, 0.25], 1):
        run.losses = {"critic": tg.tensor(loss), "half": tg.tensor(loss / 2)}
        reporter.after_step(run)
    assert [(line["step"], line["losses"]) for line in written] == [
        (3, {"critic": 3.0, "half": 1.5}),
        (6, {"critic": 6.0, "half": 3.0}),
        (7, {"critic": 0.25, "half": 0.125}),
    ]


# -- which data ------------------------------------------------------------------------------------


def test_a_study_sees_test_data_and_average_weights(tmp_path):
    """And training sees training data, which share nothing with them."""
    seen = {}

    class Watched(GAN):
        key = "watched"

        def step(self, batch):
            seen.setdefault("trained on", []).append(batch["x"])
            return super().step(batch)

    def study(system, test):
        seen["test"], seen["weights"] = test, weights(system.generator)
        return [], {}

    parser = train.options(argparse.ArgumentParser())
    arguments = ["--data", "ring", "--steps", "5", "--batch-size", "50", "--lr", "0.05"]
    arguments += ["--ema", "0.9", "--device", "cpu", "--no-score", "--out", str(tmp_path / "run")]
    settings = train.parse(parser, arguments)
    assert train.run(Watched, settings, study=study, lr=0.05, width=8, latent=2) == 0
    assert seen["test"].split == "test"
    test = {tuple(x) for x in seen["test"].take(len(seen["test"]))["x"]}
    assert not test & {tuple(x) for x in np.concatenate(seen["trained on"])}
    state = train.checkpoint.read(train.checkpoint.files(tmp_path / "run")[-1])
    for name, value in state["average"]["generator"]["average"].items():
        if name in seen["weights"]:
            np.testing.assert_array_equal(seen["weights"][name], value.numpy())


# -- which random numbers --------------------------------------------------------------------------


def loaded():
    data.Loader(data.open("ring", n=50), 10).next()


SYSTEM = GAN(shape=(2,), latent=2, width=4)
STREAMS = {
    "randn": (lambda: tg.randn(3), "noise"),
    "rand": (lambda: tg.rand(3), "noise"),
    "randint": (lambda: tg.randint(0, 5, (3,)), "noise"),
    "randn_like": (lambda: tg.randn_like(tg.ones(3)), "noise"),
    "rand_like": (lambda: tg.rand_like(tg.ones(3)), "noise"),
    "randperm": (lambda: tg.randperm(5), "data"),
    "Loader": (loaded, "data"),
    "dropout": (lambda: nn.Dropout(0.5)(tg.ones(9)), "dropout"),
    "Dropout2d": (lambda: nn.Dropout2d(0.5)(tg.ones(2, 3, 4, 4)), "dropout"),
    "Linear": (lambda: nn.Linear(2, 2), "init"),
    "Conv2d": (lambda: nn.Conv2d(2, 2, 3), "init"),
    "GRU": (lambda: nn.GRU(2, 2), "init"),
    "Embedding": (lambda: nn.Embedding(2, 2), "init"),
    "spectral_norm": (lambda: nn.spectral_norm(nn.Linear(2, 2)), "init"),
    "normal_": (lambda: tg.ones(3).normal_(), "init"),
    "orthogonal_": (lambda: nn.init.orthogonal_(tg.ones(3, 3)), "init"),
    "noise of a step": (lambda: SYSTEM.step({"x": np.zeros((8, 2), np.float32)}), "noise"),
    "noise": (lambda: SYSTEM.noise(3), "noise"),
    "noise for a purpose": (lambda: SYSTEM.noise(3, "purpose"), "purpose"),
    "samples": (lambda: SYSTEM.sample(3), "sample"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_each_draws_from_the_stream_of_its_purpose_only(name):
    draw, stream = STREAMS[name]
    tg.manual_seed(5)
    draw()
    assert list(tg.random_state()["streams"]) == [stream]


# -- what is printed of a score --------------------------------------------------------------------

SCORES = {
    "n": 100, "frechet": 3.0, "frechet_floor": 1.0, "frechet_ceiling": 12.0,
    "frechet_share": 0.25, "kid": 0.3, "kid_floor": 0.1, "kid_ceiling": 1.2, "precision": 0.61,
    "recall": 0.42, "density": 0.73, "coverage": 0.84, "classes": [0.5, 0.4, 0.1],
    "smallest_class": 0.1, "confident": 0.55, "diversity": 0.9, "duplicates": 0.05,
    "sharpness": 1.3,
}  # fmt: skip


def test_every_line_of_a_score_has_its_own_figure():
    judge = types.SimpleNamespace(classes=3)
    real = {key: 2 * v for key, v in SCORES.items()} | {"classes": [0.3, 0.3, 0.4]}
    lines = {line.name: line for line in score.score_pictures(SCORES, real, None, judge)}

    def one(word):
        (line,) = (line for name, line in lines.items() if name.startswith(word))
        return line

    for word in ("precision", "recall", "diversity", "sharpness"):
        assert one(word).value == SCORES[word] and one(word).real == 2 * SCORES[word]
    assert one("samples that the judge").value == SCORES["confident"]
    assert one("copies among the samples").value == 0.05
    frechet, kernel = one("Fréchet"), one("kernel")
    assert (frechet.value, frechet.real, frechet.collapsed) == (3.0, 1.0, 12.0)
    assert (kernel.value, kernel.real, kernel.collapsed) == (0.3, 0.1, 1.2)
    assert "25.0% of the way" in frechet.note
    assert one("classes").value == 3 or math.isclose(one("classes").value, 3)
