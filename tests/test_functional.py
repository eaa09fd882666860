"""The functions behind the layers: corners of their domains, and what they refuse."""

import inspect
import re

import numpy as np
import pytest

import tinygan as tg
import tinygan.nn.functional as F
from tests.op_table import ROWS

# -- derivatives at corners -----------------------------------------------------------------------

CORNERS = {  # a function of x and the places where its slope jumps; values and slopes are PyTorch's
    "relu": (lambda f, t, x: f.relu(x), [0.0]),
    "leaky_relu": (lambda f, t, x: f.leaky_relu(x, 0.2), [0.0]),
    "hardtanh": (lambda f, t, x: f.hardtanh(x), [-1.0, 1.0]),
    "relu6": (lambda f, t, x: f.relu6(x), [0.0, 6.0]),
    "softshrink": (lambda f, t, x: f.softshrink(x), [-0.5, 0.5, 0.0]),
    "hardshrink": (lambda f, t, x: f.hardshrink(x), [-0.5, 0.5]),
    "threshold": (lambda f, t, x: f.threshold(x, 0.5, 2.0), [0.5]),
    "hardswish": (lambda f, t, x: f.hardswish(x), [-3.0, 3.0, 0.0]),
    "softsign": (lambda f, t, x: f.softsign(x), [0.0]),
    "logsigmoid": (lambda f, t, x: f.logsigmoid(x), [0.0, -700.0, 700.0]),
    "smooth_l1_loss": (lambda f, t, x: f.smooth_l1_loss(x, t(0.0), beta=0.5), [0.0, 0.5, -0.5]),
    "huber_loss": (lambda f, t, x: f.huber_loss(x, t(0.0), delta=0.5), [0.0, 0.5, -0.5]),
    "l1_loss": (lambda f, t, x: f.l1_loss(x, t(0.0)), [0.0]),
    "mse_loss": (lambda f, t, x: f.mse_loss(x, t(0.0)), [0.0]),
    "margin_ranking_loss": (lambda f, t, x: f.margin_ranking_loss(x, t(0.0), t(1.0), 0.5), [0.5]),
    "hinge_embedding_loss": (lambda f, t, x: f.hinge_embedding_loss(x, t(-1.0)), [1.0]),
}


@pytest.mark.torch
@pytest.mark.parametrize("name", CORNERS)
def test_values_and_slopes_at_corners(name):
    torch = pytest.importorskip("torch")
    function, places = CORNERS[name]

    def run(module, functions, place):
        def number(value):
            return module.tensor([value], dtype=module.float64)

        x = number(place).requires_grad_()
        y = function(functions, number, x).sum()
        gradient = getattr(module, "autograd", module).grad
        (first,) = gradient(y, [x], create_graph=True)
        (second,) = gradient(first.sum(), [x]) if first.requires_grad else (number(0.0),)
        return [float(y.item()), float(first.item()), float(second.item())]

    for place in places:
        ours, theirs = run(tg, F, place), run(torch, torch.nn.functional, place)
        np.testing.assert_allclose(ours, theirs, atol=1e-12, err_msg=f"{name} at {place}")


@pytest.mark.torch
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_samples_on_pixels_edges_and_halfway(mode, padding, corners):
    torch = pytest.importorskip("torch")
    places = np.array([-2.0, -1.25, -1.0, -0.75, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5])
    grid = np.stack(np.meshgrid(places, places), -1)[None]
    image = np.random.default_rng(0).standard_normal((1, 2, 4, 4))

    def run(functions, tensor):
        x, places = tensor(image).requires_grad_(), tensor(grid.copy()).requires_grad_()
        y = functions.grid_sample(x, places, mode, padding, corners)
        y = y * tensor(np.cos(np.arange(200.0)).reshape(1, 2, 10, 10))
        y.sum().backward()
        gradients = [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in (x, places)]
        return [y.detach().numpy(), *gradients]

    ours, theirs = run(F, tg.tensor), run(torch.nn.functional, torch.tensor)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_no_gradient_comes_from_targets_that_are_ignored(reduction, weight, smoothing):
    x = tg.tensor([[1.0, -np.inf, 2.0]] * 2, requires_grad=True)
    weight = None if weight is None else tg.tensor(weight)
    loss = F.cross_entropy(
        x, tg.tensor([-100, -100]), weight, reduction=reduction, label_smoothing=smoothing
    )
    assert np.isnan(loss.numpy()).all() == (reduction == "mean")
    loss.sum().backward()
    assert (x.grad.numpy() == 0).all()


