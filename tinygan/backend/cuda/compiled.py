"""Kernels written in CUDA C++: the `.cu` files beside this page, compiled when first needed.

A file is compiled once for every set of macros that it is asked for with; sizes that the compiler
should know, such as those of tiles, are macros. CuPy keeps what it compiled on disk, so that only a
user's first run waits.
"""

import os
import re
import tempfile
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent
OPTIONS = ("-std=c++17",)


@cache
def kernel(file: str, name: str, **macros):
    """The kernel `name` of a file, to be called as `kernel(...)(grid, block, arguments)`."""
    return _module(file, tuple(sorted(macros.items()))).get_function(name)


@cache
def _module(file, macros):
    options = (*OPTIONS, *(f"-D{key}={value}" for key, value in macros))
    cupy = import_module("cupy")
    if "hopper" in file:
        return cupy.RawModule(path=_compiled_for_hopper(file, options))
    return cupy.RawModule(code=source(file), options=options)


def _compiled_for_hopper(file, options) -> str:
    """Where the program is that NVRTC makes for sm_90a, which CuPy does not know.

    Warpgroups' products are not part of sm_90: no later card has them. The program is kept beside
    those that CuPy keeps, or for this process alone where nothing can be written there.
    """
    nvrtc = import_module("cupy_backends.cuda.libs.nvrtc")
    options = (*options, "-arch=sm_90a")
    text = repr((source(file), options, nvrtc.getVersion()))
    folder = Path(os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache")
    path = folder / f"tinygan-{sha256(text.encode()).hexdigest()}.cubin"
    if path.exists():
        return str(path)
    program = nvrtc.createProgram(source(file), file, (), ())
    try:
        nvrtc.compileProgram(program, options)
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{file}: {nvrtc.getProgramLog(program)}") from error
    made = nvrtc.getCUBIN(program)
    nvrtc.destroyProgram(program)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _written(path, made)
    except OSError:
        return _written(Path(tempfile.mkdtemp(prefix="tinygan-")) / path.name, made)


def _written(path, content) -> str:
    """Write a file that nobody ever sees in part."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return str(path)


@cache
def source(file: str) -> str:
    """The text of a file, with the headers that it includes in their places."""
    text = (FOLDER / file).read_text()
    return re.sub(r'^#include "(.+)"$', lambda found: source(found[1]), text, flags=re.M)


@cache
def multiprocessors() -> int:
    """How many blocks' worth of processors the card has."""
    return import_module("cupy").cuda.Device().attributes["MultiProcessorCount"]


@cache
def has_bfloat16() -> bool:
    """Do the card's tensor cores multiply bfloat16? From Ampere on."""
    return int(import_module("cupy").cuda.Device().compute_capability) >= 80


@cache
def is_hopper() -> bool:
    """Has the card the products of warpgroups, which `…_hopper.cu` use?"""
    return import_module("cupy").cuda.Device().compute_capability == "90"
