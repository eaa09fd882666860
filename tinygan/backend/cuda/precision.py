"""How exactly a GPU multiplies float32.

A tensor core multiplies two float32 numbers as TF32: of each mantissa it sees the first 10 bits of
23, and adds the products up in float32. That is about eight times as fast as exact arithmetic, and
training does not notice. So it is the default here, for matrix products as for convolutions.
(PyTorch makes it the default of its convolutions only.) Twice as fast again are factors that are
stored as bfloat16 for their product: 7 bits of mantissa, half the bytes, the sum still in float32.
What lies between products stays float32, as do weights. Another way is chosen by

    TINYGAN_FLOAT32=exact               in the environment, or
    set_float32_precision("exact")      from then on

float64 is always exact. Matrices of float16 are multiplied on tensor cores and added up in float32,
whatever is chosen.
"""

import os
from contextlib import contextmanager

_WAYS = ("tf32", "exact", "bfloat16")
_EXPECTED = "expected 'tf32', 'exact' or 'bfloat16', got"
_chosen = os.environ.get("TINYGAN_FLOAT32") or "tf32"


def set_float32_precision(way: str) -> None:
    """`"tf32"`, `"exact"` or `"bfloat16"`, for all products of float32 on a GPU from now on."""
    global _chosen
    if way not in _WAYS:
        raise ValueError(f"set_float32_precision: {_EXPECTED} {way!r}")
    _chosen = way


def float32_precision() -> str:
    if _chosen not in _WAYS:
        raise ValueError(f"TINYGAN_FLOAT32: {_EXPECTED} {_chosen!r}")
    return _chosen


@contextmanager
def float32_as(way: str):
    """In the block, products of float32 are made so."""
    before = float32_precision()
    set_float32_precision(way)
    try:
        yield
    finally:
        set_float32_precision(before)


def tensor_cores() -> bool:
    """May float32 be multiplied as TF32, or less exactly?"""
    return float32_precision() != "exact"