# -- half precision -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.op in F.__all__], ids=lambda row: row.label
)
def test_float16_stays_float16(row):
    tensors = row.tensors(row.arrays(np.float16))
    outputs = [out for out in row(*tensors) if out.is_floating_point()]
    assert {out.dtype for out in outputs} == {np.dtype("float16")}
    flowing = [out.sum() for out in outputs if out.requires_grad]
    if row.order and flowing:
        wanted = [t for t in tensors if t.requires_grad]
        slopes = [g for g in tg.grad(flowing, wanted, allow_unused=True) if g is not None]
        assert {g.dtype for g in slopes} == {np.dtype("float16")}


# -- what is refused ------------------------------------------------------------------------------

ones = tg.ones

REFUSED = [
    (lambda: F.binary_cross_entropy(ones(2) * 1.5, ones(2)), "from 0 to 1, got 1.5"),
    (lambda: F.binary_cross_entropy(ones(2) * np.nan, ones(2)), "from 0 to 1, got nan"),
    (lambda: F.binary_cross_entropy(ones(2) * 0.5, ones(2) * 2), "targets from 0 to 1, got 2.0"),
    (lambda: F.binary_cross_entropy(ones(2), ones(2), ones(3, 2)), r"weight \(3, 2\) does not"),
    (lambda: F.batch_norm(ones(2, 3), None, None), "running_mean and running_var are needed"),
    (lambda: F.batch_norm(ones(2, 3), ones(3), None), "give both"),
    (lambda: F.batch_norm(ones(2, 3), ones(2), ones(2)), r"do not fit the 3 channels"),
    (lambda: F.instance_norm(ones(2, 3, 1)), "more than one pixel"),
    (lambda: F.instance_norm(ones(2, 3, 4), ones(4), ones(4)), "do not fit the 3 channels"),
    (lambda: F.group_norm(ones(2, 3, 4), 0), "0 groups do not divide"),
    (lambda: F.layer_norm(ones(2, 3), (3, 3, 3)), r"ends in \(3, 3, 3\)"),
    (lambda: F.avg_pool2d(tg.arange(16).reshape(1, 1, 4, 4), 2), r"got int64; use x.float\(\)"),
    (
        lambda: F.interpolate(tg.arange(4).reshape(1, 1, 2, 2), 4, mode="bilinear"),
        r"'bilinear': expected floating-point numbers, got int64",
    ),
    (lambda: F.interpolate(ones(1, 1, 2, 2), 4, mode="bilinear", antialias=True), "mode='area'"),
    (lambda: F.interpolate(ones(1, 1, 2, 2), 4, align_corners=True), "leave it out"),
    (lambda: F.interpolate(ones(1, 1, 2, 2), 4, mode="linear"), "does not fit an input of shape"),
    (lambda: F.interpolate(ones(1, 1, 2, 2), scale_factor=0.2), "leaves nothing"),
    (lambda: F.max_pool2d(ones(2, 2), 2), r"expected \(N, C, H, W\) or \(C, H, W\)"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 0), "kernel_size: expected a whole number or 2"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 2, 0), "stride: expected a whole number or 2"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 2, padding=2), "at most half the window's 2"),
    (lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2, divisor_override=0), "other than 0"),
    (lambda: F.adaptive_avg_pool2d(ones(1, 1, 4, 4), -1), "expected a whole number or 2 of them"),
    (lambda: F.fold(ones(1, 8, 3), 4, 2, stride=2), r"expected \(N, C·4, 4\) for 2×2 windows"),
    (lambda: F.unfold(ones(8, 3), 2), "unfold: expected"),
    (lambda: F.glu(ones(2, 3)), "does not fall into halves"),
    (lambda: F.prelu(ones(2, 3), ones(4)), "4 weights do not fit"),
    (lambda: F.hardtanh(ones(2), 1.0, 0.0), "min_val <= max_val"),
    (lambda: F.triplet_margin_loss(ones(2, 3), ones(2, 3), ones(3)), "equally many axes"),
    (lambda: F.multi_margin_loss(ones(2, 3), tg.tensor([0, 1]), p=3), "p = 1 or 2"),
    (lambda: F.multi_margin_loss(ones(2, 3), tg.tensor([0])), r"labels \(N,\)"),
    (lambda: F.nll_loss(ones(2, 3), tg.tensor([0, 1]), ones(2)), "each of 3 classes"),
    (lambda: F.cross_entropy(ones(2, 3), tg.tensor([0, 1]), label_smoothing=1.5), "from 0 to 1"),
    (lambda: F.gaussian_nll_loss(ones(2), ones(2), -ones(2)), "variance is negative: -1"),
    (lambda: F.gaussian_nll_loss(ones(2), ones(2), ones(3)), r"var \(3,\) does not fit"),
    (
        lambda: F.scaled_dot_product_attention(ones(2, 3), ones(4, 2), ones(4, 2)),
        r"query \(…, L, D\) and key \(…, S, D\)",
    ),
    (
        lambda: F.scaled_dot_product_attention(
            ones(2, 3), ones(2, 3), ones(2, 3), ones(2, 2), 0.0, True
        ),
        "not both",
    ),
]  # fmt: skip


