"""PyTorch's own samples, run through our functions: `python -m tests.op_db [name ...]`.

PyTorch ships a database of its operations, each with samples. For every one that we have under
the same name, as a function or a method, each sample is computed by PyTorch and by us, in several
dtypes: values and dtype, and for float64 the first and second derivatives too. A sample is *right*,
*wrong*, or *refused* (we raise); a refusal must be an exception of ours whose text names the
operation.

To add an operation: nothing, if its name is that of ours (`nn.functional.` names are looked up in
`tinygan.nn.functional`); else a line in `CALLS`. Where we differ from PyTorch on purpose, a line in
`DIFFERENCES` says why, and the samples that it speaks of are left out.
"""

import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

import tinygan as tg
import tinygan.nn.functional as F

DTYPES = ["float64", "float32", "float16", "int64", "uint8", "bool"]
SAMPLES = {"float64": 10}  # of one entry and dtype, spread evenly over what PyTorch has
OTHER_SAMPLES = 4

CALLS = {  # PyTorch's name: ours, where it is not simply the function or method of that name
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "einsum": lambda operands, equation: tg.einsum(equation, operands),
    "where": lambda x, condition, y: tg.where(condition, x, y),
    "zero_": lambda x: x.detach().clone().zero_(),
    "__radd__": lambda x, y: y + x,
    "__rand__": lambda x, y: y & x,
    "__rdiv__": lambda x, y: y / x,
    "__rmatmul__": lambda x, y: x.__rmatmul__(y),
    "__rmod__": lambda x, y: y % x,
    "__rmul__": lambda x, y: y * x,
    "__ror__": lambda x, y: y | x,
    "__rpow__": lambda x, y: y**x,
    "__rsub__": lambda x, y: y - x,
    "__rxor__": lambda x, y: y ^ x,
    "nn.functional.embedding": lambda weight, index, **kw: F.embedding(index, weight, **kw),
}
SPOKEN_OF = {  # what a refusal may call the operation, where not by its name
    "T": "permute", "mT": "transpose", "__getitem__": "index", "__radd__": "add",
    "__rand__": "bitwise_and", "__rdiv__": "div", "__rmatmul__": "matmul", "__rmod__": "remainder",
    "__rmul__": "mul", "__ror__": "bitwise_or", "__rpow__": "pow", "__rsub__": "sub",
    "__rxor__": "bitwise_xor", "std_mean": "std", "var_mean": "var", "view": "reshape",
    "nn.functional.triplet_margin_with_distance_loss": "triplet_margin_loss",
}  # fmt: skip
RANDOM = {  # only shape and dtype can agree
    "bernoulli", "empty", "empty_like", "multinomial", "new_empty",
    "nn.functional.alpha_dropout", "nn.functional.dropout", "nn.functional.dropout2d",
    "normal", "rand_like", "randint", "randint_like", "randn", "randn_like", "uniform",
}  # fmt: skip
TIES_IN_ANY_ORDER = {"argsort": 0, "sort": 0, "topk": 1}  # and which argument is `dim`
FIRST_ONLY = {"nn.functional.scaled_dot_product_attention"}  # where PyTorch's kernel stops there


@dataclass
class Difference:
    """Samples of some operations that we answer otherwise, and why."""

    names: str
    reason: str
    when: object = lambda sample, dtype: True  # a function of the sample and its dtype


DIFFERENCES = [
    Difference(
        "arange",
        "fractional ends of whole numbers are cut first, as PyTorch does for int64 only",
        lambda sample, dtype: dtype == "uint8" and any(v % 1 for v in (sample.input, *sample.args)),
    ),
    Difference(
        "nn.functional.soft_margin_loss",
        "does not overflow in half precision, where PyTorch's does",
        lambda sample, dtype: dtype == "float16",
    ),
    Difference(
        "all any",
        "the answer is a boolean; PyTorch keeps uint8 for the sake of old code",
        lambda sample, dtype: dtype == "uint8",
    ),
    Difference(
        "einsum",
        "PyTorch adds some as int64 and some as uint8, by the order in which it contracts them",
        lambda sample, dtype: dtype == "uint8",
    ),
    Difference(
        "nn.functional.softmin",
        "unsigned numbers are converted before they are negated, PyTorch's wrap round",
        lambda sample, dtype: dtype == "uint8",
    ),
    Difference(
        "nn.functional.triplet_margin_with_distance_loss",
        "the samples hand over distances written in PyTorch",
    ),
    Difference(
        "nn.functional.scaled_dot_product_attention",
        "dropout draws other numbers",
        lambda sample, dtype: sample.kwargs.get("dropout_p", 0) > 0,
    ),
]


@dataclass
class Tally:
    """What became of the samples of one operation."""

    right: int = 0
    wrong: Counter = field(default_factory=Counter)  # what was wrong: how often
    refused: Counter = field(default_factory=Counter)  # the message: how often
    unreadable: Counter = field(default_factory=Counter)

    @property
    def accepted(self):
        return self.right + self.wrong.total()


