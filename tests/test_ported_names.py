"""PyTorch's namespaces: what they provide, and what is said where a name is absent."""

import subprocess
import sys
from importlib import import_module
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
import tinygan.backends.cudnn as cudnn
from tinygan.autograd.function import once_differentiable

import tinygan as torch
import tinygan.nn as nn
import tinygan.nn.functional as F
import tinygan.optim as optim
from tinygan.autograd import Function, Variable
from tinygan.compat.hints import HINTS
from tinygan.optim import lr_scheduler

# -- tensors made in the old ways, settings ------------------------------------------------------


def test_typed_constructors():
    x = torch.FloatTensor([[1, 2], [3, 4]])
    assert x.dtype == np.float32 and x.tolist() == [[1, 2], [3, 4]]
    assert torch.FloatTensor(2, 3).shape == (2, 3) and torch.LongTensor().shape == (0,)
    assert torch.LongTensor(np.array([1.0, 2.0])).tolist() == [1, 2]
    assert torch.DoubleTensor(x).dtype == np.float64
    assert torch.FloatTensor(2, 2).fill_(7.0).tolist() == [[7, 7], [7, 7]]
    assert isinstance(x, torch.FloatTensor) and not isinstance(x, torch.LongTensor)
    assert not isinstance(x, torch.cuda.FloatTensor)
    assert (
        np.dtype(torch.ByteTensor) == np.uint8 and torch.zeros(2, dtype=torch.HalfTensor).sum() == 0
    )
    with pytest.raises(TypeError, match="FloatTensor: expected sizes, or one list"):
        torch.FloatTensor([1], [2])
    if not torch.cuda.is_available():
        with pytest.raises(torch.DeviceError, match="'cuda' cannot be used"):
            torch.cuda.FloatTensor(2)


def test_variables_are_tensors_without_history():
    x = torch.ones(2, requires_grad=True)
    y = Variable(x * 2, requires_grad=True)
    assert (
        y.is_leaf and y.requires_grad and isinstance(y, Variable) and not Variable(x).requires_grad
    )
    with pytest.raises(TypeError, match="volatile=True is no longer part of PyTorch either"):
        Variable(x, volatile=True)
    with pytest.raises(TypeError, match="Variable: expected a tensor, got list"):
        Variable([1.0])


def test_dtypes_under_all_their_names():
    names = {
        "half": "float16", "float": "float32", "double": "float64", "uint8": "uint8",
        "int8": "int8", "short": "int16", "int": "int32", "long": "int64", "bool": "bool",
    }  # fmt: skip
    for name, kind in names.items():
        assert getattr(torch, name) == np.dtype(kind)
    assert torch.zeros(2, dtype=torch.long).dtype == torch.int64
    assert isinstance(torch.float, torch.dtype) and torch.Size((2, 3)) == torch.ones(2, 3).shape


def test_recording_is_switched():
    x = torch.ones(1, requires_grad=True)
    for on in (True, False):
        with torch.set_grad_enabled(on):
            assert (x * 2).requires_grad is on
    torch.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    torch.set_grad_enabled(True)
    with torch.inference_mode():
        assert not (x * 2).requires_grad
        with torch.inference_mode(False):
            assert not (x * 2).requires_grad

    @torch.inference_mode()
    def without():
        return x * 2

    @torch.set_grad_enabled(False)
    def also_without():
        return x * 2

    assert not without().requires_grad and not also_without().requires_grad
    assert torch.is_grad_enabled() and (x * 2).requires_grad


def test_settings_that_cannot_be_made_say_what_to_do():
    torch.set_default_dtype(torch.float32)
    torch.set_default_tensor_type(torch.FloatTensor)
    torch.set_default_tensor_type("torch.FloatTensor")
    torch.use_deterministic_algorithms(True)
    assert torch.get_default_dtype() == np.float32
    with pytest.raises(NotImplementedError, match="for float64 say dtype="):
        torch.set_default_dtype(torch.double)
    for kind in (torch.cuda.FloatTensor, "torch.cuda.FloatTensor", "torch.DoubleTensor"):
        with pytest.raises(NotImplementedError, match="choose a device by"):
            torch.set_default_tensor_type(kind)


