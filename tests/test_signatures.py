"""Every function and method of ours that PyTorch has too takes its arguments in PyTorch's order."""

import inspect

import pytest

import tinygan as tg
import tinygan.nn.functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

_HANDLED = "told apart by what is given"
_BY_PLACE = "the same argument, which has no name in PyTorch or several"

REASONS = {  # where the order seems to be another: why it does no harm
    "arange": _HANDLED,
    "copy_": "PyTorch's documents say src",
    "from_dlpack": _BY_PLACE,
    "log_softmax": "as torch.log_softmax, not as that of functional",
    "max": _HANDLED,
    "min": _HANDLED,
    "randint": _HANDLED,
    "randint_like": _HANDLED,
    "repeat_interleave": _BY_PLACE,
    "result_type": _BY_PLACE,
    "save": "metadata stands third; a module in its place is refused",
    "scatter": "a number in the place of src is the value",
    "scatter_": "as scatter",
    "softmax": "as torch.softmax, not as that of functional",
    "std": _HANDLED,
    "std_mean": _HANDLED,
    "tensor_split": _BY_PLACE,
    "to": _HANDLED,
    "uniform_": "PyTorch's `from` is no name that Python can pass",
    "var": _HANDLED,
    "var_mean": _HANDLED,
    "view": "another dtype for the same bytes is refused",
}

SAME = {"self": "input", "tensor": "input"}  # as PyTorch calls it in one place or the other


def names_of(parameters):
    """Names of what may be given by position, in order; those of a row of arguments once."""
    positional = [
        p for p in parameters if p.kind is not p.KEYWORD_ONLY and p.kind is not p.VAR_KEYWORD
    ]
    return [SAME.get(p.name, p.name) for p in positional]


def ours_of(function):
    try:
        return names_of(inspect.signature(function).parameters.values())
    except ValueError:
        return None


def theirs_of(function, name):
    """PyTorch's signatures of a function, one for each of its overloads."""
    try:
        names = names_of(inspect.signature(function).parameters.values())
        return [] if names == ["args"] else [names]
    except (TypeError, ValueError):
        schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    found = []
    for schema in filter(lambda s: s.arguments, schemas):
        first = str(schema.arguments[0].type)
        ours = "Tensor" in first or "layout" in {a.name for a in schema.arguments}
        scripted = schema.arguments[0].name in ("a", "l") or "reverse" in str(schema)
        if (
            ours
            and not scripted
            and "out" not in schema.overload_name
            and schema.overload_name[:4] != "name"
        ):
            found.append([SAME.get(a.name, a.name) for a in schema.arguments if not a.kwarg_only])
    return found


def disagreement(ours, theirs):
    """The first place where an argument by position would be read as another one."""
    for mine, name in zip(ours, theirs):  # what is missing at the end is refused by Python
        if mine != name:
            return f"{', '.join(theirs)} in PyTorch, {', '.join(ours)} here"
    return None


def shared():
    for place, theirs in [(tg, torch), (F, torch.nn.functional), (tg.Tensor, torch.Tensor)]:
        for name in sorted(vars(place)):
            mine, their = getattr(place, name, None), getattr(theirs, name, None)
            if place is tg:  # where functional has it, PyTorch's other one is for its own use
                their = getattr(torch.nn.functional, name, their)
            if not name.startswith("_") and inspect.isfunction(mine) and callable(their):
                yield place.__name__.rpartition(".")[2], name, mine, their


def test_positional_arguments_are_those_of_pytorch():
    wrong, compared, used = [], 0, set()
    for place, name, mine, their in shared():
        ours = ours_of(mine)
        overloads = theirs_of(their, name)
        compared += bool(overloads)
        problems = [p for o in overloads if (p := disagreement(ours, o))]
        if problems and name in REASONS:
            used.add(name)
        elif problems:
            wrong += [f"{place}.{name}: {p}" for p in problems]
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert compared > 350
    assert used == set(REASONS), f"no longer needed: {sorted(set(REASONS) - used)}"
