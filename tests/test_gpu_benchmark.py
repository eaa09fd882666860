"""The benchmark on a GPU, rehearsed without one: who takes part, who fails, what is written."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import speed
from benchmarks.gpu import engines, report, run
from benchmarks.gpu.rows import ROWS
from benchmarks.rows import FLIPS
from tinygan.backend.cuda import float32_precision

PREPARED = {"version": "1", "seconds": 1e-3, "peak_mb": 3.0, "problem": None}


class Fake:
    """A worker whose steps take a set time, and who cannot do what is `broken`."""

    life = 0

    def __init__(self, milliseconds, broken=()):
        self.milliseconds, self.broken, self.told = milliseconds, broken, []

    def ask(self, command, limit=60, **arguments):
        self.told.append((command, arguments))
        setting = arguments.get("setting")
        if command in self.broken or setting in self.broken:
            raise RuntimeError(f"{setting} broke")
        if command == "prepare":
            if arguments["path"]:
                np.savez(arguments["path"], np.ones(3), np.arange(4.0))
            return dict(PREPARED)
        return self.milliseconds[setting] / 1e3 if command == "measure" else None

    def end(self):
        self.told.append(("end", {}))


@pytest.fixture
def rehearsal(monkeypatch, tmp_path):
    """A run with fake workers; `broken` settings fail."""

    def make(broken=(), peer_only=False, names=("conv4x4s2-64",), bf16=False):
        ms = {"channels_last": 3, "contiguous": 2, "eager": 2, "captured": 1}
        ms |= {"captured, bf16": 0.5, "channels_last, CUDA graph, bf16": 0.75}
        ms |= {"channels_last, CUDA graph": 1.5, "contiguous, CUDA graph": 1.75}
        monkeypatch.setattr(run, "Renewed", lambda engine, *_: Fake(ms, broken))
        options = SimpleNamespace(
            json=str(tmp_path / "speed.json"), peer_only=peer_only, device="cpu", threads=1,
            no_compile=True, limit=100, turns=3, bf16=bf16,
        )  # fmt: skip
        run.Run(options, list(names)).all()
        return json.loads((tmp_path / "speed.json").read_text())

    return make


def test_the_faster_setting_counts_and_ratios_are_the_peers_time_to_ours(rehearsal):
    (row,) = rehearsal()["rows"]
    assert row["ms"] == {"torch": 2, "graph": 1.5, "eager": 2, "tinygan": 1}
    assert row["ratio"] == {"torch": 2, "graph": 1.5} and row["parity"]["holds"]
    assert row["settings"]["torch"] == "contiguous"
    assert row["tflops"]["tinygan"] == pytest.approx(ROWS["conv4x4s2-64"].flops / 1e9, rel=1e-2)


@pytest.mark.parametrize("broken", ["captured", "eager", "contiguous", "measure", "prepare"])
def test_what_fails_is_told_and_the_rest_is_measured(rehearsal, capsys, broken):
    table = rehearsal({broken}, names=("vae", "batchnorm-64"))
    assert [row["name"] for row in table["rows"]] == ["vae", "batchnorm-64"]
    for row in table["rows"]:
        assert any("broke" in text for text in row["failed"].values())
        assert ("torch" in row["ms"]) == (broken not in ("measure", "prepare"))
    assert "broke" in capsys.readouterr().out
    assert report.markdown(table).count("\n| ") == 3


def test_bfloat16_is_compared_with_bfloat16(rehearsal, capsys):
    table = rehearsal(bf16=True)
    (row,) = table["rows"]
    assert row["ms"]["tinygan bf16"] == 0.5
    assert row["ratio"] == {"torch": 2, "graph": 1.5, "bf16": 1.5}
    assert "in bf16 0.500 and 0.750, ×1.50" in capsys.readouterr().out
    head, rule, line = report.markdown(table).splitlines()[2:]
    assert head.count("|") == rule.count("|") == line.count("|") and line.endswith("| 1.50 |")


def test_a_step_in_bfloat16_leaves_the_choice_as_it_was(monkeypatch):
    engine = engines.Tinygan("cpu", 1, "captured, bf16")
    monkeypatch.setattr(engine.lib, "capture", lambda step: step)
    assert engine.captured(float32_precision)() == "bfloat16"
    assert float32_precision() == "tf32" and engine.setting == "captured"


def test_the_peer_alone(rehearsal):
    (row,) = rehearsal(peer_only=True)["rows"]
    assert set(row["ms"]) == {"torch", "graph"} and row["ratio"] == {} and "parity" not in row


def test_parity_is_relative_in_norm_and_tells_wrong_numbers(tmp_path):
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(a, np.full(100, 1.0))
    np.savez(b, np.full(100, 1.1))
    for rtol, holds in ((FLIPS, True), (1e-2, False)):
        found = run.parity(SimpleNamespace(rtol=rtol), a, b)
        assert found["worst"] == 0.091 and found["holds"] is holds
    np.savez(b, np.full((10, 10), 1.0))
    with pytest.raises(ValueError, match="shapes"):
        run.parity(SimpleNamespace(rtol=1.0), a, b)


def test_work_is_counted_from_the_geometry():
    assert ROWS["conv4x4s2-64"].flops == 6 * 128 * 16 * 16 * 64 * 128 * 16
    assert ROWS["transposed4x4s2-rgb"].flops == ROWS["conv4x4s2-rgb"].flops
    assert ROWS["dcgan64-b128"].flops == pytest.approx(291e9, rel=0.02)


def test_an_unknown_row_of_a_gpu(capsys):
    with pytest.raises(SystemExit):
        speed.main(["--device", "cuda", "--only", "mlp"])
    assert "no row mlp on a GPU" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_a_rehearsal_on_the_cpu_in_both_engines(tmp_path, capsys):
    arguments = "--device cuda --rehearse --quick --no-compile --threads 1 --only vae --json"
    speed.main([*arguments.split(), str(tmp_path / "f.json")])
    (row,) = json.loads((tmp_path / "f.json").read_text())["rows"]
    assert set(row["ms"]) == {"torch", "graph", "eager", "tinygan"} and "failed" not in row
    assert row["parity"]["holds"] and "×torch" in capsys.readouterr().out
