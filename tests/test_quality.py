"""The quality benchmark judges rightly: rows, twins, exit status; and its short gates pass."""

import json

import numpy as np
import pytest

import tinygan as tg
from benchmarks import quality, report
from benchmarks.quality import Figure
from tinygan import data
from tinygan.models import GAN

FIELDS = [
    "model", "metric", "value", "threshold", "passed", "control", "control_value",
    "control_failed", "seed", "seconds",
]  # fmt: skip


def fake_gate(value, controls, least=True):
    return lambda seed, quick: [[Figure("height", value, 1.0, controls, least)]]


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
    assert quality.main(["--models", "fake", "--seeds", "2", "--json", str(file)]) == status
    table = json.loads(file.read_text())
    assert {"machine", "versions", "rows"} <= set(table)
    assert [list(row) for row in table["rows"]] == [FIELDS, FIELDS]
    assert [row["seed"] for row in table["rows"]] == [0, 1]
    nearest = max if least else min
    if not any(np.isnan(v) for v in controls.values()):
        assert table["rows"][0]["control_value"] == nearest(controls.values())
    assert bool(capsys.readouterr().err) == bool(status)


def test_rows_of_other_models_stay_in_the_file(tmp_path, monkeypatch, capsys):
    file = tmp_path / "q.json"
    for model, value in (("a", 2.0), ("b", 3.0), ("a", 4.0)):
        monkeypatch.setitem(quality.GATES, model, fake_gate(value, {"twin": 0.5}))
        assert quality.main(["--models", model, "--seeds", "1", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert [(row["model"], row["value"]) for row in rows] == [("b", 3.0), ("a", 4.0)]
    table = report.quality_markdown(json.loads(file.read_text()))
    assert "| a | height | 1 | 4 | twin | 0.5 |" in table


def test_a_twin_must_fail_one_of_its_gates_figures():
    figures = [
        Figure("modes", 8, 7, {"frozen": 0}),
        Figure("share", 0.95, 0.9, {"frozen": 0.99}),
    ]
    rows, problems = quality.rows_of("gan", figures, 0, 1.0)
    assert problems == [] and [row.control_failed for row in rows] == [True, False]
    figures[0].controls["frozen"] = 8
    assert quality.rows_of("gan", figures, 0, 1.0)[1] == [
        "gan, seed 0: the twin with frozen passes modes, share"
    ]


def test_an_unknown_model_is_named(capsys):
    with pytest.raises(SystemExit):
        quality.main(["--models", "gam"])
    assert "no gate for gam; there are gan, dcgan" in capsys.readouterr().err


def test_the_twins_are_broken_in_what_they_say():
    ring = data.open("ring", n=1000)
    system = quality.frozen(GAN(shape=(2,), latent=2, width=8))
    weights = lambda m: [p.numpy().copy() for p in m.parameters()]
    before = {name: weights(m) for name, m in system.modules.items()}
    quality.train(system, ring, 5, 32)
    moved = {
        name: any((a != b).any() for a, b in zip(before[name], weights(m), strict=True))
        for name, m in system.modules.items()
    }
    assert moved == {"generator": True, "discriminator": False}
    made = quality.constant_noise(GAN(shape=(2,), latent=2, width=8)).sample(50)
    assert np.ptp(made, axis=0).max() < 1e-6


def test_training_decays_the_rate_and_averages_the_weights():
    tg.manual_seed(1)
    plain = quality.train(GAN(shape=(2,), latent=2, width=8), data.open("ring", n=500), 20, 32)
    tg.manual_seed(1)
    average = quality.train(
        GAN(shape=(2,), latent=2, width=8), data.open("ring", n=500), 20, 32, decay=0.9
    )
    assert plain.optimizers["generator"].param_groups[0]["lr"] == 0
    assert (plain.generator[0].weight.numpy() != average.generator[0].weight.numpy()).any()


def test_mixtures_pass_their_gate():
    assert quality.main(["--models", "gmm"]) == 0


@pytest.mark.gate
@pytest.mark.parametrize("model", ["gan", "dcgan"])
def test_the_quick_gate_passes_and_its_twins_fail(model, capsys):
    assert quality.main(["--models", model, "--seeds", "1", "--quick"]) == 0
