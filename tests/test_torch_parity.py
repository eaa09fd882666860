"""The same layers, losses, optimisers and small GANs in PyTorch and here, step for step."""

from functools import partial

import numpy as np
import pytest

import tinygan as tg
import tinygan.nn.functional as F
from tests.twin import apart, follow
from tinygan import io, nn, optim

torch = pytest.importorskip("torch")
st = pytest.importorskip("safetensors.torch")
TF = torch.nn.functional
pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _seeds():
    torch.manual_seed(0)
    tg.manual_seed(0)


def to_torch(x, requires_grad=False):
    return torch.tensor(x.numpy()).requires_grad_(requires_grad)


def assert_close(ours, theirs, rtol=1e-4, atol=1e-5, what=""):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape, what
    assert ours.dtype == theirs.dtype, f"{what}: {ours.dtype} instead of {theirs.dtype}"
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=rtol, atol=atol, err_msg=what)


def pair(make):
    """The layer in both libraries, ours with PyTorch's weights; `make` is given the module `nn`."""
    theirs, ours = make(torch.nn), make(nn)
    report = ours.load_state_dict(theirs.state_dict())
    assert report == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    return ours, theirs


def assert_same_function(ours, theirs, *shapes, second_order=True):
    """Outputs, gradients by inputs and parameters, and those of a WGAN-GP penalty on the former."""
    xs = [tg.randn(*shape, requires_grad=True) for shape in shapes]
    ts = [to_torch(x, True) for x in xs]
    y, t = ours(*xs), theirs(*ts)
    assert_close(y, t, what="output")
    weights = tg.randn(*y.shape)
    score, t_score = (y * weights).sum(), (t * to_torch(weights)).sum()
    (g,), (tg_,) = (
        tg.grad(score, xs[:1], create_graph=second_order),
        torch.autograd.grad(t_score, ts[:1], create_graph=second_order),
    )
    assert_close(g, tg_, what="gradient by the input")
    if second_order:
        penalty = ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
        t_penalty = ((tg_.flatten(1).norm(dim=1) - 1) ** 2).mean()
        assert_close(penalty, t_penalty, what="penalty")
        (score + penalty).backward()
        (t_score + t_penalty).backward()
    else:
        ours.zero_grad(), theirs.zero_grad()
        y, t = ours(*xs), theirs(*ts)
        (y * weights).sum().backward(), (t * to_torch(weights)).sum().backward()
    for x, other in zip(xs, ts):
        if other.grad is not None:
            assert_close(x.grad, other.grad, 2e-4, 5e-5, "gradient with penalty by an input")
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters()):
        if q.grad is None:
            assert p.grad is None or not p.grad.numpy().any(), name
        else:
            scale = max(1.0, float(q.grad.abs().max()))
            assert_close(p.grad, q.grad, 2e-4, 5e-5 * scale, f"gradient with penalty by {name}")
    for (name, b), (_, c) in zip(ours.named_buffers(), theirs.named_buffers()):
        assert_close(b, c, what=name)


