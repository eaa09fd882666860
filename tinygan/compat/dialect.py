"""The core's functions under PyTorch's signatures.

For each line of `tinygan.compat.signatures`, such as

    sum(input, dim=None, keepdim=False, *, dtype=None, out=None)

`spoken` writes a function with these parameters, which is

    def sum(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
        if dtype is not None or out is not None or axis is not None or keepdims is not None:
            return adapted(locals())
        return core(input, dim, keepdim)

The core gets what it has a parameter for: one of the same name, or, where it has another name for
it (x for `input`), one at the same place. What is left over, here `dtype` and `out`, is served,
where it differs from its default, by the adaptor of its name: a function

    adaptor(run, given, value)

that may change the given arguments, runs the core by `run(given)`, and may change the result.
NumPy's `axis` and `keepdims` are understood wherever PyTorch's `dim` and `keepdim` are.

A function is written when it is first called with a keyword, or asked for its signature. What has
only places, which are the core's places too, is passed on by what `stands_for` it.
"""

import functools
import inspect
import re

from .. import ops
from ..autograd.mode import no_grad
from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..nn import functional
from ..ops.inplace import in_place
from . import functions, making, spellings
from .layer_signatures import LAYER_SIGNATURES
from .signatures import FUNCTIONS, IN_FUNCTIONAL, METHODS

ADAPTORS = {}


def adaptor(*keywords):
    """Register a function as what serves these keywords."""

    def register(function):
        ADAPTORS.update(dict.fromkeys(keywords, function))
        return function

    return register


# -- the adaptors ----------------------------------------------------------------------------------


@adaptor("dtype")
def _computed_as(run, given, dtype):
    """The input is converted before anything is computed; sums of whole numbers are int64 else."""
    given["input"] = ops.to(given["input"], dtype=dtype)
    return ops.to(run(given), dtype=dtype)


@adaptor("out")
def _written_into(run, given, out):
    """The result is copied into `out`, which must have its shape."""
    result = run(given)
    if isinstance(result, tuple):
        for part, place in zip(result, out, strict=True):
            _store(part, place)
    else:
        _store(result, out)
    return out


def _store(result, out):
    if out.shape != result.shape:
        raise ValueError(f"out: expected a tensor of shape {result.shape}, got {out.shape}")
    if result.requires_grad:
        raise RuntimeError(
            "out: a result that gradients flow through cannot be written into another tensor; "
            "leave `out` away, or compute under no_grad()"
        )
    with no_grad():
        out.copy_(result)


@adaptor("alpha")
def _scaled(run, given, alpha):
    """x ± alpha·y."""
    dtype = ops.elementwise.result_dtype([given["input"], given["other"]])
    spellings.check_factors("add and sub", dtype, alpha)
    given["other"] = ops.mul(given["other"], alpha)
    return run(given)


@adaptor("decimals")
def _to_decimals(run, given, decimals):
    """Rounded to so many digits behind the point."""
    given["input"] = given["input"] * 10.0**decimals
    return run(given) / 10.0**decimals


@adaptor("inplace")
def _becoming(run, given, inplace):
    """The input becomes the result."""
    if not inplace or given.get("training") is False:
        return run(given)
    first = next(iter(given))
    x = given.pop(first)
    return in_place("inplace=True", lambda before: run({first: before, **given}), x)


@adaptor("requires_grad")
def _leaf(run, given, requires_grad):
    return run(given).requires_grad_(requires_grad)


@adaptor("device")
def _placed(run, given, device):
    return run(given).to(device=device)


@adaptor(
    "layout", "memory_format", "non_blocking", "pin_memory", "sorted", "sparse_grad",
    "stable", "_stacklevel", "implicit", "sparse", "norm_type", "eps",
)  # fmt: skip
def _without_effect(run, given, value):
    """Where and when results are stored: the numbers are the same."""
    return run(given)


