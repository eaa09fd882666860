"""Keep freed memory in the process.

An array that NumPy frees goes back to the C library's allocator. Large ones go straight back to the
system, and the next array of that size comes as fresh pages that the kernel must clear at first
touch: a sixth of a small network's training step. A training step allocates the same sizes again
and again, so the allocator is told to keep what is freed. Peak memory stays what it was, since it
is the same arrays that live at the same time.

glibc only (elsewhere nothing happens). The setting belongs to the whole process, as it must;
`TINYGAN_MALLOC=system` leaves the allocator alone, and so does a MALLOC_ variable of the user's
own.
"""

import ctypes
import os

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # parameters of mallopt(3)


def give_back_freed_memory() -> None:
    """Hand what is kept to the system once; where there is no such function, nothing happens."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return


def keep_freed_memory() -> bool:
    """Tell the allocator to keep freed memory; False where it cannot be told, or must not."""
    if os.environ.get("TINYGAN_MALLOC") == "system":
        return False
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(
        mallopt(_MMAP_THRESHOLD, 1 << 30)
        and mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        and mallopt(_TOP_PAD, 1 << 24)
    )