LAYERS = {
    "linear": (lambda n: n.Linear(5, 7), (4, 5)),
    "linear-3d-nobias": (lambda n: n.Linear(5, 7, bias=False), (2, 3, 5)),
    "conv1d": (lambda n: n.Conv1d(4, 6, 3, stride=2, padding=1), (2, 4, 11)),
    "conv1d-dilated-reflect": (
        lambda n: n.Conv1d(4, 6, 3, padding=2, dilation=2, padding_mode="reflect"),
        (2, 4, 9),
    ),
    "conv2d": (lambda n: n.Conv2d(3, 6, 4, 2, 1), (2, 3, 8, 8)),
    "conv2d-groups": (lambda n: n.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), groups=2), (2, 4, 7, 6)),
    "conv2d-dilation": (lambda n: n.Conv2d(3, 4, 3, padding=2, dilation=2), (2, 3, 7, 7)),
    "conv2d-same-odd": (lambda n: n.Conv2d(3, 4, 3, padding="same"), (2, 3, 6, 5)),
    "conv2d-valid": (lambda n: n.Conv2d(3, 4, 3, padding="valid", bias=False), (2, 3, 6, 5)),
    "conv2d-reflect": (
        lambda n: n.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="reflect"),
        (2, 3, 6, 5),
    ),
    "conv2d-replicate-same": (
        lambda n: n.Conv2d(3, 4, 3, padding="same", padding_mode="replicate"),
        (2, 3, 6, 5),
    ),
    "conv_transpose2d": (lambda n: n.ConvTranspose2d(6, 3, 4, 2, 1), (2, 6, 4, 4)),
    "conv_transpose2d-all": (
        lambda n: n.ConvTranspose2d(4, 6, (3, 4), (2, 3), (1, 0), (1, 2), 2, False, 1),
        (2, 4, 4, 3),
    ),
    "batchnorm1d": (lambda n: n.BatchNorm1d(5), (6, 5)),
    "batchnorm1d-3d": (lambda n: n.BatchNorm1d(5, eps=1e-3, momentum=0.3), (6, 5, 4)),
    "batchnorm2d": (lambda n: n.BatchNorm2d(4), (5, 4, 3, 3)),
    "batchnorm2d-cumulative": (lambda n: n.BatchNorm2d(4, momentum=None), (5, 4, 3, 3)),
    "batchnorm2d-no-affine": (lambda n: n.BatchNorm2d(4, affine=False), (5, 4, 3, 3)),
    "batchnorm2d-no-stats": (lambda n: n.BatchNorm2d(4, track_running_stats=False), (5, 4, 3, 3)),
    "layernorm": (lambda n: n.LayerNorm(6), (4, 3, 6)),
    "layernorm-2": (lambda n: n.LayerNorm((3, 6), elementwise_affine=False), (4, 3, 6)),
    "layernorm-nobias": (lambda n: n.LayerNorm(6, bias=False), (4, 6)),
    "instancenorm1d": (lambda n: n.InstanceNorm1d(4), (3, 4, 7)),
    "instancenorm2d-affine": (lambda n: n.InstanceNorm2d(4, affine=True), (3, 4, 5, 5)),
    "instancenorm2d-stats": (lambda n: n.InstanceNorm2d(4, track_running_stats=True), (3, 4, 5, 5)),
    "groupnorm": (lambda n: n.GroupNorm(2, 6), (3, 6, 4, 4)),
    "relu": (lambda n: n.ReLU(inplace=False), (4, 9)),
    "leaky_relu": (lambda n: n.LeakyReLU(0.2), (4, 9)),
    "elu": (lambda n: n.ELU(0.7), (4, 9)),
    "gelu": (lambda n: n.GELU(), (4, 9)),
    "gelu-tanh": (lambda n: n.GELU("tanh"), (4, 9)),
    "silu": (lambda n: n.SiLU(), (4, 9)),
    "tanh": (lambda n: n.Tanh(), (4, 9)),
    "sigmoid": (lambda n: n.Sigmoid(), (4, 9)),
    "softplus": (lambda n: n.Softplus(), (4, 9)),
    "softmax": (lambda n: n.Softmax(dim=1), (4, 9)),
    "log_softmax": (lambda n: n.LogSoftmax(dim=1), (4, 9)),
    "maxpool": (lambda n: n.MaxPool2d(3, 2, 1), (2, 3, 7, 8)),
    "avgpool": (lambda n: n.AvgPool2d(3, 2, 1), (2, 3, 7, 8)),
    "avgpool-no-pad": (lambda n: n.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 8)),
    "adaptive": (lambda n: n.AdaptiveAvgPool2d((3, 2)), (2, 3, 7, 8)),
    "upsample": (lambda n: n.Upsample(scale_factor=2), (2, 3, 4, 5)),
    "upsample-bilinear": (lambda n: n.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 4, 5)),
    "upsample-corners": (
        lambda n: n.Upsample(size=(7, 9), mode="bilinear", align_corners=True),
        (2, 3, 4, 5),
    ),
    "pixel_shuffle": (lambda n: n.PixelShuffle(2), (2, 8, 3, 4)),
    "pixel_unshuffle": (lambda n: n.PixelUnshuffle(2), (2, 3, 4, 6)),
    "reflection_pad": (lambda n: n.ReflectionPad2d((1, 2, 0, 3)), (2, 3, 5, 4)),
    "replication_pad": (lambda n: n.ReplicationPad2d(2), (2, 3, 5, 4)),
    "zero_pad": (lambda n: n.ZeroPad2d((1, -1, 0, 3)), (2, 3, 5, 4)),
    "flatten": (lambda n: n.Sequential(n.Flatten(), n.Unflatten(1, (3, 4))), (2, 4, 3)),
    "identity": (lambda n: n.Identity(54, unused=0.1), (2, 4)),
    "dropout-0": (lambda n: n.Sequential(n.Dropout(0.0), n.Dropout2d(0.0)), (2, 4, 3, 3)),
    "gru_cell": (lambda n: n.GRUCell(4, 6), (3, 4), (3, 6)),
    "conv1d-circular": (lambda n: n.Conv1d(4, 6, 3, padding=1, padding_mode="circular"), (2, 4, 9)),
    "conv2d-circular": (
        lambda n: n.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="circular"),
        (2, 3, 6, 5),
    ),
    "conv_transpose1d": (lambda n: n.ConvTranspose1d(6, 3, 4, 2, 1), (2, 6, 5)),
    "conv_transpose1d-all": (lambda n: n.ConvTranspose1d(4, 6, 3, 3, 1, 2, 2, False, 2), (2, 4, 5)),
    "batchnorm2d-nobias": (lambda n: n.BatchNorm2d(4, bias=False), (5, 4, 3, 3)),
    "groupnorm-nobias": (lambda n: n.GroupNorm(2, 6, bias=False), (3, 6, 4, 4)),
    "rmsnorm": (lambda n: n.RMSNorm(6, 1e-3), (4, 3, 6)),
    "celu": (lambda n: n.CELU(0.7), (4, 9)),
    "selu": (lambda n: n.SELU(), (4, 9)),
    "mish": (lambda n: n.Mish(), (4, 9)),
    "hardtanh": (lambda n: n.Hardtanh(-0.5, 0.7), (4, 9)),
    "relu6": (lambda n: n.ReLU6(), (4, 9)),
    "hardswish": (lambda n: n.Hardswish(), (4, 9)),
    "hardshrink": (lambda n: n.Hardshrink(0.3), (4, 9)),
    "softshrink": (lambda n: n.Softshrink(0.3), (4, 9)),
    "softsign": (lambda n: n.Softsign(), (4, 9)),
    "tanhshrink": (lambda n: n.Tanhshrink(), (4, 9)),
    "threshold": (lambda n: n.Threshold(0.1, 2.0), (4, 9)),
    "logsigmoid": (lambda n: n.LogSigmoid(), (4, 9)),
    "glu": (lambda n: n.GLU(1), (4, 8)),
    "softplus-beta": (lambda n: n.Softplus(2.0, 1.0), (4, 9)),
    "prelu": (lambda n: n.PReLU(), (4, 9)),
    "prelu-channels": (lambda n: n.PReLU(3, 0.1), (2, 3, 4, 5)),
    "softmin": (lambda n: n.Softmin(dim=0), (4, 9)),
    "softmax2d": (lambda n: n.Softmax2d(), (2, 3, 4, 5)),
    "maxpool1d": (lambda n: n.MaxPool1d(3, 2, 1, ceil_mode=True), (2, 3, 8)),
    "maxpool-dilated": (lambda n: n.MaxPool2d(2, 1, 0, 2), (2, 3, 7, 8)),
    "avgpool1d": (lambda n: n.AvgPool1d(3, 2, 1), (2, 3, 8)),
    "avgpool-divisor": (lambda n: n.AvgPool2d(3, 2, 1, True, True, 5), (2, 3, 7, 8)),
    "adaptive1d": (lambda n: n.AdaptiveAvgPool1d(3), (2, 3, 7)),
    "adaptive-max1d": (lambda n: n.AdaptiveMaxPool1d(3), (2, 3, 7)),
    "adaptive-max": (lambda n: n.AdaptiveMaxPool2d((3, 2)), (2, 3, 7, 8)),
    "upsampling-nearest": (lambda n: n.UpsamplingNearest2d(scale_factor=2), (2, 3, 4, 5)),
    "upsampling-bilinear": (lambda n: n.UpsamplingBilinear2d((7, 9)), (2, 3, 4, 5)),
    "upsample-1d": (lambda n: n.Upsample(scale_factor=3, mode="linear"), (2, 3, 4)),
    "unfold": (lambda n: n.Unfold((2, 3), padding=1, stride=2), (2, 3, 5, 6)),
    "fold": (lambda n: n.Fold((4, 5), 2), (2, 12, 12)),
    "reflection_pad1d": (lambda n: n.ReflectionPad1d((1, 2)), (2, 3, 5)),
    "replication_pad1d": (lambda n: n.ReplicationPad1d(2), (2, 3, 5)),
    "circular_pad1d": (lambda n: n.CircularPad1d((1, 2)), (2, 3, 5)),
    "circular_pad2d": (lambda n: n.CircularPad2d((1, 2, 0, 3)), (2, 3, 5, 4)),
    "constant_pad1d": (lambda n: n.ConstantPad1d((1, 2), 3.5), (2, 3, 5)),
    "constant_pad2d": (lambda n: n.ConstantPad2d(1, -1.0), (2, 3, 5, 4)),
    "zero_pad1d": (lambda n: n.ZeroPad1d(2), (2, 3, 5)),
    "cosine_similarity": (lambda n: n.CosineSimilarity(), (4, 5), (4, 5)),
    "pairwise_distance": (lambda n: n.PairwiseDistance(keepdim=True), (4, 5), (4, 5)),
    "data_parallel": (lambda n: n.DataParallel(n.Linear(5, 7)), (4, 5)),
    "rnn_cell": (lambda n: n.RNNCell(4, 6), (3, 4), (3, 6)),
    "rnn_cell-relu": (lambda n: n.RNNCell(4, 6, nonlinearity="relu"), (3, 4)),
    "gru_cell-nobias": (lambda n: n.GRUCell(4, 6, bias=False), (3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    make, *shapes = LAYERS[name]
    ours, theirs = pair(make)
    assert_same_function(ours, theirs, *shapes)
    # once more, in evaluation, where running statistics are used
    if hasattr(theirs, "running_mean"):
        ours.eval(), theirs.eval()
        ours.zero_grad(), theirs.zero_grad()
        assert_same_function(ours, theirs, *shapes)


def test_hardsigmoid():  # which PyTorch differentiates once only
    assert_same_function(nn.Hardsigmoid(), torch.nn.Hardsigmoid(), (4, 9), second_order=False)


def test_padding_same_with_an_even_kernel_pads_more_at_the_end():
    ours = nn.Conv2d(3, 4, (4, 3), padding="same", dilation=(1, 2))
    x = tg.randn(2, 3, 6, 5)
    expected = TF.conv2d(
        TF.pad(to_torch(x), (2, 2, 1, 2)),
        to_torch(ours.weight),
        to_torch(ours.bias),
        dilation=(1, 2),
    )
    assert_close(ours(x), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "batch_first": True},
        {"bidirectional": True, "num_layers": 2},
        {"bias": False},
        {"nonlinearity": "relu"},
    ],
)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent(kind, options):
    if kind != "RNN" and "nonlinearity" in options:
        pytest.skip("only a plain RNN has a choice")
    ours, theirs = pair(lambda n: getattr(n, kind)(4, 5, **options))
    directions = 2 if options.get("bidirectional") else 1
    shape = (options.get("num_layers", 1) * directions, 3, 5)
    h0 = (tg.randn(*shape), tg.randn(*shape)) if kind == "LSTM" else tg.randn(*shape)
    whole = lambda state: sum(part.sum() for part in (state if kind == "LSTM" else (state,)))
    x = tg.randn(3, 6, 4) if options.get("batch_first") else tg.randn(6, 3, 4)
    for state in (None, h0):
        a, b = x.clone().requires_grad_(), to_torch(x, True)
        t_state = tuple(map(to_torch, state)) if isinstance(state, tuple) else state
        t_state = to_torch(state) if isinstance(state, tg.Tensor) else t_state
        (out, last), (t_out, t_last) = ours(a, state), theirs(b, t_state)
        assert_close(out, t_out)
        assert_close(whole(last), whole(t_last))
        ours.zero_grad(), theirs.zero_grad()
        ((out * out).sum() + whole(last)).backward()
        ((t_out * t_out).sum() + whole(t_last)).backward()
        assert_close(a.grad, b.grad)
        for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters()):
            assert_close(p.grad, q.grad, 2e-4, 5e-5, name)
    single, t_single = ours(x[0]), theirs(to_torch(x[0]))
    assert_close(single[0], t_single[0])
    assert_close(whole(single[1]), whole(t_single[1]))
    assert (single[1][1] if kind == "LSTM" else single[1]).shape == (shape[0], 5)