@adaptor("axis")
def _along_axis(run, given, axis):
    given["dim" if "dim" in given else "dims"] = axis
    return run(given)


@adaptor("keepdims")
def _kept(run, given, keepdims):
    given["keepdim"] = keepdims
    return run(given)


REFUSED = {
    "size_average": "is retired: say reduction='mean' or reduction='sum', by name",
    "reduce": "is retired: say reduction='mean', 'sum' or 'none', by name",
    "weight": "is not served: weigh what reduction='none' gives",
    "max_norm": "is not served: scale the rows of the table yourself, under no_grad()",
    "scale_grad_by_freq": "is not served: divide the gradient by the counts in a hook",
}
NUMPY_NAMES = {"axis": {"dim", "dims"}, "keepdims": {"keepdim"}}

# -- making the functions --------------------------------------------------------------------------


class Unwritten:
    """What `spoken` will write, once it is called or looked at."""

    def __init__(self, signature, core):
        self.signature, self.core = signature, core

    @functools.cached_property
    def function(self):
        return spoken(self.signature, self.core)

    @property
    def __signature__(self):
        return self.function.__signature__

    def __call__(self, *arguments, **keywords):
        return self.function(*arguments, **keywords)


def stands_for(signature: str, core):
    """`spoken(signature, core)`, written when it is needed.

    >>> total = stands_for("sum(input, dim=None, keepdim=False, *, dtype=None)", ops.sum)
    >>> total(ops.ones(2, 3), 0), total(input=ops.ones(2, 3), axis=0)
    (tensor([2., 2., 2.]), tensor([2., 2., 2.]))
    >>> str(inspect.signature(total))
    '(input, dim=None, keepdim=False, *, dtype=None)'
    """
    unwritten, places = Unwritten(signature, core), _same_places(signature, core)

    def function(*arguments, **keywords):
        if keywords or len(arguments) > places:
            return unwritten.function(*arguments, **keywords)
        return core(*arguments)

    function.__name__ = function.__qualname__ = signature.partition("(")[0]
    function.__doc__, function.__module__, function.__wrapped__ = core.__doc__, __name__, unwritten
    return function


_NAME = re.compile(r"(?:^|, )(\*?[A-Za-z_]\w*|\*)")


def _same_places(signature, core):
    """How many arguments may be passed on by place: they stand where the core has them."""
    order = _NAME.findall(signature.partition("(")[2])
    if isinstance(core, Op):
        own = core.inputs
    else:
        code = core.__code__
        own = code.co_varnames[: code.co_argcount]
    count = 0
    for theirs, ours in zip(order, own):
        if theirs.startswith("*") or (ours != theirs and ours in order):
            break
        count += 1
    return count


def spoken(signature: str, core):
    """`core` as a function with this signature.

    >>> total = spoken("sum(input, dim=None, keepdim=False, *, dtype=None)", ops.sum)
    >>> total(input=ops.ones(2, 3), axis=0, dtype="float64")
    tensor([2., 2., 2.], dtype=float64)
    """
    name, _, text = signature.strip().removesuffix(")").partition("(")
    shown = inspect.signature(eval(f"lambda {text}: None"))
    parameters = shown.parameters
    passed = _passed(name, core, parameters)
    extra = {n: p.default for n, p in parameters.items() if n not in passed}
    many = next((n for n, p in parameters.items() if p.kind is p.VAR_POSITIONAL), None)
    if many:  # *size, which may also be given as size=
        text = text.replace(f"*{many}", f"*{many}_, {many}=None")
        extra[many] = None
    for word, meaning in NUMPY_NAMES.items():
        if meaning & parameters.keys():
            text += f", {word}=None" if "*" in text else f", *, {word}=None"
            extra[word] = None
    lines = [f"def {name}({text}):", f"    return core({', '.join(passed.values())})"]
    if extra:
        differ = [f"{n} {'is not' if v is None else '!='} {v!r}" for n, v in extra.items()]
        lines[1:1] = [f"    if {' or '.join(differ)}:", "        return adapted(locals())"]
    before = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD] if many else []
    space = {"core": core, "adapted": lambda given: _adapted(function, given, extra, before, many)}
    # under this file's name, so that `detect_anomaly` does not take it for the user's line
    exec(compile("\n".join(lines), __file__, "exec"), space)
    function = space[name]
    function.__doc__, function.__signature__, function.__wrapped__ = core.__doc__, shown, core
    function.__module__ = __name__
    return function


