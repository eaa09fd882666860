"""Layers, losses, optimisers, schedules and initialisers against the textbook's equations.

`tests/equations/` holds them in plain NumPy. All comparisons run in float64, with tolerances some
10⁻⁹ of the numbers compared: far below the smallest effect of any setting.
"""

from functools import partial

import numpy as np
import pytest

import tinygan as tg
from tests import equations as eq
from tests.equations import init, norms, recurrent, schedules, spectral_norm
from tests.equations import optim as textbook
from tests.op_table import ROWS
from tinygan import nn, optim
from tinygan.backend.random import Stream
from tinygan.models.likelihood import Bernoulli, Gaussian


def close(ours, expected, rtol=1e-9, atol=1e-11):
    ours = ours.numpy() if isinstance(ours, tg.Tensor) else np.asarray(ours)
    expected = np.asarray(expected)
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=rtol, atol=atol)


def normal(*shape):
    return tg.randn(*shape, dtype=np.float64)


def wide(module):
    """The module with float64 parameters and buffers, all of them random."""
    module = module.to(tg.float64)
    with tg.no_grad():
        for p in module.parameters():
            p.normal_(0.3, 1.0)
    return module


# -- functions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.numpy is None], ids=lambda row: row.label
)
def test_functions_of_the_table(row):
    """Rows whose only other reference is PyTorch."""
    arrays = row.arrays()
    try:
        theirs = row(*arrays, module=eq)
    except AttributeError as error:
        if "'numpy.ndarray' object" not in str(error):
            raise  # a function without an equation: write it
        pytest.skip("the row calls a method of tensors")
    ours = row(*row.tensors(arrays))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


# -- layers ----------------------------------------------------------------------------------------


def given(function, *args, **keywords):
    """The equation of a layer with a weight and a bias."""
    return lambda x, weight, bias=None: function(x, weight, bias, *args, **keywords)


def plain(function, *args, **keywords):
    return lambda x: function(x, *args, **keywords)


def padded(widths, mode):
    """A convolution of an image padded first."""
    return lambda x, w, b: eq.conv2d(eq.pad(x, widths, mode), w, b)


