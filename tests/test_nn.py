"""What a module holds; how it is walked, saved, moved, printed; what it says when misused."""

import copy
from collections import OrderedDict

import numpy as np
import pytest

import tinygan as tg
import tinygan.nn.functional as F
from tinygan import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.head = nn.Linear(4, 2, bias=False)
        self.scale = nn.Parameter([1.0])
        self.register_buffer("mean", tg.zeros(3))
        self.register_buffer("cache", tg.ones(2), persistent=False)

    def forward(self, x):
        return self.head(self.body(x - self.mean)) * self.scale


PARAMETERS = [
    "scale",
    "body.0.weight",
    "body.0.bias",
    "body.1.weight",
    "body.1.bias",
    "head.weight",
]


def test_names_are_found_in_order():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == PARAMETERS
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert next(net.named_parameters(prefix="g"))[0] == "g.scale"
    buffers = [
        "mean",
        "cache",
        "body.1.running_mean",
        "body.1.running_var",
        "body.1.num_batches_tracked",
    ]
    assert [name for name, _ in net.named_buffers()] == buffers
    assert [name for name, _ in net.named_children()] == ["body", "head"]
    assert [name for name, _ in net.named_modules()] == [
        "",
        "body",
        "body.0",
        "body.1",
        "body.2",
        "head",
    ]
    assert net.get_submodule("body.1") is net.body[1]
    assert net.num_parameters() == 1 + 16 + 8 + 8


def test_state_dict_leaves_out_what_is_not_persistent_and_shares_memory():
    net = Net()
    state = net.state_dict()
    assert "mean" in state and "cache" not in state
    assert not state["scale"].requires_grad and type(state["scale"]) is tg.Tensor
    with tg.no_grad():
        net.scale.fill_(7.0)
    assert state["scale"].item() == 7


def test_shared_parameters_come_once_but_are_saved_under_both_names():
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 2
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    layer = nn.Linear(2, 2)
    assert len(list(nn.Sequential(layer, layer).modules())) == 2
    assert list(nn.Sequential(layer, layer).state_dict()) == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
    ]


def test_a_module_works_without_super_init():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)
            self.register_buffer("b", tg.ones(1))

        def forward(self, x):
            return self.layer(x)

    net = Forgetful()
    assert list(net.state_dict()) == ["b", "layer.weight", "layer.bias"] and net.training
    assert net(tg.ones(1, 2)).shape == (1, 2)