@pytest.mark.parametrize("batched", [True, False])
def test_lstm_cell(batched):
    ours, theirs = pair(lambda n: n.LSTMCell(4, 6))
    lead = (3,) if batched else ()
    x, h, c = tg.randn(*lead, 4), tg.randn(*lead, 6), tg.randn(*lead, 6)
    for state in (None, (h, c)):
        t_state = state if state is None else tuple(map(to_torch, state))
        for part, t_part in zip(ours(x, state), theirs(to_torch(x), t_state)):
            assert_close(part, t_part)
            assert part.shape == (*lead, 6)


def test_embedding_with_padding():
    ours, theirs = pair(lambda n: n.Embedding(6, 3, padding_idx=2))
    assert not nn.Embedding(6, 3, padding_idx=-4).weight.numpy()[2].any()
    index = np.array([[1, 2, 2], [5, 1, 0]])
    out, t_out = ours(tg.tensor(index)), theirs(torch.tensor(index))
    assert_close(out, t_out)
    (out * out).sum().backward()
    (t_out * t_out).sum().backward()
    (out + 1.0).sum()
    assert_close(ours.weight.grad, theirs.weight.grad)
    with tg.no_grad():
        ours.weight[2] = 1.0  # also when the padding row is not zero, it gets no gradient
    ours.zero_grad()
    ours(tg.tensor(index)).sum().backward()
    assert not ours.weight.grad.numpy()[2].any() and ours.weight.grad.numpy()[1].any()


