"""Kernels written in CUDA C++: the `.cu` files beside this page, compiled when first needed.

A file is compiled once for every set of macros that it is asked for with; sizes that the compiler
should know, such as those of tiles, are macros. CuPy keeps what it compiled on disk, so that only a
user's first run waits.
"""

import re
from functools import cache
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
    return import_module("cupy").RawModule(code=source(file), options=options)


@cache
def source(file: str) -> str:
    """The text of a file, with the headers that it includes in their places."""
    text = (FOLDER / file).read_text()
    return re.sub(r'^#include "(.+)"$', lambda found: source(found[1]), text, flags=re.M)


@cache
def multiprocessors() -> int:
    """How many blocks' worth of processors the card has."""
    return import_module("cupy").cuda.Device().attributes["MultiProcessorCount"]
