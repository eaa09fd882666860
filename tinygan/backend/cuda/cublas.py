"""cuBLAS, NVIDIA's library of matrix products, through a handle of our own.

CuPy has one, too, but does not lend it to a CUDA graph: during a capture its products refuse. What
a graph needs is a handle with a workspace that stays where it is, for the address becomes part of
the graph; and a workspace of our own also makes the results reproducible from run to run.

The library is the one that CuPy would load: from NVIDIA's wheels, or from the system. Its numbers
are those of `cublas_api.h` and `library_types.h`.
"""

import ctypes
import threading
from functools import cache
from importlib import import_module

from .precision import float32_precision

WORKSPACE = 32 << 20  # bytes: what cuBLAS recommends for Hopper
# cublasOperation_t
N, T = 0, 1
# cudaDataType_t
TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
# cublasComputeType_t
_COMPUTE_32F, _COMPUTE_64F = 68, 70
_COMPUTE_FLOAT32 = {"exact": _COMPUTE_32F, "tf32": 77, "bfloat16": 75}  # 32F_FAST_TF32, …_16BF
# cublasGemmAlgo_t: the library chooses
_DEFAULT = -1

_int, _long, _address = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p
_MATRIX = [_address, _int, _int]  # where, of what type, how far from column to column
_MATRICES = [*_MATRIX, _long]  # and how far from matrix to matrix
_SIGNATURES = {
    "cublasCreate_v2": [_address],
    "cublasSetStream_v2": [_address, _address],
    "cublasSetWorkspace_v2": [_address, _address, ctypes.c_size_t],
    "cublasGemmEx": [
        _address, *[_int] * 5, _address, *_MATRIX, *_MATRIX, _address, *_MATRIX, _int, _int,
    ],
    "cublasGemmStridedBatchedEx": [
        _address, *[_int] * 5, _address, *_MATRICES, *_MATRICES, _address, *_MATRICES, *[_int] * 3,
    ],
}  # fmt: skip
_handles = {}  # (thread, device) -> Handle


class CublasError(RuntimeError):
    """cuBLAS did not do what it was asked."""


@cache
def library():
    """The loaded library with its functions' types; None where there is none."""
    for load in (_by_pathfinder, lambda: "libcublas.so.13", lambda: "libcublas.so.12"):
        try:
            found = ctypes.CDLL(load())
            for name, types in _SIGNATURES.items():
                function = getattr(found, name)
                function.argtypes, function.restype = types, _int
            return found
        except (ImportError, OSError, AttributeError, RuntimeError):
            continue
    return None


def _by_pathfinder():
    """Where NVIDIA's own searcher, which CuPy uses, finds it: wheels, Conda, the system."""
    return import_module("cuda.pathfinder").load_nvidia_dynamic_lib("cublas").abs_path


def _call(name, *arguments):
    status = getattr(library(), name)(*arguments)
    if status:
        raise CublasError(f"{name} failed with status {status} ({_status_name(status)})")


def _status_name(status):
    name = getattr(library(), "cublasGetStatusName", None)
    if name is None:
        return "unknown"
    name.argtypes, name.restype = [_int], ctypes.c_char_p
    return name(status).decode()


class Handle:
    """A handle for one thread on the device that is current, with a workspace that stays."""

    def __init__(self):
        self._handle, self._stream = _address(), None
        _call("cublasCreate_v2", ctypes.byref(self._handle))
        # From the driver itself: a pool might belong to a program, and go with it.
        self._workspace = import_module("cupy").cuda.Memory(WORKSPACE)

    def multiply(self, kind, operations, sizes, left, right, out, batch=None):
        """out = left · right in the order of columns. `sizes` are (m, n, k); `left`, `right` and
        `out` are (address, leading dimension), and with `batch` matrices also (…, stride).
        """
        self._follow(import_module("cupy").cuda.get_current_stream().ptr)
        one, zero = (map(_double, (1.0, 0.0))) if kind == "float64" else map(_single, (1.0, 0.0))
        typed = [(x[0], TYPES[kind], *x[1:]) for x in (left, right, out)]
        tail = (_compute(kind), _DEFAULT)
        name = "cublasGemmEx"
        if batch is not None:
            name, tail = "cublasGemmStridedBatchedEx", (batch, *tail)
        _call(
            name, self._handle, *operations, *sizes, ctypes.byref(one), *typed[0], *typed[1],
            ctypes.byref(zero), *typed[2], *tail,
        )  # fmt: skip

    def _follow(self, stream):
        """Work on CuPy's current stream. A new stream takes the workspace away: so in this order.

        One workspace serves all streams of the thread: do not compute on two at the same time.
        """
        if stream != self._stream:
            _call("cublasSetStream_v2", self._handle, stream)
            _call("cublasSetWorkspace_v2", self._handle, self._workspace.ptr, WORKSPACE)
            self._stream = stream


def _single(x):
    return ctypes.c_float(x)


def _double(x):
    return ctypes.c_double(x)


def _compute(kind):
    if kind == "float64":
        return _COMPUTE_64F
    return _COMPUTE_FLOAT32[float32_precision()] if kind == "float32" else _COMPUTE_32F


def handle() -> Handle:
    """This thread's handle on the current device."""
    key = threading.get_ident(), import_module("cupy").cuda.runtime.getDevice()
    if key not in _handles:
        _handles[key] = Handle()
    return _handles[key]
