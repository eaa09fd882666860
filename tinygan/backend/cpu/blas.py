"""Vector operations of the BLAS that NumPy brings along, which NumPy itself does not offer.

    add_scaled(y, b, x, a):     y ← b·y + a·x      in one pass over memory, where NumPy takes three

Called through ctypes, which lets go of Python's lock. Where the function cannot be found the same
is done in NumPy.
"""

import ctypes
from functools import cache

import numpy as np

from .. import portable
from .threads import numpy_blas

__all__ = ["add_scaled"]

_SMALL = 1 << 12  # numbers: below it the call costs more than it saves


def add_scaled(y: np.ndarray, b: float, x: np.ndarray, a: float, room: np.ndarray) -> None:
    """y ← b·y + a·x for contiguous arrays of one shape; `room` is a third, for work."""
    function = _axpby(y.dtype.char) if y.size > _SMALL and x.dtype == y.dtype else None
    if function is None:
        portable.add_scaled(y, b, x, a, room)
    else:
        function(y.size, a, x.ctypes.data, 1, b, y.ctypes.data, 1)


@cache
def _axpby(kind: str):
    """cblas_saxpby or cblas_daxpby: (n, a, x, step of x, b, y, step of y)."""
    name = {"f": "cblas_saxpby", "d": "cblas_daxpby"}.get(kind)
    for library in numpy_blas() if name else ():
        look_up = getattr(library, "_get_symbol", lambda name: None)
        function = look_up(name) if library.internal_api == "openblas" else None
        if function is not None:
            wide = "64" in getattr(library, "_symbol_suffix", "")
            number = ctypes.c_float if kind == "f" else ctypes.c_double
            count = ctypes.c_int64 if wide else ctypes.c_int
            function.argtypes = [
                count, number, ctypes.c_void_p, count, number, ctypes.c_void_p, count,
            ]  # fmt: skip
            function.restype = None
            return function
    return None
