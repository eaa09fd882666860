"""CUDA kernels on a CPU: the `.cu` files of tinygan's CUDA backend, built by g++ and run as fibres.

    kernel = fibres.kernel("conv.cu", "forward", TILE=64)  as `compiled.kernel` does for a GPU
    kernel((4, 1, 1), (256, 1, 1), (x, w, 3))  on NumPy arrays or the strict device's

What a GPU forgives for a while is an error here (`FibreError`, with file and line): see `fibres.h`.
Arguments are checked against the kernel's, too, and each array that a kernel sees lies between
margins: what it reads there is NaN, and what it writes there is an error.

A test of the backend's Python code takes the fixture `fibre_device` (see `conftest.py`): then
`tg.zeros(3, device="cuda")` is an array of the strict device, its kernels are those of
`tinygan.backend.cuda`, and they run as fibres.
"""

import ctypes
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests import strict_device
from tinygan.backend.cuda import compiled

HERE = Path(__file__).parent
SLIPS = "alignment,bounds,signed-integer-overflow,integer-divide-by-zero,shift"
OPTIONS = [
    "-std=c++20", "-O1", "-fPIC", "-w", "-ffp-contract=off", "-U_FORTIFY_SOURCE",
    f"-fsanitize={SLIPS}", "-fno-gnu-unique", f"-I{compiled.FOLDER}", f"-I{HERE}",
]  # fmt: skip
STATIC_LIMIT, DYNAMIC_LIMIT = 48 << 10, 227 << 10  # bytes of shared memory on Hopper
MARGIN = 4096  # bytes beside an array
_one_at_a_time = threading.Lock()

missing = "" if shutil.which("g++") and sys.platform == "linux" else "needs g++ on Linux"
needed = pytest.mark.skipif(bool(missing), reason=missing)


class FibreError(RuntimeError):
    """A kernel did what a GPU does not allow, or allows only by chance."""


@cache
def kernel(file, name, **macros):
    """The kernel `name` of a file of the CUDA backend, or of one whose whole path is given."""
    return module(file, tuple(sorted(macros.items()))).get_function(name)


@cache
def module(file, macros=()):
    return Module(file, macros)


class Module:
    """What CuPy's RawModule is for a GPU."""

    def __init__(self, file, macros):
        self.file, self.macros = file, macros

    def get_function(self, name):
        return Kernel(_built(self.file, self.macros), name)


class Kernel:
    """A kernel, to be called as one of CuPy's."""

    def __init__(self, library, name):
        self._launch, self.name = library[f"fibres_{name}"], name
        self._launch.restype = ctypes.c_char_p
        self.max_dynamic_shared_size_bytes = STATIC_LIMIT

    def __call__(self, grid, block, args, shared_mem=0):
        if shared_mem > min(self.max_dynamic_shared_size_bytes, DYNAMIC_LIMIT):
            raise FibreError(f"{self.name}: {shared_mem} bytes of shared memory are too many")
        grid, block = ((*size, 1, 1)[:3] for size in (grid, block))
        if not 0 < np.prod(block) <= 1024 or not all(grid):
            raise FibreError(f"{self.name}: grid {grid} of blocks {block}")
        with _one_at_a_time:
            memory = _Memory([getattr(a, "_array", a) for a in args])
            values = (ctypes.c_void_p * len(args))(*(v.ctypes.data for v in memory.values))
            kinds = (ctypes.c_char_p * len(args))(*memory.kinds)
            sizes = ((ctypes.c_uint * 3)(*size) for size in (grid, block))
            problem = self._launch(*sizes, ctypes.c_size_t(shared_mem), values, kinds, len(args))
            if problem:
                raise FibreError(f"{self.name}: {problem.decode()}")
            memory.bring_back(self.name)


class _Memory:
    """The arguments of a launch: numbers as they are, arrays in copies with margins.

    Arrays that share memory share a copy. A copy is aligned as its array is within its owner, since
    CuPy aligns owners, and not views, to 512 bytes.
    """

    def __init__(self, args):
        self.copies = []  # (low, high, owner's beginning, bytes with margins)
        spans = sorted(_span(a) for a in args if _is_memory(a) and a.size)
        for low, high, owner in spans:
            if self.copies and low < self.copies[-1][1]:
                low, before, owner = self.copies.pop()
                high = max(high, before)
            self.copies.append((low, high, owner))
        self.copies = [(*span, _with_margins(*span)) for span in self.copies]
        self.values, self.kinds = [], []
        for arg in args:
            value, kind = self._value(arg)
            self.values.append(np.asarray(value))
            self.kinds.append(kind.encode())

    def _value(self, arg):
        if _is_memory(arg):
            return self._address(arg), "p8"
        if isinstance(arg, np.ndarray):  # CuPy passes a struct by value
            return arg, f"i{arg.itemsize}"
        if isinstance(arg, np.generic):
            return arg, f"{'f' if arg.dtype.kind == 'f' else 'i'}{arg.itemsize}"
        if isinstance(arg, int):  # CuPy passes its 8 bytes
            return np.int64(arg), "l8"
        if isinstance(arg, float):
            return np.float64(arg), "f8"
        raise TypeError(f"{type(arg).__name__} as an argument of a kernel")

    def _address(self, array):
        start = array.ctypes.data
        for low, high, _, copy in self.copies:
            if low <= start < high:
                return np.uint64(copy.ctypes.data + MARGIN + start - low)
        return np.uint64(0)  # an empty array

    def bring_back(self, name):
        for low, high, _, copy in self.copies:
            for margin in (copy[:MARGIN], copy[MARGIN + high - low :]):
                if (margin != 0xFF).any():
                    raise FibreError(f"{name}: an array is written outside its bounds")
            ctypes.memmove(low, copy.ctypes.data + MARGIN, high - low)


