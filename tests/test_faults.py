"""What a run may not do to its user: lose a file, hide a reason, or change in silence."""

import argparse
import errno
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygan import data, train
from tinygan.backend.cpu import get_num_threads, set_num_threads
from tinygan.models import GAN
from tinygan.train import checkpoint, machine, pictures, report
from tinygan.train.doctor import Doctor

HOME = Path(__file__).parent.parent
SMALL = ["--data", "moons", "--device", "cpu", "--steps", 6, "--batch-size", 8, "--no-score"]
SMALL += ["--sample-every", 0, "--checkpoint-every", 2]


def run(arguments, study=None, **config):
    parser = train.options(argparse.ArgumentParser(prog="train_it.py"))
    settings = train.parse(parser, [str(a) for a in arguments])
    return train.run(GAN, settings, study, **{"latent": 2, "width": 8, **config})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Curves and points are drawn in no time: what they look like is tested elsewhere."""
    drawn = lambda *args, **options: Image.new("RGB", (4, 4))
    monkeypatch.setattr(pictures, "curves", drawn)
    monkeypatch.setattr(pictures, "plane", drawn)
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "run"
    assert run([*SMALL, "--out", folder]) == 0
    return folder


# -- the user's files ------------------------------------------------------------------------------


def stopped_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_a_run_left_half_written_itself_is_removed(tmp_path):
    out, gone, here = tmp_path / "run", stopped_process(), os.getppid()
    own = ["checkpoints/.step-0000002.safetensors.{}.part", "samples/.step-0000000.png.{}.part"]
    own += [".metrics.jsonl.{}.part", ".report.html.{}.part", "figures/.units.png.{}.part"]
    stale = [name.format(gone) for name in own]
    kept = [name.format(here) for name in own] + [
        ".thesis.part", f".thesis.{gone}.part", "film/.take-2.mp4.part", "samples/.mine.part",
        f"other/checkpoints/.step-0000002.safetensors.{gone}.part", ".probe", "samples/.probe",
        f"checkpoints/.step-2.safetensors.{gone}.part", f"figures/.my figure.png.{gone}.part",
    ]  # fmt: skip
    for name in stale + kept:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(name)
    assert run([*SMALL, "--out", out]) == 0
    assert [name for name in stale if (out / name).exists()] == []
    assert [name for name in kept if (out / name).read_text() != name] == []


@pytest.mark.parametrize(
    "name",
    [
        "report.html", "config.json", "metrics.jsonl", "losses.png", "samples.gif",
        "samples/step-0000010.png", "figures/mine.png",
    ],
)  # fmt: skip
def test_a_folder_with_files_of_the_users_is_not_written_over(name, tmp_path, capsys):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"mine": 1}')
    assert run([*SMALL, "--out", tmp_path]) == 1
    assert f"holds {Path(name).name}, which no run wrote" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == '{"mine": 1}'


def test_pictures_of_another_making_stay(tmp_path):
    (tmp_path / "samples").mkdir()
    others = [tmp_path / "samples" / name for name in ("step-99.png", "step-000010.png", "a.png")]
    for path in others:
        path.write_text("mine")
    assert run([*SMALL, "--out", tmp_path]) == 0
    assert all(path.read_text() == "mine" for path in others)


def test_a_checkpoint_outside_its_run_is_not_gone_on_from(finished, tmp_path, capsys):
    (tmp_path / "inner").mkdir()
    alone = shutil.copy(checkpoint.files(finished)[-1], tmp_path / "inner" / "weights.safetensors")
    assert run(["--resume", alone]) == 1
    assert "outside its run's folder" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "weights.safetensors"]


# -- disks and names -------------------------------------------------------------------------------


def study(system, test):
    return [], {"units": ("a figure", Image.new("RGB", (4, 4)))}


@pytest.mark.parametrize(
    "name, saved",
    [
        ("config.json", False), ("step-0000000.png", False), ("step-0000000.safetensors", False),
        ("step-0000004.safetensors", True), ("step-0000006.png", True), ("losses.png", True),
        ("samples.gif", True), ("report.html", True), ("units.png", True),
    ],
)  # fmt: skip
def test_a_full_disk_is_one_message_whatever_was_being_written(
    name, saved, tmp_path, capsys, monkeypatch
):
    replace, out = os.replace, tmp_path / "run"

    def full(source, target):
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert run([*SMALL, "--out", out], study) == 1
    error = capsys.readouterr().err
    assert "error: could not" in error and "No space left on device" in error
    assert "Traceback" not in error and (name in error or "could not save step" in error)
    assert (f"go on with --resume {out}" in error) == saved
    assert ("there is no checkpoint yet, so begin again" in error) != saved
    monkeypatch.undo()
    assert run(["--resume", out] if saved else [*SMALL, "--out", out], study) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's device that is full")
def test_a_disk_that_is_full_for_the_log(tmp_path, capsys, monkeypatch):
    start = train.loop.Trainer.run

    def onto_a_full_device(trainer):
        trainer.log.path = Path("/dev/full")
        return start(trainer)

    monkeypatch.setattr(train.log.MetricsLog, "sync", lambda self: None)  # the device has none
    monkeypatch.setattr(train.loop.Trainer, "run", onto_a_full_device)
    assert run([*SMALL, "--out", tmp_path / "run"]) == 1
    error = capsys.readouterr().err
    assert "could not write /dev/full: No space left on device" in error
    assert "go on with --resume" in error and "Traceback" not in error


def test_only_the_space_that_a_run_needs_is_asked_for(tmp_path, monkeypatch, capsys):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=18_000_000))
    assert run([*SMALL, "--keep", 10_000, "--out", tmp_path / "short"]) == 0
    long = ["--steps", 100_000, "--checkpoint-every", 1, "--keep", 10_000]
    assert run([*SMALL, *long, "--out", tmp_path / "long"]) == 1
    assert "MB free, and the run needs about" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_names_that_are_not_text(tmp_path, capsys):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/runs of \xe9"))
    for i in range(24):
        kind = folder / os.fsdecode(b"\xff" if i % 2 else b"\xfe")
        kind.mkdir(exist_ok=True)
        picture = Image.fromarray(np.full((8, 8), 10 * i, np.uint8))
        picture.save(kind / f"{i}.png")
    assert run([*SMALL, "--data", folder, "--out", out]) == 0
    page = (out / "report.html").read_text()
    assert "caf\\udce9" in page
    assert "caf\\udce9" in capsys.readouterr().out
    assert run(["--resume", out, "--steps", 8]) == 0


def test_a_terminal_that_cannot_show_a_character_gets_it_escaped(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import train_gan; from tinygan import"
        " __main__ as command; out = sys.argv[2]\n"
        "assert train_gan.main('--data ring --steps 3 --batch-size 8 --width 8 --out'.split() +"
        " [out]) == 0\n"
        "assert command.main(['sample', out, '--out', out + '/s.png']) == 0\n"
        "assert command.main(['sample', 'nowhere\\u03c3']) == 1\n"
        "assert command.main(['info']) == 0"
    )
    arguments = ["-c", program, str(HOME / "examples"), str(tmp_path / "caf\u00e9")]
    environment = {"PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, *arguments], capture_output=True,
        env=os.environ | environment | {"PYTHONPATH": str(HOME), "TINYGAN_DEVICE": "cpu"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert b"within 3\\u03c3" in result.stdout and b"nowhere\\u03c3" in result.stderr


def test_the_streams_of_a_notebook_are_left_alone(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    train.console.never_fail_to_print()
    assert sys.stdout is stream


# -- taking up a run -------------------------------------------------------------------------------


class Killed(BaseException):
    """The end of a process, for all that a run can do about it."""


def test_a_run_with_several_steps_of_d_for_one_of_g_resumes_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(Doctor, "gradients", lambda self, norms: [str(norms)])  # all that it reads
    long = [*SMALL, "--steps", 7, "--checkpoint-every", 1]
    assert run([*long, "--out", tmp_path / "whole"], n_critic=3) == 0
    whole = (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert whole.count(b"'generator'") == 2 and whole.count(b"'discriminator'") == 7
    step = GAN.step
    for last in range(7):
        out = tmp_path / f"killed-{last}"

        def killed(self, batch, last=last):
            if self.updates == last:
                raise Killed
            return step(self, batch)

        monkeypatch.setattr(GAN, "step", killed)
        with pytest.raises(Killed):
            run([*long, "--out", out], n_critic=3)
        monkeypatch.setattr(GAN, "step", step)
        assert run(["--resume", out]) == 0
        assert (out / "metrics.jsonl").read_bytes() == whole, last
        ends = [checkpoint.read(checkpoint.files(r)[-1]) for r in (out, tmp_path / "whole")]
        ours, theirs = ({**end, "elapsed": 0} for end in ends)
        assert checkpoint.checksum(ours) == checkpoint.checksum(theirs), last


@pytest.fixture
def folder_run(tmp_path):
    """Pictures in a folder, and a run on them."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(19):
        picture = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
        picture.save(folder / f"{i:02d}.png", compress_level=0)
    assert run([*SMALL, "--data", folder, "--out", tmp_path / "run"]) == 0
    return folder, tmp_path / "run"