LAYERS = {
    "linear": (nn.Linear(5, 7), (4, 5), lambda x, w, b: x @ w.T + b),
    "conv1d": (nn.Conv1d(4, 6, 3, 2, 1, 2, 2), (2, 4, 11), given(eq.conv1d, 2, 1, 2, 2)),
    "conv2d": (nn.Conv2d(4, 6, 3, 2, 1, 2, 2), (2, 4, 8, 7), given(eq.conv2d, 2, 1, 2, 2)),
    "conv2d without bias": (
        nn.Conv2d(3, 4, 4, 2, 1, bias=False),
        (2, 3, 8, 8),
        given(eq.conv2d, 2, 1),
    ),
    "conv2d same": (
        nn.Conv2d(3, 4, (3, 5), padding="same"),
        (2, 3, 6, 5),
        given(eq.conv2d, 1, (1, 2)),
    ),
    "conv2d same, even": (
        nn.Conv2d(3, 4, (4, 3), padding="same"),
        (2, 3, 6, 5),
        padded((1, 1, 1, 2), "constant"),
    ),
    "conv2d valid": (nn.Conv2d(3, 4, 3, padding="valid"), (2, 3, 6, 5), given(eq.conv2d)),
    "conv2d reflect": (
        nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="reflect"),
        (2, 3, 6, 5),
        padded((2, 2, 1, 1), "reflect"),
    ),
    "conv2d replicate": (
        nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="replicate"),
        (2, 3, 6, 5),
        padded((2, 2, 1, 1), "replicate"),
    ),
    "conv_transpose2d": (
        nn.ConvTranspose2d(4, 6, 4, 2, 1, 1, 2),
        (2, 4, 3, 4),
        given(eq.conv_transpose2d, 2, 1, 1, 2),
    ),
    "conv_transpose2d dilated": (
        nn.ConvTranspose2d(4, 6, 3, dilation=2, bias=False),
        (2, 4, 3, 4),
        given(eq.conv_transpose2d, dilation=2),
    ),
    "layer norm": (
        nn.LayerNorm((3, 6), eps=0.1),
        (4, 3, 6),
        lambda x, w, b: eq.layer_norm(x, (3, 6), w, b, 0.1),
    ),
    "layer norm, plain": (
        nn.LayerNorm(6, elementwise_affine=False),
        (4, 6),
        plain(eq.layer_norm, (6,)),
    ),
    "group norm": (
        nn.GroupNorm(2, 6, eps=0.1),
        (3, 6, 4, 4),
        lambda x, w, b: eq.group_norm(x, 2, w, b, 0.1),
    ),
    "instance norm": (nn.InstanceNorm2d(4), (3, 4, 5, 5), plain(eq.instance_norm)),
    "instance norm, affine": (
        nn.InstanceNorm1d(4, 0.1, affine=True),
        (3, 4, 7),
        lambda x, w, b: eq.instance_norm(x, None, None, w, b, eps=0.1),
    ),
    "leaky relu": (nn.LeakyReLU(0.2), (4, 9), plain(eq.leaky_relu, 0.2)),
    "leaky relu, default": (nn.LeakyReLU(), (4, 9), plain(eq.leaky_relu)),
    "elu": (nn.ELU(0.7), (4, 9), plain(eq.elu, 0.7)),
    "gelu": (nn.GELU(), (4, 9), plain(eq.gelu)),
    "gelu, tanh": (nn.GELU("tanh"), (4, 9), plain(eq.gelu, "tanh")),
    "softmax": (nn.Softmax(1), (4, 9, 2), plain(eq.softmax, 1)),
    "log softmax": (nn.LogSoftmax(1), (4, 9, 2), plain(eq.log_softmax, 1)),
    "max pool": (nn.MaxPool2d(3, 2, 1), (2, 3, 7, 8), plain(eq.max_pool2d, 3, 2, 1)),
    "max pool, default stride": (nn.MaxPool2d(2), (2, 3, 6, 8), plain(eq.max_pool2d, 2)),
    "average pool": (nn.AvgPool2d(3, 2, 1), (2, 3, 7, 8), plain(eq.avg_pool2d, 3, 2, 1)),
    "average pool without padding": (
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        (2, 3, 7, 8),
        plain(eq.avg_pool2d, 3, 2, 1, count_include_pad=False),
    ),
    "adaptive pool": (
        nn.AdaptiveAvgPool2d((3, 2)),
        (2, 3, 7, 8),
        plain(eq.adaptive_avg_pool2d, (3, 2)),
    ),
    "upsample": (nn.Upsample(scale_factor=2), (2, 3, 4, 5), plain(eq.interpolate, None, 2)),
    "upsample, bilinear": (
        nn.Upsample(scale_factor=2, mode="bilinear"),
        (2, 3, 4, 5),
        plain(eq.interpolate, None, 2, "bilinear"),
    ),
    "upsample, corners": (
        nn.Upsample((7, 9), mode="bilinear", align_corners=True),
        (2, 3, 4, 5),
        plain(eq.interpolate, (7, 9), None, "bilinear", True),
    ),
    "pixel shuffle": (nn.PixelShuffle(2), (2, 8, 3, 4), plain(eq.pixel_shuffle, 2)),
    "pixel unshuffle": (nn.PixelUnshuffle(2), (2, 3, 4, 6), plain(eq.pixel_unshuffle, 2)),
    "reflection pad": (
        nn.ReflectionPad2d((1, 2, 0, 3)),
        (2, 3, 5, 4),
        plain(eq.pad, (1, 2, 0, 3), "reflect"),
    ),
    "replication pad": (
        nn.ReplicationPad2d(2),
        (2, 3, 5, 4),
        plain(eq.pad, (2, 2, 2, 2), "replicate"),
    ),
    "zero pad": (nn.ZeroPad2d((1, -1, 0, 3)), (2, 3, 5, 4), plain(eq.pad, (1, -1, 0, 3))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    layer, shape, equation = LAYERS[name]
    layer, x = wide(layer), normal(*shape)
    close(layer(x), equation(x.numpy(), *(p.numpy() for p in layer.parameters())))


@pytest.mark.parametrize("mask", ["none", "padding", "pairs", "each head's pairs", "numbers"])
def test_multihead_attention(mask):
    n, heads, length, sources = 2, 3, 4, 5
    layer = wide(nn.MultiheadAttention(6, heads, batch_first=True))
    q, k, v = normal(n, length, 6), normal(n, sources, 6), normal(n, sources, 6)
    shape, added = (n, heads, length, sources), np.zeros((length, sources))
    masks = {
        "padding": (n, 1, 1, sources), "pairs": (length, sources), "each head's pairs": shape
    }  # fmt: skip
    hidden, told = np.zeros(shape, bool), {}
    if mask in masks:
        drawn = normal(*masks[mask]).numpy() > 0.5
        drawn[..., 0] = False  # everybody sees the first
        hidden |= drawn
        given = {"padding": (n, sources), "each head's pairs": (n * heads, length, sources)}
        name = "key_padding_mask" if mask == "padding" else "attn_mask"
        told[name] = tg.tensor(drawn.reshape(given.get(mask, drawn.shape)))
    elif mask == "numbers":
        told["attn_mask"] = tg.tensor(added := normal(length, sources).numpy())
    parameters = [p.numpy() for p in layer.parameters()]
    y, weights = eq.multihead_attention(*(a.numpy() for a in (q, k, v)), *parameters, hidden, added)
    ours, mean = layer(q, k, v, **told)
    close(ours, y)
    close(mean, weights.mean(1))
    close(layer(q, k, v, average_attn_weights=False, **told)[1], weights)
    time_first = nn.MultiheadAttention(6, heads).to(tg.float64)
    time_first.load_state_dict(layer.state_dict())
    turned, _ = time_first(*(x.transpose(0, 1) for x in (q, k, v)), need_weights=False, **told)
    close(turned, y.swapaxes(0, 1))


# -- running statistics ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 3), (5, 3, 4), (4, 3, 2, 2)])
@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_batch_norm_over_several_batches(shape, momentum):
    make = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    layer = wide(make(3, momentum=momentum) if momentum != 0.1 else make(3))
    mean, var = np.zeros(3), np.ones(3)
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    for t in range(1, 5):
        x = 3 * normal(*shape) + t
        close(layer(x), eq.batch_norm(x.numpy(), None, None, weight, bias, True))
        share = 1 / t if momentum is None else momentum
        mean, var = norms.moved_statistics(mean, var, x.numpy(), share)
        close(layer.running_mean, mean)
        close(layer.running_var, var)
    assert layer.num_batches_tracked.item() == 4
    layer.eval()
    close(layer(x), eq.batch_norm(x.numpy(), mean, var, weight, bias))
    close(layer.running_mean, mean)  # evaluation moves nothing
    assert layer.num_batches_tracked.item() == 4


@pytest.mark.parametrize("size", [4, 128])  # the plain way, and the one in pieces
def test_a_running_variance_far_below_eps_keeps_its_digits(size):
    x = 1e-5 * normal(4, 3, size, size)
    layer = nn.BatchNorm2d(3, momentum=1.0)
    layer(x.float())
    expected = x.numpy().var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_var.numpy(), expected, rtol=1e-5)


