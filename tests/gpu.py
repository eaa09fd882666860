"""What the tests of training on a GPU share.

Each of them also runs on the pretended GPU (`strict_device`), at a smaller size: so a slip in a
test, or in what it tests, is found on machines without a GPU. Only what is the card's own, such as
its rounding and its memory, is left to the real one.
"""

import contextlib
import gc
import warnings
from importlib import import_module

import numpy as np

import tinygan as tg
from tests.strict_device import waits
from tinygan.backend.device import Device, to_device
from tinygan.backend.random import Stream
from tinygan.models import build
from tinygan.train.checkpoint import clone


@contextlib.contextmanager
def no_waiting(gpu):
    """In the block the host must not wait for a value of the device."""
    if gpu == "pretended":
        waits.clear()
        yield
        assert not waits, "the host waited for values of the device"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy says that this function may go one day
        forbidden = import_module("cupyx").allow_synchronize(False)
        forbidden.__enter__()
    try:
        yield
    finally:
        forbidden.__exit__(None, None, None)


def device_bytes(gpu):
    """Memory in use on the device, and taken by its pool."""
    gc.collect()
    if gpu == "pretended":
        return 0, 0
    pool = import_module("cupy").get_default_memory_pool()
    return pool.used_bytes(), pool.total_bytes()


class SameNoise:
    """All random streams draw the same numbers on every device and in every precision."""

    def __init__(self, monkeypatch):
        self.restart()
        normal = lambda _, shape, dtype=np.float32, device=None: self.give(
            self.random.standard_normal(shape), dtype, device
        )
        uniform = lambda _, shape, dtype=np.float32, device=None: self.give(
            self.random.random(shape), dtype, device
        )
        integers = lambda _, low, high, shape, device=None: self.give(
            self.random.integers(low, high, shape), np.int64, device
        )
        for name, draw in (("normal", normal), ("uniform", uniform), ("integers", integers)):
            monkeypatch.setattr(Stream, name, draw)

    def restart(self):
        self.random = np.random.default_rng(5)

    def give(self, values, dtype, device):
        return to_device(np.asarray(values, dtype), device or Device("cpu"))


def system_on(where, key, config, dtype=np.float32):
    """A system on a device, with the weights that it has on the CPU."""
    tg.manual_seed(1)
    here = build({"system": key, **config})
    if where == "cpu":
        there = here
    else:
        with tg.device(where):
            there = build({"system": key, **config})
        there.load_state_dict(clone(here.state_dict()))
    for module in there.modules.values():
        module.to(dtype=dtype)
    return there


def on_device(batch):
    """A batch whose examples are on the GPU already."""
    return batch | {"x": tg.tensor(batch["x"], device="cuda")}


def distance(found, expected, noise=0.0):
    """‖found − expected‖ ÷ ‖expected‖, of arrays or tensors."""
    found, expected = (np.asarray(a, np.float64) for a in (found, expected))
    assert found.shape == expected.shape
    return np.linalg.norm(found - expected) / (np.linalg.norm(expected) + noise + 1e-300)
