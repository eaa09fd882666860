"""Devices: choosing one, what is said when there is none, and the op table on another one."""

import sys
import threading
import types

import numpy as np
import pytest

import tinygan as tg
from tests import strict_device
from tests.op_table import ROWS
from tests.strict_device import MixedDevices, StrictArray, waits
from tinygan.backend.cuda import float32_as

rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)


@pytest.fixture
def strict(monkeypatch):
    return strict_device.install(monkeypatch)


# -- the pretended GPU itself: it must be able to catch something ---------------------------------


def test_the_strict_device_refuses_host_arrays(strict):
    x = strict.zeros((2, 3))
    for mix in (
        lambda: x + np.ones((2, 3)),
        lambda: np.ones((2, 3)) + x,
        lambda: np.exp(x),
        lambda: np.asarray(x),
        lambda: strict.where(np.ones(3, bool), x, x),
        lambda: strict.concatenate([x, np.ones((2, 3))]),
        lambda: x[np.array([0, 1])],
        lambda: x[[0, 1]],
        lambda: x.__setitem__(0, np.ones(3)),
        lambda: x.__iadd__(np.ones(3)),
    ):
        with pytest.raises(TypeError):
            mix()
    with pytest.raises(AttributeError, match="CuPy has no errstate"):
        strict.errstate()


def test_the_strict_device_counts_waits(strict):
    x = strict.ones(2)
    total = (x * 2 + 1).sum()
    assert type(total) is StrictArray and total.shape == () and type(x[0]) is StrictArray
    assert not waits
    assert (float(total), bool(x[0]), x[1].item()) == (6.0, True, 1.0)
    assert waits == ["__float__", "__bool__", "item"]


# -- the op table ---------------------------------------------------------------------------------


def results_and_gradients(row, device, dtype=np.float64):
    """All that can be computed from a row: results, first and second derivatives."""
    tensors = row.tensors(row.arrays(dtype), device)
    outputs = row(*tensors)
    found = list(outputs)
    active = [t for t in tensors if t.requires_grad]
    flowing = [out for out in outputs if out.requires_grad]
    if row.order and flowing:
        weights = [out.detach() * 0.5 + 1.0 for out in flowing]
        firsts = tg.grad(flowing, active, weights, create_graph=row.order > 1, allow_unused=True)
        firsts = [g for g in firsts if g is not None]
        found += firsts
        seconds = [g for g in firsts if g.requires_grad]
        if seconds:
            total = tg.stack([(g * g).sum() for g in seconds]).sum()
            found += [g for g in tg.grad(total, active, allow_unused=True) if g is not None]
    return found


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 2e-3)])
@rows
def test_table_on_a_strict_device(row, dtype, rtol, strict):
    found = results_and_gradients(row, "cuda", dtype)
    waited = list(waits)
    assert {type(t.array) for t in found} == {StrictArray}
    for there, here in zip(found, results_and_gradients(row, "cpu", dtype), strict=True):
        assert (there.dtype, there.shape) == (here.dtype, here.shape)
        if row.random:
            continue
        np.testing.assert_allclose(there.numpy(), here.numpy(), rtol, atol=rtol)
    if not row.syncs:
        assert not waited, "the host waited for values of the device"