def test_instance_norm_with_running_statistics():
    """They move towards the mean over the batch of what each image has."""
    layer = wide(nn.InstanceNorm2d(3, affine=True, track_running_stats=True))
    mean, var = np.zeros(3), np.ones(3)
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    for t in range(3):
        x = 2 * normal(4, 3, 5, 2) + t
        close(layer(x), eq.instance_norm(x.numpy(), None, None, weight, bias))
        each = [norms.moved_statistics(mean, var, image[None], 0.1) for image in x.numpy()]
        mean, var = (np.mean(part, 0) for part in zip(*each))
        close(layer.running_mean, mean)
        close(layer.running_var, var)
    close(layer.eval()(x), eq.batch_norm(x.numpy(), mean, var, weight, bias))


# -- recurrent layers ------------------------------------------------------------------------------


def weights_of(layer):
    """What `recurrent` asks for: the arrays of a layer and direction; biases of 0 where there are
    none.
    """

    def weights(depth, direction):
        suffix = f"_l{depth}" + ("_reverse" if direction else "")
        ih, hh = (getattr(layer, f"weight_{kind}{suffix}").numpy() for kind in ("ih", "hh"))
        biases = (getattr(layer, f"bias_{kind}{suffix}", None) for kind in ("ih", "hh"))
        return ih, hh, *(np.zeros(len(ih)) if b is None else b.numpy() for b in biases)

    return weights


CELLS = {
    "gru": (nn.GRUCell, nn.GRU, recurrent.gru_step, 3, {}),
    "lstm": (nn.LSTMCell, nn.LSTM, recurrent.lstm_step, 4, {}),
    "rnn": (nn.RNNCell, nn.RNN, recurrent.rnn_step, 1, {}),
    "rnn, relu": (
        nn.RNNCell, nn.RNN, partial(recurrent.rnn_step, activation=lambda x: np.maximum(x, 0)), 1,
        {"nonlinearity": "relu"},
    ),
}  # fmt: skip


def states(kind, *shape):
    """Random first states: as the layer takes them, and as the equation does."""
    if kind != "lstm":
        h = normal(*shape)
        return h, h.numpy()
    h, c = normal(*shape), normal(*shape)
    return (h, c), np.stack([h.numpy(), c.numpy()], axis=-3)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_recurrent_cells(kind, bias):
    make, _, step, blocks, options = CELLS[kind]
    cell, x = wide(make(4, 6, bias, **options)), normal(3, 4)
    arrays = [p.numpy() for p in cell.parameters()] + ([] if bias else [np.zeros(6 * blocks)] * 2)
    given, start = states(kind, 3, 6)
    for ours, state in ((cell(x, given), start), (cell(x), 0 * start)):
        ours = np.stack([part.numpy() for part in ours]) if isinstance(ours, tuple) else ours
        close(ours, step(x.numpy(), state, *arrays))


@pytest.mark.parametrize(
    "settings",
    [{}, {"num_layers": 2}, {"bidirectional": True, "num_layers": 2}, {"bias": False}],
    ids=str,
)
@pytest.mark.parametrize("kind", CELLS)
def test_recurrent_layers(kind, settings):
    _, make, step, _, options = CELLS[kind]
    layer, x = wide(make(4, 5, **options, **settings)), normal(6, 3, 4)
    layers, both = settings.get("num_layers", 1), settings.get("bidirectional", False)
    given, start = states(kind, layers * (1 + both), 3, 5)
    expected = recurrent.sequence(step, x.numpy(), weights_of(layer), start, layers, both)
    out, last = layer(x, given)
    close(out, expected[0])
    close(np.stack([p.numpy() for p in last], 1) if kind == "lstm" else last, expected[1])
    other = make(4, 5, batch_first=True, **options, **settings).to(tg.float64)
    other.load_state_dict(layer.state_dict())
    close(other(x.transpose(0, 1), given)[0].transpose(0, 1), expected[0])


# -- losses ----------------------------------------------------------------------------------------