def test_a_plain_tensor_does_not_replace_a_parameter_unnoticed():
    net = Net()
    with pytest.raises(
        TypeError, match=r"Net\.scale is a parameter and cannot become a Tensor: assign a Parameter"
    ):
        net.scale = net.scale * 2
    with pytest.raises(TypeError, match=r"Net\.mean is a buffer and cannot become a float"):
        net.mean = 0.5
    net.mean = tg.ones(3)
    net.scale = nn.Parameter([5.0])
    net.head.bias = None
    assert net.state_dict()["mean"].tolist() == [1, 1, 1] and net.state_dict()["scale"].item() == 5


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda: Net().haed, AttributeError, "Net has no attribute 'haed'; did you mean 'head'"),
        (
            lambda: nn.Linear(2, 2).zzz,
            AttributeError,
            "Linear has no attribute 'zzz'; it has in_features, .*weight, bias",
        ),
        (
            lambda: type("Empty", (nn.Module,), {})()(1),
            NotImplementedError,
            "Empty has no forward: define `def forward",
        ),
        (
            lambda: Net().register_buffer("a.b", tg.ones(1)),
            ValueError,
            "a name without dots, got 'a.b'",
        ),
        (
            lambda: Net().register_buffer("b", 1.0),
            TypeError,
            "register_buffer: expected a tensor, got float",
        ),
        (
            lambda: Net().register_parameter("b", tg.ones(1)),
            TypeError,
            "expected a Parameter, got Tensor",
        ),
        (lambda: Net().add_module("b", 3), TypeError, "'b' should be a Module, got int"),
        (
            lambda: nn.ModuleDict({"train": nn.ReLU()}),
            ValueError,
            "'train' is taken by ModuleDict.train",
        ),
        (lambda: nn.Sequential(nn.ReLU(), F.relu), TypeError, "'1' should be a Module"),
        (
            lambda: nn.Sequential(nn.ReLU())[1],
            IndexError,
            "Sequential: index 1 is outside its 1 modules",
        ),
        (lambda: nn.ModuleDict({"a": nn.ReLU()})["b"], KeyError, "has no module 'b', only a"),
        (lambda: Net().train("yes"), ValueError, "train: expected True or False, got 'yes'"),
        (lambda: Net().to(tg.int64), TypeError, "expected a floating-point dtype, got int64"),
        (
            lambda: nn.Parameter(tg.tensor([1, 2])),
            TypeError,
            "only floating-point tensors can require gradients",
        ),
        (
            lambda: nn.Linear(3, 2)(tg.ones(4, 5)),
            ValueError,
            r"weight \(2, 3\) takes inputs with 3 features, got shape",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, groups=2),
            ValueError,
            "groups=2 does not divide both 3 and 4 channels",
        ),
        (
            lambda: nn.Conv2d(3, 4, 0),
            ValueError,
            "Conv2d kernel_size: expected a whole number or 2 of them >= 1, got 0",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, padding="full"),
            ValueError,
            "expected padding as numbers, 'same' or 'valid', got 'full'",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, 2, "same"),
            ValueError,
            r"padding='same' needs stride 1, got \(2, 2\)",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, padding_mode="wrap"),
            ValueError,
            "expected padding_mode 'zeros', 'reflect', 'replicate' or 'circular'",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"),
            ValueError,
            "padding_mode can only be 'zeros'",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 4, 3, 2)(tg.ones(1, 3, 4, 4), (20, 9)),
            ValueError,
            r"output_size \(20, 9\) must lie between \(9, 9\) and \(10, 10\)",
        ),
        (
            lambda: nn.BatchNorm2d(3)(tg.ones(2, 3)),
            ValueError,
            r"expected an input of shape \(N, 3, H, W\), got \(2, 3\)",
        ),
        (
            lambda: nn.BatchNorm1d(3)(tg.ones(2, 4)),
            ValueError,
            r"of shape \(N, 3\) or \(N, 3, L\), got \(2, 4\)",
        ),
        (lambda: nn.BatchNorm1d(3)(tg.ones(1, 3)), ValueError, "more than one value per channel"),
        (lambda: nn.GroupNorm(4, 6), ValueError, "4 groups do not divide 6 channels"),
        (
            lambda: nn.GroupNorm(2, 6)(tg.ones(2, 4, 3)),
            ValueError,
            r"expected an input \(N, 6, ...\), got \(2, 4, 3\)",
        ),
        (
            lambda: nn.Dropout(1.5),
            ValueError,
            r"Dropout: expected a probability in \[0, 1\], got 1.5",
        ),
        (
            lambda: nn.Embedding(5, 2, padding_idx=5),
            ValueError,
            "padding_idx 5 is outside the 5 rows",
        ),
        (
            lambda: nn.Embedding(5, 2)(tg.tensor([5])),
            IndexError,
            "indices run from 5 to 5, the table has rows 0 … 4",
        ),
        (
            lambda: nn.GRU(3, 4)(tg.ones(5, 2, 4)),
            ValueError,
            r"GRU: expected an input \(L, N, 3\) or \(L, 3\), got shape",
        ),
        (
            lambda: nn.GRU(3, 4)(tg.ones(5, 2, 3), tg.ones(2, 4)),
            ValueError,
            r"initial states of shape \(1, 2, 4\), got",
        ),
        (
            lambda: nn.GRUCell(3, 4)(tg.ones(2, 3), tg.ones(1, 4)),
            ValueError,
            r"expected a state \(2, 4\), got \(1, 4\)",
        ),
        (
            lambda: nn.MSELoss(reduction="avg"),
            ValueError,
            "MSELoss: expected reduction 'mean', 'sum' or 'none', got 'avg'",
        ),
        (
            lambda: nn.ZeroPad2d((1, 2)),
            ValueError,
            r"ZeroPad2d: expected one width or \(left, right, top, bottom\)",
        ),
        (
            lambda: nn.spectral_norm(nn.ReLU()),
            ValueError,
            "spectral_norm: ReLU has no parameter 'weight'",
        ),
        (
            lambda: nn.spectral_norm(nn.spectral_norm(nn.Linear(2, 2))),
            RuntimeError,
            "'weight' of Linear is already norm",
        ),
        (
            lambda: nn.spectral_norm(nn.BatchNorm1d(2)),
            ValueError,
            r"at least 2 axes, got shape \(2,\)",
        ),
        (
            lambda: nn.init.calculate_gain("swish"),
            ValueError,
            "unknown nonlinearity 'swish'; known: leaky_relu, tanh",
        ),
        (
            lambda: nn.init.xavier_normal_(tg.ones(3)),
            ValueError,
            r"a weight with at least 2 axes, got shape \(3,\)",
        ),
        (
            lambda: nn.init.kaiming_normal_(tg.ones(3, 3), mode="in"),
            ValueError,
            "mode 'fan_in' or 'fan_out', got 'in'",
        ),
        (
            lambda: nn.init.orthogonal_(tg.ones(3)),
            ValueError,
            "orthogonal_: expected at least 2 axes",
        ),
        (
            lambda: nn.init.trunc_normal_(tg.ones(3), a=1, b=1),
            ValueError,
            "expected a < b, got a=1 and b=1",
        ),
    ],
)
def test_misuse_is_explained(action, error, message):
    with pytest.raises(error, match=message):
        action()


