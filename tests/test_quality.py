"""The quality benchmark judges rightly: rows, twins, fakes, exit status; its short gates pass."""

import json

import numpy as np
import pytest

import tinygan as tg
from benchmarks import coverage, quality, report
from benchmarks.quality import Figure, command, fakes, pictures
from benchmarks.quality.gate import nearest, worst
from tinygan import data, metrics
from tinygan.backend.cpu import get_num_threads
from tinygan.backend.device import DeviceError
from tinygan.models import GAN
from tinygan.train import learn

FIELDS = [
    "model", "metric", "value", "threshold", "passed", "control", "control_value",
    "control_failed", "seed", "seconds", "gate", "ideal", "fault", "controls", "control_faults",
]  # fmt: skip


def fake_gate(value, controls, least=True):
    return lambda seed, quick: {"tall": [Figure("height", value, 1.0, controls, least)]}


@pytest.mark.parametrize(
    "value, controls, least, status",
    [
        (2.0, {"a": 0.5, "b": 0.2}, True, 0),
        (0.5, {"a": 2.0}, False, 0),
        (0.9, {"a": 0.5}, True, 1),  # the model fails
        (2.0, {"a": 0.5, "b": 1.5}, True, 1),  # a twin passes
        (float("nan"), {"a": 0.5}, True, 1),
        (2.0, {"a": float("nan")}, True, 0),
    ],
)
def test_exit_status_and_rows(value, controls, least, status, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(quality.GATES, "fake", fake_gate(value, controls, least))
    file = tmp_path / "q.json"
    arguments = ["--models", "fake", "--seeds", "2", "--jobs", "1", "--json", str(file)]
    assert quality.main(arguments) == status
    table = json.loads(file.read_text())
    assert {"machine", "versions", "rows"} <= set(table)
    assert [list(row) for row in table["rows"]] == [FIELDS, FIELDS]
    assert [row["seed"] for row in table["rows"]] == [0, 1]
    first = table["rows"][0]
    if not any(np.isnan(v) for v in controls.values()):
        assert first["control_value"] == (max if least else min)(controls.values())
        assert first["controls"] == controls and first["gate"] == "tall"
    assert bool(capsys.readouterr().err) == bool(status)


def test_rows_of_other_models_stay_in_the_file(tmp_path, monkeypatch, capsys):
    file = tmp_path / "q.json"
    for model, value in (("a", 2.0), ("b", 3.0), ("a", 4.0)):
        monkeypatch.setitem(quality.GATES, model, fake_gate(value, {"twin": 0.5}))
        assert quality.main(["--models", model, "--seeds", "1", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert [(row["model"], row["value"]) for row in rows] == [("b", 3.0), ("a", 4.0)]
    table = json.loads(file.read_text())
    assert "| a | tall | height | 1 | 2 | 4 | twin 0.5 | 0 |" in report.quality_markdown(table)
    assert "| a | tall | height | 1 | 0.00: height 4 | 1.50: twin, height 0.5 |" in (
        report.quality_summary(table)
    )


def test_rows_of_a_model_are_kept_when_a_later_one_is_interrupted(tmp_path, monkeypatch, capsys):
    def interrupted(seed, quick):
        raise KeyboardInterrupt

    file = tmp_path / "q.json"
    monkeypatch.setitem(quality.GATES, "a", fake_gate(2.0, {"twin": 0.5}))
    monkeypatch.setitem(quality.GATES, "b", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quality.main(["--models", "a,b", "--seeds", "2", "--jobs", "1", "--json", str(file)])
    assert [row["seed"] for row in json.loads(file.read_text())["rows"]] == [0, 1]


def test_a_twin_must_fail_one_of_its_gates_figures():
    figures = [
        Figure("modes", 8, 7, {"frozen": 0}, ideal=8),
        Figure("share", 0.95, 0.9, {"frozen": 0.99}, ideal=0.99),
    ]
    rows, problems = quality.rows_of("gan", "ring", figures, 0, 1.0)
    assert problems == [] and [row.control_failed for row in rows] == [True, False]
    figures[0].controls["frozen"] = 8
    assert quality.rows_of("gan", "ring", figures, 0, 1.0)[1] == [
        "gan, seed 0: 'frozen' passes the gate 'ring': modes, share"
    ]


def test_faults_are_distances_from_the_ideal_in_units_of_the_bars():
    precision = Figure("precision", 0.7, 0.5, {"a": 0.4, "b": 0.98, "c": 0.5}, ideal=0.9)
    sharpness = Figure("sharpness-error", 0.1, 0.2, {"a": 0.3, "b": 0.9, "c": 0.2}, least=False)
    assert [precision.fault(v) for v in (0.98, 0.9, 0.7, 0.5, 0.1)] == [0, 0, 0.5, 1, 2]
    assert [sharpness.fault(v) for v in (0, 0.1, 0.2, 0.4)] == [0, 0.5, 1, 2]
    assert precision.fault(float("nan")) == np.inf
    exact = Figure("modes", 25, 25, {}, ideal=25)
    assert exact.fault(25) == 0 and exact.fault(20) == 1.2
    gate = [precision, sharpness]
    assert worst(gate)[0] == 0.5 and worst(gate, "b") == (4.5, sharpness)
    assert worst(gate, "c")[0] == 1 and nearest(gate) == "c"  # at the bar: it passes
    del precision.controls["c"], sharpness.controls["c"]
    assert nearest(gate) == "a"
    for f in gate:  # what passes is what has a fault of at most 1
        for value in np.linspace(0, 1, 21):
            assert f.passes(value) == (f.fault(value) <= 1)


def test_an_unknown_model_is_named(capsys):
    with pytest.raises(SystemExit):
        quality.main(["--models", "gam"])
    assert "no gate for gam; there are gan, lsgan, " in capsys.readouterr().err


def test_the_twins_are_broken_in_what_they_say():
    ring = data.open("ring", n=1000)
    system = quality.frozen(GAN(shape=(2,), latent=2, width=8))
    weights = lambda m: [p.numpy().copy() for p in m.parameters()]
    before = {name: weights(m) for name, m in system.modules.items()}
    learn(system, ring, 5, 32)
    moved = {
        name: any((a != b).any() for a, b in zip(before[name], weights(m), strict=True))
        for name, m in system.modules.items()
    }
    assert moved == {"generator": True, "discriminator": False}
    made = quality.constant_noise(GAN(shape=(2,), latent=2, width=8)).sample(50)
    assert np.ptp(made, axis=0).max() < 1e-6


def test_training_decays_the_rate_and_averages_the_weights():
    tg.manual_seed(1)
    plain = learn(GAN(shape=(2,), latent=2, width=8), data.open("ring", n=500), 20, 32)
    tg.manual_seed(1)
    average = learn(GAN(shape=(2,), latent=2, width=8), data.open("ring", n=500), 20, 32, ema=0.9)
    assert plain.optimizers["generator"].param_groups[0]["lr"] == 0
    assert (plain.generator[0].weight.numpy() != average.generator[0].weight.numpy()).any()


def test_the_gate_of_dcgan_meets_its_twins_and_fakes(panel, monkeypatch):
    tiny = {"steps": 20, "batch": 16, "lr": 2e-3, "width": 4, "decay": 0.99}
    monkeypatch.setitem(quality.adversarial.DCGAN_RUNS, "quick", tiny)
    monkeypatch.setattr(quality.adversarial, "digits", lambda: panel)
    gate = quality.GATES["dcgan"](0, True)["samples"]
    assert set(pictures.MOST) < {f.metric for f in gate}
    twins = ["constant z", "a tenth of the steps"]
    assert all(list(f.controls) == twins + list(panel.fakes) for f in gate)
    by_metric = {f.metric: f for f in gate}
    assert by_metric["duplicates"].controls["constant z"] == 1
    assert by_metric["precision"].value < 0.5 < by_metric["precision"].ideal
    assert quality.rows_of("dcgan", "samples", gate, 0, 1.0)[1]  # twenty steps are too few


def test_the_gates_of_ebgan_meet_their_twins_and_fakes(panel, monkeypatch):
    tiny = {"net": "dcgan", "width": 4, "latent": 4, "lr": 2e-3, "batch": 16, "steps": 20}
    monkeypatch.setitem(quality.adversarial.EBGAN_RUNS, "quick", tiny)
    monkeypatch.setattr(quality.adversarial, "NARROW", tiny)
    monkeypatch.setattr(quality.adversarial, "digits", lambda size, n: panel)
    gates = quality.GATES["ebgan"](0, True)
    twins = {
        "samples": ["detached target", "m = 0", "a tenth of the steps", *panel.fakes],
        "codes": ["λ = 0", "a tenth of the steps"],
    }
    assert {name: list(gate[0].controls) for name, gate in gates.items()} == twins
    assert set(pictures.MOST) < {f.metric for f in gates["samples"]}
    assert {f.metric: f.least for f in gates["codes"]} == {"cosine": False, "smallest-class": True}
    assert quality.rows_of("ebgan", "samples", gates["samples"], 0, 1.0)[1]  # too few steps


# -- fakes -----------------------------------------------------------------------------------------


@pytest.fixture
def marked():
    """Pictures of 12 px that tell who they are: 600, in five classes."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (600, 1, 12, 12)).astype(np.float32)
    labels = np.arange(600) % 5
    return x + 0, labels


def owner(part, x):
    """For each part of a picture the index of the picture in x that it is nearest to."""
    return metrics.nearest_neighbours(part, x)[0]


@pytest.mark.parametrize("name", fakes.FAKES)
def test_a_fake_is_pictures_and_what_was_asked(name, marked):
    x, labels = marked
    before = x.copy()
    made, asked = fakes.FAKES[name](x, labels, np.random.default_rng(0), 250)
    assert made.shape == (250, 1, 12, 12) and made.dtype == np.float32
    assert (
        (abs(made).max() <= 1) == (name != "noisy")
        and asked.shape == (250,)
        and set(asked) <= set(range(6))
    )
    again, _ = fakes.FAKES[name](x, labels, np.random.default_rng(0), 250)
    np.testing.assert_array_equal(made, again)
    np.testing.assert_array_equal(x, before)


def test_each_fake_has_the_fault_it_names(marked):
    x, labels = marked
    make = lambda name: fakes.FAKES[name](x, labels, np.random.default_rng(0), 250)
    made, asked = make("chimeras")
    top, bottom = owner(made[:, :, :6], x[:, :, :6]), owner(made[:, :, 6:], x[:, :, 6:])
    np.testing.assert_array_equal(made[:, :, :6], x[top, :, :6])
    np.testing.assert_array_equal(made[:, :, 6:], x[bottom, :, 6:])
    assert (labels[top] == asked).all() and (labels[bottom] != asked).all()
    for name, share in (("few pixels", 0.1), ("blurred", 0.7)):
        assert metrics.laplacian_energy(make(name)[0]) < share * metrics.laplacian_energy(x)
    assert metrics.laplacian_energy(make("noisy")[0]) > 1.4 * metrics.laplacian_energy(x)
    made, asked = make("noise alone")
    ordered = lambda x: np.sort(x.reshape(len(x), -1))
    index, distance = metrics.nearest_neighbours(ordered(made), ordered(x))
    assert distance.max() < 1e-6 and (labels[index] == asked).all()  # the same greys
    assert metrics.nearest_neighbours(made, x)[1].min() > 1  # elsewhere
    made, asked = make("dropped pixels")
    assert 0.15 < (made == -1).mean() < 0.25 and (labels[owner(made, x)] == asked).all()
    assert len(set(owner(make("200 pictures")[0], x))) <= 200
    assert metrics.duplicates(make("200 pictures")[0]) > 0.6  # of 250
    assert metrics.duplicates(make("training set")[0]) == 0
    assert metrics.copies(make("training set")[0], x[:500], x[500:]) > 0.8  # five of six
    made, asked = make("half the classes")
    shown = labels[owner(made, x)]
    assert set(shown) == {0, 2, 4} and 0.3 < (shown == asked).mean() < 0.7
    made, asked = make("a picture a class")
    assert len(set(owner(made, x))) == 5 and (labels[owner(made, x)] == asked).all()
    made, asked = make("a mode a class")
    assert len(set(owner(made, x))) <= 600 // 5 and (labels[owner(made, x)] == asked).all()


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A small one: three fakes, and no classifier is trained on the samples."""
    few = {name: fakes.FAKES[name] for name in ("chimeras", "blurred", "training set")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(pictures, "FAKES", few)
        patch.setattr(metrics, "transfer_accuracy", lambda *a: 0.9)
        sets = [data.open("digits", split, n=560) for split in ("train", "test")]
        out = pictures.Panel(*sets, metrics.Judge.load("digits"), n=140)
        assert set(out.fakes) == set(few) and out.ideal["precision"] > 0.8
        yield out


BARS = {"precision": 0.55, "sharpness-error": 0.2, "copies": 0.02, "label-accuracy": 0.9}


def test_a_panel_refuses_its_fakes_and_lets_real_pictures_pass(panel):
    real = panel.ideal
    gate = panel.gate(BARS, real, {"a twin": real | {"precision": 0.1}})
    rows, problems = quality.rows_of("dcgan", "samples", gate, 0, 1.0)
    assert problems == [] and all(row.fault == 0 for row in rows)
    refused = {f.metric: [k for k, v in f.controls.items() if not f.passes(v)] for f in gate}
    assert refused == {
        "precision": ["a twin", "chimeras"], "sharpness-error": ["blurred"],
        "copies": ["training set"], "label-accuracy": ["chimeras"],
    }  # fmt: skip


@pytest.mark.parametrize("missing, passing", [
    ("sharpness-error", ["'blurred'"]), ("copies", ["'training set'"]),
    (None, ["'a twin'", "'chimeras'", "'blurred'", "'training set'"]),
])  # fmt: skip
def test_a_gate_that_fakes_pass_is_reported(panel, missing, passing):
    bars = {name: bar for name, bar in BARS.items() if name != missing}
    if missing is None:  # bars that let everything pass
        bars = {name: 1e9 if name in pictures.MOST else 0.0 for name in BARS}
    gate = panel.gate(bars, panel.ideal, {"a twin": panel.ideal | {"precision": 0.1}})
    problems = quality.rows_of("dcgan", "samples", gate, 0, 1.0)[1]
    named = ", ".join(bars)
    assert problems == [f"dcgan, seed 0: {who} passes the gate 'samples': {named}"
                        for who in passing]  # fmt: skip


def test_mixtures_pass_their_gate_however_many_run_at_a_time(tmp_path, capsys):
    def rows(*arguments):
        file = tmp_path / "q.json"
        assert quality.main(["--models", "gmm", *arguments, "--json", str(file)]) == 0
        table = json.loads(file.read_text())
        assert table["machine"]["threads"] == 1
        return [{k: v for k, v in row.items() if k != "seconds"} for row in table["rows"]]

    at_once, one_by_one = rows("--jobs", "2"), rows("--jobs", "1", "--seeds", "2")
    assert [row["seed"] for row in at_once] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert at_once[:6] == one_by_one


def test_a_fault_in_a_process_of_its_own_ends_the_command():
    with pytest.raises(DeviceError, match="no such device"):
        list(command.finished([("gmm", 0, True, "no such device"), ("gmm", 1, True, "cpu")], 2))


def test_a_worker_goes_on_with_gates_of_its_module():
    task = lambda model, seed=0: (model, seed, True, "cpu")
    waiting = [task("dcgan"), task("vae"), task("cgan"), task("cvae"), task("cgan", 1), task("gan")]
    module = {model: command.module_of(task(model)) for model in quality.GATES}
    assert module["vae"] == module["cvae"] != module["cgan"] != module["dcgan"]
    taken = lambda mine, *others: command.next_task(
        waiting, module.get(mine), [module[other] for other in others]
    )
    assert taken(None) == task("dcgan")
    assert taken(None, "dcgan") == task("vae")
    assert taken("dcgan", "vae") == task("cgan")  # its own are done: what nobody is at
    assert taken("vae", "cgan") == task("cvae")
    assert taken("cvae", "cgan") == task("gan")
    assert taken("gan", "cgan") == task("cgan", 1) and waiting == []  # nothing else is left


def test_all_models_and_no_job_at_all(monkeypatch, capsys):
    for name in list(quality.GATES):
        monkeypatch.setitem(quality.GATES, name, fake_gate(2.0, {"twin": 0.5}))
    before = get_num_threads()
    assert quality.main(["--models", "all", "--seeds", "1", "--jobs", "1", "--quick"]) == 0
    assert get_num_threads() == before
    assert capsys.readouterr().out.count("at worst") == len(quality.GATES)
    with pytest.raises(SystemExit):
        quality.main(["--jobs", "-1"])
    assert "--jobs -1: expected at least 1" in capsys.readouterr().err


def test_mode_coverage_stands_beside_what_was_published():
    rows = [
        {"model": "mode-coverage", "metric": f"grid-{k}", "value": v, "seed": seed}
        for seed in (0, 1) for k, v in (("modes", 25), ("share", 0.9 + seed / 100))
    ]  # fmt: skip
    table = coverage.markdown_of({"rows": rows})
    assert "| PacGAN (Lin et al., 2018) | PacGAN2 · PacGAN4 | 7.9 ± .1 | 24.8 ± .2 | |" in table
    ours = "| here | mode-coverage: wgan-gp |  | 25 · 25 | 0.9 · 0.91 | 10,000 steps of D, batches"
    assert ours in table and table.count("| here |") == 1
