"""What all tests share: a fresh seed for each, and which of them run where."""

import warnings
from importlib import import_module

import pytest

import tinygan as tg
from tests import fibres, strict_device
from tinygan.backend.cpu import get_num_threads, set_num_threads
from tinygan.backend.cuda import compiled

# What CuPy and the NumPy beside it say to each other of coming versions is no fault of a test.
FOREIGN = ("DeprecationWarning", "FutureWarning", "PendingDeprecationWarning")


def pytest_addoption(parser):
    parser.addoption("--part", metavar="I/N", help="of N parts the I-th: 0/8 … 7/8")


@pytest.hookimpl(trylast=True)  # after `-m` has chosen
def pytest_collection_modifyitems(config, items):
    """Long tests run when asked for with `-m slow`; GPU tests where there is one."""
    asked = config.getoption("-m") or ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        no_gpu = not tg.cuda_is_available()
    for item in items:
        if "slow" in item.keywords and "slow" not in asked:
            item.add_marker(pytest.mark.skip(reason="takes long; run with -m slow"))
        if "gpu" in item.keywords and no_gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if "gpu" in item.keywords:
            for kind in FOREIGN:
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))
    if part := config.getoption("--part"):
        i, n = map(int, part.split("/"))
        items[:] = [item for k, item in enumerate(items) if k // 8 % n == i]


@pytest.fixture(autouse=True)
def seed():
    """Every test draws the same numbers, whatever ran before it."""
    tg.manual_seed(0)
    return 0


@pytest.fixture(params=[pytest.param("cuda", marks=pytest.mark.gpu), "pretended"])
def gpu(request, monkeypatch):
    """A GPU, and in another run of the test one that is pretended (`strict_device`)."""
    if request.param == "pretended":
        strict_device.install(monkeypatch)
    return request.param


@pytest.fixture(autouse=True)
def usable_device(request):
    """A test that leaves the GPU with an error is the last one: all that follows would fail."""
    yield
    if "gpu" in request.keywords and (error := _error_of_the_device()):
        pytest.exit(f"{request.node.nodeid} left the device unusable: {error}", returncode=3)


def _error_of_the_device():
    try:
        import_module("cupy").cuda.runtime.deviceSynchronize()
    except Exception as error:
        return error
    return None


@pytest.fixture
def two_threads():
    before = get_num_threads()
    set_num_threads(2)
    yield
    set_num_threads(before)


@pytest.fixture
def fibre_device(monkeypatch):
    """A device "cuda" without a GPU, on which the CUDA backend's own kernels run, as fibres."""
    if fibres.missing:
        pytest.skip(fibres.missing)
    yield fibres.install(monkeypatch)
    compiled.kernel.cache_clear()
