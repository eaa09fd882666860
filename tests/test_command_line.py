"""Every option of every example: what makes no sense is refused, in one message."""

import argparse
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygan import data, train
from tinygan.__main__ import main as command
from tinygan.models import DCGAN, VAE
from tinygan.train import codes, pictures

HOME = Path(__file__).parent.parent
TRAININGS = sorted(path.stem for path in (HOME / "examples").glob("train_*.py"))
BAD = ["-1", "nan", "inf", "1e999", "9" * 30, "abc", "", " "]
MAY_BE_0 = {"seed", "sample_every", "checkpoint_every", "score_every", "ema", "beta", "free_bits",
            "information", "weight", "pull", "penalty", "beta1", "alpha"}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Curves are drawn in no time: what they look like is tested elsewhere."""
    monkeypatch.setattr(pictures, "curves", lambda records: Image.new("RGB", (4, 4)))


def example(name):
    spec = importlib.util.spec_from_file_location(name, HOME / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Seen(Exception):
    pass


def parser_of(name):
    """The parser that an example makes, as it is when it is about to be used."""
    with pytest.MonkeyPatch.context() as patch:

        def see(parser, *args):
            raise Seen(parser)

        patch.setattr(argparse.ArgumentParser, "parse_args", see)
        with pytest.raises(Seen) as seen:
            example(name).main([])
    return seen.value.args[0]


def refused(parser, arguments, capsys):
    """The message that refuses the arguments; None if they are accepted."""
    try:
        parser.parse_args(arguments)
    except SystemExit:
        return capsys.readouterr().err.splitlines()[-1]
    return None


@pytest.mark.parametrize("name", TRAININGS)
def test_no_option_takes_what_makes_no_sense(name, capsys):
    parser = parser_of(name)
    valued = [a for a in parser._actions if a.option_strings and a.nargs != 0]
    assert len(valued) >= 3
    for action in valued:
        option, free = action.option_strings[0], action.type is train.some_text
        for value in [v for v in BAD if not free or not v.strip()]:
            message = refused(parser, [option, value], capsys)
            assert message, f"{option} {value!r} was accepted"
            assert re.search(rf"argument {option}: (expected|invalid choice)", message), message
        if not free:
            assert (refused(parser, [option, "0"], capsys) is None) == (action.dest in MAY_BE_0)


@pytest.mark.parametrize("name", TRAININGS)
def test_the_defaults_are_allowed(name):
    parser = parser_of(name)
    for action in parser._actions:
        if action.type is not None and action.default is not None:
            values = action.default if isinstance(action.default, list) else [action.default]
            assert [action.type(str(value)) for value in values] == values


NOWHERE = "/dev/null/there"


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("train_cvae", "--data ring", "'bernoulli' is of pixels, but the examples are points"),
        ("train_vae", "--data ring", "train on images, or choose 'gaussian'"),
        ("train_ae", "--data ring", "'bce' is of pixels"),
        ("train_dcgan", "--data ring", "expected square images"),
        ("train_dcgan", "--data {grey} --size 50", "expected square images"),
        ("train_cvae", "--data {grey}", "needs data with classes; these have none"),
        ("train_cgan", "--data {grey} --size 16", "these data have no classes: choose --data"),
        ("train_acgan", "--data ring --net dcgan", "expected square images (C, S, S)"),
        ("train_infogan", "--data ring --net dcgan", "or net 'mlp'"),
        ("train_text2image", "--data digits", "have no captions: choose --data shapes"),
        ("train_mse_vs_adversarial", "--data ring", "choose --data digits"),
        ("train_gan", "--data {grey} --batch-size 99", "choose a smaller --batch-size"),
        ("train_gan", "--data {mixed}", "to make all alike"),
        ("train_gan", "--data {grey} --out {nowhere}/run", "cannot be written"),
        ("train_gan", "--data {grey} --out {long}", "name too long"),
        ("train_gan", "--data {long}", "error: "),
        ("train_gan", "--resume {long}", "error: "),
        ("train_gan", "--data ring --device tpu", "unknown device 'tpu'"),
        ("train_gan", "--data ring --channels 3", "'channels' is for files"),
        ("train_xor", "--graph {nowhere}/g.png", "argument --graph"),
        ("train_xor", "--graph g.xyz", "argument --graph"),
    ],
)
def test_what_cannot_be_done_is_one_message(name, arguments, message, folders, capsys):
    arguments = [word.format(**folders) for word in arguments.split()]
    if "--resume" not in arguments and "--batch-size" not in arguments and name != "train_xor":
        arguments += ["--batch-size", "8"]
    try:
        status = example(name).main(arguments)
    except SystemExit as end:
        status = end.code
    error = capsys.readouterr().err
    assert status in (1, 2) and message in error and error.count("error: ") == 1


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of 24 pictures of 16 px: grey; some grey, some in colour; of three classes."""
    home, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(24):
        pixels = rng.integers(0, 80, (16, 16), dtype=np.uint8) + np.uint8(60 * (i % 3))
        grey = Image.fromarray(pixels)
        kinds = {"grey": grey, "mixed": grey.convert("RGB") if i % 4 else grey}
        for name, picture in {**kinds, f"classes/{'abc'[i % 3]}": grey}.items():
            (home / name).mkdir(exist_ok=True, parents=True)
            picture.save(home / name / f"{i:02d}.png")
    (home / "classes" / "a" / "broken.png").write_bytes(b"no picture")
    names = {name: str(home / name) for name in ("grey", "mixed", "classes")}
    return {**names, "nowhere": NOWHERE, "long": str(home / ("x" * 300)), "home": str(home)}


