"""Random streams: one per purpose, each restorable.

A run draws random numbers for several purposes: initial weights, the order of the data, noise,
dropout. Each purpose has a stream of its own, so that drawing more of one never changes another,
and each stream's state can be put into a checkpoint. The seed of a stream is derived from the run's
seed and the stream's name.
"""

import os
import weakref
import zlib
from importlib import import_module

import numpy as np

from .device import Device
from .recording import drawn

_seed = 0
_streams: dict[str, "Stream"] = {}
_all_streams: weakref.WeakSet = weakref.WeakSet()


class Stream:
    """A restorable source of random arrays, one generator per device.

    >>> stream = Stream(seed=7)
    >>> saved = stream.state()
    >>> a = stream.normal((3,))
    >>> stream.restore(saved)
    >>> bool((stream.normal((3,)) == a).all())
    True
    """

    def __init__(self, seed):
        self._cuda = {}  # index of a device -> its generator
        self.restart(seed)
        _all_streams.add(self)

    def restart(self, seed):
        """Begin anew, from a seed. A GPU's generator keeps its memory: captured draws know it."""
        self._seed = seed
        self._host = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))
        for index, generator in self._cuda.items():
            generator.restore(self._beginning(index))

    def _beginning(self, index):
        """The first state of the generator of a GPU."""
        seed = np.random.SeedSequence(self._seed, spawn_key=(index,))
        return [int(seed.generate_state(1, np.uint64)[0]), 0]

    def _generator(self, device: Device | None):
        if device is None or device.type == "cpu":
            return self._host
        if device.index not in self._cuda:
            random = import_module("tinygan.backend.cuda.random")
            key, _ = self._beginning(device.index)
            self._cuda[device.index] = random.Generator(key, device.index)
        return self._cuda[device.index]

    def normal(self, shape, dtype=np.float32, device=None):
        if np.dtype(dtype) == np.float16:
            return self.normal(shape, device=device).astype(dtype)
        return drawn(lambda: self._generator(device).standard_normal(shape, dtype=dtype))

    def uniform(self, shape, dtype=np.float32, device=None):
        """Uniform on [0, 1)."""
        if np.dtype(dtype) == np.float16:  # multiples of 2⁻¹¹, of which none is rounded up to 1
            return self.integers(0, 2048, shape, device).astype(dtype) / 2048
        return drawn(lambda: self._generator(device).random(shape, dtype=dtype))

    def integers(self, low, high, shape, device=None):
        return drawn(lambda: self._generator(device).integers(low, high, shape, dtype=np.int64))

    def permutation(self, n: int) -> np.ndarray:
        return drawn(lambda: self._host.permutation(n))

    def state(self) -> dict:
        """All that is needed to go on drawing the same numbers, as plain integers and lists."""
        host = self._host.bit_generator.state
        words = [int(word) for word in host["state"]["state"]]
        state = {
            "seed": self._seed,
            "words": words,
            "has_uint32": int(host["has_uint32"]),
            "uinteger": int(host["uinteger"]),
        }
        there = {index: generator.state() for index, generator in self._cuda.items()}
        there = {str(i): words for i, words in there.items() if words != self._beginning(i)}
        return state | ({"cuda": there} if there else {})

    def restore(self, state: dict) -> None:
        self.restart(state["seed"])
        self._host.bit_generator.state = {
            "bit_generator": "SFC64",
            "state": {"state": np.array(state["words"], dtype=np.uint64)},
            "has_uint32": state["has_uint32"],
            "uinteger": state["uinteger"],
        }
        for index, words in state.get("cuda", {}).items():
            self._generator(Device("cuda", int(index))).restore(words)


def manual_seed(seed: int) -> None:
    """Restart every stream from `seed`."""
    global _seed
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"manual_seed: expected a whole number >= 0, got {seed!r}")
    _seed = int(seed)
    for name in _streams:
        _streams[name].restart(_stream_seed(name))


def stream(name: str) -> Stream:
    """The stream of one purpose: `"init"`, `"data"`, `"noise"`, `"dropout"`, or a name of your
    own.
    """
    if name not in _streams:
        _streams[name] = Stream(_stream_seed(name))
    return _streams[name]


def all_streams() -> list[Stream]:
    """Every stream that is alive, those without a purpose too."""
    return list(_all_streams)


def random_state() -> dict:
    """The states of all streams, to be put into a checkpoint.

    A stream that nothing was drawn from since the seed is left out, since it begins anew from the
    seed: so what a checkpoint holds does not depend on what else the process has done.
    """
    streams = {}
    for name in sorted(_streams):
        state = _streams[name].state()
        if state != Stream(_stream_seed(name)).state():
            streams[name] = state
    return {"seed": _seed, "streams": streams}


def restore_random_state(state: dict) -> None:
    global _seed
    _seed = state["seed"]
    for name in list(_streams):
        if name not in state["streams"]:
            _streams[name].restart(_stream_seed(name))
    for name, saved in state["streams"].items():
        stream(name).restore(saved)


def _stream_seed(name: str) -> list[int]:
    return [_seed, zlib.crc32(name.encode())]


def _after_fork_in_child() -> None:
    """A generator has a lock, and the thread that was drawing while another forked will never
    release it here: each stream goes on from its state in a generator of its own."""
    for each in list(_all_streams):
        host = np.random.SFC64()
        host.state = each._host.bit_generator.state
        each._host = np.random.Generator(host)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
