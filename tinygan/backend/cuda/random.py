"""Random numbers made on the GPU, by `philox.cu`.

A generator's state stays on the device, and draws move it on there. The host waits for it only
where it asks for the state, to put it into a checkpoint.
"""

from importlib import import_module

import numpy as np

from .compiled import kernel

FILE, THREADS, BLOCKS = "philox.cu", 256, 1024  # of a launch: threads in a block, blocks at most
_NAMES = [f"{kind}_{size}" for kind in ("normal", "uniform") for size in ("float32", "float64")]
VARIANTS = [(FILE, name, {}) for name in [*_NAMES, "integers", "advance", "restart"]]


class Generator:
    """A source of random arrays on one device. Its key picks one of 2⁶⁴ sequences."""

    def __init__(self, key: int, index: int = 0):
        self._device = import_module("cupy").cuda.Device(index)
        with self._device:
            self._state = import_module("cupy").array(np.array([key, 0], np.uint64))

    def standard_normal(self, shape, dtype=np.float32):
        return self._drawn(f"normal_{np.dtype(dtype)}", shape, dtype)

    def random(self, shape, dtype=np.float32):
        """Uniform on [0, 1)."""
        return self._drawn(f"uniform_{np.dtype(dtype)}", shape, dtype)

    def integers(self, low, high, shape, dtype=np.int64):
        """Of low … high − 1."""
        assert dtype == np.int64
        if low >= high:
            raise ValueError(f"integers: low >= high: {low} and {high}")
        span = np.uint64((int(high) - int(low)) % (1 << 64))
        return self._drawn("integers", shape, dtype, np.int64(low), span)

    def _drawn(self, name, shape, dtype, *numbers):
        if (FILE, name, {}) not in VARIANTS:
            raise TypeError(f"random numbers of type {np.dtype(dtype)} are not made on the GPU")
        with self._device:
            out = import_module("cupy").empty(shape, dtype)
            if counters := -(-out.nbytes // 16):  # each gives four words
                blocks = min(-(-counters // THREADS), BLOCKS)
                arguments = (self._state, out, np.int64(out.size), *numbers)
                kernel(FILE, name)((blocks,), (THREADS,), arguments)
                kernel(FILE, "advance")((1,), (1,), (self._state, np.int64(counters)))
        return out

    def state(self) -> list[int]:
        """The key, and how many counters are used up."""
        with self._device:
            return self._state.get().tolist()

    def restore(self, state: list[int]) -> None:
        """Go on from a state. As a launch, it comes after all draws that were asked for before."""
        with self._device:
            kernel(FILE, "restart")((1,), (1,), (self._state, *map(np.uint64, state)))
