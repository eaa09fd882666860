"""Random streams: one a purpose, independent, restorable, repeatable."""

import json
import os
import threading
import time

import numpy as np
import pytest

import tinygan as tg


def draws(name="noise", n=5):
    return tg.stream(name).normal((n,)).tolist()


def test_the_same_seed_gives_the_same_numbers():
    tg.manual_seed(7)
    first = [draws(), draws("init"), tg.randn(3).tolist(), tg.randperm(5).tolist()]
    tg.manual_seed(7)
    assert [draws(), draws("init"), tg.randn(3).tolist(), tg.randperm(5).tolist()] == first
    tg.manual_seed(8)
    assert draws() != first[0]


def test_manual_seed_restarts_streams_that_others_hold():
    held = tg.stream("noise")
    tg.manual_seed(3)
    first = held.normal((4,)).tolist()
    tg.manual_seed(3)
    assert held.normal((4,)).tolist() == first and tg.stream("noise") is held


def test_streams_differ_and_do_not_disturb_each_other():
    tg.manual_seed(1)
    undisturbed = draws("noise"), draws("noise")
    assert draws("init") != undisturbed[0]
    tg.manual_seed(1)
    first = draws("noise")
    (
        draws("dropout", 1000),
        draws("a new one"),
        tg.stream("data").permutation(10),
        tg.zeros(9).normal_(),
    )
    assert (first, draws("noise")) == undisturbed


def test_the_order_in_which_streams_are_first_used_does_not_matter():
    tg.manual_seed(1)
    a, b = draws("alpha"), draws("beta")
    tg.manual_seed(1)
    assert (draws("beta"), draws("alpha")) == (b, a)


@pytest.mark.parametrize(
    "draw",
    [
        lambda s: s.normal((3,)),
        lambda s: s.uniform((3,)),
        lambda s: s.integers(0, 100, (3,)),
        lambda s: s.permutation(9),
        lambda s: s.normal((3,), np.float64),
        lambda s: s.uniform((), np.float32),
    ],
)
def test_a_stream_goes_on_from_its_saved_state(draw):
    stream = tg.Stream(5)
    stream.uniform((3,))  # leaves half a word in the generator
    stream.integers(0, 10, (1,))
    state = json.loads(json.dumps(stream.state()))
    first = [np.asarray(draw(stream)).tolist() for _ in range(3)]
    stream.restore(state)
    assert [np.asarray(draw(stream)).tolist() for _ in range(3)] == first
    other = tg.Stream(99)
    other.restore(state)
    assert np.asarray(draw(other)).tolist() == first[0]


def test_all_streams_are_saved_and_restored_together():
    draws("noise"), draws("init")
    state = json.loads(json.dumps(tg.random_state()))
    after = draws("noise"), draws("init"), draws("unheard of")
    tg.manual_seed(99)
    draws("noise"), draws("another")
    tg.restore_random_state(state)
    assert (draws("noise"), draws("init"), draws("unheard of")) == after


def test_distributions():
    s = tg.Stream(0)
    z, u, k = s.normal((40_000,)), s.uniform((40_000,)), s.integers(2, 5, (40_000,))
    assert z.dtype == u.dtype == np.float32 and k.dtype == np.int64
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.01
    assert set(k.tolist()) == {2, 3, 4}
    assert sorted(s.permutation(10).tolist()) == list(range(10))


def test_dtypes_of_random_tensors():
    for dtype in (np.float16, np.float32, np.float64):
        assert tg.randn(2, 3, dtype=dtype).dtype == tg.rand(2, dtype=dtype).dtype == np.dtype(dtype)
        assert tg.rand_like(tg.zeros(2, dtype=dtype)).dtype == np.dtype(dtype)
        assert tg.zeros(2, dtype=dtype).normal_().dtype == np.dtype(dtype)
    assert (tg.rand(10_000, dtype=np.float16).numpy() < 1).all()
    assert tg.randint(0, 3, (2, 2)).dtype == np.int64
    assert tg.randn((2, 3)).shape == tg.randn(2, 3).shape == (2, 3)
    assert tg.randn(2, requires_grad=True).requires_grad


def test_own_generators():
    a, b = (tg.randn(4, generator=tg.Stream(3)).tolist() for _ in range(2))
    assert a == b
    before = draws()
    tg.manual_seed(0)
    (
        tg.rand(4, generator=tg.Stream(3)),
        tg.randperm(4, generator=tg.Stream(3)),
        tg.zeros(4).uniform_(generator=tg.Stream(1)),
    )
    assert draws() == before


def test_dropout_draws_a_new_mask_each_time_from_its_own_stream():
    noise = draws()
    tg.manual_seed(0)
    x = tg.ones(1000)
    a, b = tg.dropout(x, 0.25), tg.dropout(x, 0.25)
    assert a.tolist() != b.tolist()
    assert {round(v, 4) for v in a.tolist()} == {0.0, 1.3333}
    assert abs((a == 0).to(tg.float32).mean().item() - 0.25) < 0.05
    assert draws() == noise


def test_fills():
    x = tg.zeros(20_000)
    x.normal_(3.0, 0.5)
    assert (
        abs(x.mean().item() - 3) < 0.02
        and abs(x.std().item() - 0.5) < 0.02
        and x.dtype == np.float32
    )
    x.uniform_(-1, np.float64(2))
    assert x.numpy().min() >= -1 and x.numpy().max() < 2 and abs(x.mean().item() - 0.5) < 0.03


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
def test_seeds_are_whole_numbers(seed):
    with pytest.raises(ValueError, match="manual_seed: expected a whole number >= 0, got"):
        tg.manual_seed(seed)


def ends_well(child, seconds=20):
    """Does a forked process end with status 0? One that hangs is killed."""
    deadline = time.monotonic() + seconds
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return False
        time.sleep(1e-3)
    return os.waitstatus_to_exitcode(ended[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_draws_though_another_thread_was_drawing_when_it_was_forked():
    shared, own, done = tg.stream("noise"), tg.Stream(3), threading.Event()

    def draw():
        while not done.is_set():
            shared.normal((100_000,))
            own.uniform((100_000,))

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        for _ in range(5):
            if (child := os.fork()) == 0:
                shared.normal((3,)), own.permutation(4), tg.random_state()
                os._exit(0)
            assert ends_well(child)
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_goes_on_with_the_same_numbers():
    stream, twin = tg.Stream(5), tg.Stream(5)
    stream.integers(0, 10, (1,)), twin.integers(0, 10, (1,))  # leaves half a word in the generator
    expected = twin.integers(0, 1 << 30, (9,)).tolist()
    if (child := os.fork()) == 0:
        os._exit(stream.integers(0, 1 << 30, (9,)).tolist() != expected)
    assert ends_well(child)
