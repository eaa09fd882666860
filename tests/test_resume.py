"""A run killed, stopped, or with damaged files goes on exactly, or says why it cannot."""

import argparse
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from tinygan import io, train
from tinygan.models import DCGAN, GAN
from tinygan.train import checkpoint
from tinygan.train.folder import RunError, RunFolder

HOME = Path(__file__).parent.parent
STEPS = 40
PROGRAM = """
import argparse, os, sys
from tinygan import train
from tinygan.models import DCGAN

def main(arguments):
    parser = argparse.ArgumentParser(prog="train_tiny.py")
    train.options(parser, steps=40, batch_size=8, sample_every=10, checkpoint_every=6, ema=0.9)
    settings = train.parse(parser, arguments)
    return train.run(DCGAN, settings, width=4, latent=5, lr=settings.values.lr)
"""
namespace = {}
exec(PROGRAM, namespace)
main = namespace["main"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with data: 96 images of noisy squares."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (96, 16, 16, 1), dtype=np.uint8)
    for i, image in enumerate(images):
        x, y = rng.integers(0, 10, 2)
        image[y : y + 6, x : x + 6] += np.uint8(100 + i)
    np.save(folder / "squares.npy", images)
    return folder


def common(home):
    return ["--data", str(home / "squares.npy"), "--device", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def undisturbed(home):
    assert main([*common(home), "--out", str(home / "undisturbed")]) == 0
    return home / "undisturbed"


def everything(run):
    """All that must not depend on whether the run was disturbed, by name."""
    state = checkpoint.read(checkpoint.files(run)[-1])
    state.pop("elapsed")
    contents = {"state": checkpoint.checksum(state), "step": state["step"]}
    for path in [run / "metrics.jsonl", run / "samples.gif", *sorted((run / "samples").iterdir())]:
        contents[path.name] = path.read_bytes()
    return contents


def assert_same(run, reference):
    ours, theirs = everything(run), everything(reference)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []


# -- killed ----------------------------------------------------------------------------------------

KILLER = PROGRAM + textwrap.dedent("""
    import random, signal, time, warnings
    from pathlib import Path

    warnings.simplefilter("ignore")
    data, folder, kills = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    common = ["--data", data, "--device", "cpu", "--threads", "1"]

    def child(arguments, after):
        process = os.fork()
        if process == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            status = 99
            try:
                status = main(arguments)
            finally:
                os._exit(status)
        if after is not None:
            time.sleep(after)
            os.kill(process, signal.SIGKILL)
        return os.waitpid(process, 0)[1]

    begun = time.monotonic()
    assert child([*common, "--out", str(folder / "timed")], None) == 0
    length, killed, runs = time.monotonic() - begun, 0, 0
    random.seed(1)
    while killed < kills:
        run = folder / f"killed-{runs}"
        runs += 1
        for attempt in range(30):
            begun = any((run / "checkpoints").glob("step-*.safetensors"))
            arguments = ["--resume", str(run)] if begun else [*common, "--out", str(run)]
            last = killed >= kills or attempt > 8
            status = child(arguments, None if last else random.uniform(0, 0.7 * length))
            if status == 0:
                break
            assert status == signal.SIGKILL, status
            killed += 1
        else:
            raise SystemExit("never got to the end")
    print(killed, runs)
""")


def test_a_run_killed_at_any_moment_ends_as_if_undisturbed(home, undisturbed):
    script = home / "killer.py"
    script.write_text(KILLER)
    arguments = [sys.executable, str(script), str(home / "squares.npy"), str(home), "8"]
    result = subprocess.run(
        arguments, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(HOME)}
    )
    assert result.returncode == 0, result.stderr[-3000:]
    killed, runs = map(int, result.stdout.split())
    assert killed >= 8
    for i in range(runs):
        assert_same(home / f"killed-{i}", undisturbed)


@pytest.mark.slow
def test_a_run_killed_at_two_hundred_moments(home, undisturbed):
    folder = home / "many"
    folder.mkdir()
    script = folder / "killer.py"
    script.write_text(KILLER)
    arguments = [sys.executable, str(script), str(home / "squares.npy"), str(folder), "200"]
    result = subprocess.run(
        arguments, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(HOME)}
    )
    assert result.returncode == 0, result.stderr[-3000:]
    for i in range(int(result.stdout.split()[1])):
        assert_same(folder / f"killed-{i}", undisturbed)