# -- loading ---------------------------------------------------------------------------------------


def test_one_error_names_everything_that_does_not_fit_and_nothing_is_changed():
    net = Net()
    before = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    del state["scale"]
    state["tail.weight"] = tg.ones(1)
    state["head.weight"] = tg.ones(5, 4)
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    message = str(error.value)
    assert "do not fit Net" in message
    assert "of another shape: head.weight: expected (2, 4), got (5, 4)" in message
    assert "missing: scale" in message and "unexpected: tail.weight" in message
    with pytest.raises(RuntimeError, match=r"of another shape: head\.weight"):
        net.load_state_dict(state, strict=False)
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    state.pop("head.weight")
    report = net.load_state_dict(state, strict=False)
    assert report.missing_keys == ["scale", "head.weight"] and report.unexpected_keys == [
        "tail.weight"
    ]
    np.testing.assert_array_equal(net.mean.numpy(), before["mean"] + 1)
    with pytest.raises(TypeError, match="expected a dict of tensors, got list"):
        net.load_state_dict([1])


def test_loading_copies_into_the_parameters_and_keeps_their_dtype():
    net, other = Net(), Net().double()
    parameters = list(net.parameters())
    assert net.load_state_dict(other.state_dict()) == ([], [])
    assert [id(p) for p in parameters] == [id(p) for p in net.parameters()]
    assert all(p.dtype == np.float32 for p in net.parameters())
    assert net.body[1].num_batches_tracked.dtype == np.int64
    assert not np.shares_memory(net.head.weight.numpy(), other.head.weight.numpy())


def test_loading_between_forward_and_backward_is_noticed():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    out = net(tg.ones(1, 2)).sum()
    net.load_state_dict({name: t + 1 for name, t in net.state_dict().items()})
    with pytest.raises(RuntimeError, match="changed in place by 'copy_'"):
        out.backward()


# -- modes, moving, copying, hooks -----------------------------------------------------------------


def test_train_and_eval_reach_everything():
    net = Net().eval()
    assert not any(module.training for module in net.modules())
    x = tg.randn(4, 3)
    assert (
        np.array_equal(net(x).numpy(), net(x).numpy()) and int(net.body[1].num_batches_tracked) == 0
    )
    net.train()
    net(x)
    assert int(net.body[1].num_batches_tracked) == 1 and all(
        module.training for module in net.modules()
    )