LOSSES = {
    "mse": ("MSELoss", {}, "real"),
    "mse-sum": ("MSELoss", {"reduction": "sum"}, "real"),
    "l1": ("L1Loss", {"reduction": "none"}, "real"),
    "smooth_l1": ("SmoothL1Loss", {"beta": 0.5}, "real"),
    "bce": ("BCELoss", {}, "probability"),
    "bce-logits": ("BCEWithLogitsLoss", {}, "binary"),
    "bce-logits-pos": ("BCEWithLogitsLoss", {"pos_weight": [1.0, 2.0, 3.0, 0.5, 1.5]}, "binary"),
    "nll": ("NLLLoss", {"weight": [1.0, 2.0, 3.0, 0.5, 1.5]}, "label"),
    "cross-entropy": ("CrossEntropyLoss", {}, "label"),
    "cross-entropy-all": (
        "CrossEntropyLoss",
        {"weight": [1.0, 2.0, 3.0, 0.5, 1.5], "ignore_index": 2, "label_smoothing": 0.1},
        "label",
    ),
    "cross-entropy-sum": ("CrossEntropyLoss", {"reduction": "sum"}, "label"),
    "cross-entropy-soft": ("CrossEntropyLoss", {"label_smoothing": 0.2}, "soft"),
    "huber": ("HuberLoss", {"delta": 0.5}, "real"),
    "kl": ("KLDivLoss", {"reduction": "batchmean"}, "soft"),
    "kl-log": ("KLDivLoss", {"reduction": "sum", "log_target": True}, "real"),
    "bce-weight": ("BCELoss", {"weight": [1.0, 2.0, 3.0, 0.5, 1.5]}, "probability"),
    "bce-logits-weight": ("BCEWithLogitsLoss", {"weight": [1.0, 2.0, 3.0, 0.5, 1.5]}, "binary"),
    "poisson": ("PoissonNLLLoss", {"full": True}, "soft"),
    "soft-margin": ("SoftMarginLoss", {}, "sign"),
    "hinge-embedding": ("HingeEmbeddingLoss", {"margin": 0.7}, "sign"),
    "multi-label": ("MultiLabelSoftMarginLoss", {}, "binary"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name):
    kind, options, target_kind = LOSSES[name]
    target = {
        "real": lambda: tg.randn(4, 5),
        "probability": lambda: tg.rand(4, 5),
        "binary": lambda: tg.Tensor((tg.rand(4, 5).numpy() > 0.5).astype("float32")),
        "label": lambda: tg.tensor([0, 2, 4, 1]),
        "soft": lambda: F.softmax(tg.randn(4, 5), 1),
        "sign": lambda: tg.Tensor(np.sign(tg.randn(4, 5).numpy())),
    }[target_kind]()
    x = tg.rand(4, 5) if target_kind == "probability" else tg.randn(4, 5)
    tensors = {k: v for k, v in options.items() if isinstance(v, list)}
    ours = getattr(nn, kind)(**{**options, **{k: tg.tensor(v) for k, v in tensors.items()}})
    theirs = getattr(torch.nn, kind)(
        **{**options, **{k: torch.tensor(v) for k, v in tensors.items()}}
    )
    assert list(ours.state_dict()) == list(theirs.state_dict())
    a, b = x.clone().requires_grad_(), to_torch(x, True)
    loss, t_loss = ours(a, target), theirs(b, to_torch(target))
    assert_close(loss, t_loss)
    (g,) = tg.grad(loss.sum(), a, create_graph=True)
    (t_g,) = torch.autograd.grad(t_loss.sum(), b, create_graph=True)
    assert_close(g, t_g)
    if t_g.requires_grad and kind != "L1Loss" and g.requires_grad:
        (g * g).sum().backward()
        (t_g * t_g).sum().backward()
        assert_close(a.grad, b.grad)


@pytest.mark.parametrize(
    ("kind", "options", "count"),
    [
        ("MarginRankingLoss", {"margin": 0.1}, 2),
        ("CosineEmbeddingLoss", {"margin": 0.1}, 2),
        ("TripletMarginLoss", {"margin": 0.5, "swap": True}, 3),
        ("TripletMarginWithDistanceLoss", {"swap": True}, 3),
        ("GaussianNLLLoss", {"full": True}, 3),
        ("MultiMarginLoss", {"margin": 0.2}, 1),
    ],
)
def test_loss_of_several_inputs(kind, options, count):
    xs = [tg.rand(6, 4) + 0.1 for _ in range(count)]
    if kind == "MarginRankingLoss":
        xs.append(tg.Tensor(np.sign(tg.randn(6, 4).numpy())))
    if kind == "CosineEmbeddingLoss":
        xs.append(tg.Tensor(np.sign(tg.randn(6).numpy())))
    if kind == "MultiMarginLoss":
        xs.append(tg.tensor([0, 1, 2, 3, 0, 1]))
    ours, theirs = getattr(nn, kind)(**options), getattr(torch.nn, kind)(**options)
    a, b = xs[0].clone().requires_grad_(), to_torch(xs[0], True)
    loss, t_loss = ours(a, *xs[1:]), theirs(b, *map(to_torch, xs[1:]))
    assert_close(loss, t_loss)
    loss.backward(), t_loss.backward()
    assert_close(a.grad, b.grad)


ATTENTION = {
    "plain": ({}, {}),
    "batch-first": ({"batch_first": True}, {}),
    "other widths": ({"kdim": 5, "vdim": 7, "bias": False}, {"average_attn_weights": False}),
    "without weights": ({}, {"need_weights": False}),
    "causal": ({}, {"attn_mask": np.triu(np.ones((4, 6), bool), 1)}),
    "numbers": ({}, {"attn_mask": np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)}),
    "per head": ({}, {"attn_mask": np.linspace(0, 1, 144, dtype=np.float32).reshape(6, 4, 6)}),
    "padding": ({}, {"key_padding_mask": np.arange(6) >= np.array([[6], [4], [3]])}),
}


@pytest.mark.parametrize("name", ATTENTION)
@pytest.mark.parametrize("batched", [True, False])
def test_multihead_attention(name, batched):
    options, masks = ATTENTION[name]
    ours, theirs = pair(lambda n: n.MultiheadAttention(8, 2, **options))
    widths = (8, options.get("kdim", 8), options.get("vdim", 8))
    first = options.get("batch_first")
    if not batched:
        first = None
        masks = {k: v[0] if k == "key_padding_mask" else v for k, v in masks.items()}
        masks = {k: v[:2] if np.ndim(v) == 3 else v for k, v in masks.items()}
    shapes = [(3, n, w) if first else (n, 3, w) for n, w in zip((4, 6, 6), widths)]
    shapes = shapes if batched else [(n, w) for n, w in zip((4, 6, 6), widths)]
    xs = [tg.randn(*shape, requires_grad=True) for shape in shapes]
    ts = [to_torch(x, True) for x in xs]
    ours_masks = {k: tg.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
    their_masks = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
    (y, w), (t, t_w) = ours(*xs, **ours_masks), theirs(*ts, **their_masks)
    assert_close(y, t)
    if t_w is None:
        assert w is None
    else:
        assert_close(w, t_w)
    (y * y).sum().backward(), (t * t).sum().backward()
    for x, other in zip(xs, ts):
        assert_close(x.grad, other.grad)
    for (key, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters()):
        assert_close(p.grad, q.grad, 2e-4, 5e-5, key)


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax", "Softmin"])
@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (2, 4, 3), (2, 4, 3, 5)])
def test_softmax_without_an_axis(kind, shape):
    x = tg.randn(*shape)
    assert_close(getattr(nn, kind)()(x), getattr(torch.nn, kind)()(to_torch(x)))


