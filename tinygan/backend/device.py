"""Devices and the arrays that live on them.

An engine for two kinds of memory needs few questions answered: which array module (`numpy` or
`cupy`) does this array belong to, which device is it on, and how does it get to another one. They
are answered here; the kernels whose code differs per device are handed out by `kernels`.

>>> array_module(np.zeros(3)) is np
True
"""

import os
import threading
from importlib import import_module

import numpy as np

from .block import Block

_modules = {np.ndarray: np}  # array type -> array module; CuPy's is added when it is first used
_kernels = {}  # array type -> module of kernels


class _Context(threading.local):
    device = None  # of the innermost `with device(...)` block


_context = _Context()


class DeviceError(RuntimeError):
    """A device is missing, unknown, or holds only some of the operands."""


class Device(Block):
    """Where arrays live: `Device("cpu")` or `Device("cuda", 1)`. As a context manager: the default
    in its block.
    """

    state, name = _context, "device"

    def __init__(self, kind: str, index: int = 0):
        self.type, self.index = kind, index

    def __repr__(self):
        return f"device('{self}')"

    def __str__(self):
        return self.type if self.type == "cpu" else f"{self.type}:{self.index}"

    def __eq__(self, other):
        if isinstance(other, str):
            other = device(other)
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def inside(self, outside):
        return self


def device(name="auto") -> Device:
    """`"cpu"`, `"cuda"`, `"cuda:1"`, or `"auto"`: the GPU where CuPy finds one, else the CPU."""
    if isinstance(name, Device):
        return name
    kind, _, index = str(name).partition(":")
    if kind == "auto" and not index:
        return Device("cuda") if _cuda_problem() is None else Device("cpu")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()) or (kind == "cpu" and index):
        raise DeviceError(f"unknown device {name!r}: expected 'cpu', 'cuda', 'cuda:1' or 'auto'")
    if kind == "cuda":
        if problem := _cuda_problem():
            raise DeviceError(f"device {name!r} cannot be used: {problem}")
        count = import_module("cupy").cuda.runtime.getDeviceCount()
        if int(index or 0) >= count:
            raise DeviceError(f"device {name!r} does not exist: this machine has {count} GPU(s)")
    return Device(kind, int(index or 0))


def default_device() -> Device:
    """The innermost `with device(...)` block, else `TINYGAN_DEVICE`, else the CPU."""
    if _context.device is not None:
        return _context.device
    try:
        return device(os.environ.get("TINYGAN_DEVICE") or "cpu")
    except DeviceError as error:
        raise DeviceError(f"TINYGAN_DEVICE: {error}") from None


def cuda_is_available() -> bool:
    return _cuda_problem() is None


def _cuda_problem() -> str | None:
    """One line that says why the GPU cannot be used and what to install; None when it can."""
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        if error.name == "cupy":
            return 'CuPy is not installed; pip install "tinygan[cuda13]" (or [cuda12])'
        return (
            f"CuPy does not load ({_reason(error)}); its wheel must match the CUDA driver: "
            'pip install "tinygan[cuda13]" or "tinygan[cuda12]"'
        )
    if not cupy.cuda.is_available():
        return "CuPy finds no CUDA driver or no GPU; install NVIDIA's driver, or use device 'cpu'"
    from .cuda.arrays import keeping_order  # where `array_module` is at hand

    register_array_type(cupy.ndarray, keeping_order(cupy))
    return None


def _reason(error) -> str:
    """The line of CuPy's long message that names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =")]
    after = lines.index("Original error:") + 1 if "Original error:" in lines[:-1] else 0
    return lines[after] if lines else type(error).__name__


def register_array_type(array_type: type, module) -> None:
    """Make `module` (with NumPy's interface) the array module of arrays of `array_type`."""
    _modules[array_type] = module


def register_cpu_array_type(array_type: type) -> None:
    """Take arrays of a subclass of NumPy's for the CPU's own."""
    register_array_type(array_type, np)


def is_array(value) -> bool:
    return type(value) in _modules


def array_module(array):
    """The module, `numpy` or `cupy`, whose functions work on this array."""
    try:
        return _modules[type(array)]
    except KeyError:
        raise TypeError(f"expected an array, got {type(array).__name__}") from None


def on_device(value) -> bool:
    """Is this an array in the memory of a GPU?"""
    return _modules.get(type(value), np) is not np


def new_zeros(array, shape):
    """Zeros of the array's dtype, where it lives."""
    xp = array_module(array)
    if xp is np:  # so that an array that is being recorded makes them
        return np.zeros(shape, array.dtype, like=array)
    return xp.zeros(shape, array.dtype)


def device_module(where: Device):
    """The array module for a device."""
    return np if where.type == "cpu" else import_module("cupy")


def device_of(array) -> Device:
    if _modules.get(type(array)) is np:
        return Device("cpu")
    return Device("cuda", int(array.device.id))


def to_device(array, where: Device):
    """Copy an array to a device; the array itself when it is already there.

    Images and filters, which have four axes, come to a GPU with their channels last in memory, as
    its kernels want them.
    """
    if device_of(array) == where:
        return array
    if where.type == "cpu":
        return array.get()
    if not on_device(array):
        import_module("tinygan.backend.recording").changing("a copy from the host's memory")
    cupy = import_module("cupy")
    with cupy.cuda.Device(where.index):
        return _channels_last(cupy, cupy.array(array))


def _channels_last(cupy, array):
    if array.ndim != 4 or array.dtype.kind != "f":
        return array
    return cupy.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def sent(array, where: Device):
    """As `to_device`, of a batch: to a GPU it goes beside the computation (`cuda/staging.py`)."""
    if where.type == "cpu" or type(array) is not np.ndarray or not array.ndim:
        return to_device(array, where)
    import_module("tinygan.backend.recording").changing("a copy from the host's memory")
    cupy = import_module("cupy")
    with cupy.cuda.Device(where.index):
        staging = import_module("tinygan.backend.cuda.staging").staging(where.index)
        return _channels_last(cupy, staging.send(array))


def to_numpy(array) -> np.ndarray:
    return array if type(array) is np.ndarray else array.get()


def numbers(values) -> list[float]:
    """Python's numbers of arrays of one number each. For those on a GPU the host waits once."""
    there = [v for v in values if on_device(v)]
    read = iter(())
    if there:
        xp = array_module(there[0])
        read = iter(xp.stack([v.astype(np.float64) for v in there]).get().tolist())
    return [next(read) if on_device(v) else float(v) for v in values]


def synchronize(array) -> None:
    """Wait until the device has computed the array; on the CPU it has already."""
    if type(array) is not np.ndarray and is_array(array):
        import_module("cupy").cuda.get_current_stream().synchronize()


def kernels(array):
    """The kernels for this array's device: `backend.cpu` or `backend.cuda`, with the same names in
    both.
    """
    kind = type(array)
    if kind not in _kernels:
        _kernels[kind] = import_module(
            f"tinygan.backend.{'cpu' if _modules[kind] is np else 'cuda'}"
        )
    return _kernels[kind]