@pytest.mark.parametrize("call, text", REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_refusals(call, text):
    with pytest.raises((ValueError, TypeError), match=text):
        call()


# -- by PyTorch's own lists -----------------------------------------------------------------------

TAKEN_ANYWAY = {  # PyTorch refuses, we compute, and no number can be taken for another one
    "nn.functional.conv1d": "whole numbers with a fractional bias",
    "nn.functional.conv2d": "whole numbers with a fractional bias",
}


@pytest.mark.torch
def test_what_pytorch_refuses_is_refused_by_name():
    pytest.importorskip("torch")
    pytest.importorskip("expecttest")  # PyTorch's module of samples imports it
    from tests.op_db import _NotForUs as NotForUs
    from tests.op_db import ours, samples, translated

    tried, amiss = 0, []
    for entry in samples():
        if not entry.name.startswith("nn.functional.") or not ours(entry):
            continue
        name = entry.name.rpartition(".")[2].replace("_with_distance", "")
        for case in entry.error_inputs_func(entry, "cpu") if entry.error_inputs_func else []:
            sample = case.sample_input
            try:
                given = translated([sample.input, *sample.args])
                keywords = translated(sample.kwargs)
            except NotForUs:  # complex numbers
                continue
            tried += 1
            try:
                ours(entry)[0](*given, **keywords)
            except (ValueError, TypeError, IndexError) as error:
                if name not in str(error):
                    amiss.append(f"{entry.name} does not name itself: {error}")
            else:
                if entry.name not in TAKEN_ANYWAY:
                    amiss.append(f"{entry.name} accepts what PyTorch refuses: {case.error_regex}")
    assert tried > 100
    assert not amiss, "\n".join(amiss)


def parameters_of_pytorch(function):
    """In order; those of functions in C++ are read from the first line of their description."""
    try:
        return inspect.signature(function).parameters
    except ValueError:
        text = re.search(r"\((.*?)\)(?: -> |:)", function.__doc__, re.DOTALL)[1]
        text = re.sub(r"\s+", " ", text)
        return inspect.signature(eval(f"lambda {text}: None")).parameters


MISDESCRIBED = {  # what the functions take, where their description says otherwise
    "one_hot": "input, num_classes=-1",
    "scaled_dot_product_attention": "query, key, value, attn_mask=None, dropout_p=0.0, "
    "is_causal=False, *, scale=None, enable_gqa=False",
}
UNREADABLE = {  # dispatched by a flag: PyTorch's signature says (*args, **kwargs)
    "adaptive_max_pool1d", "adaptive_max_pool2d", "max_pool1d", "max_pool2d",
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", F.__all__)
def test_signatures_are_those_of_pytorch(name):
    """The same arguments at the same places, with the same defaults; more of ours only by name."""
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.functional, name, None)
    if theirs is None:
        pytest.skip("PyTorch has no such function")
    if name in UNREADABLE:
        theirs = getattr(torch.nn.functional, f"{name}_with_indices")
    if name in MISDESCRIBED:
        theirs = eval(f"lambda {MISDESCRIBED[name]}: None")
    theirs = parameters_of_pytorch(theirs)
    ours = inspect.signature(getattr(F, name)).parameters
    placed = [n for n, p in ours.items() if p.kind is not p.KEYWORD_ONLY]
    expected = [n for n, p in theirs.items() if p.kind is not p.KEYWORD_ONLY]
    assert placed == expected[: len(placed)], f"{placed} instead of {expected}"
    assert len(placed) == len(expected)
    for n, parameter in theirs.items():
        assert n in ours, f"{n} is missing"
        if parameter.default is not parameter.empty:
            assert ours[n].default == parameter.default, f"{n}={ours[n].default}"
