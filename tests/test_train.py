"""Training as a person meets it: the command line, pictures, the report, the doctor, samples."""

import argparse
import gzip
import json
import os
import re
import struct
import subprocess
import sys
import types
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinygan as tg
from tinygan import data, metrics, ops, train
from tinygan.__main__ import main as command
from tinygan.models import DCGAN, GAN
from tinygan.train import checkpoint, gallery, log, pictures, sampling
from tinygan.train.doctor import Doctor
from tinygan.train.score import scorer

HOME = Path(__file__).parent.parent


def run(system, arguments, **config):
    parser = train.options(argparse.ArgumentParser(prog="train_it.py"))
    settings = train.parse(parser, [str(a) for a in arguments])
    return train.run(system, settings, lr=settings.values.lr, **config)


SMALL = ["--device", "cpu", "--steps", 12, "--batch-size", 8, "--sample-every", 4]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of a small GAN on the ring, with score and average weights."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    arguments = ["--data", "ring", *SMALL, "--ema", 0.9, "--score-every", 4, "--out", folder]
    assert run(GAN, arguments, latent=2, width=8) == 0
    return folder


def write_idx(folder, n=200, compress=False):
    """MNIST's format: big-endian sizes, then bytes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
    labels = (np.arange(n) % 10).astype(np.uint8)
    for kind in ("train", "t10k"):
        for name, array, magic in (("images-idx3", images, 2051), ("labels-idx1", labels, 2049)):
            content = struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()
            path = folder / f"{kind}-{name}-ubyte"
            if compress:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
            else:
                path.write_bytes(content)
    return folder


# -- what a run leaves -----------------------------------------------------------------------------


def test_a_run_leaves_all_its_files(finished):
    steps = [step for step, _ in train.RunFolder(finished).pictures()]
    assert steps == [0, 4, 8, 12]
    config = json.loads((finished / "config.json").read_text())
    assert config["system"] == "gan" and config["ema"] == 0.9 and config["examples"] == 100_000
    with Image.open(finished / "samples.gif") as film:
        assert film.n_frames == 4
    for name in ("losses.png", "report.html", "metrics.jsonl"):
        assert (finished / name).stat().st_size > 200
    records = log.records(finished / "metrics.jsonl")
    assert [r["step"] for r in records if "losses" in r] == list(range(1, 13))
    assert [r["step"] for r in records if "score" in r] == [4, 8, 12]


def test_the_last_lines_tell_score_and_paths(tmp_path, capsys):
    assert run(GAN, ["--data", "ring", *SMALL, "--out", tmp_path / "r"], latent=2, width=8) == 0
    out = capsys.readouterr().out
    assert re.search(r"modes reached, of 8 +\d.* \(real data 8, collapsed 1\)", out)
    assert f"report       {tmp_path / 'r' / 'report.html'}" in out
    assert f"python -m tinygan sample {tmp_path / 'r'}" in out


def test_the_report_needs_nothing_else(finished):
    page = (finished / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == 3 and all(s.startswith("data:image/") for s in sources)
    assert "http" not in re.sub(r'src="[^"]*"', "", page) and "<script" not in page
    HTMLParser().feed(page)
    assert "share of samples within 3σ" in page and "width" in page


def test_the_same_seed_gives_the_same_run_and_another_a_different_one(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        arguments = ["--data", "ring", *SMALL, "--seed", seed, "--no-score"]
        assert run(GAN, [*arguments, "--out", tmp_path / name], latent=2, width=8) == 0
    a, b, c = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in "abc")
    assert a == b and a != c


def test_runs_without_out_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run(GAN, ["--data", "ring", *SMALL, "--no-score"], latent=2, width=8) == 0
    assert sorted(p.name for p in Path("runs/gan").iterdir()) == ["ring-1", "ring-2"]


@pytest.mark.parametrize("compress", [False, True])
def test_mnists_files_train_in_the_same_way(tmp_path, compress, capsys):
    data = tmp_path / "mnist"
    data.mkdir()
    write_idx(data, compress=compress)
    arguments = ["--data", data, *SMALL, "--out", tmp_path / "run"]
    assert run(DCGAN, arguments, width=4, latent=5) == 0
    state = checkpoint.read(checkpoint.files(tmp_path / "run")[-1])
    assert state["data"]["shape"] == [1, 28, 28] and state["step"] == 12


def test_epochs_and_schedules(tmp_path):
    data = tmp_path / "x.npy"
    np.save(data, np.zeros((50, 16, 16, 1), np.uint8))
    arguments = ["--data", data, "--device", "cpu", "--epochs", 2, "--batch-size", 8]
    arguments += ["--schedule", "linear", "--lr", 0.01, "--out", tmp_path / "run"]
    assert run(DCGAN, arguments, width=4, latent=5) == 0
    state = checkpoint.read(checkpoint.files(tmp_path / "run")[-1])
    assert state["step"] in (10, 12)
    assert state["system"]["optimizers"]["generator"]["param_groups"][0]["lr"] == 0


# -- the command line ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--steps", "-3"], "argument --steps: expected a whole number from 1 to .*, got '-3'"),
        (["--ema", "1"], r"argument --ema: expected a number in \[0, 1\), got '1'"),
        (["--lr", "fast"], "argument --lr: expected a number above 0.*, got 'fast'"),
        (["--steps", "5", "--epochs", "1"], "not allowed with argument"),
        (["--no-such"], "unrecognized arguments: --no-such"),
    ],
)
def test_a_wrong_option_is_explained(arguments, message, capsys):
    with pytest.raises(SystemExit):
        run(GAN, arguments)
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "no/such/place"], "no/such/place"),
        (["--data", "ring", "--device", "tpu"], "unknown device 'tpu'"),
        (["--data", "ring", "--batch-size", "200000"], "fewer than one batch"),
    ],
)
def test_what_cannot_be_done_is_one_message(arguments, message, capsys, tmp_path):
    assert run(GAN, [*arguments, "--out", tmp_path / "run"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and "Traceback" not in error


def test_a_size_that_the_model_cannot_take_is_one_message(capsys, tmp_path):
    np.save(tmp_path / "odd.npy", np.zeros((40, 50, 50, 1), np.uint8))
    arguments = ["--data", tmp_path / "odd.npy", *SMALL, "--out", tmp_path / "run"]
    assert run(DCGAN, arguments, width=4) == 1
    assert "expected square images" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train_dcgan.py", "train_gan.py"])
def test_help_of_the_examples(name):
    result = subprocess.run(
        [sys.executable, str(HOME / "examples" / name), "--help"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(HOME)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for option in ("--data", "--steps", "--epochs", "--resume", "--ema", "--no-score", "--width"):
        assert option in result.stdout
    assert "python examples/" in result.stdout


def test_tensorboard_is_optional(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    arguments = ["--data", "ring", *SMALL, "--tensorboard", "--out", tmp_path / "run"]
    assert run(GAN, arguments, latent=2, width=8) == 1
    assert "pip install tensorboard" in capsys.readouterr().err


def test_tensorboard_gets_the_losses(tmp_path, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder):
            assert folder == str(tmp_path / "run" / "tensorboard")

        def add_scalar(self, tag, value, step):
            written.append((tag, step))

        def close(self):
            written.append("closed")

    monkeypatch.setitem(sys.modules, "tensorboard", types.ModuleType("tensorboard"))
    module = types.ModuleType("tensorboard.summary")
    module.Writer = Writer
    monkeypatch.setitem(sys.modules, "tensorboard.summary", module)
    arguments = ["--data", "ring", *SMALL, "--tensorboard", "--no-score"]
    assert run(GAN, [*arguments, "--out", tmp_path / "run"], latent=2, width=8) == 0
    assert ("loss/generator", 12) in written and written[-1] == "closed"


# -- sampling and info -----------------------------------------------------------------------------


def test_samples_from_a_checkpoint_alone(finished, tmp_path, capsys):
    out, arrays = tmp_path / "grid.png", tmp_path / "s.npz"
    arguments = ["sample", str(finished), "--n", "30", "--device", "cpu", "--out", str(out)]
    assert command([*arguments, "--npz", str(arrays)]) == 0
    assert "30 samples of" in capsys.readouterr().out
    Image.open(out).verify()
    with np.load(arrays) as saved:
        assert saved["samples"].shape == (30, 2) and saved["z"].shape == (30, 2)
        system, state = sampling.load(finished)
        np.testing.assert_array_equal(system.sample(saved["z"]), saved["samples"])
        last, _ = sampling.load(finished, average=False)
        assert (last.sample(saved["z"]) != saved["samples"]).any()
    average = state["average"]["generator"]["average"]["0.weight"].numpy()
    np.testing.assert_array_equal(system.generator[0].weight.numpy(), average)


def test_interpolation_goes_along_great_circles():
    z = np.random.default_rng(0).standard_normal((32, 100)).astype(np.float32)
    way = sampling.ways(z, 8).reshape(4, 8, 100)
    np.testing.assert_allclose(way[:, 0], z[:4], rtol=1e-5)
    np.testing.assert_allclose(way[:, -1], z[1:5], rtol=1e-4, atol=1e-5)
    norms = np.linalg.norm(way, axis=2)
    assert norms.min() > 0.9 * np.linalg.norm(z, axis=1).min()
    assert np.isfinite(sampling.ways(z[:1], 8)).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere"], "there is no such run"),
        (["{run}", "--out", "/no/such/folder/grid.png"], "cannot write"),
        (["{run}", "--device", "tpu"], "unknown device 'tpu'"),
        (["{run}/config.json"], "not a safetensors file"),
    ],
)
def test_what_cannot_be_sampled_is_one_message(finished, arguments, message, capsys):
    arguments = [a.format(run=finished) for a in arguments]
    assert command(["sample", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error


def test_info(capsys):
    assert command(["info"]) == 0
    out = capsys.readouterr().out
    for word in (f"tinygan {tg.__version__}", f"numpy {np.__version__}", "threads", "gpu", "dcgan"):
        assert word in out


# -- pictures and the log --------------------------------------------------------------------------


def test_a_grid_shows_values_as_they_are():
    images = np.stack([np.full((1, 64, 64), v, np.float32) for v in (-1, 0, 1, 5)])
    sheet = np.asarray(pictures.grid(images, columns=2))
    assert sheet.shape == (134, 134, 3)
    assert [sheet[y, x, 0] for y in (30, 100) for x in (30, 100)] == [0, 128, 255, 255]


def test_a_film_leaves_out_what_cannot_be_read(tmp_path):
    for i in range(3):
        pictures.save_image(pictures.grid(np.full((1, 1, 8, 8), i / 3)), tmp_path / f"{i}.png")
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    frames = [tmp_path / f"{i}.png" for i in range(3)]
    (problem,) = pictures.film(frames, tmp_path / "film.gif")
    assert "1.png: cannot be read" in problem
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 2


def test_the_log_is_json_even_when_losses_are_not_numbers(tmp_path):
    metrics = log.MetricsLog(tmp_path / "m.jsonl").open()
    metrics.write({"step": 1, "losses": {"a": float("nan"), "b": 1.5}})
    metrics.close()
    assert log.records(tmp_path / "m.jsonl") == [{"step": 1, "losses": {"a": None, "b": 1.5}}]


# -- the doctor ------------------------------------------------------------------------------------


def test_the_doctor_sees_a_side_that_has_won():
    doctor = Doctor({"discriminator": 0.02})
    found = [doctor.losses({"discriminator": 0.001, "generator": 9.0}) for _ in range(40)]
    assert sum(map(len, found)) == 1 and "the discriminator has all but won" in found[19][0]
    healthy = Doctor({"discriminator": 0.02})
    assert not any(healthy.losses({"discriminator": 0.9 * (i % 10)}) for i in range(100))


def test_the_doctor_sees_dead_and_exploding_gradients():
    doctor = Doctor()
    assert not any(doctor.gradients({"generator": 1 + i % 3}) for i in range(30))
    assert "gradients of the generator explode" in doctor.gradients({"generator": 1e5})[0]
    found = [f for _ in range(30) for f in doctor.gradients({"generator": 0.0})]
    assert len(found) == 1 and "no gradient reaches the generator" in found[0]


def test_the_doctor_sees_collapse_and_copies():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((64, 1, 8, 8))
    same = np.repeat(real[:1], 64, 0) + 0.01 * rng.standard_normal(real.shape)
    few = real[np.arange(64) % 5] + 0.001 * rng.standard_normal(real.shape)
    for made, word in ((same, "as different from each other"), (few, "are copies of another")):
        doctor = Doctor()
        assert doctor.samples(made, real) == []  # once may be chance
        (finding,) = doctor.samples(made, real)
        assert word in finding and "lower --lr" in finding
    doctor = Doctor()
    fresh = rng.standard_normal(real.shape)
    assert not any(doctor.samples(fresh, real) for _ in range(5))


def test_the_doctors_memory_is_part_of_a_checkpoint():
    doctor, other = Doctor({"generator": 1.0}), Doctor({"generator": 1.0})
    for i in range(15):
        doctor.losses({"generator": 0.0})
        doctor.gradients({"generator": float(i)})
    other.restore(json.loads(json.dumps(doctor.state())))
    assert other.state() == doctor.state()


class Breaking(GAN):
    """A GAN whose generator takes a logarithm of something that becomes negative at step 7."""

    key = "breaking"

    def generator_loss(self, fake, c):
        bad = -1.0 if self.updates >= 7 else 1.0
        return super().generator_loss(fake, c) + 0 * ops.log(fake.square().mean() * bad)


class BadBackward(GAN):
    """A GAN whose loss is finite at step 7, but not its derivative."""

    key = "bad-backward"

    def generator_loss(self, fake, c):
        zero = 0.0 if self.updates >= 7 else 1.0
        return super().generator_loss(fake, c) + (fake.square().sum() * zero) ** 0.5


class Poisoned(GAN):
    """A GAN whose weights hold an infinity from step 7 on, which no loss has seen yet."""

    key = "poisoned"

    def step(self, batch):
        losses = super().step(batch)
        if self.updates == 7:
            self.generator[0].bias.data.fill_(np.inf)
        return losses


def test_weights_that_are_not_numbers_are_never_saved(tmp_path, capsys):
    arguments = ["--data", "ring", *SMALL, "--checkpoint-every", 7, "--out", tmp_path / "run"]
    assert run(Poisoned, arguments, latent=2, width=8) == 1
    assert "generator.0.bias holds NaN or infinity" in capsys.readouterr().err
    for path in checkpoint.files(tmp_path / "run"):
        modules = checkpoint.read(path)["system"]["modules"].values()
        assert all(np.isfinite(t.numpy()).all() for m in modules for t in m.values())


@pytest.mark.parametrize(
    "system, words",
    [(Breaking, ["log produced NaN"]), (BadBackward, ["the derivative of", "generator_loss"])],
)
def test_nan_ends_the_run_names_the_operation_and_leaves_a_usable_checkpoint(
    system, words, tmp_path, capsys
):
    arguments = ["--data", "ring", *SMALL, "--checkpoint-every", 5, "--out", tmp_path / "run"]
    assert run(system, arguments, latent=2, width=8) == 1
    error = capsys.readouterr().err
    assert "step 7: " in error and "lower --lr" in error
    assert all(word in error for word in words), error
    state = checkpoint.read(checkpoint.files(tmp_path / "run")[-1])
    assert state["step"] <= 6
    weights = [t.numpy() for m in state["system"]["modules"].values() for t in m.values()]
    assert all(np.isfinite(w).all() for w in weights)
    assert (tmp_path / "run" / "report.html").exists()
    assert command(["sample", str(tmp_path / "run"), "--out", str(tmp_path / "s.png")]) == 0


@pytest.mark.parametrize("classes", [0, 3])
def test_pictures_of_any_kind_are_scored(classes, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path))
    train = metrics.Judge.train  # three shades are learned in far fewer steps than it would take
    monkeypatch.setattr(metrics.Judge, "train", lambda *sets, log, **_: train(*sets, 50, log=log))
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 400)
    x = rng.uniform(-1, 1, (400, 1, 8, 8)) * 0.3 + (label[:, None, None, None] - 1) * 0.5
    dataset = data.ArrayDataset("mine", x.astype(np.float32), label if classes else None)
    lines = {line.name: line for line in scorer(dataset)(dataset.take(200)["x"])}
    assert lines["Fréchet distance"].value < 0.1 * lines["Fréchet distance"].collapsed
    assert ("classes with 10.0% of the samples or more" in lines) == bool(classes)
    assert ("untrained" in lines["Fréchet distance"].note) == (not classes)


def test_points_of_no_known_density_and_few_pictures_have_no_score():
    few = np.zeros((100, 1, 8, 8), np.float32)
    assert scorer(data.ArrayDataset("few", few)) is None
    assert scorer(data.ArrayDataset("points", np.zeros((400, 2), np.float32))) is None


def test_figures_stand_beside_those_of_real_data_and_what_is_striking_is_said():
    digits = data.open("digits", size=28, n=600)
    score = scorer(digits)
    real = digits.take(600)["x"][1::2]
    assert [line.finding for line in score(real)] == [""] * 9
    noise = np.random.default_rng(0).uniform(-1, 1, real.shape).astype(np.float32)
    lines = {line.name.split(":")[0]: line for line in score(noise)}
    assert lines["precision"].real > 0.9 and "(real data 0.9" in str(lines["precision"])
    assert "most samples are unlike the data" in lines["precision"].finding
    assert "most of the data are unlike any sample" in lines["recall"].finding
    assert "rough" in lines["sharpness, real = 1"].finding
    few = np.repeat(digits.batch(np.arange(6))["x"], 50, 0)
    same = score(few)
    findings = " / ".join(line.finding for line in same)
    assert "samples repeat each other" in findings and "hardly any sample is of class" in findings


def test_the_doctor_sees_missing_classes():
    names, doctor = [str(i) for i in range(10)], Doctor()
    even = np.arange(64) % 10
    assert not any(doctor.classes(even, names) for _ in range(9))
    few = np.where(even == 7, 1, even)
    found = [f for _ in range(9) for f in doctor.classes(few, names)]
    assert len(found) == 1 and "and none of class 7" in found[0]
    doctor = Doctor()
    ones = np.where(np.arange(64) < 40, 1, even)
    found = [f for _ in range(9) for f in doctor.classes(ones, names)]
    assert len(found) == 1 and "of the samples are of class 1: the generator shows only" in found[0]
    many = [str(i) for i in range(1000)]  # of which 64 samples miss most
    assert not any(Doctor().classes(np.arange(64) * 5, many) for _ in range(9))


def test_a_run_on_pictures_shows_real_ones_neighbours_and_ways(tmp_path, capsys, monkeypatch):
    out, judged = tmp_path / "run", []
    few = data.open("digits", size=16, n=600)
    monkeypatch.setattr(data, "open", lambda *args, **options: few)
    monkeypatch.setattr(Doctor, "classes", lambda self, labels, names: judged.append(labels) or [])
    assert run(DCGAN, ["--data", "digits", *SMALL, "--out", out], width=4, latent=5) == 0
    assert len(judged) == 3 and all(len(labels) == 64 for labels in judged)
    assert "what stands out: precision" in capsys.readouterr().out
    assert {p.name for p in (out / "figures").iterdir()} == {
        "real.png", "neighbours.png", "ways.png",
    }  # fmt: skip
    page = (out / "report.html").read_text()
    order = ["last samples", "real pictures", "the training", "nearest", "from one z", "<table>"]
    places = [page.index(word) for word in order]
    assert places == sorted(places)
    assert "What stands out" in page and page.count("<img") == 6


def test_neighbours_are_the_nearest_training_pictures(monkeypatch):
    dataset = data.open("digits", size=16, n=300)
    system = DCGAN(shape=(1, 16, 16), width=4, latent=5)
    known, shown = dataset.take(300)["x"][:10], {}
    monkeypatch.setattr(system, "sample", lambda z, *c: np.resize(known, (len(z), 1, 16, 16)))
    monkeypatch.setattr(gallery.codes, "panels", lambda rows: shown.update(rows))
    made = gallery.gallery(system, dataset)
    (samples, _), (nearest, _) = shown.values()
    np.testing.assert_array_equal(samples, nearest)
    assert set(made) == {"real", "neighbours", "ways"}
    assert gallery.gallery(GAN(shape=(2,), latent=2), data.open("ring", n=300)) == {}


def test_what_a_doctor_sees_now_and_then_is_nothing_that_lasts():
    doctor = Doctor({})
    seen = [doctor._lasting("flat", present, times=3) for present in (1, 1, 0, 1, 1, 0, 1, 1, 1)]
    assert seen == [False] * 8 + [True]


def test_a_log_goes_back_to_a_checkpoint_without_a_word(tmp_path):
    metrics = log.MetricsLog(tmp_path / "m.jsonl").open()
    metrics.write({"step": 1})
    then = metrics.state()
    metrics.write({"step": 2})
    metrics.close()
    assert metrics.restore(then, step=1) is None
    assert (tmp_path / "m.jsonl").read_text() == '{"step": 1}\n'


def test_as_many_checkpoints_are_kept_as_are_asked_for(tmp_path):
    folder = train.RunFolder(tmp_path / "run").prepare()
    for step in range(1, 5):
        checkpoint.write(folder, step, {"step": step}, keep=2)
    assert [checkpoint.number(p) for p in checkpoint.files(folder.path)] == [3, 4]