@pytest.mark.parametrize("kind", ["linear", "conv", "transpose"])
def test_spectral_norm(kind):
    make = {
        "linear": lambda n: n.Linear(5, 7),
        "conv": lambda n: n.Conv2d(3, 4, 3),
        "transpose": lambda n: n.ConvTranspose2d(3, 4, 3),
    }[kind]
    theirs = torch.nn.utils.spectral_norm(make(torch.nn))
    ours = nn.spectral_norm(make(nn))
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    shape = (4, 5) if kind == "linear" else (2, 3, 5, 5)
    for _ in range(3):  # u and v move on in step
        ours.zero_grad(), theirs.zero_grad()
        assert_same_function(ours, theirs, *[shape])
    ours.eval(), theirs.eval()
    ours.zero_grad(), theirs.zero_grad()
    assert_same_function(ours, theirs, shape)


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("options", [{}, {"dim": 1}, {"dim": None}])
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_weight_norm(kind, options):
    make = {"linear": lambda n: n.Linear(5, 7), "conv": lambda n: n.Conv2d(3, 4, 3)}[kind]
    theirs = torch.nn.utils.weight_norm(make(torch.nn), **options)
    ours = nn.utils.weight_norm(make(nn), **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert_close(ours.weight, ours.weight_v, 1e-5, 1e-6)  # at first, w = v
    ours.load_state_dict(theirs.state_dict())
    shape = (4, 5) if kind == "linear" else (2, 3, 5, 5)
    with tg.no_grad():
        ours.weight_g.mul_(1.5)
    with torch.no_grad():
        theirs.weight_g *= 1.5
    assert_same_function(ours, theirs, shape)
    x = tg.randn(*shape)
    before = ours(x).numpy()
    nn.utils.remove_weight_norm(ours), torch.nn.utils.remove_weight_norm(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    np.testing.assert_allclose(ours(x).numpy(), before, rtol=1e-5, atol=1e-6)
    assert ours.weight.requires_grad and ours._forward_hooks == ours._forward_pre_hooks == ()


def test_spectral_norm_is_taken_away_again():
    ours = nn.spectral_norm(nn.Linear(5, 7))
    x = tg.randn(4, 5)
    before, u = ours(x).numpy(), ours.weight_u.numpy().copy()
    nn.utils.remove_spectral_norm(ours)
    np.testing.assert_allclose(ours(x).numpy(), before, rtol=1e-5)
    assert sorted(ours.state_dict()) == ["bias", "weight"] and list(ours.named_buffers()) == []
    assert ours.weight.requires_grad and u.shape == (7,)


# -- the examples of PyTorch's documentation, with the import swapped ------------------------------


def documentation(nn, torch):
    """Each line is from torch.nn's pages; `torch` is whatever provides randn and friends."""
    yield nn.Linear(20, 30), (torch.randn(128, 20),)
    yield nn.Conv2d(16, 33, 3, stride=2), (torch.randn(2, 16, 50, 100),)
    yield nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2)), (torch.randn(2, 16, 50, 100),)
    yield (
        nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1)),
        (torch.randn(2, 16, 50, 100),),
    )
    yield nn.ConvTranspose2d(16, 33, 3, stride=2), (torch.randn(2, 16, 50, 100),)
    yield (
        nn.ConvTranspose2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2)),
        (torch.randn(2, 16, 50, 100),),
    )
    yield nn.BatchNorm2d(100), (torch.randn(5, 100, 35, 45),)
    yield nn.BatchNorm2d(100, affine=False), (torch.randn(5, 100, 35, 45),)
    yield nn.BatchNorm1d(100), (torch.randn(20, 100),)
    yield nn.InstanceNorm2d(100, affine=True), (torch.randn(4, 100, 35, 45),)
    yield nn.LayerNorm(10), (torch.randn(20, 5, 10),)
    yield nn.LayerNorm([5, 10, 10]), (torch.randn(20, 5, 10, 10),)
    yield nn.GroupNorm(3, 6), (torch.randn(20, 6, 10, 10),)
    yield nn.GroupNorm(6, 6), (torch.randn(20, 6, 10, 10),)
    yield nn.GRU(10, 20, 2), (torch.randn(5, 3, 10), torch.randn(2, 3, 20))
    yield nn.GRUCell(10, 20), (torch.randn(3, 10), torch.randn(3, 20))
    yield nn.Embedding(10, 3), (torch.tensor([[1, 2, 4, 5], [4, 3, 2, 9]]),)
    yield nn.Embedding(10, 3, padding_idx=0), (torch.tensor([[0, 2, 0, 5]]),)
    yield nn.MaxPool2d((3, 2), stride=(2, 1)), (torch.randn(5, 16, 50, 32),)
    yield nn.AvgPool2d((3, 2), stride=(2, 1)), (torch.randn(5, 16, 50, 32),)
    yield nn.AdaptiveAvgPool2d((5, 7)), (torch.randn(1, 64, 8, 9),)
    yield nn.PixelShuffle(3), (torch.randn(1, 9, 4, 4),)
    yield nn.Softmax(dim=1), (torch.randn(2, 3),)
    yield nn.CrossEntropyLoss(), (torch.randn(3, 5), torch.tensor([1, 0, 4]))
    yield nn.CrossEntropyLoss(), (torch.randn(3, 5), torch.randn(3, 5).softmax(dim=1))
    yield nn.BCEWithLogitsLoss(), (torch.randn(3), torch.ones(3))
    yield (
        nn.Sequential(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.Conv2d(20, 64, 5), nn.ReLU()),
        (torch.randn(1, 1, 14, 14),),
    )


def test_documentation_examples():
    count = 0
    for (ours, _), (theirs, inputs) in zip(documentation(nn, tg), documentation(torch.nn, torch)):
        ours.load_state_dict(theirs.state_dict())
        out, t_out = ours(*[tg.tensor(x.numpy()) for x in inputs]), theirs(*inputs)
        outs, t_outs = (out, t_out) if isinstance(out, tuple) else ((out,), (t_out,))
        for a, b in zip(outs, t_outs):
            assert_close(a, b, 1e-3, 2e-5, repr(theirs))
        count += 1
    assert count == 27


def test_documentation_example_of_output_size():
    x = tg.randn(1, 16, 12, 12)
    downsample = nn.Conv2d(16, 16, 3, stride=2, padding=1)
    upsample, theirs = pair(lambda n: n.ConvTranspose2d(16, 16, 3, stride=2, padding=1))
    h = downsample(x)
    assert h.size() == (1, 16, 6, 6)
    output = upsample(h, output_size=x.size())
    assert output.size() == (1, 16, 12, 12)
    assert_close(output, theirs(to_torch(h.detach()), output_size=x.size()))


