"""The profiler: what it counts, and that it counts nothing twice."""

import json

import pytest

import tinygan as tg
from tinygan import nn


@pytest.fixture
def measured():
    model = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    x = tg.randn(4, 3, 16, 16)
    with tg.profile() as p:
        model(x).mean().backward()
    return p


def test_every_operation_is_listed_with_its_work(measured):
    names = {event.name for event in measured.events}
    fused = {"standardize_leaky_relu", "∂standardize_leaky_relu"}  # the norm with its ReLU
    assert {"conv2d", "mean"} | fused <= names
    assert "conv2d_weight_gradient" in names  # from the backward pass
    (conv,) = (e for e in measured.events if e.name == "conv2d")
    assert conv.flop == 2 * 4 * 8 * 8 * 8 * 3 * 16
    assert conv.bytes == 4 * (4 * 3 * 256 + 8 * 3 * 16 + 4 * 8 * 64)


def test_times_add_up(measured):
    total = sum(event.seconds for event in measured.events)
    assert 0 < total <= measured.seconds
    assert min(event.seconds for event in measured.events) >= 0


def test_the_table_is_sorted_and_ends_with_the_total(measured):
    lines = measured.table().splitlines()
    times = [float(line[35:45]) for line in lines[1:-1]]
    assert times == sorted(times, reverse=True)
    assert f"{len(measured.events)} operations" in lines[-1]
    assert str(measured) == measured.table()
    assert "… and" in measured.table(limit=1)
    assert "4×3×16×16 8×3×4×4" in measured.table(by_shape=True)


def test_the_trace_is_what_chrome_reads(measured, tmp_path):
    measured.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == len(measured.events)
    assert all(e["ph"] == "X" and e["dur"] >= 0 and e["ts"] >= 0 for e in events)


def test_nothing_is_recorded_outside_the_block(measured):
    before = len(measured.events)
    tg.ones(3) + tg.ones(3)
    assert len(measured.events) == before
