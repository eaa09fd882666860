"""Batches on their way to a GPU: nobody's array is written over, and all arrive."""

import weakref

import numpy as np
import pytest

import tinygan as tg
from tests import strict_device
from tinygan.backend.cuda import staging
from tinygan.backend.device import sent, to_numpy


@pytest.fixture(params=["strict", pytest.param("cuda", marks=pytest.mark.gpu)])
def there(request, monkeypatch):
    if request.param == "strict":
        strict_device.install(monkeypatch)
    staging.staging.cache_clear()
    yield tg.device("cuda")
    staging.staging.cache_clear()


def batch(i, shape=(4, 3)):
    return np.full(shape, i, np.float32)


def test_batches_arrive_and_slots_are_used_again(there):
    seen = set()
    for i in range(20):
        array = sent(batch(i), there)
        seen.add(array.data.ptr)
        assert (to_numpy(array * 2) == 2 * i).all()
        del array
    assert 2 <= len(seen) <= 3
    assert len(staging.staging(0).kinds) == 1


def test_what_somebody_holds_is_not_written_over(there):
    held = [sent(batch(i), there) for i in range(8)]
    views = [sent(batch(i), there)[1:] for i in range(8, 16)]
    for i in range(100, 110):
        sent(batch(i), there)
    assert [float(a[0, 0]) for a in held] == list(range(8))
    assert [float(a[0, 0]) for a in views] == list(range(8, 16))


def test_images_come_with_their_channels_last(there):
    for shape in ((2, 3, 4, 5), (2, 1, 4, 5)):
        array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        moved = [sent(array + i, there) for i in range(6)]
        for i, image in enumerate(moved):
            assert (to_numpy(image) == array + i).all()
            assert image.transpose(0, 2, 3, 1).flags.c_contiguous


def test_a_place_waits_for_all_work_that_was_asked_for_before_it_was_free(there, monkeypatch):
    """Not for what is asked for after that: so a copy runs beside the last step."""
    order, event = [], staging._event
    monkeypatch.setattr(
        staging, "_event", lambda stream=None: order.append(event(stream)) or order[-1]
    )
    waited = []
    wait = staging.staging(0).stream.wait_event
    monkeypatch.setattr(
        staging.staging(0), "stream", _Noting(staging.staging(0).stream, waited, wait)
    )
    for i in range(6):
        before = len(order)
        sent(batch(i), there)
        if i >= 2:
            assert any(waited[-1] is e for e in order[:before]), "it waits for the present"
    assert len(waited) == 6


class _Noting:
    def __init__(self, stream, waited, wait):
        self.stream, self.waited, self.wait = stream, waited, wait

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def wait_event(self, event):
        self.waited.append(event)
        self.wait(event)


def test_few_kinds_are_kept(there):
    for n in range(1, 30):
        sent(batch(n, (n,)), there)
    assert len(staging.staging(0).kinds) == staging._KINDS
    slot = weakref.ref(next(iter(staging.staging(0).kinds.values()))[0])
    for n in range(30, 60):
        sent(batch(n, (n,)), there)
    assert slot() is None
    assert to_numpy(sent(batch(3, (0, 2)), there)).shape == (0, 2)
    assert to_numpy(sent(np.arange(6).reshape(2, 3).T, there)).tolist() == [[0, 3], [1, 4], [2, 5]]