# -- initial weights -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda n: n.Linear(300, 400),
        lambda n: n.Conv2d(32, 64, 5, groups=2),
        lambda n: n.ConvTranspose2d(64, 32, 5),
        lambda n: n.GRU(100, 200),
        lambda n: n.Embedding(300, 100),
    ],
)
def test_default_weights_have_the_same_distribution(make):
    for (name, p), (_, q) in zip(make(nn).named_parameters(), make(torch.nn).named_parameters()):
        p, q = p.numpy(), q.detach().numpy()
        tolerance = 4 * q.std() / np.sqrt(2 * q.size) + 4 * q.std() / np.sqrt(2 * q.size)
        assert abs(p.std() - q.std()) < tolerance, name
        assert abs(p.mean()) < 5 * q.std() / np.sqrt(q.size), name
        if "embed" not in name and abs(q).max() < 2:
            assert abs(p).max() == pytest.approx(abs(q).max(), rel=0.1), name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("normal_", {"mean": 1.0, "std": 0.02}),
        ("uniform_", {"a": -0.5, "b": 2.0}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {}),
        ("kaiming_uniform_", {"a": 0.2}),
        ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("trunc_normal_", {"mean": 0.5, "std": 1.0, "a": -1.0, "b": 1.0}),
        ("orthogonal_", {"gain": 0.5}),
    ],
)
def test_init(name, options):
    shape = (60, 40, 3, 3) if name == "orthogonal_" else (240, 160, 3, 3)
    ours, theirs = nn.Parameter(tg.zeros(shape)), torch.zeros(shape)
    assert getattr(nn.init, name)(ours, **options) is ours
    getattr(torch.nn.init, name)(theirs, **options)
    a, b = ours.numpy(), theirs.numpy()
    assert a.dtype == np.float32
    assert a.mean() == pytest.approx(b.mean(), abs=0.01)
    assert a.std() == pytest.approx(b.std(), rel=0.006)  # a slope of 0.2 or 0 makes 2 %
    assert a.max() == pytest.approx(b.max(), rel=0.3)
    if name == "orthogonal_":
        flat = a.reshape(60, -1)
        np.testing.assert_allclose(flat @ flat.T, 0.25 * np.eye(60), atol=1e-5)
    if name == "trunc_normal_":
        assert a.min() >= -1 and a.max() <= 1


@pytest.mark.parametrize(
    "name", ["linear", "tanh", "relu", "leaky_relu", "sigmoid", "selu", "conv2d"]
)
def test_gain(name):
    assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert nn.init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain(
        "leaky_relu", 0.2
    )


# -- optimisers ------------------------------------------------------------------------------------

OPTIMISERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.5, 0.99), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "betas": (0.0, 0.9), "amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.01}),
    ("Adagrad", {}),
    (
        "Adagrad",
        {
            "lr": 0.1,
            "lr_decay": 0.1,
            "weight_decay": 0.1,
            "initial_accumulator_value": 0.5,
            "eps": 1e-3,
        },
    ),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.05, "betas": (0.5, 0.9), "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.05, "betas": (0.5, 0.9), "weight_decay": 0.1}),
    ("RAdam", {"betas": (0.5, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.02, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.05)}),
    *[
        (kind, {"maximize": True, "foreach": False})
        for kind in ("Adam", "AdamW", "RMSprop", "Adagrad", "Adamax", "NAdam", "RAdam", "Rprop")
    ],
]


def networks():
    """In float64, so that the tolerance lies far below the smallest effect of any setting."""
    return pair(lambda n: n.Sequential(n.Linear(4, 8), n.Tanh(), n.Linear(8, 2)).double())


def train(ours, theirs, optimizer, t_optimizer, steps):
    for step in range(steps):
        x = tg.randn(16, 4, dtype=tg.float64)
        for net, opt, batch in ((ours, optimizer, x), (theirs, t_optimizer, to_torch(x))):
            opt.zero_grad()
            (net(batch) ** 2).mean().backward()
            opt.step()
        for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters()):
            # PyTorch's NAdam keeps the product of its momenta in float32
            rounding = 1e-8 if isinstance(optimizer, optim.NAdam) else 1e-12
            assert_close(p, q, 1e-9, rounding, f"{name} after step {step + 1}")


@pytest.mark.parametrize(("kind", "options"), OPTIMISERS)
def test_optimizer(kind, options):
    ours, theirs = networks()
    optimizer = getattr(optim, kind)(ours.parameters(), **options)
    t_optimizer = getattr(torch.optim, kind)(theirs.parameters(), **options)
    train(ours, theirs, optimizer, t_optimizer, 10)
    # PyTorch's saved state continues here
    again = getattr(optim, kind)(ours.parameters(), lr=123.0)
    again.param_groups[0].update({k: v for k, v in options.items() if k != "lr"})
    again.load_state_dict(t_optimizer.state_dict())
    assert again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    train(ours, theirs, again, t_optimizer, 3)
    # and ours continues there
    t_again = getattr(torch.optim, kind)(theirs.parameters(), lr=123.0)
    follow(t_again, again)
    train(ours, theirs, again, t_again, 3)


def test_groups_have_settings_of_their_own():
    ours, theirs = networks()
    groups = lambda net: [
        {"params": net[0].parameters(), "lr": 0.5},
        {"params": net[2].parameters(), "momentum": 0.9},
    ]
    optimizer, t_optimizer = (
        optim.SGD(groups(ours), lr=0.1),
        torch.optim.SGD(groups(theirs), lr=0.1),
    )
    train(ours, theirs, optimizer, t_optimizer, 5)


SCHEDULES = {
    "step": lambda lr, o: lr.StepLR(o, 3, 0.5),
    "cosine": lambda lr, o: lr.CosineAnnealingLR(o, 6, 0.01),
    "linear": lambda lr, o: lr.LinearLR(o, 0.1, 1.0, 5),
    "lambda": lambda lr, o: lr.LambdaLR(o, lambda epoch: 0.9**epoch),
    "lambdas": lambda lr, o: lr.LambdaLR(
        o, [lambda epoch: 0.9**epoch, lambda epoch: 1 / (1 + epoch)]
    ),
    "sequential": lambda lr, o: lr.SequentialLR(
        o, [lr.LinearLR(o, 0.1, 1.0, 4), lr.CosineAnnealingLR(o, 6), lr.StepLR(o, 2)], [4, 9]
    ),
    "multi-step": lambda lr, o: lr.MultiStepLR(o, [7, 3, 3], 0.5),
    "exponential": lambda lr, o: lr.ExponentialLR(o, 0.8),
    "constant": lambda lr, o: lr.ConstantLR(o, 0.25, 4),
    "polynomial": lambda lr, o: lr.PolynomialLR(o, 6, 2.0),
    "restarts": lambda lr, o: lr.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "restarts-alike": lambda lr, o: lr.CosineAnnealingWarmRestarts(o, 4),
    "cyclic": lambda lr, o: lr.CyclicLR(o, 0.01, [0.1, 0.2], 3, 2),
    "cyclic-halved": lambda lr, o: lr.CyclicLR(o, [0.01, 0.02], 0.1, 2, mode="triangular2"),
    "cyclic-falling": lambda lr, o: lr.CyclicLR(o, 0.01, 0.1, 2, mode="exp_range", gamma=0.9),
    "cyclic-own": lambda lr, o: lr.CyclicLR(
        o, 0.01, 0.1, 2, scale_fn=lambda i: 1 / (1 + i), scale_mode="iterations"
    ),
    "one-cycle": lambda lr, o: lr.OneCycleLR(o, 0.1, 15),
    "one-cycle-lines": lambda lr, o: lr.OneCycleLR(
        o, [0.1, 0.2], epochs=3, steps_per_epoch=5, pct_start=0.4, anneal_strategy="linear"
    ),
    "one-cycle-three": lambda lr, o: lr.OneCycleLR(o, 0.1, 15, pct_start=0.35, three_phase=True),
    "chained": lambda lr, o: lr.ChainedScheduler(
        [lr.LinearLR(o, 0.1, 1.0, 4), lr.ExponentialLR(o, 0.8), lr.CosineAnnealingLR(o, 6, 0.01)]
    ),
}