POSITIVE = np.array([1.0, 2.0, 3.0, 0.5, 1.5])
LOSSES = {
    "mse": (nn.MSELoss, eq.mse_loss, {}, "real"),
    "mse, summed": (nn.MSELoss, eq.mse_loss, {"reduction": "sum"}, "real"),
    "l1": (nn.L1Loss, eq.l1_loss, {"reduction": "none"}, "real"),
    "smooth l1": (nn.SmoothL1Loss, eq.smooth_l1_loss, {}, "real"),
    "smooth l1, narrow": (nn.SmoothL1Loss, eq.smooth_l1_loss, {"beta": 0.3}, "real"),
    "bce": (nn.BCELoss, eq.binary_cross_entropy, {}, "probability"),
    "bce of logits": (
        nn.BCEWithLogitsLoss, eq.binary_cross_entropy_with_logits, {}, "binary"
    ),
    "bce of logits, weighted": (
        nn.BCEWithLogitsLoss, eq.binary_cross_entropy_with_logits,
        {"pos_weight": POSITIVE}, "binary",
    ),
    "nll": (nn.NLLLoss, eq.nll_loss, {}, "label"),
    "nll, weighted": (nn.NLLLoss, eq.nll_loss, {"weight": POSITIVE}, "label"),
    "nll, some ignored": (
        nn.NLLLoss, eq.nll_loss, {"weight": POSITIVE, "ignore_index": 2}, "label"
    ),
    "cross entropy": (nn.CrossEntropyLoss, eq.cross_entropy, {}, "label"),
    "cross entropy, weighted": (
        nn.CrossEntropyLoss, eq.cross_entropy, {"weight": POSITIVE}, "label"
    ),
    "cross entropy, some ignored": (
        nn.CrossEntropyLoss, eq.cross_entropy, {"ignore_index": 2}, "label"
    ),
    "cross entropy, -100 ignored": (
        nn.CrossEntropyLoss, eq.cross_entropy, {"reduction": "sum"}, "label with gaps"
    ),
    "cross entropy, smoothed": (
        nn.CrossEntropyLoss, eq.cross_entropy, {"label_smoothing": 0.1}, "label"
    ),
    "cross entropy, all of it": (
        nn.CrossEntropyLoss, eq.cross_entropy,
        {"weight": POSITIVE, "ignore_index": 2, "label_smoothing": 0.3}, "label",
    ),
    "cross entropy, soft": (
        nn.CrossEntropyLoss, eq.cross_entropy,
        {"weight": POSITIVE, "label_smoothing": 0.2}, "soft",
    ),
}  # fmt: skip


def loss_targets(kind, random):
    return {
        "real": lambda: random.standard_normal((6, 5)),
        "probability": lambda: random.random((6, 5)),
        "binary": lambda: (random.random((6, 5)) > 0.5).astype(float),
        "label": lambda: np.array([0, 2, 4, 1, 3, 2]),
        "label with gaps": lambda: np.array([0, -100, 4, 1, -100, 2]),
        "soft": lambda: eq.softmax(random.standard_normal((6, 5)), 1),
    }[kind]()


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    make, equation, options, kind = LOSSES[name]
    random = np.random.default_rng(1)
    target = loss_targets(kind, random)
    x = random.random((6, 5)) if kind == "probability" else 2 * random.standard_normal((6, 5))
    tensors = {k: tg.Tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    close(make(**tensors)(tg.Tensor(x), tg.Tensor(target)), equation(x, target, **options))


# -- optimisers ------------------------------------------------------------------------------------

OPTIMISERS = [
    (optim.SGD, textbook.sgd, [
        {}, {"lr": 0.3}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"weight_decay": 0.2, "maximize": True, "momentum": 0.5},
    ]),
    (optim.Adam, textbook.adam, [
        {}, {"lr": 0.05, "betas": (0.5, 0.75)}, {"eps": 0.1}, {"weight_decay": 0.3},
        {"amsgrad": True, "betas": (0.3, 0.5)},
    ]),
    (optim.AdamW, textbook.adamw, [
        {}, {"weight_decay": 0.0}, {"lr": 0.05, "weight_decay": 0.3, "betas": (0.5, 0.75)},
        {"amsgrad": True, "betas": (0.3, 0.5)}, {"eps": 0.1},
    ]),
    (optim.RMSprop, textbook.rmsprop, [
        {}, {"alpha": 0.6}, {"eps": 0.1}, {"momentum": 0.9}, {"centered": True},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.2, "lr": 0.1},
    ]),
    (optim.Adagrad, textbook.adagrad, [
        {}, {"lr_decay": 0.5}, {"weight_decay": 0.2}, {"initial_accumulator_value": 2.0},
        {"eps": 0.3, "lr": 0.4},
    ]),
    (optim.Adadelta, textbook.adadelta, [{}, {"rho": 0.6}, {"eps": 0.1, "weight_decay": 0.2}]),
    (optim.Adamax, textbook.adamax, [{}, {"betas": (0.5, 0.6)}, {"eps": 0.1, "weight_decay": 0.2}]),
    (optim.NAdam, textbook.nadam, [
        {}, {"betas": (0.5, 0.75), "momentum_decay": 0.5}, {"weight_decay": 0.2, "eps": 0.1},
        {"weight_decay": 0.2, "decoupled_weight_decay": True, "lr": 0.1},
    ]),
    (optim.RAdam, textbook.radam, [
        {}, {"betas": (0.5, 0.99)}, {"weight_decay": 0.2, "betas": (0.5, 0.9), "eps": 0.1},
        {"weight_decay": 0.2, "decoupled_weight_decay": True, "lr": 0.1},
    ]),
    (optim.Rprop, textbook.rprop, [
        {}, {"lr": 0.3, "etas": (0.4, 1.5), "step_sizes": (0.2, 0.5)},
    ]),
]  # fmt: skip
CASES = [(make, equation, options) for make, equation, sets in OPTIMISERS for options in sets]


