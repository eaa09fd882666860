"""Slips that somebody could make in tinygan, and the tests that must notice each of them.

A row is `(name, old, new)`: in the file, `old` (which occurs exactly once) becomes `new`. The tests
are arguments of pytest, for all rows of a call of `slips`, or as a fourth item for one row. Every
row is wrong on purpose, yet plausible: it runs, and does something else than it says.
`python -m tests.mutants` applies them.
"""

import importlib
import pkgutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    name: str
    file: str
    old: str
    new: str
    tests: str


def slips(file, tests, *rows):
    """Rows for one file of `tinygan/`; their names begin with it."""
    return [
        Slip(f"{file.removesuffix('.py')}: {name}", f"tinygan/{file}", old, new, *(own or [tests]))
        for name, old, new, *own in rows
    ]


def all_slips():
    """Those of all modules beside this one."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [slip for name in names for slip in importlib.import_module(f"{__name__}.{name}").SLIPS]