def test_a_generator_of_ones_own():
    a, b = (torch.Generator().manual_seed(5) for _ in range(2))
    first = torch.randn(3, generator=a).tolist()
    saved = a.get_state()
    assert first == torch.randn(3, generator=b).tolist() and a.initial_seed() == 5
    more = torch.randn(3, generator=a).tolist()
    a.set_state(saved)
    assert torch.randn(3, generator=a).tolist() == more != first


def test_cuda_answers_without_a_gpu():
    cuda = torch.cuda
    assert isinstance(cuda.is_available(), bool) and isinstance(cuda.device_count(), int)
    cuda.manual_seed(3), cuda.manual_seed_all(3), cuda.empty_cache(), cuda.synchronize()
    cuda.set_device(0)
    with pytest.raises(torch.DeviceError, match=r"say \.to\('cuda:2'\)"):
        cuda.set_device(2)
    if not cuda.is_available():
        assert cuda.device_count() == cuda.memory_allocated() == 0
        with pytest.raises(torch.DeviceError, match="cannot be used"):
            cuda.current_device()
    a = torch.randn(2).tolist()
    torch.cuda.manual_seed(3)
    assert torch.randn(2).tolist() == a


def test_switches_of_backends_may_be_set():
    cudnn.benchmark = True
    assert torch.backends.cudnn.benchmark and not torch.backends.cudnn.is_available()
    torch.backends.cuda.matmul.allow_tf32 = False
    assert torch.get_float32_matmul_precision() == "highest"
    torch.set_float32_matmul_precision("high")
    assert torch.backends.cuda.matmul.allow_tf32
    with pytest.raises(ValueError, match="'highest', 'high' or 'medium'"):
        torch.set_float32_matmul_precision("tf32")
    assert not torch.backends.mps.is_available()
    cudnn.benchmark = False


def test_a_parallel_module_is_the_module_behind_a_door():
    net = nn.DataParallel(nn.Linear(2, 3), device_ids=[0])
    x = torch.ones(4, 2)
    assert net(x).tolist() == net.module(x).tolist()
    assert list(net.state_dict()) == ["module.weight", "module.bias"]
    assert nn.parallel.DataParallel is nn.DataParallel
    with pytest.raises(ValueError, match=r"computes on one device, got device_ids=\[0, 1\]"):
        nn.DataParallel(nn.Linear(2, 3), [0, 1])


def test_parameters_in_a_row():
    net = nn.Linear(2, 3)
    row = nn.utils.parameters_to_vector(net.parameters())
    assert row.shape == (9,) and row.requires_grad
    nn.utils.vector_to_parameters(torch.arange(9).float(), net.parameters())
    assert net.bias.tolist() == [6, 7, 8] and net.weight.requires_grad
    with pytest.raises(ValueError, match=r"expected shape \(9,\), got \(8,\)"):
        nn.utils.vector_to_parameters(torch.zeros(8), net.parameters())