def test_dropout_acts_only_in_training():
    x = tg.ones(200, 50, 2, 2)
    for layer, expected in ((nn.Dropout(0.25), 40_000), (nn.Dropout2d(0.25), 10_000)):
        out = layer(x)
        assert out.dtype == np.float32
        kept = out.numpy() != 0
        assert kept.mean() == pytest.approx(0.75, abs=5 / np.sqrt(expected))
        np.testing.assert_allclose(out.numpy()[kept], 1 / 0.75)
        assert layer.eval()(x) is x
    per_channel = (out.numpy() != 0).reshape(10_000, 4).mean(1)
    assert set(per_channel) == {0.0, 1.0}


def test_to_changes_floats_and_leaves_counters():
    net = Net()
    (net(tg.randn(4, 3)) ** 2).sum().backward()
    parameters = list(net.parameters())
    assert net.double() is net
    assert all(a is b for a, b in zip(parameters, net.parameters()))
    assert {p.dtype for p in net.parameters()} == {np.dtype("float64")}
    assert {p.grad.dtype for p in net.parameters()} == {np.dtype("float64")}
    assert net.mean.dtype == np.float64 and net.body[1].num_batches_tracked.dtype == np.int64
    assert net(tg.randn(4, 3, dtype="float64")).dtype == np.float64
    assert net.to("cpu").float().scale.dtype == np.float32 and net.half().scale.dtype == np.float16
    assert net.to(tg.ones(1)).scale.dtype == np.float32


def test_gradients_are_forgotten_and_switched_off():
    net = Net()
    net(tg.randn(4, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(tg.randn(4, 3)).requires_grad
    assert net.requires_grad_(True)(tg.randn(4, 3)).requires_grad


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.2), nn.LeakyReLU(1.5), nn.Tanh()])
@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.InstanceNorm2d])
@pytest.mark.parametrize("training", [True, False])
def test_a_norm_and_its_activation_in_a_chain_do_what_they_do_alone(norm, activation, training):
    chain, alone = (nn.Sequential(norm(3), activation).train(training) for _ in range(2))
    x = tg.randn(4, 3, 5, 6)
    a, b = (x.clone().requires_grad_() for _ in range(2))
    one, other = chain(a), alone[1](alone[0](b))
    (one * x).sum().backward(), (other * x).sum().backward()
    np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-5)
    for k, v in alone.state_dict().items():
        np.testing.assert_allclose(chain.state_dict()[k].numpy(), v.numpy())
    fused = type(activation) is nn.ReLU or getattr(activation, "negative_slope", 9) <= 1
    assert ("standardize_leaky_relu" in repr(one)) == (
        fused and (training or norm is not nn.BatchNorm2d)
    )


def test_hooks_and_own_forwards_are_called_also_behind_a_norm():
    class Louder(nn.ReLU):
        def forward(self, x):
            return 2 * super().forward(x)

    x, seen = tg.randn(8, 3, 2, 2), []
    plain = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    loud = nn.Sequential(nn.BatchNorm2d(3), Louder())
    np.testing.assert_allclose(loud(x).numpy(), 2 * plain(x).numpy(), rtol=1e-6)
    for module in plain:
        module.register_forward_hook(lambda module, inputs, out: seen.append(out.numpy().min()))
    plain(x)
    assert len(seen) == 2 and seen[0] < 0 == seen[1]


def test_apply_visits_children_first():
    seen = []
    assert isinstance(Net().apply(lambda module: seen.append(type(module).__name__)), Net)
    assert seen == ["Linear", "BatchNorm1d", "ReLU", "Sequential", "Linear", "Net"]


def test_a_deep_copy_is_independent():
    net = nn.Sequential(nn.spectral_norm(nn.Linear(3, 3)), nn.BatchNorm1d(3))
    net(tg.randn(4, 3))
    other = copy.deepcopy(net)
    with tg.no_grad():
        other[0].weight_orig.fill_(0.5)
    assert not np.array_equal(net[0].weight_orig.numpy(), other[0].weight_orig.numpy())
    x, before = tg.randn(4, 3), net.eval()(tg.ones(4, 3)).numpy().copy()
    other(x)
    np.testing.assert_array_equal(net(tg.ones(4, 3)).numpy(), before)