def two_groups(kind="SGD", **options):
    """The same optimiser in both libraries, with two groups of different rates."""
    ours, theirs = networks()
    return [
        getattr(library, kind)(
            [{"params": net[0].parameters(), "lr": 0.5}, {"params": net[2].parameters()}],
            **{"lr": 0.1, **options},
        )
        for library, net in ((optim, ours), (torch.optim, theirs))
    ]


def assert_same_rates(schedule, t_schedule, what):
    assert schedule.get_last_lr() == pytest.approx(t_schedule.get_last_lr(), abs=1e-9), what
    for group, t_group in zip(schedule.optimizer.param_groups, t_schedule.optimizer.param_groups):
        for name in ("lr", "momentum", "betas"):
            if name in group:
                assert group[name] == pytest.approx(t_group[name], abs=1e-9), (what, name)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_schedule(name, kind):
    optimizer, t_optimizer = two_groups(kind)
    schedule = SCHEDULES[name](optim, optimizer)
    t_schedule = SCHEDULES[name](torch.optim.lr_scheduler, t_optimizer)
    for epoch in range(15):
        assert_same_rates(schedule, t_schedule, epoch)
        if epoch == 8 and name in ("step", "exponential", "cosine", "polynomial", "linear"):
            for o in (optimizer, t_optimizer):  # changed by hand on the way
                o.param_groups[1]["lr"] *= 0.3
        t_optimizer.step()
        schedule.step()
        t_schedule.step()


@pytest.mark.parametrize("name", ["lambda", "restarts", "one-cycle", "cyclic"])
def test_a_schedule_that_goes_on_after_the_last_epoch(name):
    make = {
        "lambda": lambda lr, o, last: lr.LambdaLR(o, lambda epoch: 0.9**epoch, last),
        "restarts": lambda lr, o, last: lr.CosineAnnealingWarmRestarts(o, 20, last_epoch=last),
        "one-cycle": lambda lr, o, last: lr.OneCycleLR(
            o, 0.1, 15, cycle_momentum=False, last_epoch=last
        ),
        "cyclic": lambda lr, o, last: lr.CyclicLR(
            o, 0.1, 0.2, 3, cycle_momentum=False, last_epoch=last
        ),
    }[name]
    rates = []
    for lr, optimizer in zip((optim, torch.optim.lr_scheduler), two_groups()):
        schedule = make(lr, optimizer, -1)
        for _ in range(4):
            optimizer.step()
            schedule.step()
        schedule = make(lr, optimizer, 3)
        for _ in range(3):
            rates.append(schedule.get_last_lr())
            optimizer.step()
            schedule.step()
    for ours, theirs in zip(rates[:3], rates[3:]):
        assert ours == pytest.approx(theirs)
    with pytest.raises(ValueError, match="need 'initial_lr', the rate at the start"):
        make(optim, two_groups()[0], 3)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"mode": "max", "patience": 1, "cooldown": 2, "min_lr": [0.2, 0.0]},
        {"threshold": 0.1, "threshold_mode": "abs", "patience": 0, "factor": 0.5, "eps": 0.02},
        {"mode": "max", "threshold": 0.05, "threshold_mode": "abs", "patience": 1},
    ],
)
def test_reduce_on_plateau(options):
    optimizer, t_optimizer = two_groups()
    schedule = optim.ReduceLROnPlateau(optimizer, **options)
    t_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(t_optimizer, **options)
    scores = [3.0, 2.0, -1.0, -1.04, -1.0, -1.0, 0.5, 0.52, 0.5, 0.49, 0.48, 0.5, 0.5, -3.0, 1.0]
    rates = set()
    for i, score in enumerate(scores):
        schedule.step(tg.tensor(score))
        t_schedule.step(score)
        assert_same_rates(schedule, t_schedule, i)
        rates.add(tuple(schedule.get_last_lr()))
        if i == 5:  # its saved state continues
            state = schedule.state_dict()
            schedule = optim.ReduceLROnPlateau(optimizer, **options)
            schedule.load_state_dict(state)
    assert len(rates) > 1


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, float("inf"), "inf"])
@pytest.mark.parametrize("limit", [0.1, 100.0])
def test_clip_grad_norm(order, limit):
    ours, theirs = networks()
    x = tg.randn(16, 4, dtype=tg.float64)
    (ours(x) ** 2).sum().backward()
    (theirs(to_torch(x)) ** 2).sum().backward()
    total = optim.clip_grad_norm_(ours.parameters(), limit, order)
    expected = torch.nn.utils.clip_grad_norm_(theirs.parameters(), limit, order)
    assert_close(total, expected, 1e-9, 1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters()):
        assert_close(p.grad, q.grad, 1e-9, 1e-12)


def test_clip_grad_value():
    ours, theirs = networks()
    x = tg.randn(16, 4, dtype=tg.float64)
    (ours(x) ** 2).sum().backward()
    (theirs(to_torch(x)) ** 2).sum().backward()
    optim.clip_grad_value_(ours.parameters(), 0.05)
    torch.nn.utils.clip_grad_value_(theirs.parameters(), 0.05)
    for p, q in zip(ours.parameters(), theirs.parameters()):
        assert_close(p.grad, q.grad)
        assert abs(p.grad.numpy()).max() <= np.float32(0.05)


# -- files -----------------------------------------------------------------------------------------


def test_weights_move_both_ways_through_files(tmp_path):
    def make(n):
        return n.Sequential(n.Conv2d(3, 4, 3), n.BatchNorm2d(4), n.Flatten(), n.Linear(64, 2))

    ours, theirs = make(nn), make(torch.nn)
    theirs(torch.randn(3, 3, 6, 6))  # moves the running statistics
    st.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    ours.load_state_dict(io.load(tmp_path / "theirs.safetensors"))
    x = tg.randn(2, 3, 6, 6)
    ours.eval(), theirs.eval()
    assert_close(ours(x), theirs(to_torch(x)))
    other = make(nn)
    other(tg.randn(3, 3, 6, 6))
    io.save(other.state_dict(), tmp_path / "ours.safetensors")
    theirs.load_state_dict(st.load_file(tmp_path / "ours.safetensors"))
    assert_close(other.eval()(x), theirs(to_torch(x)))


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]
)
def test_dtypes_move_both_ways_through_files(tmp_path, dtype):
    arrays = [np.arange(6).reshape(2, 3), np.array(1), np.zeros((0, 4))]
    arrays = {str(i): a.astype(dtype) for i, a in enumerate(arrays)}
    io.save({k: tg.Tensor(a) for k, a in arrays.items()}, tmp_path / "a.safetensors")
    read = st.load_file(tmp_path / "a.safetensors")
    st.save_file({k: torch.tensor(a) for k, a in arrays.items()}, tmp_path / "b.safetensors")
    again = io.load(tmp_path / "b.safetensors")
    for k, a in arrays.items():
        for found in (read[k].numpy(), again[k].numpy()):
            assert found.dtype == a.dtype and found.shape == a.shape
            np.testing.assert_array_equal(found, a)


