"""The arguments of cuBLAS, tried on a NumPy that reads memory as cuBLAS does: column by column."""

import ctypes
import itertools
import re
import sys
from importlib import import_module, util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinygan.backend.cuda import blas, cublas, precision


class Array(np.ndarray):
    """A NumPy array whose address is where CuPy's arrays have it."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.__array_interface__["data"][0])


XP = SimpleNamespace(
    empty=lambda shape, dtype: np.full(shape, np.nan, dtype).view(Array),
    broadcast_to=lambda a, shape: np.broadcast_to(a, shape, subok=True),
    ascontiguousarray=lambda a: np.ascontiguousarray(a).view(Array),
)


def at(address, dtype, shape, strides):
    """What lies there, with steps counted in numbers."""
    size = np.dtype(dtype).itemsize
    last = sum((n - 1) * s for n, s in zip(shape, strides))
    buffer = (ctypes.c_char * ((last + 1) * size)).from_address(address)
    return np.ndarray(shape, dtype, buffer, strides=[s * size for s in strides])


class Emulated:
    """`cublasGemmStridedBatchedEx`, by its documentation."""

    calls = 0

    def multiply(self, kind, operations, sizes, left, right, out, batch=None):
        m, n, k = sizes
        self.calls += 1
        shapes = [(m, k) if operations[0] == cublas.N else (k, m)]
        shapes += [(k, n) if operations[1] == cublas.N else (n, k), (m, n)]
        views = []
        for (rows, columns), (address, lead, *stride) in zip(shapes, (left, right, out)):
            assert lead >= max(1, rows), "cuBLAS refuses such a leading dimension"
            assert len(stride) == (batch is not None)
            shape = (batch or 1, rows, columns)
            views.append(at(address, kind, shape, (*(stride or [0]), 1, lead)))
        a, b, c = views
        a = a if operations[0] == cublas.N else a.swapaxes(1, 2)
        b = b if operations[1] == cublas.N else b.swapaxes(1, 2)
        c[...] = a @ b


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setitem(import_module("tinygan.backend.device")._modules, Array, XP)
    monkeypatch.setattr(blas, "library", lambda: True)
    found = Emulated()
    monkeypatch.setattr(blas, "handle", lambda: found)
    return found


def layouts(shape, rng, dtype, put=lambda a: a.view(Array), broadcast=XP.broadcast_to):
    """An array of this shape in many orders of memory. Whole numbers: products are exact."""
    *stack, rows, columns = shape

    def fresh(*size):
        return put(rng.integers(-4, 5, size).astype(dtype))

    yield fresh(*shape)
    yield fresh(*stack, columns, rows).swapaxes(-1, -2)
    yield fresh(*stack, rows, columns + 3)[..., 1 : columns + 1]
    yield fresh(*stack, columns + 2, rows + 1)[..., 2:, 1:].swapaxes(-1, -2)
    yield fresh(*stack, 2 * rows, columns)[..., ::2, :]
    yield fresh(*stack, rows, 2 * columns)[..., ::2]
    yield fresh(*shape)[..., ::-1, :]
    yield broadcast(fresh(*stack, 1, columns), shape)
    if stack:
        yield broadcast(fresh(rows, columns), shape)
        yield fresh(rows, *stack, columns).transpose(*range(1, len(stack) + 1), 0, -1)


MATRICES = [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1), (1, 7, 1)]


@pytest.mark.parametrize("sizes", MATRICES)
@pytest.mark.parametrize("stack", [(), (2,), (2, 3)])
def test_products_of_any_layout(emulated, sizes, stack):
    rng, (m, k, n) = np.random.default_rng(0), sizes
    pairs = itertools.product(
        layouts((*stack, m, k), rng, np.float32), layouts((*stack, k, n), rng, np.float32)
    )
    for x, y in pairs:
        result = blas.matmul(x, y)
        assert np.array_equal(result, np.asarray(x) @ np.asarray(y)), (x.strides, y.strides)
        assert result.dtype == np.float32
    assert emulated.calls >= 64


def test_stacks_that_broadcast_and_empty_products(emulated):
    rng = np.random.default_rng(0)
    for left, right in [((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (7, 4, 2)), ((7, 3, 4), (4, 2))]:
        x, y = (rng.integers(-4, 5, s).astype(np.float64).view(Array) for s in (left, right))
        assert np.array_equal(blas.matmul(x, y), np.asarray(x) @ np.asarray(y))
    calls = emulated.calls
    for left, right in [((0, 4), (4, 2)), ((3, 0), (0, 2)), ((0, 3, 4), (4, 2))]:
        x, y = (np.ones(s, np.float32).view(Array) for s in (left, right))
        assert np.array_equal(blas.matmul(x, y), np.asarray(x) @ np.asarray(y))
    assert emulated.calls == calls


def test_transposed_operands_are_not_copied(emulated, monkeypatch):
    monkeypatch.setattr(XP, "ascontiguousarray", lambda a: pytest.fail("a copy"))
    x, w, g = (np.ones(s, np.float32).view(Array) for s in ((8, 3), (5, 3), (8, 5)))
    assert np.array_equal(blas.matmul(x, w.T), np.full((8, 5), 3.0))
    dx, dw, db = blas.linear_gradients(x, w, g)
    assert np.array_equal(dx, np.full((8, 3), 5.0)) and np.array_equal(dw, np.full((5, 3), 8.0))
    assert np.array_equal(db, np.full(5, 8.0))


EQUATIONS = [
    "ij,jk->ik", "ij,kj->ik", "bij,bjk->bik", "bhqd,bhkd->bhqk", "ij,ij->", "ij,ij->ij", "i,j->ij",
    "i,i->", "ijk,j->k", "ij,kl->jl", "ai,oij,aj->ao", "ij,jk,kl,lm->im", "bij,kj->bki", "ij,jk->",
    "abc,cd,d->ba",
]  # fmt: skip


@pytest.mark.parametrize("equation", EQUATIONS)
def test_contractions(emulated, equation):
    rng, size = np.random.default_rng(0), dict(zip("abcdhijklmoqk", range(2, 15)))
    left, _, result = equation.partition("->")
    terms = left.split(",")
    operands = [rng.integers(-3, 4, [size[c] for c in t]).astype(np.float64) for t in terms]
    found = blas.contract([x.view(Array) for x in operands], terms, result)
    assert np.array_equal(found, np.einsum(equation, *operands))
    assert emulated.calls == len(terms) - 1


def test_types(emulated):
    one = {t: np.ones((2, 2), t).view(Array) for t in ("float16", "float32", "float64", "int64")}
    assert blas.matmul(one["float16"], one["float32"]).dtype == np.float32
    assert blas.matmul(one["float64"], one["float16"]).dtype == np.float64
    assert blas.matmul(one["int64"], one["float32"]).dtype == np.float64
    calls = emulated.calls
    assert blas.matmul(one["int64"], one["int64"]).dtype == np.int64
    assert emulated.calls == calls == 3


def headers():
    """The texts that define cuBLAS's numbers, where they are installed."""
    package = util.find_spec("nvidia")
    folders = [Path(p) / "cu13/include" for p in (package.submodule_search_locations or [])] \
        if package else []  # fmt: skip
    for folder in [*folders, Path("/usr/local/cuda/include")]:
        if (folder / "cublas_api.h").exists():
            names = "cublas_api.h", "library_types.h"
            return "\n".join((folder / name).read_text() for name in names)
    pytest.skip("needs NVIDIA's headers")