@pytest.mark.parametrize("size", [(3, 4), (70, 80)])
@pytest.mark.parametrize(
    ("make", "equation", "options"), CASES,
    ids=lambda value: getattr(value, "__name__", str(value)),
)  # fmt: skip
def test_optimisers(make, equation, options, size):
    """What each of 6 steps adds, in float64 and in float32; gradients of very different size, some
    of which vanish or shrink in time.
    """
    random = np.random.default_rng(2)
    start = random.standard_normal(size)
    scale = 10.0 ** random.uniform(-4, 1, size) * (random.random(size) > 0.1)
    gradients = [scale * random.standard_normal(size) * 0.5**t for t in range(6)]
    expected = [start, *equation(start, gradients, **options)]
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-3)):
        p = nn.Parameter(start.astype(dtype))
        optimiser = make([p], **options)
        for g, before, after in zip(gradients, expected, expected[1:]):
            p.array[...] = before
            p.grad = tg.Tensor(g.astype(dtype))
            optimiser.step()
            rounding = np.abs(before) * np.finfo(dtype).eps
            step, right = p.numpy() - before.astype(dtype), after - before
            assert (np.abs(step - right) <= 2 * rounding + tolerance * np.abs(right)).all()


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, np.inf])
@pytest.mark.parametrize("limit", [0.7, 100.0])
def test_clipping(order, limit):
    gradients = [normal(3, 4), normal(5)]
    ps = [nn.Parameter(np.zeros(g.shape)) for g in gradients]
    for p, g in zip(ps, gradients):
        p.grad = g.clone()
    expected, total = textbook.clipped_by_norm([g.numpy() for g in gradients], limit, order)
    close(optim.clip_grad_norm_(ps, limit, order), total)
    for p, g in zip(ps, expected):
        close(p.grad, g)
    optim.clip_grad_value_(ps, 0.05)
    for p, g in zip(ps, expected):
        close(p.grad, np.clip(g, -0.05, 0.05))


# -- schedules -------------------------------------------------------------------------------------

SCHEDULES = {
    "step": (lambda o: optim.StepLR(o, 3), lambda b, t: schedules.step(b, t, 3)),
    "step, gamma": (lambda o: optim.StepLR(o, 2, 0.5), lambda b, t: schedules.step(b, t, 2, 0.5)),
    "cosine": (lambda o: optim.CosineAnnealingLR(o, 6), lambda b, t: schedules.cosine(b, t, 6)),
    "cosine, floor": (
        lambda o: optim.CosineAnnealingLR(o, 7, 0.02), lambda b, t: schedules.cosine(b, t, 7, 0.02)
    ),
    "linear": (lambda o: optim.LinearLR(o), schedules.linear),
    "linear down": (
        lambda o: optim.LinearLR(o, 1.0, 0.2, 4), lambda b, t: schedules.linear(b, t, 1.0, 0.2, 4)
    ),
    "lambda": (lambda o: optim.LambdaLR(o, lambda t: 0.9**t), lambda b, t: b * 0.9**t),
    "exponential": (lambda o: optim.ExponentialLR(o, 0.7), lambda b, t: b * 0.7**t),
    "constant": (lambda o: optim.ConstantLR(o), lambda b, t: b / 3 if t < 5 else b),
    "milestones": (
        lambda o: optim.MultiStepLR(o, [2, 5, 6], 0.5),
        lambda b, t: b * 0.5 ** ((t >= 2) + (t >= 5) + (t >= 6)),
    ),
    "polynomial": (
        lambda o: optim.PolynomialLR(o, 8, 2.0), lambda b, t: b * max(1 - t / 8, 0) ** 2
    ),
    "warm restarts": (
        lambda o: optim.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
        lambda b, t: schedules.warm_restarts(b, t, 3, 2, 0.01),
    ),
    "triangles": (
        lambda o: optim.CyclicLR(o, 0.1, 0.6, 3, 2, cycle_momentum=False),
        lambda b, t: schedules.triangle(t, 0.1, 0.6, 3, 2),
    ),
    "falling triangles": (
        lambda o: optim.CyclicLR(o, 0.1, 0.6, 2, mode="triangular2", cycle_momentum=False),
        lambda b, t: schedules.triangle(t, 0.1, 0.6, 2, 2, lambda cycle: 0.5 ** (cycle - 1)),
    ),
    "one cycle": (
        lambda o: optim.OneCycleLR(o, 0.4, 20, cycle_momentum=False),
        lambda b, t: schedules.one_cycle(t, 20, 0.4),
    ),
    "sequential": (
        lambda o: optim.SequentialLR(
            o, [optim.LinearLR(o, 0.1, 1.0, 4), optim.CosineAnnealingLR(o, 6), optim.StepLR(o, 2)],
            [4, 9],
        ),
        lambda b, t: (
            schedules.linear(b, t, 0.1, 1.0, 4) if t < 4
            else schedules.cosine(b, t - 4, 6) if t < 9
            else schedules.step(b, t - 9, 2)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    make, equation = SCHEDULES[name]
    bases = (0.5, 0.1)
    groups = [{"params": [nn.Parameter([1.0])], "lr": lr} for lr in bases]
    optimiser = optim.SGD(groups)
    schedule = make(optimiser)
    for epoch in range(14):
        expected = [equation(base, epoch) for base in bases]
        assert schedule.get_last_lr() == pytest.approx(expected, rel=1e-12)
        assert [group["lr"] for group in optimiser.param_groups] == schedule.get_last_lr()
        schedule.step()


def test_schedules_of_a_function_for_each_group():
    optimiser = optim.SGD([{"params": [nn.Parameter([1.0])], "lr": lr} for lr in (0.5, 0.1)])
    schedule = optim.LambdaLR(optimiser, [lambda epoch: 1 / (1 + epoch), lambda epoch: 0.5**epoch])
    schedule.step(), schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.5 / 3, 0.1 / 4])


@pytest.mark.parametrize("make_optimiser", [partial(optim.SGD, momentum=0.5), optim.Adam])
@pytest.mark.parametrize(
    "make, equation",
    [
        (
            lambda o: optim.CyclicLR(o, 0.1, 0.6, 3, 2, base_momentum=0.7, max_momentum=0.9),
            lambda t: schedules.triangle(t, 0.9, 0.7, 3, 2),
        ),
        (
            lambda o: optim.OneCycleLR(o, 0.4, 20, base_momentum=0.8, max_momentum=0.9),
            lambda t: schedules.one_cycle(t, 20, peak=0.8, div=0.8 / 0.9, final_div=1),
        ),
    ],
    ids=["triangles", "one cycle"],
)
def test_schedules_move_the_momentum_the_other_way(make, equation, make_optimiser):
    optimiser = make_optimiser([nn.Parameter([1.0])], lr=0.1)
    schedule, (group,) = make(optimiser), optimiser.param_groups
    for step in range(14):
        momentum, *rest = group.get("betas") or (group["momentum"],)
        assert momentum == pytest.approx(equation(step), rel=1e-12) and rest in ([], [0.999])
        schedule.step()


def test_a_plateau_that_is_waited_out():
    """After a fall the next epochs do not count, and no rate falls below its least."""
    optimiser = optim.SGD([nn.Parameter([1.0])], lr=1.0)
    settings = {"factor": 0.5, "patience": 0, "cooldown": 2, "min_lr": 0.2}
    schedule, rates = optim.ReduceLROnPlateau(optimiser, **settings), []
    for _ in range(12):
        schedule.step(1.0)
        rates += schedule.get_last_lr()
    # the first is the best; one falls at once, then two are waited out, and so on
    assert rates == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]