class _NotForUs(Exception):
    """A sample of something that tinygan does not have: complex or sparse tensors, bfloat16."""


# -- from PyTorch to us -------------------------------------------------------------------------


def ours(entry):
    """Our callables that answer to PyTorch's operation."""
    import torch

    name = entry.name
    if entry.variant_test_name == "in_place":
        return [getattr(tg.Tensor, f"{name}_")] if hasattr(tg.Tensor, f"{name}_") else []
    if name in CALLS:
        return [CALLS[name]]
    if name.startswith("nn.functional."):
        function = getattr(F, name.removeprefix("nn.functional."), None)
        return [function] if callable(function) else []
    if "." in name:
        return []
    found = []
    if callable(getattr(torch, name, None)) and callable(getattr(tg, name, None)):
        found.append(getattr(tg, name))
    if hasattr(torch.Tensor, name) and callable(getattr(tg.Tensor, name, None)):
        found.append(getattr(tg.Tensor, name))
    return found


def translated(value):
    """A sample's argument as tinygan's."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.is_sparse or value.is_complex() or value.dtype is torch.bfloat16:
            raise _NotForUs
        array = np.array(value.detach().resolve_neg().numpy(), order="K")
        return tg.Tensor(array, requires_grad=value.requires_grad)
    if isinstance(value, torch.dtype):
        if value.is_complex or value is torch.bfloat16:
            raise _NotForUs
        return np.dtype(str(value).removeprefix("torch."))
    if isinstance(value, complex | torch.Generator):
        raise _NotForUs
    if isinstance(value, torch.device):
        return str(value.type)
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, tuple | list):
        return type(value)(translated(v) for v in value)
    if isinstance(value, dict):
        return {k: translated(v) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(*(translated(v) for v in (value.start, value.stop, value.step)))
    return value


def tensors_in(value, kind):
    """All tensors in nested lists, in order."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [t for v in value for t in tensors_in(v, kind)]
    return []


# -- one sample ------------------------------------------------------------------------------------


def derivatives(out, inputs, kind, grad, again):
    """The first derivatives of a weighted sum of the results, and those of a weighted sum of them.

    A derivative that does not exist counts as 0, hence None.
    """

    def weighted(parts):
        total = 0
        for part in parts:
            weights = np.cos(np.arange(int(np.prod(part.shape))) + 1.0).reshape(tuple(part.shape))
            total = total + (part * _like(weights, kind)).sum()
        return total

    parts = [p for p in tensors_in(out, kind) if p.requires_grad]
    if not parts or not inputs:
        return [None] * len(inputs), [None] * len(inputs)
    total = weighted(parts)
    first = grad(total, inputs, create_graph=again, allow_unused=True, retain_graph=True)
    flowing = [g for g in first if g is not None and g.requires_grad]
    if not again or not flowing:
        return first, [None] * len(inputs)
    return first, grad(weighted(flowing), inputs, allow_unused=True)


def _like(array, kind):
    import torch

    return tg.Tensor(array) if kind is tg.Tensor else torch.from_numpy(array)


def as_numbers(out):
    """The results as NumPy arrays."""
    import torch

    if isinstance(out, tg.Tensor):
        return [out.numpy()]
    if isinstance(out, torch.Tensor):
        if out.is_complex() or out.is_sparse or out.dtype is torch.bfloat16:
            raise _NotForUs
        return [out.detach().resolve_neg().numpy()]
    if isinstance(out, tuple | list):
        return [a for part in out for a in as_numbers(part)]
    return [np.asarray(out)]


def picked(entry, sample, arrays):
    """Instead of indices, which may differ among equal elements, what they point to."""
    at = TIES_IN_ANY_ORDER.get(entry.name)
    if at is None or not sample.input.ndim:
        return arrays
    dim = sample.args[at] if len(sample.args) > at else sample.kwargs.get("dim", -1)
    values = sample.input.detach().numpy()
    return [
        np.take_along_axis(values, a, dim) if a is arrays[-1] and a.dtype == np.int64 else a
        for a in arrays
    ]


def differs(mine, theirs, random=False):
    """What is wrong with these arrays, in a word; None where they agree."""
    if len(mine) != len(theirs):
        return "number of results"
    for a, b in zip(mine, theirs):
        if a.shape != b.shape:
            return f"shape {a.shape} instead of {b.shape}"
        if a.dtype != b.dtype:
            return f"{a.dtype} instead of {b.dtype}"
        close, near = {"float16": (0.01, 0.02), "float32": (1e-5, 1e-5)}.get(
            str(b.dtype), (1e-8,) * 2
        )
        if b.dtype == np.float16:  # each rounds at other places
            near *= max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0.0))
        if not random and not np.allclose(a, b, rtol=close, atol=near, equal_nan=True):
            return "value"
    return None