def test_numbers_are_those_of_the_headers():
    text = headers()
    named = {
        "CUBLAS_OP_N": cublas.N,
        "CUBLAS_OP_T": cublas.T,
        "CUDA_R_32F": cublas.TYPES["float32"],
        "CUDA_R_64F": cublas.TYPES["float64"],
        "CUDA_R_16F": cublas.TYPES["float16"],
        "CUDA_R_16BF": cublas.TYPES["bfloat16"],
        "CUBLAS_COMPUTE_32F": cublas._COMPUTE_32F,
        "CUBLAS_COMPUTE_32F_FAST_TF32": cublas._COMPUTE_FLOAT32["tf32"],
        "CUBLAS_COMPUTE_32F_FAST_16BF": cublas._COMPUTE_FLOAT32["bfloat16"],
        "CUBLAS_COMPUTE_64F": cublas._COMPUTE_64F,
        "CUBLAS_GEMM_DEFAULT": cublas._DEFAULT,
    }
    for name, number in named.items():
        (found,) = set(re.findall(rf"\b{name}\s*=\s*(-?\d+)", text))
        assert int(found) == number, name
    for name, types in cublas._SIGNATURES.items():
        declared = re.search(rf"CUBLASWINAPI {name}\((.*?)\);", text, re.S)[1].split(",")
        assert len(declared) == len(types), name
        for words, kind in zip(declared, types):
            wide = "*" in words or "cublasHandle_t" in words or "cudaStream_t" in words
            wanted = ctypes.c_void_p if wide else ctypes.c_size_t if "size_t" in words \
                else ctypes.c_longlong if "long long" in words else ctypes.c_int  # fmt: skip
            assert kind is wanted, (name, words)


