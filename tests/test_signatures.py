"""Layers, optimisers and schedules take PyTorch's arguments: the same names in the same order."""

import inspect

import pytest

from tinygan import nn, optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

OURS_ALONE = {
    "EMA", "Schedule", "Optimizer", "Module", "Parameter", "Sequential", "ModuleList",
    "ModuleDict", "ParameterList", "ParameterDict", "Identity",
}  # fmt: skip
# how PyTorch computes a step; taken, or refused, by `tinygan.compat.optimisers`
HOW = {"foreach", "fused", "capturable", "differentiable"}
DIFFERENT = {
    "Adam": "decoupled_weight_decay makes it AdamW, which is here under its own name",
    "Embedding": "_weight and _freeze are private to PyTorch; from_pretrained does it",
    "LSTM": "PyTorch's takes *args; the order is its documented one",
    "GRU": "PyTorch's takes *args; the order is its documented one",
    "RNN": "PyTorch's takes *args; the order is its documented one",
}


def classes(module, peer):
    for name in module.__all__:
        ours, theirs = getattr(module, name), getattr(peer, name, None)
        if inspect.isclass(ours) and name not in OURS_ALONE:
            yield name, ours, theirs


def arguments(kind):
    """(positional names, names given by keyword only, defaults), without `self`."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    by_name = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return positional, by_name, {p.name: p.default for p in named}


@pytest.mark.parametrize("name, ours, theirs", list(classes(nn, torch.nn)))
def test_layers(name, ours, theirs):
    assert theirs is not None, "not PyTorch's: list it in OURS_ALONE"
    if name in DIFFERENT:
        pytest.skip(DIFFERENT[name])
    assert arguments(ours)[:2] == arguments(theirs)[:2]
    mine, wanted = arguments(ours)[2], arguments(theirs)[2]
    if name == "TripletMarginWithDistanceLoss":  # None stands for what is our default
        del mine["distance_function"], wanted["distance_function"]
    assert mine == wanted


@pytest.mark.parametrize("name, ours, theirs", list(classes(optim, torch.optim)))
def test_optimisers(name, ours, theirs):
    if theirs is None:
        theirs = getattr(torch.optim.lr_scheduler, name)
    positional, by_name, defaults = arguments(ours)
    wanted, wanted_by_name, wanted_defaults = arguments(theirs)
    known = set(wanted + list(wanted_by_name)) - HOW
    if name == "Adam":
        known.discard("decoupled_weight_decay")
    assert set(positional) | by_name == known
    without = [n for n in wanted if n not in HOW]
    assert positional == without[: len(positional)]
    assert defaults == {n: wanted_defaults[n] for n in defaults}


def test_what_is_listed_is_there():
    assert all(hasattr(torch.nn, name) or hasattr(torch.optim, name) for name in DIFFERENT)
    assert all(hasattr(nn, name) or hasattr(optim, name) for name in OURS_ALONE)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_take_their_arguments_in_the_documented_order(kind):
    values = [3, 4, 2, *(["relu"] if kind == "RNN" else []), False, True, 0.5, True]
    ours, theirs = getattr(nn, kind)(*values), getattr(torch.nn, kind)(*values)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    names = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout"]
    for name in [*names, "bidirectional"]:
        assert getattr(ours, name) == getattr(theirs, name)