def test_a_run_goes_on_only_with_its_own_data(folder_run, tmp_path, capsys):
    folder, out = folder_run
    for change, what in (
        (lambda: (folder / "00.png").rename(folder / "19.png"), "the names of files"),
        (lambda: (folder / "03.png").write_bytes((folder / "04.png").read_bytes()), "the content"),
        (lambda: (folder / "03.png").unlink(), "items: 19 then, 18 now"),
        (lambda: Image.new("L", (8, 8)).save(folder / "03.png"), "the sizes of files"),
        (lambda: [Image.new("RGB", (8, 8)).save(p) for p in folder.iterdir()], "shape: [1, 8, 8]"),
    ):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        change()
        assert run(["--resume", out, "--steps", 8]) == 1
        error = capsys.readouterr().err
        assert f"error: {folder}: these are not the data" in error and what in error
        for path in folder.iterdir():
            path.unlink()
        for name, content in before.items():
            (folder / name).write_bytes(content)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert run(["--resume", out, "--steps", 8]) == 0


def test_a_fingerprint_does_not_see_the_last_bits():
    x = np.random.default_rng(0).uniform(-1, 1, (100, 1, 8, 8)).astype(np.float32)
    prints = [data.fingerprint(data.ArrayDataset("x", x * s)) for s in (1, 1 + 1e-6, 1.05)]
    assert data.differences(prints[0], prints[1]) == []
    assert "the content of" in data.differences(prints[0], prints[2])[0]
    assert json.loads(json.dumps(prints[0])) == prints[0]