def test_hooks_see_and_change():
    layer, calls = nn.Linear(2, 2), []
    x = tg.ones(1, 2)
    plain = layer(x).numpy()

    def before(module, inputs):
        calls.append(("before", module, len(inputs)))
        return inputs[0] * 2

    def after(module, inputs, out):
        calls.append(("after", inputs[0].tolist(), out.shape))
        return out + 1

    handles = [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    expected = x.numpy() * 2 @ layer.weight.numpy().T + layer.bias.numpy() + 1
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-6)
    assert calls == [("before", layer, 1), ("after", [[2.0, 2.0]], (1, 2))]
    handles[0].remove()
    handles[1]()
    np.testing.assert_array_equal(layer(x).numpy(), plain)
    assert len(calls) == 2


# -- containers ------------------------------------------------------------------------------------


def test_sequential():
    net = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), act=nn.ReLU()))
    assert list(net.state_dict()) == ["first.weight", "first.bias"] and net.act is net[-1]
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert list(net[1:].state_dict()) == ["1.weight", "1.bias"]
    assert net[:1][0] is net[0] and len(net) == 3 and len(list(net)) == 3
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh) and [type(m).__name__ for m in net] == [
        "Linear",
        "Tanh",
        "Linear",
    ]
    assert len(net.append(nn.Sigmoid())) == 4
    x = tg.randn(5, 2)
    out = x
    for module in net:
        out = module(out)
    np.testing.assert_array_equal(net(x).numpy(), out.numpy())
    assert nn.Sequential()(x) is x


def test_lists_and_dicts():
    modules = nn.ModuleList([nn.Linear(1, 1), nn.ReLU()])
    modules.append(nn.Linear(2, 2))
    modules.insert(0, nn.Tanh())
    assert [type(m).__name__ for m in modules] == ["Tanh", "Linear", "ReLU", "Linear"]
    assert list(modules.state_dict()) == ["1.weight", "1.bias", "3.weight", "3.bias"]
    assert len(modules[1:3]) == 2
    named = nn.ModuleDict({"a": nn.Linear(1, 1)})
    named["b"] = nn.ReLU()
    assert list(named) == list(named.keys()) == ["a", "b"] and "a" in named and len(named) == 2
    assert [type(m).__name__ for m in named.values()] == ["Linear", "ReLU"]
    del named["a"]
    assert [name for name, _ in named.items()] == ["b"]


def test_repr_counts_parameters():
    assert repr(nn.PReLU(3)) == "PReLU(num_parameters=3)  # 3 parameters"
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=4, bias=True)  # 16 parameters\n"
        "    (1): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)  "
        "# 8 parameters\n"
        "    (2): ReLU()\n"
        "  )  # 24 parameters\n"
        "  (head): Linear(in_features=4, out_features=2, bias=False)  # 8 parameters\n"
        ")  # 33 parameters"
    )
    assert repr(nn.Conv2d(3, 8, 3, 2, "valid", groups=1, bias=False)) == (
        "Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding='valid', bias=False)  # 216 "
        "parameters"
    )
    assert repr(nn.Linear(1000, 1000)).endswith("# 1,001,000 parameters")
    assert repr(nn.GRU(2, 3, batch_first=True)).startswith("GRU(2, 3, batch_first=True)")


# -- numbers ---------------------------------------------------------------------------------------

FLOAT32_LAYERS = [
    (nn.Linear(3, 4), (2, 3)),
    (nn.Conv1d(3, 4, 3), (2, 3, 5)),
    (nn.Conv2d(3, 4, 3, padding_mode="reflect", padding=1), (2, 3, 5, 5)),
    (nn.ConvTranspose2d(3, 4, 4, 2, 1), (2, 3, 5, 5)),
    (nn.BatchNorm2d(3), (2, 3, 5, 5)),
    (nn.InstanceNorm2d(3, affine=True, track_running_stats=True), (2, 3, 5, 5)),
    (nn.LayerNorm(5), (2, 3, 5)),
    (nn.GroupNorm(3, 3), (2, 3, 5, 5)),
    (nn.spectral_norm(nn.Conv2d(3, 4, 3)), (2, 3, 5, 5)),
    (nn.GRU(3, 4, 2, bidirectional=True), (5, 2, 3)),
    (nn.Sequential(nn.GELU(), nn.ELU(0.3), nn.SiLU(), nn.Softplus(), nn.Dropout(0.1)), (2, 3)),
    (nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear")), (2, 3, 6, 6)),
    (nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.AvgPool2d(2, 1)), (2, 3, 6, 6)),
]