def slopes_differ(mine, theirs, inputs):
    for g, h, x in zip(mine, theirs, inputs):
        a = np.zeros(x.shape) if g is None else g.numpy()
        b = np.zeros(x.shape) if h is None else h.numpy(force=True)
        known = np.isfinite(b)  # PyTorch's own NaNs say nothing
        if a.shape != b.shape or not np.allclose(a[known], b[known], rtol=1e-6, atol=1e-8):
            return True
    return False


def try_sample(entry, sample, call, dtype, tally):
    import torch

    arguments = (sample.input, *sample.args)
    theirs = entry.op(*arguments, **sample.kwargs)
    expected = as_numbers(theirs)
    given, keywords = translated(list(arguments)), translated(sample.kwargs)
    name = entry.name.rpartition(".")[2]
    try:
        mine = call(*given, **keywords)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        allowed = isinstance(error, TypeError | ValueError | IndexError | RuntimeError)
        named = SPOKEN_OF.get(entry.name, name) in said
        kept = tally.refused if allowed and named else tally.unreadable
        kept[said[:160]] += 1
        return
    random = entry.name in RANDOM
    arrays = [picked(entry, sample, a) for a in (as_numbers(mine), expected)]
    problem = differs(*arrays, random)
    wanted = tensors_in([list(arguments), sample.kwargs], torch.Tensor)
    wanted = [t for t in wanted if t.requires_grad]
    if problem is None and wanted and entry.supports_autograd and not random:
        inputs = [t for t in tensors_in([given, keywords], tg.Tensor) if t.requires_grad]
        again = entry.supports_gradgrad and entry.name not in FIRST_ONLY
        h1, h2 = derivatives(theirs, wanted, torch.Tensor, torch.autograd.grad, again)
        try:
            g1, g2 = derivatives(mine, inputs, tg.Tensor, tg.grad, again)
        except Exception as error:
            problem = f"derivative: {type(error).__name__}: {error}"[:160]
        else:
            if slopes_differ(g1, h1, inputs):
                problem = "first derivative"
            elif slopes_differ(g2, h2, inputs):
                problem = "second derivative"
    if problem is None:
        tally.right += 1
    else:
        tally.wrong[f"{problem} ({dtype}: {_in_words(arguments, sample.kwargs)})"] += 1


def _in_words(arguments, keywords):
    import torch

    def word(v):
        if isinstance(v, torch.Tensor):
            return f"{str(v.dtype).removeprefix('torch.')}{list(v.shape)}"
        if isinstance(v, tuple | list):
            return f"({', '.join(word(x) for x in v)})"
        return str(v)

    words = [word(v) for v in arguments] + [f"{k}={word(v)}" for k, v in keywords.items()]
    return ", ".join(words)[:120]


# -- all samples -----------------------------------------------------------------------------------


def try_operation(entry, tally):
    import torch

    calls = ours(entry)
    for dtype in DTYPES:
        theirs = getattr(torch, dtype)
        if theirs not in entry.dtypes:
            continue
        differentiated = dtype == "float64" and entry.supports_autograd
        samples = list(entry.sample_inputs_func(entry, "cpu", theirs, differentiated))
        limit = SAMPLES.get(dtype, OTHER_SAMPLES)
        for sample in samples[:: -(-len(samples) // limit) or 1]:
            if any(entry.name in d.names.split() and d.when(sample, dtype) for d in DIFFERENCES):
                continue
            for call in calls:
                try:
                    try_sample(entry, sample, call, dtype, tally)
                except _NotForUs:
                    break


def samples():
    """PyTorch's database of its operations. Samples are asked of an entry's `_func`s: its methods
    look through the whole stack for each, which takes minutes. Importing the database forbids
    setting flags such as `cudnn.benchmark`, as the scripts of other tests do: that is taken back.
    """
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    flags = torch.backends.disable_global_flags.__globals__  # `torch.backends` hides its module
    flags["__allow_nonbracketed_mutation_flag"] = True
    return op_db


def run(names=()):
    """The tally of every operation of ours (or only of those named)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

        torch.set_num_threads(1)
        tallies = {}
        for entry in samples():
            if ours(entry) and (not names or entry.name in names):
                torch.manual_seed(0)
                tg.manual_seed(0)
                try_operation(entry, tallies.setdefault(entry.name, Tally()))
    return tallies


def report(tallies):
    """A text that lists what is not right."""
    lines = []
    for name, tally in tallies.items():
        for kind in ("wrong", "unreadable", "refused"):
            for said, count in getattr(tally, kind).items():
                lines.append(f"{name}: {kind} {count}×: {said}")
    return "\n".join(lines)


if __name__ == "__main__":
    tallies = run(sys.argv[1:])
    print(report(tallies))
    total = Tally()
    for tally in tallies.values():
        total.right += tally.right
        for kind in ("wrong", "unreadable", "refused"):
            getattr(total, kind).update(getattr(tally, kind))
    print(
        f"{len(tallies)} operations: {total.right} right, {total.wrong.total()} wrong, "
        f"{total.refused.total()} refused, {total.unreadable.total()} refused unreadably"
    )
