"""How exactly a GPU multiplies float32.

A tensor core multiplies two float32 numbers as TF32: of each mantissa it sees the first 10 bits of
23, and adds the products up in float32. That is about eight times as fast as exact arithmetic, and
training does not notice. So it is the default here, for matrix products as for convolutions.
(PyTorch makes it the default of its convolutions only.) The exact way is chosen by

    TINYGAN_FLOAT32=exact               in the environment, or
    set_float32_precision("exact")      from then on

float64 is always exact. float16 and bfloat16 are multiplied on tensor cores and added up in
float32, whatever is chosen.
"""

import os

_WAYS = ("tf32", "exact")
_chosen = os.environ.get("TINYGAN_FLOAT32") or "tf32"


def set_float32_precision(way: str) -> None:
    """`"tf32"` or `"exact"`, for all products of float32 on a GPU from now on."""
    global _chosen
    if way not in _WAYS:
        raise ValueError(f"set_float32_precision: expected 'tf32' or 'exact', got {way!r}")
    _chosen = way


def float32_precision() -> str:
    if _chosen not in _WAYS:
        raise ValueError(f"TINYGAN_FLOAT32: expected 'tf32' or 'exact', got {_chosen!r}")
    return _chosen


def tensor_cores() -> bool:
    """May float32 be multiplied as TF32?"""
    return float32_precision() == "tf32"