@pytest.mark.parametrize(("layer", "shape"), FLOAT32_LAYERS)
def test_float32_stays_float32(layer, shape):
    x = tg.randn(*shape, requires_grad=True)
    for _ in range(2):
        out = layer(x)
        (out[0] if isinstance(out, tuple) else out).sum().backward()
    tensors = [x.grad, *(out if isinstance(out, tuple) else [out])]
    tensors += [*layer.parameters(), *(p.grad for p in layer.parameters())]
    tensors += [b for b in layer.buffers() if b.dtype.kind == "f"]
    assert {t.dtype for t in tensors} == {np.dtype("float32")}


def test_spectral_norm_brings_the_largest_singular_value_to_1():
    layer = nn.spectral_norm(nn.Linear(20, 30), n_power_iterations=3)
    with tg.no_grad():
        layer.weight_orig.mul_(7.0)
    for _ in range(30):
        layer(tg.randn(2, 20))
    assert np.linalg.norm(layer.weight.numpy(), 2) == pytest.approx(1, abs=1e-3)
    u = layer.weight_u.numpy().copy()
    layer.eval()(tg.randn(2, 20))
    np.testing.assert_array_equal(layer.weight_u.numpy(), u)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_orig"]


def test_spectral_norm_allows_two_passes_before_one_backward():
    layer = nn.spectral_norm(nn.Linear(3, 2))
    loss = layer(tg.randn(4, 3)).sum() - layer(tg.randn(4, 3)).sum()
    loss.backward()  # the second pass moved u and v, on which the first does not depend any more
    assert layer.weight_orig.grad.shape == (2, 3)
    loss = layer.eval()(tg.randn(4, 3)).sum() - layer.train()(tg.randn(4, 3)).sum()
    loss.backward()  # in evaluation too


def test_the_same_seed_gives_the_same_weights_whatever_else_is_drawn():
    tg.manual_seed(3)
    a = nn.Linear(4, 4)
    tg.manual_seed(3)
    tg.randn(100)
    b = nn.Linear(4, 4)
    np.testing.assert_array_equal(a.weight.numpy(), b.weight.numpy())
    assert not np.array_equal(a.weight.numpy(), nn.Linear(4, 4).weight.numpy())


def test_from_pretrained_rows():
    table = tg.randn(5, 3)
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad
    np.testing.assert_array_equal(layer(tg.tensor([3, 0])).numpy(), table.numpy()[[3, 0]])
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


def test_gradients_in_evaluation_are_by_the_statistics_of_the_forward_pass():
    norm, x = nn.BatchNorm2d(3), tg.randn(4, 3, 2, 2)
    norm.eval()
    expected = norm(x)
    expected.sum().backward()
    expected = norm.weight.grad.numpy().copy()
    norm.zero_grad()
    y = norm(x)
    norm.train()
    norm(x + 5)  # moves the running statistics
    y.sum().backward()
    np.testing.assert_array_equal(norm.weight.grad.numpy(), expected)


# -- what ported code asks of modules ------------------------------------------------------------


def test_members_under_dotted_names_and_other_dtypes():
    net = Net()
    assert net.get_parameter("body.0.weight") is net.body[0].weight
    assert net.get_buffer("body.1.running_mean") is net.body[1].running_mean
    with pytest.raises(AttributeError, match=r"Net has no parameter 'body\.0\.wait'"):
        net.get_parameter("body.0.wait")
    for kind in (tg.DoubleTensor, "torch.DoubleTensor", np.float64, "float64"):
        assert net.float().type(kind).scale.dtype == np.float64
    with pytest.raises(NotImplementedError, match=r"y\.register_hook"):
        net.register_full_backward_hook(print)
    with pytest.raises(NotImplementedError, match="in one process"):
        net.share_memory()
    if not tg.cuda_is_available():
        for where in (None, 0, "cuda", "cuda:0"):
            with pytest.raises(tg.DeviceError, match="cannot be used"):
                net.cuda(where)