def test_a_plateau():
    scores = [5, 4, 3.9999, 3.99999, 4, 3, 3, 3, 3, 3, 2, 2, 2, 2]
    optimiser = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    schedule = optim.ReduceLROnPlateau(optimiser, factor=0.5, patience=2)
    expected = list(schedules.plateau(0.8, scores, 0.5, 2))
    assert len(set(expected)) == 4
    for score, rate in zip(scores, expected):
        schedule.step(score)
        assert optimiser.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-12)


# -- initial weights -------------------------------------------------------------------------------

SHAPES = [(60, 40), (12, 20, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_initialisers(shape):
    """The same generator gives u or z here and there; what remains is the equation."""

    def drawn(name, **options):
        p = nn.Parameter(np.zeros(shape))
        assert getattr(nn.init, name)(p, generator=Stream(5), **options) is p
        return p

    u, z = Stream(5).uniform(shape, np.float64), Stream(5).normal(shape, np.float64)
    assert abs(u.mean() - 0.5) < 0.02 and abs(u.std() - 12**-0.5) < 0.02
    assert abs(z.mean()) < 0.06 and abs(z.std() - 1) < 0.05
    close(drawn("uniform_"), u)
    close(drawn("uniform_", a=-0.5, b=2.0), -0.5 + 2.5 * u)
    close(drawn("normal_"), z)
    close(drawn("normal_", mean=1.0, std=0.02), 1 + 0.02 * z)
    for gain in (1.0, 2.0):
        std = init.xavier_std(shape, gain)
        close(drawn("xavier_uniform_", gain=gain), init.uniform_by_std(u, std))
        close(drawn("xavier_normal_", gain=gain), std * z)
    close(drawn("xavier_normal_"), init.xavier_std(shape) * z)
    for options in (
        {}, {"a": 0.2}, {"mode": "fan_out"}, {"nonlinearity": "relu"}, {"nonlinearity": "tanh"},
        {"mode": "fan_out", "nonlinearity": "linear"},
    ):  # fmt: skip
        std = init.kaiming_std(shape, **options)
        close(drawn("kaiming_uniform_", **options), init.uniform_by_std(u, std))
        close(drawn("kaiming_normal_", **options), std * z)
    close(drawn("trunc_normal_"), init.truncated_normal(u, 0, 1, -2, 2), 1e-6)
    bounds = {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 1.0}
    close(drawn("trunc_normal_", **bounds), init.truncated_normal(u, **bounds), 1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (4, 2, 3, 2)], ids=str)
def test_orthogonal_is_gram_and_schmidt(shape):
    p = nn.init.orthogonal_(nn.Parameter(np.zeros(shape)), 0.5, Stream(5))
    expected = init.orthogonal(Stream(5).normal(shape, np.float64), 0.5)
    close(p, expected.reshape(shape), 1e-7)


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"]
)
def test_gains(name):
    close(nn.init.calculate_gain(name), init.gain(name))
    close(nn.init.calculate_gain("leaky_relu", 0.2), init.gain("leaky_relu", 0.2))