# -- stopped ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_saves_and_says_how_to_resume(home, undisturbed, number):
    script, run = home / "train_tiny.py", home / f"stopped-{int(number)}"
    script.write_text(PROGRAM + "\nsys.exit(main(None))\n")
    arguments = [sys.executable, str(script), *common(home), "--out", str(run)]
    process = subprocess.Popen(
        [*arguments, "--checkpoint-every", "0", "--steps", "4000", "--schedule", "constant"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONPATH": str(HOME)},
    )  # fmt: skip
    waited = time.monotonic()
    while not (run / "samples" / "step-0000010.png").exists():
        assert process.poll() is None and time.monotonic() - waited < 60
        time.sleep(0.01)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number, output
    assert f"python {script} --resume {run}" in output
    step = checkpoint.read(checkpoint.files(run)[-1])["step"]
    assert 10 <= step < 4000 and f"stopped at step {step}" in output
    assert (run / "report.html").exists()
    if step <= STEPS:
        assert main(["--resume", str(run), "--steps", str(STEPS)]) == 0
        ours, theirs = (checkpoint.read(checkpoint.files(r)[-1]) for r in (run, undisturbed))
        assert checkpoint.checksum(ours["system"]) == checkpoint.checksum(theirs["system"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_ends_as_if_undisturbed(home, undisturbed, number, monkeypatch, capsys):
    run, step = home / f"paused-{int(number)}", DCGAN.step

    def interrupted(self, batch):
        if self.updates in (7, 22):
            os.kill(os.getpid(), number)
        return step(self, batch)

    monkeypatch.setattr(DCGAN, "step", interrupted)
    assert main([*common(home), "--out", str(run)]) == 128 + number
    monkeypatch.undo()
    assert "stopped at step 8; everything is saved" in capsys.readouterr().out
    assert main(["--resume", str(run)]) == 0
    assert_same(run, undisturbed)


def test_a_finished_run_can_be_made_longer(home, undisturbed, capsys):
    run = home / "longer"
    assert main([*common(home), "--out", str(run), "--steps", "20"]) == 0
    assert main(["--resume", str(run)]) == 0
    assert "it is finished; give more --steps" in capsys.readouterr().out
    assert main(["--resume", str(run), "--steps", str(STEPS)]) == 0
    ours, theirs = (checkpoint.read(checkpoint.files(r)[-1]) for r in (run, undisturbed))
    assert checkpoint.checksum(ours["system"]) == checkpoint.checksum(theirs["system"])


def test_an_older_checkpoint_can_be_taken_up(home, undisturbed):
    run = copied(undisturbed, home / "rewound")
    assert main(["--resume", str(checkpoint.files(run)[0])]) == 0
    for path in (run / "checkpoints").glob("*.set-aside"):
        path.unlink()
    assert_same(run, undisturbed)


# -- damaged ---------------------------------------------------------------------------------------


def copied(run, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run, target)
    return target


def truncated(run, target, path, length):
    copy = copied(run, target)
    with open(copy / path, "r+b") as file:
        file.truncate(length)
    return copy


def cases(run, count, seed=0):
    """Files of a run with lengths to cut them to: the ends, and random ones between."""
    rng = np.random.default_rng(seed)
    paths = sorted(p.relative_to(run) for p in run.rglob("*") if p.is_file())
    for i in range(count):
        path = paths[i % len(paths)]
        size = (run / path).stat().st_size
        yield path, int([0, size - 1, *rng.integers(0, size, 3)][(i // len(paths)) % 5])


def test_files_cut_short_are_noticed_or_do_not_matter(home, undisturbed, capsys):
    """200 cuts: what a run would go on from is always whole, and of the step it says."""
    good = {p.name: checkpoint.checksum(checkpoint.read(p)) for p in checkpoint.files(undisturbed)}
    copy, refused = copied(undisturbed, home / "cut"), 0
    for path, length in cases(undisturbed, 220):
        original = (undisturbed / path).read_bytes()
        (copy / path).write_bytes(original[:length])
        said = []
        _, state = checkpoint.find(copy, said.append)
        name = f"step-{state['step']:07d}.safetensors"
        assert checkpoint.checksum(state) == good[name]
        if path.suffix == ".safetensors":
            with pytest.raises(RunError, match=f"{path.name}.*this one is good"):
                checkpoint.find(copy / path)
            refused += 1
            newest = max(good)
            assert (name != newest) == (path.name == newest) == bool(said)
        (copy / path).write_bytes(original)
    assert refused > 30


@pytest.mark.parametrize(
    "count", [6, pytest.param(200, marks=pytest.mark.slow, id="every file, many cuts")]
)
def test_a_run_resumes_from_files_cut_short(home, undisturbed, count, capsys):
    for path, length in cases(undisturbed, count, seed=1):
        run = truncated(undisturbed, home / "shortened", path, length)
        assert main(["--resume", str(run)]) == 0, path
        capsys.readouterr()
        ours, theirs = everything(run), everything(undisturbed)
        assert ours["state"] == theirs["state"] or path.name == "metrics.jsonl", path
        same = {name for name in ours if ours[name] == theirs[name]}
        assert set(theirs) - same <= {path.name, "samples.gif", "state"}, path


def test_nothing_left_to_resume_from(home, undisturbed, capsys):
    run = copied(undisturbed, home / "ruined")
    for path in checkpoint.files(run):
        path.write_bytes(b"not a checkpoint at all")
    assert main(["--resume", str(run)]) == 1
    error = capsys.readouterr().err
    assert "no checkpoint can be used" in error and "not a safetensors file" in error
    assert main(["--resume", str(home / "nowhere")]) == 1
    assert "there is no such run" in capsys.readouterr().err
    (home / "empty").mkdir(exist_ok=True)
    assert main(["--resume", str(home / "empty")]) == 1
    assert "no checkpoint in it" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["weights alone", "pickle", "changed"])
def test_a_foreign_or_changed_file_is_refused(home, undisturbed, kind):
    run = copied(undisturbed, home / "foreign")
    newest = checkpoint.files(run)[-1]
    if kind == "weights alone":
        io.save(checkpoint.read(newest)["system"]["modules"]["generator"], newest)
        reason = "not a checkpoint of a run"
    elif kind == "pickle":
        newest.write_bytes(b"\x80\x04\x95" + bytes(100))
        reason = "is not a safetensors file"
    else:
        content = bytearray(newest.read_bytes())
        content[-1000] ^= 1
        newest.write_bytes(content)
        reason = "checksum does not fit"
    with pytest.raises(RunError, match=f"{reason}.*this one is good: .*step-0000036"):
        checkpoint.find(newest)
    said = []
    _, state = checkpoint.find(run, said.append)
    assert state["step"] == 36 and reason in said[0]


def reheaded(content, change):
    """A file whose header, and the structure in it, `change` has altered."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    notes = header["__metadata__"]
    structure = json.loads(notes["tinygan.structure"])
    change(header, structure)
    header["__metadata__"] = {**notes, "tinygan.structure": json.dumps(structure)}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


WEIGHT = "system.modules.generator"  # the beginning of tensors' names


def weights(header, axes):
    return [k for k, v in header.items() if k.startswith(WEIGHT) and len(v["shape"]) == axes]


def turned(header, structure):
    entry = header[weights(header, 4)[0]]
    entry["shape"] = entry["shape"][::-1]


def retyped(header, structure):
    header[weights(header, 4)[0]]["dtype"] = "I32"


def swapped(header, structure):
    a, b = (header[name] for name in weights(header, 1)[:2])
    a["data_offsets"], b["data_offsets"] = b["data_offsets"], a["data_offsets"]


def renamed(header, structure):
    modules = structure["system"]["modules"]
    modules["generator "] = modules.pop("generator")


def nested(header, structure):
    modules = structure["system"]["modules"]
    modules["generator"] = {"0": modules["generator"]}


def one_less(header, structure):
    structure["step"] -= 1


def of_another_kind(header, structure):
    structure["options"] = list(structure["options"])


CRAFTED = [
    (turned, "checksum"), (retyped, "checksum"), (swapped, "its header puts|checksum"),
    (renamed, "checksum"), (nested, "checksum"), (one_less, "checksum"),
    (of_another_kind, "checksum"),
    (lambda header, structure: header["__metadata__"].pop("format"), "not a checkpoint of a run"),
    (lambda header, structure: header["__metadata__"].update(format="tinygan run 1"),
     r"written by an older tinygan \('tinygan run 1'; this one reads 'tinygan run 2'\)"),
    (lambda header, structure: structure.clear(), "its structure does not fit its tensors"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), CRAFTED)
def test_a_crafted_checkpoint_is_refused_and_the_one_before_it_used(
    home, undisturbed, change, reason
):
    run = copied(undisturbed, home / "crafted")
    newest = checkpoint.files(run)[-1]
    newest.write_bytes(reheaded(newest.read_bytes(), change))
    with pytest.raises(RunError, match=rf"({reason}).*this one is good: .*step-0000036"):
        checkpoint.find(newest)
    said = []
    _, state = checkpoint.find(run, said.append)
    assert state["step"] == 36 and re.search(reason, said[0])


def test_parts_of_another_kind_are_refused_though_the_checksum_fits(home, undisturbed):
    run = copied(undisturbed, home / "kinds")
    newest = checkpoint.files(run)[-1]
    good = checkpoint.read(newest)
    for part, value, reason in (
        ("options", [], "options: missing, or not what"), ("step", True, "step: missing, or not"),
        ("step", 12, "is of step 12, which its name does not say"),
    ):  # fmt: skip
        state = {**good, part: value}
        notes = {"format": checkpoint.FORMAT, "checksum": str(checkpoint.checksum(state))}
        io.save(state, newest, notes)
        with pytest.raises(io.FileError, match=reason):
            checkpoint.read(newest)
    notes["checksum"] = str(checkpoint.checksum(good))
    io.save(good, home / "kinds" / "best.safetensors", notes)  # under a name of one's own
    assert checkpoint.read(home / "kinds" / "best.safetensors")["step"] == 40


def test_what_is_no_file_is_passed_over(home, undisturbed):
    run = copied(undisturbed, home / "no-files")
    os.mkfifo(run / "checkpoints" / "step-0000050.safetensors")
    (run / "checkpoints" / "step-0000060.safetensors").mkdir()
    (run / "checkpoints" / "step-²³.safetensors").write_text("no number")
    said = []
    assert checkpoint.find(run, said.append)[1]["step"] == STEPS
    assert "a folder, not a file" in said[0] and "a pipe, not a file" in said[1]
    state = checkpoint.read(checkpoint.files(run)[-3])
    checkpoint.write(RunFolder(run), 70, {**state, "step": 70}, keep=1)
    left = [p.name for p in checkpoint.files(run) if p.is_file()]
    assert left == ["step-0000070.safetensors"]


def test_unreadable_checkpoints_are_passed_over_and_unreadable_runs_explained(
    home, undisturbed, monkeypatch
):
    """Tests may run as root, who can read everything: so the refusal is simulated."""
    newest, opened = checkpoint.files(undisturbed)[-1], io.open_file

    def closed(path):
        if Path(path) == newest:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path)

    with monkeypatch.context() as patch:
        patch.setattr(io, "open_file", closed)
        said = []
        assert checkpoint.find(undisturbed, said.append)[1]["step"] == 36
        assert "step-0000040.safetensors: cannot be read (Permission denied)" in said[0]

    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    for owner, name, place in ((os, "listdir", "checkpoints"), (os, "stat", "undisturbed")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, forbidden)
            with pytest.raises(RunError, match=rf"{place}: cannot be read \(Permission denied\)"):
                checkpoint.find(undisturbed)


# -- places that cannot be written -----------------------------------------------------------------


def test_an_unwritable_place_is_found_at_the_start(home, capsys):
    (home / "a-file").write_text("")
    assert main([*common(home), "--out", str(home / "a-file" / "run")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main([*common(home), "--out", str(home / "a-file")]) == 1
    assert "is a file; expected a folder" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(home, capsys):
    folder = home / "read-only"
    folder.mkdir(mode=0o500)
    assert main([*common(home), "--out", str(folder / "run")]) == 1
    assert "Permission denied" in capsys.readouterr().err


def test_a_full_disk_leaves_the_last_good_checkpoint(home, undisturbed, capsys, monkeypatch):
    run, write = home / "full", io.write_atomically

    def full(path, content):
        if Path(path).name == "step-0000018.safetensors":
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(io, "write_atomically", full)
    assert main([*common(home), "--out", str(run)]) == 1
    error = capsys.readouterr().err
    assert "could not save step 18" in error and "No space left" in error
    assert "last good checkpoint is" in error and "step-0000012.safetensors" in error
    monkeypatch.undo()
    assert main(["--resume", str(run)]) == 0
    assert_same(run, undisturbed)


def test_too_little_space_is_found_at_the_start(home, capsys, monkeypatch):
    usage = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert main([*common(home), "--out", str(home / "tight")]) == 1
    assert "MB free, and the run needs about" in capsys.readouterr().err


# -- settings --------------------------------------------------------------------------------------


def test_what_a_resumed_run_may_change(home, undisturbed, capsys):
    run = copied(undisturbed, home / "changed")
    assert main(["--resume", str(run), "--batch-size", "4"]) == 1
    assert "--batch-size 4 differs from the run's 8" in capsys.readouterr().err
    assert main(["--resume", str(run), "--out", "elsewhere"]) == 1
    assert "--out cannot go with --resume" in capsys.readouterr().err
    assert main(["--resume", str(run), "--steps", "44", "--lr", "1e-5"]) == 0
    assert "the learning rate is 1e-05 from here on" in capsys.readouterr().out
    state = checkpoint.read(checkpoint.files(run)[-1])
    assert state["step"] == 44
    rates = [o["param_groups"][0]["lr"] for o in state["system"]["optimizers"].values()]
    assert rates == [1e-5, 1e-5]


def test_a_folder_with_a_run_is_not_written_over(home, undisturbed, capsys):
    assert main([*common(home), "--out", str(undisturbed)]) == 1
    assert (
        f"holds a run already: go on with it by --resume {undisturbed}" in capsys.readouterr().err
    )


def test_another_systems_run_is_not_resumed(undisturbed, capsys):
    parser = train.options(argparse.ArgumentParser())
    settings = train.parse(parser, ["--resume", str(undisturbed)])
    assert train.run(GAN, settings) == 1
    assert "is a run of 'dcgan', not of 'gan'" in capsys.readouterr().err
    assert DCGAN.key == "dcgan"


def test_the_log_has_every_step_once(undisturbed):
    content = (undisturbed / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in content.splitlines()]
    steps = [line["step"] for line in lines if "losses" in line]
    assert steps == list(range(1, STEPS + 1))