def test_files(tmp_path):
    net = nn.Linear(2, 3)
    torch.save({"epoch": 3, "net": net.state_dict()}, tmp_path / "a.pth")
    for where in ("cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, place: storage):
        saved = torch.load(tmp_path / "a.pth", map_location=where, weights_only=True)
        assert saved["epoch"] == 3
        net.load_state_dict(saved["net"])
    assert torch.load(tmp_path / "a.pth", "cpu").keys() == saved.keys()
    with pytest.raises(TypeError, match=r"not a Linear; save its weights, tg\.save\(module\.state"):
        torch.save(net, tmp_path / "b.pth")
    with pytest.raises(TypeError, match="load: expected the path of a file, got BytesIO"):
        torch.load(BytesIO())
    with pytest.raises(ValueError, match="they go to one device"):
        torch.load(tmp_path / "a.pth", {"cuda:0": "cpu", "cuda:1": "cuda"})
    with ZipFile(tmp_path / "c.pth", "w") as file:
        file.writestr("c/data.pkl", b"what PyTorch writes")
    with pytest.raises(ValueError, match="where PyTorch is installed, convert it"):
        torch.load(tmp_path / "c.pth")


# -- autograd.Function ---------------------------------------------------------------------------


class Cube(Function):
    @staticmethod
    def forward(ctx, x, scale=1.0):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * ctx.scale * x**2, None


class Exponential(Function):
    """Saves its result."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Halves(Function):
    """Two inputs, three results of which one has no derivative."""

    @staticmethod
    def forward(x, y):
        return x * y, x + y, x > y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.mark_non_differentiable(output[2])

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        assert ctx.needs_input_grad == (x.requires_grad, y.requires_grad)
        return g * y + h, g * x + h


@pytest.mark.parametrize(
    "function",
    [
        lambda x: Cube.apply(x, 2.0),
        Exponential.apply,
        lambda x: Halves.apply(x, x * 2)[0],
        lambda x: Halves.apply(x, x * 2)[1] * Halves.apply(x * x, x)[0],
    ],
)
def test_functions_are_differentiated_twice(function):
    x = torch.randn(3, dtype="float64", requires_grad=True)
    assert torch.gradcheck(function, [x]) and torch.gradgradcheck(function, [x])


def test_functions_and_what_needs_no_gradient():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2)
    product, _, larger = Halves.apply(x, y)
    assert not larger.requires_grad and larger.tolist() == [False, False]
    product.sum().backward()
    assert x.grad.tolist() == [1, 1] and y.grad is None
    assert not Cube.apply(y).requires_grad
    with torch.no_grad():
        assert not Cube.apply(x).requires_grad
    assert repr(Cube.apply(x)) == "tensor([1., 1.], op=<Cube>)"


def test_straight_through():
    class Round(Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.tensor([0.4, 0.6], requires_grad=True)
    (Round.apply(x) * torch.tensor([2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [2, 3]


def test_functions_explain_their_misuse():
    class TooMany(Cube):
        @staticmethod
        def backward(ctx, g):
            return g, g, g

    class Misshapen(Cube):
        @staticmethod
        def backward(ctx, g):
            return g.sum(), None

    class Once(Cube):
        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * g, None

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="returned 3 gradients, forward took 2 inputs"):
        TooMany.apply(x, 1.0).sum().backward()
    with pytest.raises(
        RuntimeError, match=r"a gradient of shape \(\) for an input of shape \(2,\)"
    ):
        Misshapen.apply(x, 1.0).sum().backward()
    with pytest.raises(RuntimeError, match="backward is once_differentiable"):
        torch.grad(Once.apply(x, 1.0).sum(), x, create_graph=True)
    Once.apply(x, 1.0).sum().backward()
    assert x.grad.tolist() == [2, 2]
    with pytest.raises(TypeError, match=r"Cube is not made, but applied: Cube\.apply"):
        Cube()
    y = x * 1
    z = Cube.apply(y)
    with torch.no_grad():
        y.add_(1.0)
    with pytest.raises(RuntimeError, match="saved by save_for_backward was changed in place"):
        z.sum().backward()


# -- names that are absent -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: torch.compile, "tinygan has no 'compile': there is no graph compiler"),
        (lambda: torch.get_rng_state, r"tg\.random_state\(\) gives the state of all streams"),
        (lambda: torch.complex64, "tensors are float16, float32 or float64"),
        (lambda: torch.zeross, "tinygan has no 'zeross'; did you mean zeros"),
        (lambda: torch.cholesky_inverse, "PyTorch has, tinygan has not"),
        (lambda: torch.Linear, r"tinygan has no 'Linear'; it is tinygan\.nn\.Linear"),
        (lambda: nn.Conv3d, r"tinygan\.nn has no 'Conv3d': images are 2-D here"),
        (lambda: nn.Linaer, "did you mean Linear"),
        (lambda: nn.LPPool2d, "PyTorch has, tinygan has not"),
        (lambda: nn.init.xavier_normal, "xavier_normal_, with the underscore"),
        (lambda: F.lp_pool2d, r"tinygan\.nn\.functional has no 'lp_pool2d': PyTorch has"),
        (lambda: optim.LBFGS, "scipy.optimize.minimize"),
        (lambda: lr_scheduler.MultiplicativeLR, "LambdaLR, given the product"),
        (lambda: torch.cuda.Stream, "everything runs on one stream"),
        (lambda: torch.utils.tensorboard, "leaves a report"),
        (lambda: torch.utils.data.DistributedSampler, "one process, on threads"),
        (lambda: torch.autograd.Variabel, "did you mean Variable"),
        (lambda: torch.ones(2).storage, "a tensor has no 'storage': x.array is the NumPy"),
        (lambda: torch.ones(2).share_memory_(), "one process, on threads"),
        (lambda: torch.ones(2).median(), r"a tensor has no 'median': x\.sort"),
        (lambda: torch.ones(2).cummax(0), "a tensor has no 'cummax': PyTorch has, tinygan has not"),
        (lambda: torch.ones(2).meen(), "a tensor has no 'meen'; did you mean mean"),
        (lambda: F.upsample, "upsample': interpolate, with the same arguments"),
    ],
)
def test_what_to_use_instead(ask, message):
    with pytest.raises(AttributeError, match=message):
        ask()


def test_no_hint_for_what_is_there():
    for place, hints in HINTS.items():
        holder = torch.Tensor if place == "Tensor" else import_module(place)
        for name in hints:
            with pytest.raises(AttributeError, match="has no"):
                getattr(holder, name)


def test_absence_is_absence():
    assert not hasattr(torch, "compile") and not hasattr(torch.ones(1), "storage")
    assert getattr(nn, "Conv3d", None) is None
    with pytest.raises(ImportError, match="cannot import name 'Conv3d'"):
        from tinygan.nn import Conv3d  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        import tinygan.distributed  # noqa: F401


def test_nothing_of_this_is_loaded_before_it_is_asked_for():
    code = (
        "import sys, tinygan\n"
        "print([m for m in sys.modules if m.startswith('tinygan.compat.namespaces')],"
        " {'tinygan.cuda', 'tinygan.utils', 'tinygan.compat.dataloader'}"
        " & set(sys.modules))\n"
        "print(tinygan.cuda.is_available.__name__, tinygan.utils.data.DataLoader.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[] set()\ncuda_is_available DataLoader\n"


@pytest.mark.torch
def test_no_public_name_of_pytorch_is_unknown():
    peer = pytest.importorskip("torch")
    places = {
        "tinygan": peer, "tinygan.nn": peer.nn, "tinygan.nn.functional": peer.nn.functional,
        "tinygan.nn.init": peer.nn.init, "tinygan.optim": peer.optim,
        "tinygan.optim.lr_scheduler": peer.optim.lr_scheduler,
        "tinygan.utils.data": peer.utils.data,
        "Tensor": peer.Tensor,
    }  # fmt: skip
    for place, module in places.items():
        holder = torch.ones(1, 1) if place == "Tensor" else import_module(place)
        listed = getattr(module, "__all__", None) or dir(module)
        for name in listed:
            home = getattr(getattr(module, name, None), "__module__", "") or ""
            if name.startswith("_") or not (home.startswith("torch") or place == "Tensor"):
                continue
            try:
                getattr(holder, name)
            except AttributeError as error:
                said = str(error)
                known = "PyTorch has, tinygan has not" in said or name in {
                    *HINTS.get(place, {}),
                    *HINTS["tinygan"],
                }
                assert known or "; it is tinygan" in said, said


# -- tinygan's own packages, loaded when they are first asked for ---------------------------------


@pytest.mark.parametrize("name", ["data", "metrics", "models", "train"])
def test_a_package_is_loaded_when_it_is_first_asked_for(name):
    code = (
        "import sys, tinygan as tg\n"
        f"assert 'tinygan.{name}' not in sys.modules\n"
        f"assert tg.{name} is sys.modules['tinygan.{name}'] and tg.{name}.__all__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