@pytest.mark.parametrize(
    ("make", "fan"),
    [
        (lambda: nn.Linear(300, 400), 300),
        (lambda: nn.Conv1d(16, 64, 5), 80),
        (lambda: nn.Conv2d(32, 64, 5, groups=2), 400),
        (lambda: nn.ConvTranspose2d(64, 32, 5), 800),  # PyTorch's: the weight's second axis counts
        (lambda: nn.GRU(100, 200, 2), 200),
        (lambda: nn.GRUCell(100, 200), 200),
        (lambda: nn.LSTM(100, 200), 200),
        (lambda: nn.RNN(100, 200), 200),
    ],
)
def test_default_weights_are_uniform_up_to_the_root_of_the_fan(make, fan):
    bound = fan**-0.5
    for name, p in make().named_parameters():
        values = p.numpy()
        assert abs(values).max() <= bound * (1 + 1e-6), name
        assert abs(values).max() > bound * (1 - 20 / values.size), name
        error = values.std() / (bound / 3**0.5) - 1
        assert abs(error) < 3 / values.size**0.5, name


def test_default_weights_of_norms_and_tables():
    for norm in (nn.BatchNorm2d(5), nn.GroupNorm(1, 5), nn.LayerNorm(5)):
        assert (norm.weight.numpy() == 1).all() and (norm.bias.numpy() == 0).all()
    attention = nn.MultiheadAttention(6, 2)
    assert not attention.in_proj_bias.numpy().any() and not attention.out_proj.bias.numpy().any()
    table = nn.Embedding(300, 100, padding_idx=-4)
    assert table.weight.numpy().std() == pytest.approx(1, abs=0.02)
    assert not table.weight.numpy()[296].any()


# -- gradients that a layer stops or lets through --------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "conv", "transposed"])
def test_spectral_norm(kind):
    layer, shape = {
        "linear": (nn.Linear(5, 7), (4, 5)),
        "conv": (nn.Conv2d(3, 4, 3), (2, 3, 5, 5)),
        "transposed": (nn.ConvTranspose2d(3, 4, 3), (2, 3, 5, 5)),
    }[kind]
    layer = nn.spectral_norm(wide(layer), n_power_iterations=2)
    whole = layer.weight_orig.numpy()
    matrix = lambda w: (w.swapaxes(0, 1) if kind == "transposed" else w).reshape(len(u), -1)
    u, v = layer.weight_u.numpy().copy(), layer.weight_v.numpy().copy()
    seen = []
    layer.register_forward_pre_hook(lambda module, inputs: seen.append(module.weight))
    for _ in range(3):
        layer(normal(*shape))
        w, u, v = spectral_norm.normalised(matrix(whole), u, v, iterations=2)
        close(matrix(seen[-1].numpy()), w)
        close(layer.weight_u, u)
        close(layer.weight_v, v)
    layer.eval()(normal(*shape))  # moves nothing
    close(layer.weight_u, u)
    g = normal(*whole.shape)
    (seen[-1] * g).sum().backward()
    expected = spectral_norm.gradient(matrix(g.numpy()), matrix(whole), u, v)
    close(matrix(layer.weight_orig.grad.numpy()), expected)


def test_spectral_norm_begins_near_the_largest_singular_value():
    layer = nn.spectral_norm(nn.Linear(20, 30))
    weight = layer.weight_orig.numpy()
    estimate = layer.weight_u.numpy() @ weight @ layer.weight_v.numpy()
    assert estimate == pytest.approx(np.linalg.norm(weight, 2), rel=0.02)


@pytest.mark.parametrize("padding_idx", [2, -4])
def test_a_padding_row_does_not_learn(padding_idx):
    """The gradient of a row is the sum over its places, but for the padding's, which is row 2."""
    layer = wide(nn.Embedding(6, 3, padding_idx=padding_idx))
    index = np.array([[1, 2, 2], [5, 1, 0]])
    close(layer(tg.tensor(index)), eq.embedding(index, layer.weight.numpy()))
    g = normal(2, 3, 3)
    (layer(tg.tensor(index)) * g).sum().backward()
    expected = np.zeros((6, 3))
    for place in np.ndindex(index.shape):
        if index[place] != 2:
            expected[index[place]] += g.numpy()[place]
    close(layer.weight.grad, expected)
    optim.SGD(layer.parameters(), lr=1.0).step()
    close(layer(tg.tensor([2])), layer.weight.numpy()[[2]])