def _passed(name, core, parameters):
    """How the core is called: {PyTorch's name of an argument: the argument as it is written}."""
    if isinstance(core, Op):
        own = dict.fromkeys(core.inputs, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    else:
        own = {n: p.kind for n, p in inspect.signature(core).parameters.items()}
    order, passed, behind = list(parameters), {}, False
    for i, (n, kind) in enumerate(own.items()):
        source = n if n in parameters else order[i] if i < len(order) else None
        if source is None or source in passed or (source != n and source in own):
            raise TypeError(f"{name}: the signature has no place for the core's argument {n!r}")
        many = kind is inspect.Parameter.VAR_POSITIONAL
        behind |= many or kind is inspect.Parameter.KEYWORD_ONLY
        passed[source] = f"*{source}_" if many else f"{n}={source}" if behind else source
    return passed


def _adapted(function, given, extra, before, many):
    """Call `function`, its extra arguments served by their adaptors, the last one outermost."""
    special = {n: given.pop(n) for n in extra}
    for n, value in special.items():
        if n in REFUSED and value is not extra[n]:
            raise TypeError(f"{function.__name__}: {n}={value!r} {REFUSED[n]}")
    rest = given.pop(f"{many}_", ())
    if many and special[many] is not None:
        rest = (special.pop(many),)

    def run(given):
        return function(*[given.pop(n) for n in before], *rest, **given)

    for n, value in special.items():
        if n != many and value is not extra[n]:
            run = _serve(n, value, run)
    return run(given)


def _serve(keyword, value, run):
    return lambda given: ADAPTORS[keyword](run, given, value)


_NO_METHODS = {"empty_like", "randint_like"}


def install(face: dict) -> None:
    """Put the functions where the core's stand: on the public face, in nn.functional, on Tensor."""
    for signature in FUNCTIONS + LAYER_SIGNATURES:
        name = signature.partition("(")[0]
        core = getattr(ops, name, None)
        function = stands_for(signature, _found(name))
        _put(name, core, function, face, vars(functional))
        for method, attached in list(vars(Tensor).items()):
            if core is not None and attached is core:
                setattr(Tensor, method, function)
        method = "(input" in signature and name not in _NO_METHODS and not hasattr(Tensor, name)
        if core is None and method:
            setattr(Tensor, name, function)
    for signature in IN_FUNCTIONAL:
        name = signature.partition("(")[0]
        vars(functional)[name] = spoken(signature, _found(name))
    for signature in METHODS:
        name = signature.partition("(")[0]
        setattr(Tensor, name, stands_for(signature, _found(name)))
    for name, function in (functions.CASTS | {"to": functions.to}).items():
        setattr(Tensor, name, function)
    for alias, name in spellings.ALIASES.items():
        if name in face:
            face[alias] = face[name]
        if hasattr(Tensor, name):
            setattr(Tensor, alias, getattr(Tensor, name))


def _found(name):
    """The function of this name: the dialect's own before the core's."""
    for place in (functions, spellings, making, ops, ops.inplace):
        if hasattr(place, name):
            return getattr(place, name)
    raise NameError(f"{name}: in the list of signatures, but nobody has such a function")


def _put(name, core, function, face, functional):
    if core is None or face.get(name) is core:
        face[name] = function
    if core is not None and functional.get(name) is core:
        functional[name] = function
