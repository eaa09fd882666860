"""What gathers over calls: `.grad` of leaves and of results, with and without a graph of them; and
what anomaly mode stops at.
"""

import numpy as np
import pytest

import tinygan as tg
from tinygan.autograd.anomaly import AnomalyError


def leaf(*numbers, dtype=np.float32):
    return tg.Tensor(np.array(numbers, dtype)).requires_grad_()


def values(x):
    return x.numpy().tolist()


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_add_up(create_graph):
    x = leaf(1, 2)
    for times in (1, 2, 3):
        (3 * x * x).sum().backward(create_graph=create_graph)
        assert values(x.grad) == [6 * times, 12 * times]
        assert x.grad.requires_grad == create_graph


def test_a_gradient_that_adds_up_can_be_differentiated_as_a_whole():
    x = leaf(2)
    (x**3).sum().backward(create_graph=True)
    (x**2).sum().backward(create_graph=True)
    (second,) = tg.grad(x.grad.sum(), x)
    assert values(second) == [6 * 2 + 2]


def test_a_recorded_gradient_and_a_plain_one_add_up():
    x = leaf(1, 2)
    (3 * x).sum().backward()
    (x * x).sum().backward(create_graph=True)
    (x * 10).sum().backward()
    assert values(x.grad) == [15, 17]


def test_gradients_of_several_results_add_up_in_backward_of_chosen_inputs():
    x, other = leaf(1, 2), leaf(1, 1)
    for times in (1, 2):
        (3 * x * other).sum().backward(inputs=[x])
        assert values(x.grad) == [3 * times, 3 * times] and other.grad is None


def test_the_gradient_kept_of_a_result_adds_up():
    x = leaf(1, 2)
    y = x * x
    y.retain_grad()
    for times in (1, 2, 3):
        (y * 3).sum().backward(retain_graph=True)
        assert values(y.grad) == [3 * times] * 2
    assert values(x.grad) == [18, 36]


def test_the_gradient_kept_of_a_result_used_twice_is_the_whole():
    x = leaf(1, 2)
    y = x * x
    y.retain_grad()
    (y * 3 + y.exp() * 0 + y).sum().backward()
    assert values(y.grad) == [4, 4]


def test_removing_one_hook_leaves_the_others():
    for x in (leaf(1, 2), leaf(1, 2) * 1):
        seen = []
        x.register_hook(lambda g, seen=seen: seen.append("first"))
        remove = x.register_hook(lambda g, seen=seen: seen.append("second"))
        x.register_hook(lambda g, seen=seen: seen.append("third"))
        remove()
        (x * 2).sum().backward()
        assert seen == ["first", "third"]


def test_what_was_written_before_it_was_used_is_as_it_was_used():
    """Though another tensor is written afterwards, so that backward looks at the versions."""
    x, other = tg.tensor([1.0, 2.0]), tg.tensor([0.0])
    x.mul_(3.0)
    w = leaf(1, 1)
    y = x * w
    other.add_(1.0)
    y.sum().backward()
    assert values(w.grad) == [3, 6]


ANOMALIES = {
    "log of 0": (lambda: tg.log(leaf(1, 0)), r"log produced an infinity \(1 of 2 elements\)"),
    "overflow": (lambda: leaf(3e38) * 10, r"mul produced an infinity \(1 of 1 elements\)"),
    "log below 0": (lambda: tg.log(leaf(-1, 1)), r"log produced NaN \(1 of 2 elements\)"),
    "in a derivative": (
        lambda: (1 / leaf(1e-30)).sum().backward(),
        r"the derivative of div produced an infinity \(1 of 1 elements\)",
    ),
    "NaN in a derivative": (
        lambda: (leaf(1, 1) * 2).backward(tg.tensor([1.0, np.nan])),
        r"the derivative of mul produced NaN \(1 of 2 elements\)",
    ),
    "an infinity that came in": (
        lambda: leaf(np.inf, 1) + 1, "add produced an infinity .*an operand already held one"
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", ANOMALIES)
def test_anomaly_mode_stops_at_nan_and_at_infinity(name):
    make, message = ANOMALIES[name]
    make()  # without it, nothing happens
    with tg.detect_anomaly(), pytest.raises(AnomalyError, match=message):
        make()
    make()


def test_a_profile_goes_on_inside_a_search_for_nans():
    x = tg.ones(3)
    with tg.profile() as watched, tg.detect_anomaly():
        x * 2
    assert "mul" in str(watched)