def test_what_the_output_of_a_decoder_stands_for():
    """Its density of x in −1 … 1, and the mean of that."""
    y, x = 2 * normal(4, 5), tg.Tensor(np.random.default_rng(3).uniform(-1, 1, (4, 5)))
    white = 1 / (1 + np.exp(-y.numpy()))
    t = (x.numpy() + 1) / 2
    close(Bernoulli().log_prob(x, y), t * np.log(white) + (1 - t) * np.log(1 - white))
    close(Bernoulli().mean(y), white - (1 - white))
    gaussian = wide(Gaussian())
    var = np.exp(gaussian.log_var.numpy())
    squared = (x.numpy() - y.numpy()) ** 2
    close(gaussian.log_prob(x, y), -squared / (2 * var) - np.log(2 * np.pi * var) / 2)
    close(gaussian.mean(y), y.numpy())


@pytest.mark.parametrize("dim, axes", [(0, (1,)), (1, (0,)), (None, (0, 1))])
def test_weight_norm(dim, axes):
    """w = g·v/‖v‖, with the lengths at first that the weight has."""
    plain, x = wide(nn.Linear(4, 3)), normal(5, 4)
    before = plain(x).numpy()
    layer = nn.weight_norm(plain, dim=dim)
    close(layer(x), before)
    layer = wide(layer)
    g, v, bias = (p.numpy() for p in (layer.weight_g, layer.weight_v, layer.bias))
    weight = g * v / np.sqrt((v**2).sum(axes, keepdims=True))
    close(layer(x), x.numpy() @ weight.T + bias)


def test_gumbel_softmax():
    """softmax((logits + g)/τ) with g = −log(−log u); the one-hot sample has the same gradient."""
    logits, upstream = normal(6, 4).requires_grad_(), normal(6, 4)
    gradients = []
    for hard in (False, True):
        tg.manual_seed(3)
        u = tg.stream("dropout").uniform((6, 4))
        tg.manual_seed(3)
        y = nn.functional.gumbel_softmax(logits, tau=0.7, hard=hard)
        smooth = eq.softmax((logits.detach().numpy() - np.log(-np.log(u))) / 0.7, -1)
        expected = np.eye(4)[smooth.argmax(1)] if hard else smooth
        close(y, expected, rtol=1e-6, atol=1e-6)  # u is drawn in float32
        gradients.append(tg.grad((y * upstream).sum(), logits)[0].numpy())
    close(gradients[1], gradients[0])
    assert abs(gradients[0]).max() > 0.01


def test_alpha_dropout():
    """What is dropped becomes α' = −scale·α; all is then brought to mean 0 and variance 1."""
    x, p, low = normal(100_000), 0.3, -1.0507009873554805 * 1.6732632423543772
    a = ((1 - p) * (1 + p * low**2)) ** -0.5
    y = nn.functional.alpha_dropout(x, p, training=True).numpy()
    dropped = np.isclose(y, a * low - a * p * low)
    close(y[~dropped], a * x.numpy()[~dropped] - a * p * low)
    assert dropped.mean() == pytest.approx(p, abs=0.01)
    assert abs(y.mean()) < 0.02 and y.std() == pytest.approx(1, abs=0.02)


def test_dropout():
    """An element is kept with probability 1 − p and then scaled by 1/(1 − p): the mean stays."""
    x = tg.ones(200, 300)
    for layer, p in ((nn.Dropout(0.2), 0.2), (nn.Dropout(), 0.5)):
        y = layer(x).numpy()
        assert set(np.unique(y)) == {0, np.float32(1 / (1 - p))}
        assert (y == 0).mean() == pytest.approx(p, abs=0.01)
        assert layer.eval()(x) is x
    y = nn.Dropout2d(0.3)(tg.ones(50, 40, 2, 3)).numpy()
    assert ((y == y[:, :, :1, :1]).all((2, 3))).all()
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.05)
    assert y.max() == np.float32(1 / 0.7)


def test_variances_are_over_one_less_unless_told_otherwise():
    x = np.random.default_rng(0).standard_normal((3, 5))
    for name in ("var", "std"):
        ours, numpys = getattr(tg.tensor(x), name), getattr(np, name)
        np.testing.assert_allclose(ours().item(), numpys(x, ddof=1))
        np.testing.assert_allclose(getattr(tg.ops, name)(tg.tensor(x)).item(), numpys(x, ddof=1))
        np.testing.assert_allclose(ours(1).numpy(), numpys(x, axis=1, ddof=1))
        np.testing.assert_allclose(ours(1, correction=0).numpy(), numpys(x, axis=1))


def test_a_pair_that_is_far_enough_apart_costs_nothing():
    distance, target = tg.tensor([0.3, 0.3, 1.5]), tg.tensor([1.0, -1.0, -1.0])
    found = nn.functional.hinge_embedding_loss(distance, target, reduction="none")
    np.testing.assert_allclose(found.numpy(), [0.3, 0.7, 0], rtol=1e-6)


def test_a_window_of_a_dilated_convolution_is_as_wide_as_its_outer_taps():
    x, w = tg.ones(1, 1, 4, 4), tg.ones(1, 1, 3, 3)
    assert nn.functional.conv2d(x, w, padding=1, dilation=2).shape == (1, 1, 2, 2)
    with pytest.raises(ValueError, match="larger than the input"):
        nn.functional.conv2d(x, w, dilation=2)
    for mode in ("zeros", "circular", "reflect"):
        layer = nn.Conv2d(1, 1, 3, padding="same", dilation=2, padding_mode=mode)
        assert layer(tg.ones(1, 1, 5, 6)).shape == (1, 1, 5, 6)
