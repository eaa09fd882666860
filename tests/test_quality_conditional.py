"""The gates of games with a condition: twins are as broken as they say, and fakes are met."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import quality, report
from benchmarks.quality import conditional, costs
from tests.test_quality import panel  # noqa: F401  a fixture
from tinygan import data, metrics
from tinygan.models import CGAN

MODELS = ["cgan", "cgan-heads", "acgan", "infogan", "text2image", "mse-vs-adversarial"]


def test_a_misled_system_learns_with_anothers_labels():
    system, seen = CGAN(shape=(2,), latent=2, width=8, net="mlp", classes=4), []
    system.step = seen.append
    quality.misled("label")(system).step({"x": np.arange(4), "label": np.array([0, 1, 2, 3])})
    assert seen[0]["label"].tolist() == [2, 3, 0, 1] and seen[0]["x"].tolist() == [0, 1, 2, 3]


def test_fakes_that_should_be_certain_pictures_know_which():
    x = data.open("digits", "test", n=60).take(60)["x"]
    fakes = conditional.changed(x)
    assert set(fakes) == set(conditional.ALIKE)
    for name in ("blurred", "dropped pixels", "few pixels"):
        made, of = fakes[name]
        nearest, _ = metrics.nearest_neighbours(made, x)
        assert sorted(of) == list(range(60)) and (nearest == of).mean() > 0.9, name
    made, of = fakes["chimeras"]
    np.testing.assert_array_equal(made[:, :, :16], x[of][:, :, :16])


@pytest.fixture
def short(monkeypatch, panel):  # noqa: F811
    monkeypatch.setattr(conditional, "digits", lambda size, n: panel)
    monkeypatch.setattr(conditional, "STEPS", 20)
    monkeypatch.setitem(conditional.RUN, "width", 4)
    monkeypatch.setitem(conditional.DECODER, "width", 4)
    monkeypatch.setattr(conditional, "TEXT", conditional.TEXT | {"width": 4, "n": 200})
    monkeypatch.setitem(conditional.TEXT_STEPS, "quick", 20)


@pytest.mark.parametrize(
    "model, twins",
    [
        ("acgan", {"shuffled labels", "a tenth of the steps", "a tenth misheard"}),
        ("infogan", {"λ=0"}),
        ("text2image", {"no wrong captions", "shuffled captions", *conditional.ALIKE}),
        ("mse-vs-adversarial", {"squared error alone", "adversarial alone", "others of the class"}),
    ],
)
def test_a_gate_meets_its_twins_and_fakes(model, twins, short):
    gates = quality.GATES[model](0, True)
    first = next(iter(gates.values()))
    assert twins <= set(first[0].controls)
    for name, figures in gates.items():
        assert all(set(f.controls) == set(figures[0].controls) for f in figures)
        problems = quality.rows_of(model, name, figures, 0, 1.0)[1]
        assert problems  # twenty steps are too few
        assert not [p for p in problems if "blurred" in p or "others" in p]
    if model == "acgan":
        assert {"chimeras", "blurred", "training set"} <= set(first[0].controls)


def test_infogan_goes_on_from_its_clearest_start(monkeypatch, panel):  # noqa: F811
    begun, went_on = [], []

    def learned(system, dataset, share, breaking, seed, steps, batch, schedule, **config):
        assert (share, steps, schedule, config) == (
            1.0,
            conditional.START,
            "constant",
            {"latent": 3},
        )
        clarity = [0.3, 1.4, 2.1, 2.0][len(begun)]
        begun.append(SimpleNamespace(seed=seed, information=0.1, clarity=lambda x: clarity))
        return begun[-1]

    monkeypatch.setattr(conditional, "learned", learned)
    monkeypatch.setattr(conditional, "learn", lambda *how: went_on.append(how))
    conditional.found(panel, 2, 50, 16, "late", latent=3)
    assert [start.seed for start in begun] == [8, 9, 10, 11]
    assert [start.information for start in begun] == [0.1, 0.1, 0.2, 0.1]
    assert went_on == [(begun[2], panel.training, 50, 16, "late", conditional.DECAY)]


def test_costs_and_the_table_of_what_each_game_gives(monkeypatch, tmp_path):
    monkeypatch.setitem(conditional.RUN, "width", 4)
    spent = costs.costs(turns=1, steps=1)
    assert set(spent) == {"gan", *MODELS[:4]} and min(spent.values()) > 0
    figures = {"label-accuracy": (0.9, 1.0), "diversity": (1.2, 1.0), "frechet-share": (0.02, 0.04)}
    rows = [
        {"model": "acgan", "metric": name, "value": v, "seed": seed}
        for name, values in figures.items() for seed, v in enumerate(values)
    ]  # fmt: skip
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"rows": [row | {"gate": "g"} for row in rows]}))
    assert costs.compared([file]) == rows
    about = {"size": 16, "batch": 32, "steps": 9, "machine": {"cpu": "c"}, "rows": rows}
    table = report.conditional_markdown(about | {"ms": {"gan": 1, "cgan": 2, "acgan": 2}})
    assert table.splitlines()[-1] == "| acgan | 2 | 0.95 | 1.1 | 0.03 | 2.0 |"