# -- small data, to the end ------------------------------------------------------------------------

TINY = ["--steps", "3", "--batch-size", "8", "--device", "cpu", "--sample-every", "0"]


@pytest.mark.parametrize(
    "name, arguments, said",
    [
        ("train_ae", "--hidden 8", "squared error of a pixel"),
        ("train_vae", "--hidden 8", r"NLL by 500 .* of 2 images"),
        ("train_cvae", "--hidden 8", "−ELBO given the class"),
        ("train_cvae", "--hidden 8 --given quadrants", "given one quadrant"),
        ("train_gan", "--width 8", "trained 3 steps"),
        ("train_cgan", "--width 4", "trained 3 steps"),
        ("train_cgan_heads", "--net mlp", "trained 3 steps"),
        ("train_acgan", "--width 4", "trained 3 steps"),
        ("train_infogan", "--width 4", "what Q reads of the category"),
        ("train_mse_vs_adversarial", "--width 4", "adversarial alone: sharpness"),
    ],
)
def test_a_small_folder_is_trained_on_to_the_end(name, arguments, said, folders, tmp_path, capsys):
    place = ["--data", folders["classes"], "--skip-damaged", "--size", "16"]
    out = ["--out", str(tmp_path / "run")]
    assert example(name).main([*TINY, *place, *out, *arguments.split()]) == 0
    shown = capsys.readouterr().out
    assert re.search(said, shown)
    assert "left out 1 damaged item" in shown and "broken.png" in shown
    assert (tmp_path / "run" / "report.html").exists()


def test_grey_and_coloured_pictures_can_be_mixed(folders, tmp_path, capsys):
    for channels, latent in (("1", 32), ("3", 32)):
        out = tmp_path / channels
        more = ["--data", folders["mixed"], "--channels", channels, "--out", str(out)]
        assert example("train_gan").main([*TINY, *more]) == 0
        state = train.checkpoint.read(train.checkpoint.files(out)[-1])
        assert state["config"]["shape"] == [int(channels), 16, 16]
        assert state["config"]["latent"] == latent  # of images; points have 2
        assert example("train_gan").main(["--resume", str(out), "--steps", "4"]) == 0
    capsys.readouterr()


def test_what_suits_the_data_gives_way_to_what_was_asked(folders, tmp_path, capsys):
    more = ["--data", folders["grey"], "--latent", "3", "--ema", "0", "--out", str(tmp_path / "r")]
    assert example("train_gan").main([*TINY, *more]) == 0
    state = train.checkpoint.read(train.checkpoint.files(tmp_path / "r")[-1])
    assert state["config"]["latent"] == 3 and state["options"]["ema"] == 0
    assert state["config"]["n_critic"] == 1


def test_pictures_show_all_classes_of_a_sorted_set():
    label = np.repeat(np.arange(10), 20)
    batch = {"x": np.zeros((200, 1, 4, 4)), "label": label}
    assert sorted(label[codes.of_all_classes(batch, 12)]) == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert codes.of_all_classes({"x": np.zeros((3, 1))}, 12).tolist() == [0, 1, 2]
    assert codes.of_all_classes({"x": np.zeros((30, 1))}, 3).tolist() == [0, 10, 20]