@pytest.mark.gpu
@rows
def test_table_on_the_gpu(row):
    for there, here in zip(
        results_and_gradients(row, "cuda"), results_and_gradients(row, "cpu"), strict=True
    ):
        assert there.device.type == "cuda" and (there.dtype, there.shape) == (
            here.dtype,
            here.shape,
        )
        if row.random:
            continue
        np.testing.assert_allclose(there.numpy(), here.numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.gpu
@rows
def test_table_on_the_gpu_in_float32(row):
    with float32_as("exact"):  # tests/test_gpu_layers.py has TF32
        there = results_and_gradients(row, "cuda", np.float32)
    for a, b in zip(there, results_and_gradients(row, "cpu", np.float32), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if row.random:
            continue
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-3, atol=2e-3)


# -- what is not in the table, on the device ------------------------------------------------------


def test_in_place_writes_on_a_device(strict):
    x = tg.zeros(3, 4, device="cuda")
    x.add_(1).mul_(2.0).sub_(np.float64(1)).div_(tg.full((4,), 2.0, device="cuda")).clamp_(0, 1)
    x.normal_().uniform_().fill_(3)
    x[0] = 1
    x[1, 2:] = tg.tensor([5.0, 6.0], device="cuda")
    x[[2, 2], [0, 1]] = 7.0
    x[np.array([2]), -1] = 4.0
    x[x == 1] = 0.0
    x.index_add_(0, [0, 0], tg.ones(2, 4, device="cuda"))
    x.copy_(x * 2)
    assert x.tolist() == [[4, 4, 4, 4], [6, 6, 10, 12], [14, 14, 6, 8]]
    x.zero_()
    assert x.dtype == np.float32 and x.device == "cuda:0"


def test_creation_and_random_numbers_on_a_device(strict):
    for make in (
        lambda: tg.zeros(2),
        lambda: tg.ones(2),
        lambda: tg.full((2,), 3),
        lambda: tg.empty(2),
        lambda: tg.arange(3),
        lambda: tg.linspace(0, 1, 3),
        lambda: tg.eye(2),
        lambda: tg.randn(2),
        lambda: tg.rand(2),
        lambda: tg.tensor([1, 2]),
        lambda: tg.randint(0, 3, (2,)),
        lambda: tg.zeros_like(tg.ones(2)),
        lambda: tg.randn_like(tg.ones(2)),
        lambda: tg.dropout(tg.ones(2)),
        lambda: tg.one_hot(tg.tensor([1])),
        lambda: tg.ones(2).argmax(),
        lambda: tg.ones(2) > 0,
        lambda: tg.where(tg.ones(2) > 0, 1.0, 0.0),
        lambda: tg.where(tg.ones(2) > 0, 1, 0),
        lambda: tg.where([True, False], tg.ones(2), 0.0),
        lambda: tg.ones(2) + [1, 2],
        lambda: tg.ones(2) * np.ones(2),
        lambda: np.ones((2, 2)) @ tg.ones(2),
        lambda: tg.ones(3).gather(0, [1]),
        lambda: tg.ones(3).gather(0, tg.tensor([1], device="cpu")),
        lambda: tg.ones(3)[tg.tensor([1], device="cpu")],
        lambda: tg.embedding([0], tg.ones(2, 2)),
        lambda: tg.ones(3).take([1]),
        lambda: tg.ones(3).topk(2).indices,
        lambda: tg.ones(3).isnan(),
        lambda: tg.ones(3).scatter_add(0, [1], tg.ones(1)),
        lambda: tg.one_hot([1]),
        lambda: tg.randperm(3),
    ):
        with tg.device("cuda"):
            assert type(make().array) is StrictArray


def test_an_index_may_lie_on_another_device_than_the_tensor(strict):
    host, there = tg.tensor([2, 0]), tg.tensor([2, 0], device="cuda")
    for where in ("cpu", "cuda"):
        x = tg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], device=where, requires_grad=True)
        for index in (host, there):
            for picked in (
                x[index],
                x.index_select(0, index),
                tg.embedding(index, x),
                x.gather(0, index.reshape(2, 1).expand(2, 2)),
            ):
                assert picked.tolist() == [[5, 6], [1, 2]] and picked.device == where
                assert tg.grad(picked.sum(), x)[0].tolist() == [[1, 1], [0, 0], [1, 1]]


def test_a_training_step_on_a_device_never_waits(strict):
    with tg.device("cuda"):
        w, b = tg.randn(4, 3, requires_grad=True), tg.zeros(4, requires_grad=True)
        gamma, beta = tg.ones(4, requires_grad=True), tg.zeros(4, requires_grad=True)
        mean, var = tg.zeros(4), tg.ones(4)
        x, t = tg.randn(8, 3), tg.ones(8, 4)
    waits.clear()
    for _ in range(2):
        h = tg.batch_norm(tg.linear(x, w, b), mean, var, gamma, beta, training=True)
        tg.binary_cross_entropy_with_logits(tg.dropout(h, 0.1), t).backward()
        with tg.no_grad():
            for p in (w, b, gamma, beta):
                p -= 0.1 * p.grad
                p.grad = None
    assert not waits
    assert type(mean.array) is StrictArray and not (mean == 0).all()


def test_gradients_flow_through_moves_between_devices(strict):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = (x.to("cuda") * 3).to("cpu")
    assert type(y.array) is np.ndarray
    (y * y).sum().backward()
    assert x.grad.tolist() == [18, 36]
    assert x.to("cpu") is x and x.cuda().cpu().tolist() == [1, 2]
    (x.cuda() * 3).backward([1.0, 2.0])
    assert x.grad.tolist() == [21, 42]


def test_reading_and_printing_from_a_device(strict):
    x = tg.tensor([1.5, 2.5], device="cuda", requires_grad=True)
    assert repr(x) == "tensor([1.5, 2.5], device='cuda:0', requires_grad=True)"
    assert x.tolist() == [1.5, 2.5] and x[1].item() == 2.5 and float(x.sum()) == 4
    assert np.asarray(x).tolist() == [1.5, 2.5] and type(x.numpy()) is np.ndarray
    assert [10, 20][tg.tensor(1, device="cuda")] == 20 and bool((x > 0).all())


def test_anomalies_are_found_on_a_device(strict):
    with (
        tg.device("cuda"),
        tg.detect_anomaly(),
        pytest.raises(tg.AnomalyError, match="log produced"),
    ):
        tg.log(tg.tensor([-1.0]))