def test_a_resumed_run_says_when_its_bits_will_differ(tmp_path, capsys):
    out = tmp_path / "run"
    assert run([*SMALL, "--threads", 1, "--out", out]) == 0
    kept = json.loads((out / "config.json").read_text())["machine"]
    assert kept["threads"] == "1" and {"BLAS", "CPU", "NumPy", "device"} <= set(kept)
    assert run(["--resume", out, "--steps", 8]) == 0
    assert "last bits" not in capsys.readouterr().out
    assert run(["--resume", out, "--steps", 9, "--threads", 2]) == 0
    assert "last bits will differ" in (said := capsys.readouterr().out)
    assert "threads was 1, is 2" in said


def test_what_decides_the_last_bits_is_told():
    here = machine.facts()
    assert str(np.__version__) == here["NumPy"] and here["threads"] == str(get_num_threads())
    assert machine.changes(here, here) == []
    other = {**here, "BLAS": "mkl", "TINYGAN_CONV": "direct"}
    told = machine.changes(here, other)
    assert told == [f"BLAS was {here['BLAS']}, is mkl", "TINYGAN_CONV was not set, is direct"]


def test_the_command_that_resumes_can_be_pasted(tmp_path, capsys, monkeypatch):
    out, step = tmp_path / "it's; a run", GAN.step

    def stop(self, batch):
        if self.updates == 2:
            os.kill(os.getpid(), 2)
        return step(self, batch)

    monkeypatch.setattr(GAN, "step", stop)
    monkeypatch.setattr(sys, "argv", ["my programs/train gan.py"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    assert run([*SMALL, "--out", out]) == 130
    line = capsys.readouterr().out.split("To go on:\n")[1].splitlines()[0]
    assert shlex.split(line) == ["python", "my programs/train gan.py", "--resume", str(out)]
    assert run([*SMALL, "--out", out]) == 1
    assert f"--resume {shlex.quote(str(out))}" in capsys.readouterr().err


def test_a_report_shows_a_name_that_is_no_text(finished):
    folder = train.RunFolder(finished)
    report.write(folder, "caf\udce9", {}, [], [])
    assert "caf\\udce9" in folder.report.read_text()


def test_a_run_whose_reader_has_gone_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def gone(trainer, moment):
        if trainer.step == 3:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(train.loop.Trainer, "_each", gone)
    assert run([*SMALL, "--out", tmp_path / "run"]) == 1
    error = capsys.readouterr().err
    assert "has ended; the last good checkpoint is" in error and "Free some space" not in error