def test_the_library_is_found_where_it_is_installed():
    wheels = pytest.importorskip("nvidia.cu13", reason="needs NVIDIA's wheel of cuBLAS")
    if not any(found for each in wheels.__path__ for found in Path(each).rglob("libcublas.so*")):
        pytest.skip("needs NVIDIA's wheel of cuBLAS")
    assert cublas.library() is not None
    assert cublas._status_name(7) == "CUBLAS_STATUS_INVALID_VALUE"
    with pytest.raises(cublas.CublasError, match=r"cublasSetStream_v2.*NOT_INITIALIZED"):
        cublas._call("cublasSetStream_v2", None, None)


class Library:
    """Notes what is called."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, arguments)) or 0


def test_the_workspace_is_given_after_each_new_stream(monkeypatch):
    asked, streams = Library(), iter([7, 7, 8, 7])
    cuda = SimpleNamespace(
        get_current_stream=lambda: SimpleNamespace(ptr=next(streams)),
        Memory=lambda size: SimpleNamespace(ptr=size),
    )
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(cublas, "library", lambda: asked)
    handle = cublas.Handle()
    for _ in range(4):
        handle.multiply("float32", (0, 1), (2, 3, 4), (1, 2), (3, 4), (5, 6))
    names = [name.removeprefix("cublas") for name, _ in asked.calls]
    new = ["SetStream_v2", "SetWorkspace_v2", "GemmEx"]
    assert names == ["Create_v2", *new, "GemmEx", *new, *new]
    assert all(len(given) == len(cublas._SIGNATURES[name]) for name, given in asked.calls)


def test_a_call_that_failed_is_an_error(monkeypatch):
    failing = SimpleNamespace(cublasCreate_v2=lambda *_: 7)
    monkeypatch.setattr(cublas, "library", lambda: failing)
    with pytest.raises(cublas.CublasError, match="cublasCreate_v2 failed with status 7"):
        cublas._call("cublasCreate_v2", None)


def test_how_exact(monkeypatch):
    assert precision.tensor_cores() and cublas._compute("float32") == 77
    assert cublas._compute("float16") == 68 and cublas._compute("float64") == 70
    monkeypatch.setattr(precision, "_chosen", "tf32")
    precision.set_float32_precision("exact")
    assert not precision.tensor_cores() and cublas._compute("float32") == 68
    precision.set_float32_precision("bfloat16")
    assert precision.tensor_cores() and cublas._compute("float32") == 75
    assert cublas._compute("float64") == 70
    with pytest.raises(ValueError, match="'tf32', 'exact' or 'bfloat16'"):
        precision.set_float32_precision("high")


# -- on a GPU --------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("sizes", [*MATRICES, (128, 96, 64)])
@pytest.mark.parametrize("stack", [(), (2,), (2, 3)])
def test_products_of_any_layout_on_the_gpu(sizes, stack, dtype):
    """As they are, and from a CUDA graph that holds all of them."""
    cupy, rng, (m, k, n) = import_module("cupy"), np.random.default_rng(0), sizes
    given = [rng, dtype, cupy.asarray, cupy.broadcast_to]
    pairs = list(
        itertools.product(layouts((*stack, m, k), *given), layouts((*stack, k, n), *given))
    )
    expected = [x.get().astype(np.float64) @ y.get().astype(np.float64) for x, y in pairs]
    for (x, y), wanted in zip(pairs, expected):
        result = blas.matmul(x, y)
        assert result.dtype == dtype and np.array_equal(result.get(), wanted.astype(dtype))
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.get_current_stream().synchronize()
    with stream:
        stream.begin_capture()
        results = [blas.matmul(x, y) for x, y in pairs]
        graph = stream.end_capture()
        for result in results:
            result.fill(-1)
        graph.launch()
        stream.synchronize()
    for result, wanted in zip(results, expected):
        assert np.array_equal(result.get(), wanted.astype(dtype))


@pytest.mark.gpu
def test_how_exact_on_the_gpu(monkeypatch):
    cupy = import_module("cupy")
    x, y = (cupy.asarray(np.random.default_rng(i).standard_normal((512, 512))) for i in (0, 1))
    error = {}
    for way in ("tf32", "exact"):
        monkeypatch.setattr(precision, "_chosen", way)
        z = blas.matmul(x.astype(np.float32), y.astype(np.float32))
        error[way] = float(abs(z - x @ y).max())
    assert error["exact"] < 1e-4 < error["tf32"] < 0.2
