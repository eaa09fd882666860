"""What all tests share: a fresh seed for each, and which of them run where."""

import pytest

import tinygan as tg
from tests import fibres
from tinygan.backend.cpu import get_num_threads, set_num_threads
from tinygan.backend.cuda import compiled


def pytest_collection_modifyitems(config, items):
    """Long tests run when asked for with `-m slow`; GPU tests where there is one."""
    asked = config.getoption("-m") or ""
    no_gpu = not tg.cuda_is_available()
    for item in items:
        if "slow" in item.keywords and "slow" not in asked:
            item.add_marker(pytest.mark.skip(reason="takes long; run with -m slow"))
        if "gpu" in item.keywords and no_gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(autouse=True)
def seed():
    """Every test draws the same numbers, whatever ran before it."""
    tg.manual_seed(0)
    return 0


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