def test_a_cvae_is_judged_by_a_judge_of_training_data(folders, monkeypatch, capsys):
    module, asked = example("train_cvae"), []
    monkeypatch.setattr(module, "judge_for", asked.append)

    def study_alone(system, settings, study):
        made = module.CVAE(shape=(1, 16, 16), classes=3, hidden=[4], latent=2)
        study(made, train.dataset(settings.values, "test"))
        return 0

    monkeypatch.setattr(train, "run", study_alone)
    assert module.main(["--data", folders["classes"], "--size", "16", "--skip-damaged"]) == 0
    assert [dataset.split for dataset in asked] == ["train"]


# -- samples ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(folders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    settings = train.parse(
        train.options(argparse.ArgumentParser()),
        [*TINY, "--data", folders["grey"], "--no-score", "--out", str(folder)],
    )
    assert train.run(DCGAN, settings, width=4, latent=5) == 0
    return folder


@pytest.mark.parametrize(
    "arguments, message",
    [
        *((f"--{option} {value}", f"argument --{option}") for option in ("n", "seed", "out")
          for value in ("-1", "nan", "1e999", "9" * 30)),
        ("--n 0", "argument --n: expected a whole number from 1"),
        ("--out grid.txt", "argument --out: expected a picture's name"),
        ("--out grid", "argument --out"),
        ("--out {nowhere}/grid.png", "cannot write"),
        ("--npz {nowhere}/a.npz", "cannot write"),
        ("--device tpu", "unknown device 'tpu'"),
    ],
)  # fmt: skip
def test_what_cannot_be_sampled_is_one_message(arguments, message, trained, capsys, monkeypatch):
    monkeypatch.chdir(trained)
    try:
        status = command(["sample", str(trained), *arguments.format(nowhere=NOWHERE).split()])
    except SystemExit as end:
        status = end.code
    error = capsys.readouterr().err
    assert status in (1, 2) and message in error and error.count("error: ") == 1


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "gif", "webp", "JPG"])
def test_samples_in_any_kind_of_picture(suffix, trained, tmp_path, capsys):
    out = tmp_path / f"v.{suffix}"
    assert command(["sample", str(trained), "--n", "9", "--out", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.size == (200, 200)


def test_as_many_points_of_interpolations_as_were_asked_for(trained, tmp_path, capsys):
    for n in (1, 5, 8, 60):
        arguments = ["sample", str(trained), "--interpolate", "--n", str(n)]
        files = ["--out", str(tmp_path / "a.png"), "--npz", str(tmp_path / "a.npz")]
        assert command([*arguments, *files]) == 0
        assert f"{n} samples of" in capsys.readouterr().out
        with np.load(tmp_path / "a.npz") as saved:
            assert len(saved["samples"]) == len(saved["z"]) == n


def test_a_picture_of_very_many_samples_shows_the_first(trained, tmp_path, capsys):
    files = ["--out", str(tmp_path / "a.png"), "--npz", str(tmp_path / "a.npz")]
    assert command(["sample", str(trained), "--n", "1100", *files]) == 0
    assert "1,100 samples" in (said := capsys.readouterr().out) and "the first 1,024" in said
    with np.load(tmp_path / "a.npz") as saved, Image.open(tmp_path / "a.png") as picture:
        assert len(saved["samples"]) == 1100 and picture.size[0] == 32 * 66 + 2


def test_too_little_memory_is_one_message(folders, tmp_path, capsys, monkeypatch):
    def full(self):
        raise MemoryError("Unable to allocate 37.3 GiB")

    monkeypatch.setattr(VAE, "networks", full)
    settings = train.parse(
        train.options(argparse.ArgumentParser()), [*TINY, "--data", folders["grey"]]
    )
    assert train.run(VAE, settings) == 1
    error = capsys.readouterr().err
    assert "not enough memory: Unable to allocate 37.3 GiB; choose a smaller model" in error


def test_a_sheet_is_as_many_pictures_as_there_are():
    assert pictures.grid(np.zeros((60, 1, 8, 8)), 8).size == (8 * 66 + 2, 8 * 66 + 2)
    assert data.NAMES