def test_random_streams_of_a_device_are_restorable(strict):
    with tg.device("cuda"):
        tg.randn(2)
        saved = tg.random_state()
        a, b = tg.randn(3), tg.dropout(tg.ones(30))
        tg.restore_random_state(saved)
        assert tg.randn(3).tolist() == a.tolist() and tg.dropout(tg.ones(30)).tolist() == b.tolist()


@pytest.mark.parametrize(
    "op, mix",
    [
        ("add", lambda x, y: x + y),
        ("matmul", lambda x, y: x @ y.T),
        ("cat", lambda x, y: tg.cat([x, y])),
        ("linear", lambda x, y: tg.linear(x, y)),
        ("where", lambda x, y: tg.where(x > 0, y, x)),
        ("bce_with_logits", lambda x, y: tg.binary_cross_entropy_with_logits(x, y)),
        ("add_", lambda x, y: x.add_(y)),
        ("setitem", lambda x, y: x.__setitem__(0, y[0])),
    ],
)
def test_mixing_devices_names_the_operation_and_the_devices(strict, op, mix):
    host, there = tg.ones(2, 3), tg.ones(2, 3, device="cuda")
    for x, y in ((host, there), (there, host)):
        with pytest.raises(
            tg.DeviceError,
            match=rf"{op}: operands on different devices.*(cpu|cuda:0) and (cpu|cuda:0)",
        ):
            mix(x, y)
    assert not issubclass(tg.DeviceError, MixedDevices)


# -- choosing a device ----------------------------------------------------------------------------


def test_the_cpu_is_the_default(monkeypatch):
    monkeypatch.delenv("TINYGAN_DEVICE", raising=False)
    assert tg.default_device() == "cpu" == str(tg.zeros(1).device)
    assert repr(tg.device("cpu")) == "device('cpu')" and tg.device(tg.device("cpu")) == tg.device(
        "cpu"
    )


def test_the_environment_and_blocks_choose_the_default(strict, monkeypatch):
    monkeypatch.setenv("TINYGAN_DEVICE", "cuda")
    assert tg.zeros(1).device == "cuda:0" and tg.device("auto") == "cuda"
    with tg.device("cpu"):
        assert tg.zeros(1).device == "cpu"
        with tg.device("cuda:0"):
            assert tg.tensor([1.0]).device == "cuda"
        assert tg.zeros(1).device == "cpu"
    assert tg.zeros(1, device="cpu").device == "cpu"
    assert {tg.device("cuda"): 1}[tg.device("cuda:0")] == 1


def test_blocks_are_local_to_their_thread(strict, monkeypatch):
    monkeypatch.delenv("TINYGAN_DEVICE", raising=False)
    seen = []
    with tg.device("cuda"):
        thread = threading.Thread(target=lambda: seen.append(str(tg.default_device())))
        thread.start()
        thread.join()
    assert seen == ["cpu"]


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", "auto:1", "", None, "cuda:-1"])
def test_unknown_devices(name):
    with pytest.raises(
        tg.DeviceError, match=r"unknown device .*: expected 'cpu', 'cuda', 'cuda:1' or 'auto'"
    ):
        tg.device(name)


def test_an_unknown_device_in_the_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("TINYGAN_DEVICE", "tpu")
    with pytest.raises(tg.DeviceError, match="TINYGAN_DEVICE: unknown device 'tpu'"):
        tg.zeros(1)


def test_a_gpu_that_this_machine_does_not_have(strict):
    with pytest.raises(
        tg.DeviceError, match=r"device 'cuda:3' does not exist: this machine has 1 GPU\(s\)"
    ):
        tg.device("cuda:3")


def why_no_cuda():
    assert not tg.cuda_is_available() and tg.device("auto") == "cpu"
    with pytest.raises(tg.DeviceError) as caught:
        tg.ones(2).to("cuda")
    text = str(caught.value)
    assert text.startswith("device 'cuda' cannot be used: ") and "\n" not in text
    return text


def test_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert 'CuPy is not installed; pip install "tinygan[cuda13]"' in why_no_cuda()


def test_with_cupy_but_without_a_driver(monkeypatch):
    cupy = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert "CuPy finds no CUDA driver or no GPU; install NVIDIA's driver" in why_no_cuda()


@pytest.mark.parametrize(
    "message, cause",
    [
        ("libcudart.so.12: cannot open shared object file", "libcudart.so.12: cannot open"),
        (
            "\n=====\nFailed to import CuPy.\n\nOriginal error:\n"
            "  ImportError: libnvrtc.so.13: no such file\n=====\n",
            "ImportError: libnvrtc.so.13: no such file",
        ),
        ("", "ImportError"),
    ],
)
def test_with_the_wrong_wheel(monkeypatch, tmp_path, message, cause):
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").write_text(f"raise ImportError({message!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    text = why_no_cuda()
    assert f"CuPy does not load ({cause}" in text
    assert (
        'its wheel must match the CUDA driver: pip install "tinygan[cuda13]" or "tinygan[cuda12]"'
        in text
    )
