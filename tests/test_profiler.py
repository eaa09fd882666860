"""The profiler: what it counts, and that it counts nothing twice."""

import itertools
import json

import pytest

import tinygan as tg
from tinygan import nn
from tinygan.autograd import profiler


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


def ticking(monkeypatch):
    """A clock that goes on by one second whenever it is looked at."""
    seconds = itertools.count()
    monkeypatch.setattr(profiler.time, "perf_counter", lambda: float(next(seconds)))


def test_a_rules_own_time_is_without_the_operations_it_is_made_of(monkeypatch):
    """Here a fused rule is written out in operations, as its gradient is to be differentiated."""
    x = tg.randn(6, 3, requires_grad=True)
    y = nn.BatchNorm1d(3)(x)
    ticking(monkeypatch)
    with tg.profile() as p:
        tg.grad((y * y).sum(), x, create_graph=True)
    (rule,) = (event for event in p.events if event.name == "∂standardize")
    inside = [e for e in p.events if e is not rule and e.start > rule.start]
    inner = [e for e in inside if e.start < rule.start + 2 * len(inside) + 1]
    assert len(inner) > 10 and all(e.seconds == 1 for e in inner)
    # The clock is read twice for each operation inside, and once at the rule's own end.
    assert rule.seconds == 2 * len(inner) + 1 - len(inner)
    assert sum(event.seconds for event in p.events) <= p.seconds


FLOP = {
    "matmul": (lambda x, y: x @ y, [(5, 7), (7, 3)], 5 * 7 * 3),
    "matmul, stacked": (lambda x, y: x @ y, [(2, 5, 7), (7, 3)], 2 * 5 * 7 * 3),
    "linear": (tg.linear, [(5, 7), (3, 7)], 5 * 7 * 3),
    "conv2d": (
        lambda x, w: tg.conv2d(x, w, stride=2, groups=2), [(2, 4, 7, 9), (6, 2, 3, 3)],
        2 * 6 * 3 * 4 * 2 * 9,  # images · filters · places · channels · window
    ),
    "conv_transpose2d": (
        lambda x, w: tg.conv_transpose2d(x, w, stride=2), [(2, 4, 3, 5), (4, 6, 3, 3)],
        2 * 4 * 3 * 5 * 6 * 9,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOP)
def test_flop_are_two_for_each_product_of_the_definition(name):
    """Of the gradients as many again for each argument, together or one by one."""
    function, shapes, products = FLOP[name]
    tensors = [tg.randn(*shape, requires_grad=True) for shape in shapes]
    with tg.profile() as p:
        out = function(*tensors)
    assert sum(e.flop for e in p.events) == 2 * products
    g = tg.randn(*out.shape)
    with tg.profile() as p:
        tg.grad(out, tensors, g, retain_graph=True)
    assert sum(e.flop for e in p.events) == 4 * products
    for x in tensors:
        with tg.profile() as p:
            tg.grad(out, x, g, retain_graph=True)
        assert sum(e.flop for e in p.events) == 2 * products


def test_profiles_inside_one_another_see_what_runs_inside_both():
    with tg.profile() as outer:
        with tg.profile() as inner:
            tg.ones(3) * 2
        tg.ones(3) * 2
    assert len(inner.events) == 1 and len(outer.events) == 2