def test_bfloat16_is_read_as_float32(tmp_path):
    values = torch.randn(5, 3).to(torch.bfloat16)
    st.save_file({"x": values}, tmp_path / "x.safetensors")
    read = io.load(tmp_path / "x.safetensors")["x"]
    assert_close(read, values.float(), 0, 0)


# -- whole GANs, loss for loss ---------------------------------------------------------------------


def dcgan(n):
    generator = n.Sequential(
        n.ConvTranspose2d(8, 16, 4, 1, 0, bias=False),
        n.BatchNorm2d(16),
        n.ReLU(True),
        n.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
        n.BatchNorm2d(8),
        n.ReLU(True),
        n.ConvTranspose2d(8, 8, 4, 2, 1, bias=False),
        n.BatchNorm2d(8),
        n.ReLU(True),
        n.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
        n.Tanh(),
    )
    discriminator = n.Sequential(
        n.Conv2d(3, 8, 4, 2, 1, bias=False),
        n.LeakyReLU(0.2),
        n.Conv2d(8, 16, 4, 2, 1, bias=False),
        n.BatchNorm2d(16),
        n.LeakyReLU(0.2),
        n.Conv2d(16, 16, 4, 2, 1, bias=False),
        n.BatchNorm2d(16),
        n.LeakyReLU(0.2),
        n.Conv2d(16, 1, 4, 1, 0, bias=False),
        n.Flatten(),
    )
    return n.ModuleDict({"generator": generator, "discriminator": discriminator})


def mlp_gan(n):
    return n.ModuleDict(
        {
            "generator": n.Sequential(
                n.Linear(4, 32), n.ReLU(), n.Linear(32, 32), n.ReLU(), n.Linear(32, 2)
            ),
            "discriminator": n.Sequential(n.Linear(2, 32), n.LeakyReLU(0.2), n.Linear(32, 1)),
        }
    )


class GAN:
    """The non-saturating game, written once for both libraries."""

    def __init__(self, nets, bce, adam, ones, zeros):
        self.g, self.d = nets["generator"], nets["discriminator"]
        self.bce, self.ones, self.zeros = bce, ones, zeros
        self.g_opt = adam(self.g.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.d_opt = adam(self.d.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(self, real, z):
        n = real.shape[0]
        fake = self.g(z)
        self.d_opt.zero_grad()
        d_loss = self.bce(self.d(real), self.ones(n, 1)) + self.bce(
            self.d(fake.detach()), self.zeros(n, 1)
        )
        d_loss.backward()
        self.d_opt.step()
        self.g_opt.zero_grad()
        g_loss = self.bce(self.d(fake), self.ones(n, 1))
        g_loss.backward()
        self.g_opt.step()
        return d_loss.item(), g_loss.item()


@pytest.mark.parametrize(
    ("make", "real", "z", "steps", "dtype"),
    [
        (dcgan, (8, 3, 32, 32), (8, 8, 1, 1), 20, "float32"),
        (dcgan, (8, 3, 32, 32), (8, 8, 1, 1), 5, "float64"),
        (mlp_gan, (64, 2), (64, 4), 50, "float32"),
        (mlp_gan, (64, 2), (64, 4), 50, "float64"),
    ],
)
def test_gan_loss_for_loss(make, real, z, steps, dtype):
    """In float64 every number of the game is the same; in float32, of each of its steps."""
    wide = dtype == "float64"
    nets, t_nets = pair(lambda n: make(n).double() if wide else make(n))
    bce, t_bce = (module.binary_cross_entropy_with_logits for module in (F, TF))
    constants = [
        [partial(f, dtype=getattr(m, dtype)) for f in (m.ones, m.zeros)] for m in (tg, torch)
    ]
    ours = GAN(nets, bce, optim.Adam, *constants[0])
    theirs = GAN(t_nets, t_bce, torch.optim.Adam, *constants[1])
    history, distances = [], []
    for _ in range(steps):
        if not wide:
            for part in ("g", "d", "g_opt", "d_opt"):
                follow(getattr(theirs, part), getattr(ours, part))
        batch, noise = (tg.randn(*shape, dtype=getattr(tg, dtype)) for shape in (real, z))
        a, b = ours.step(batch, noise), theirs.step(to_torch(batch), to_torch(noise))
        history.append(a)
        distances.append([apart(theirs.g, ours.g), apart(theirs.d, ours.d)])
        assert a == pytest.approx(b, rel=1e-9 if wide else 1e-4)
    assert history[-1] != pytest.approx(history[0], rel=1e-3)  # something was learnt
    assert np.median(distances, 0).max() < (1e-9 if wide else 2e-7)
    for (name, p), (_, q) in zip(nets.state_dict().items(), t_nets.state_dict().items()):
        assert_close(p, q, *((1e-7, 1e-9) if wide else (5e-2, 2e-3)), name)


def test_wgan_gp_loss_for_loss():
    nets, t_nets = pair(mlp_gan)
    d_opt, t_opt = (
        optim.Adam(nets["discriminator"].parameters()),
        torch.optim.Adam(t_nets["discriminator"].parameters()),
    )

    def loss(critic, grad, x, fake, mixed):
        (g,) = grad(critic(mixed).sum(), mixed, create_graph=True)
        return critic(fake).mean() - critic(x).mean() + 10 * ((g.norm(p=2, dim=1) - 1) ** 2).mean()

    for _ in range(20):
        follow(t_nets, nets)
        follow(t_opt, d_opt)
        x, fake, alpha = tg.randn(32, 2), tg.randn(32, 2) * 2 + 1, tg.rand(32, 1)
        mixed = (alpha * x + (1 - alpha) * fake).requires_grad_()
        ours = loss(
            nets["discriminator"], lambda *a, **k: tg.grad(a[0], [a[1]], **k), x, fake, mixed
        )
        theirs = loss(
            t_nets["discriminator"],
            lambda *a, **k: torch.autograd.grad(a[0], [a[1]], **k),
            to_torch(x),
            to_torch(fake),
            to_torch(mixed.detach(), True),
        )
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-4, abs=1e-5)
        for opt, value in ((d_opt, ours), (t_opt, theirs)):
            opt.zero_grad()
            value.backward()
            opt.step()