def _is_memory(arg):
    return isinstance(arg, np.ndarray) and not arg.dtype.names


def _span(array):
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return *np.lib.array_utils.byte_bounds(array), owner.ctypes.data


def _with_margins(low, high, owner):
    size = high - low + 2 * MARGIN
    room = np.full(size + 512, 0xFF, np.uint8)
    shift = (low - owner - room.ctypes.data) % 512
    copy = room[shift : shift + size]
    ctypes.memmove(copy.ctypes.data + MARGIN, low, high - low)
    return copy


# -- building -------------------------------------------------------------------------------------


@cache
def _folder():
    return tempfile.TemporaryDirectory(prefix="fibres")


def kernel_names(text) -> list[str]:
    return re.findall(r"__global__[^{};]*?\b(\w+)\s*\([^()]*\)\s*\{", text)


@cache
def _built(file, macros):
    """The library of a file's kernels. The file's own lines keep their numbers."""
    stem = Path(_folder().name) / f"{len(os.listdir(_folder().name))}"
    text = f'#include "warps.h"\nnamespace {{\n#include "{compiled.FOLDER / file}"\n}}\n'
    for name in kernel_names((compiled.FOLDER / file).read_text()):
        text += f"KERNEL({name})\n"
    stem.with_suffix(".cpp").write_text(text)
    defined = [f"-D{key}={value}" for key, value in macros]
    _run("g++", *OPTIONS, *defined, f"-I{_header()}", "-c", f"{stem}.cpp", "-o", f"{stem}.o")
    # Without -fsanitize's own library; a kernel may be called as a function of C's is.
    _run("g++", "-shared", "-Wl,-Bsymbolic", f"{stem}.o", "-o", f"{stem}.so")
    return ctypes.CDLL(f"{stem}.so")


@cache
def _header():
    """The folder of the fibres' header, read by g++ once for all kernels: half the time of each."""
    folder = _folder().name
    _run("g++", *OPTIONS, "-x", "c++-header", f"{HERE}/warps.h", "-o", f"{folder}/warps.h.gch")
    return folder


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise FibreError(f"{' '.join(command)}\n{done.stderr}")


# -- the device -----------------------------------------------------------------------------------


def install(monkeypatch):
    """The strict device, with the CUDA backend's own kernels run as fibres, for one test.

    The backend may ask only for what its modules' `VARIANTS` list, since those are what the tests
    compile for GPUs (`test_cuda_sources.py`).
    """
    cupy = strict_device.install(monkeypatch)
    names = ("device", "cuda", "cuda.random")
    device, cuda, random = (import_module(f"tinygan.backend.{name}") for name in names)
    monkeypatch.setitem(device._kernels, strict_device.StrictArray, cuda)
    monkeypatch.setattr(random, "kernel", compiled.kernel)  # not what the strict device has there
    monkeypatch.setattr(compiled, "_module", _listed_module)
    monkeypatch.setattr(import_module("tinygan.backend.cuda.blas"), "library", lambda: None)
    compiled.kernel.cache_clear()
    return cupy


def _listed_module(file, macros):
    free = isinstance(file, Path) or "EQUATION" in dict(macros)  # of which there is no end
    if not free and (file, macros) not in variants():
        raise FibreError(f"{file} with {dict(macros)} is in no module's VARIANTS")
    return module(file, macros)


@cache
def variants():
    """What the modules of the CUDA backend list: {(file, macros): names of kernels}."""
    cuda, found = import_module("tinygan.backend.cuda"), {}
    for each in pkgutil.iter_modules(cuda.__path__, cuda.__name__ + "."):
        for file, name, macros in getattr(import_module(each.name), "VARIANTS", ()):
            found.setdefault((file, tuple(sorted(macros.items()))), []).append(name)
    return found
