"""How much one file may ask for, so that a bomb is refused before it goes off.

What lies on the disk as it is cannot claim more than the file's own length. What is compressed can:
six megabytes of gzip unfold to as many gigabytes, and a picture's header may state any size. So
readers compare the size that a header declares with two limits, which the environment can raise:

    TINYGAN_MAX_GB          gigabytes that one file may fill in memory                     4
    TINYGAN_MAX_MEGAPIXELS  millions of pixels of one picture                             64
"""

import math
import os

import numpy as np

from .dataset import DataError

GIGABYTE, MEGAPIXEL = 10**9, 10**6
MEMORY, PIXELS = "TINYGAN_MAX_GB", "TINYGAN_MAX_MEGAPIXELS"
_DEFAULTS = {MEMORY: 4, PIXELS: 64}


def memory() -> float:
    """Bytes that one file may fill."""
    return GIGABYTE * _limit(MEMORY)


def pixels() -> float:
    """Pixels that one picture may have."""
    return MEGAPIXEL * _limit(PIXELS)


def reserve(path, shape, dtype, order="C") -> np.ndarray:
    """An array for what is to be read from a file, if it may be so large; its content is undefined.

    >>> reserve("bomb.gz", (10**6, 28, 28, 9), np.uint8)
    Traceback (most recent call last):
    tinygan.data.dataset.DataError: bomb.gz: would fill 7.06 GB of memory, more than the limit of \
4 GB; if its size is right, set TINYGAN_MAX_GB=8 in the environment
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    require_memory(path, size)
    try:
        return np.empty(shape, dtype, order)
    except MemoryError:
        raise DataError(f"{path}: fills {size / GIGABYTE:,.3g} GB, which are not free") from None


def require_memory(path, size: int) -> None:
    """Refuse what would fill more bytes than allowed."""
    if size > memory():
        raise DataError(
            f"{path}: would fill {size / GIGABYTE:,.3g} GB of memory, more than the limit of "
            f"{memory() / GIGABYTE:g} GB; if its size is right, set {MEMORY}="
            f"{math.ceil(size / GIGABYTE)} in the environment"
        )


def require_pixels(path, width: int, height: int) -> None:
    """Refuse a picture whose header states more pixels than allowed."""
    if width * height > pixels():
        raise DataError(
            f"{path}: is a picture of {width:,}×{height:,} pixels, more than the limit of "
            f"{pixels() / MEGAPIXEL:g} million; if its size is right, set {PIXELS}="
            f"{math.ceil(width * height / MEGAPIXEL)} in the environment"
        )


def _limit(name):
    text = os.environ.get(name, "")
    try:
        limit = float(text or _DEFAULTS[name])
    except ValueError:
        limit = -1
    if not 0 < limit < math.inf:
        raise DataError(f"{name}={text!r}: expected a number above 0")
    return limit
