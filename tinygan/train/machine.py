"""What decides the last bits of a run besides its settings and its seed.

Sums of many numbers come out differently rounded when they are done in another order: by another
number of threads, by another matrix library (BLAS) or by its kernels for another processor. So a
run is the same bit for bit only where all of these are; elsewhere it is as good, but not equal.
"""

import contextlib
import os
import platform
from importlib import import_module

import numpy as np

from ..backend import default_device
from ..backend.cpu.threads import get_num_threads, numpy_blas

_SWITCHES = ("TINYGAN_CONV",)  # of the environment: which kernels compute


def facts() -> dict[str, str]:
    """What there is here and now, name → value."""
    where = default_device()
    return {
        "device": str(where) if where.type == "cpu" else f"{where}, {_gpu(where)}",
        "threads": str(get_num_threads()),
        "BLAS": "; ".join(_library(library.info()) for library in numpy_blas()) or "unknown",
        "CPU": _processor(),
        "NumPy": np.__version__,
        **{name: os.environ[name] for name in _SWITCHES if os.environ.get(name)},
    }


def changes(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What differs, in words."""
    return [
        f"{name} was {before.get(name, 'not set')}, is {now.get(name, 'not set')}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def _library(info):
    parts = (info["internal_api"], info.get("version"), info.get("architecture"))
    threads = f"{info['num_threads']} threads"
    return " ".join(str(part) for part in parts if part) + f" on {threads}"


def _processor():
    """The model's name where the system tells it."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpu(where):
    runtime = import_module("cupy").cuda.runtime
    return runtime.getDeviceProperties(where.index)["name"].decode()
