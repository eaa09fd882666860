"""`python -m tinygan info`: what a report of a fault, or of a speed, should begin with."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from .. import __version__
from ..backend import DeviceError, device
from ..backend.cpu import get_num_threads
from ..data import NAMES
from ..models import SYSTEMS

_PACKAGES = ("numpy", "scipy", "matplotlib", "pillow", "safetensors", "threadpoolctl", "tqdm")
_OPTIONAL = ("cupy-cuda13x", "cupy-cuda12x", "tensorboard")


def lines() -> list[str]:
    """Versions, devices, threads, and what there is to train."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        f"tinygan {__version__}, Python {platform.python_version()}, {platform.platform()}",
        "packages   " + ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "optional   " + ", ".join(f"{name} {_version(name)}" for name in _OPTIONAL),
        f"cpu        {cores} cores, {get_num_threads()} threads used (TINYGAN_THREADS)",
        f"gpu        {_gpu()}",
        f"default    {device('auto')} (--device auto)",
        f"models     {', '.join(sorted(SYSTEMS))}",
        f"data       {', '.join(NAMES)}, or a path",
    ]


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _gpu():
    try:
        where = device("cuda")
    except DeviceError as error:
        return str(error).removeprefix("device 'cuda' cannot be used: ")
    return f"{where}, usable"