def test_lists_and_dicts_of_parameters():
    class Scales(nn.Module):
        def __init__(self):
            self.list = nn.ParameterList([tg.ones(2), nn.Parameter([3.0])])
            self.dict = nn.ParameterDict({"a": tg.zeros(1)})

    net = Scales()
    net.list.append(tg.ones(3))
    net.dict["b"] = nn.Parameter([5.0])
    assert list(net.state_dict()) == ["list.0", "list.1", "list.2", "dict.a", "dict.b"]
    assert all(isinstance(p, nn.Parameter) for p in net.parameters())
    assert [p.shape for p in net.list] == [(2,), (1,), (3,)] and len(net.list[1:]) == 2
    net.list[-1] = tg.zeros(4)
    assert net.list[2].shape == (4,) and "b" in net.dict
    assert net.dict.pop("b").item() == 5 and list(net.dict) == ["a"]
    with pytest.raises(KeyError, match="ParameterDict has no parameter 'b', only a"):
        net.dict["b"]


def test_modules_are_taken_out_and_put_in():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert isinstance(net.pop(1), nn.ReLU) and list(net.state_dict())[2:] == ["1.weight", "1.bias"]
    net.insert(1, nn.Tanh())
    del net[-1]
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh"]
    longer = net + nn.Sequential(nn.Sigmoid())
    assert len(longer) == 3 and longer[0] is net[0] and len(net) == 2
    modules = nn.ModuleList([nn.ReLU()])
    modules += [nn.Tanh()]
    assert [type(m).__name__ for m in modules] == ["ReLU", "Tanh"]
    named = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    assert isinstance(named.pop("a"), nn.ReLU) and list(named) == ["b"]
    named.clear()
    assert len(named) == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: nn.MSELoss(size_average=False),
            TypeError,
            r"MSELoss: size_average=False is retired: say reduction='mean' or reduction='sum'",
        ),
        (lambda: nn.MSELoss(False), TypeError, "size_average=False is retired"),
        (lambda: nn.BCELoss(None, None, False), TypeError, "reduce=False is retired"),
        (lambda: nn.Hardtanh(min_value=-1), TypeError, "min_value=-1 is retired: say min_val"),
        (lambda: nn.Embedding(3, 2, max_norm=1.0), TypeError, "max_norm=1.0 is not served"),
        (lambda: nn.MSELoss(ratio=1), TypeError, r"MSELoss: got an unexpected.*it takes \(size"),
        (lambda: nn.Threshold(1.0), TypeError, "Threshold: missing a required argument: 'value'"),
        (lambda: nn.KLDivLoss(reduction="avg"), ValueError, "'sum', 'none' or 'batchmean', got"),
        (lambda: nn.LSTM(2, 3, proj_size=2), ValueError, "proj_size=2 is not served; put a Linear"),
        (lambda: nn.RNN(2, 3, nonlinearity="elu"), ValueError, "nonlinearity 'tanh' or 'relu'"),
        (lambda: nn.MultiheadAttention(6, 4), ValueError, "4 heads do not divide a width of 6"),
        (lambda: nn.MultiheadAttention(4, 2, add_zero_attn=True), ValueError, "append a learned"),
        (
            lambda: nn.MultiheadAttention(4, 2)(*(tg.ones(3, 1, n) for n in (4, 5, 4))),
            ValueError,
            r"queries \(N, L, 4\), keys .* with the batch first, \(1, 3, 4\), \(1, 3, 5\)",
        ),
        (lambda: nn.CircularPad1d((1, 2, 3)), ValueError, r"one width or \(left, right\), got"),
        (lambda: nn.weight_norm(nn.ReLU()), ValueError, "weight_norm: ReLU has no parameter"),
        (
            lambda: nn.remove_weight_norm(nn.Linear(2, 2)),
            ValueError,
            "Linear: its 'weight' is not normalised in this way",
        ),
    ],
)
def test_arguments_that_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
