"""What is asked of a module that does not have it.

A name that ported code reaches for, and that a file of this room or a namespace provides, is loaded
when it is first asked for. For any other, the error says what to use instead: by a line of
`HINTS`, or, for a name of PyTorch's without one, by what is close to it.
"""

import difflib
import functools
import sys
from importlib import import_module
from pathlib import Path

from ..autograd import Tensor
from .hints import HINTS

_HERE = Path(__file__).parent
_PACKAGES = {"data", "metrics", "models", "train"}  # loaded when they are first asked for

# module: {where it is found: names}
SERVED = {
    "tinygan": {
        ".constants": "Size bool channels_last contiguous_format double dtype e finfo float half "
        "iinfo inf int int16 int8 long nan newaxis pi preserve_format short strided uint8",
        ".settings": "Generator get_default_dtype get_float32_matmul_precision inference_mode "
        "is_deterministic set_default_dtype set_default_tensor_type set_float32_matmul_precision "
        "set_grad_enabled use_deterministic_algorithms",
        ".tensors": "BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor "
        "IntTensor LongTensor ShortTensor",
        "tinygan.backend.cpu": "get_num_threads set_num_threads",
        "tinygan.": "backends cuda utils",
    },
    "tinygan.autograd": {
        ".tensors": "Variable",
        ".function": "Function",
        ".settings": "set_grad_enabled inference_mode",
        "tinygan.autograd.": "function",
    },
    "tinygan.nn": {
        ".parallel": "DataParallel",
        "tinygan.nn.": "parallel utils",
    },
    "tinygan.optim": {"tinygan.optim.": "lr_scheduler"},
}


def install() -> None:
    """Let the modules of the public face answer for names that they do not have."""
    for place in {*HINTS, *SERVED} - {"Tensor"}:
        module = sys.modules.get(place)
        if module is not None:
            module.__getattr__ = answering(place)
    for name in ("tinygan", "tinygan.autograd", "tinygan.nn", "tinygan.optim"):
        folder = _HERE.joinpath("namespaces", *name.split(".")[1:])
        sys.modules[name].__path__.append(str(folder))
    Tensor.__getattr__ = _missing


def answering(place: str):
    """A `__getattr__` for a module."""
    return functools.partial(_answer, place)


def _answer(place, name):
    if not name.startswith("__"):
        if place == "tinygan" and name in _PACKAGES:
            return import_module(f"tinygan.{name}")
        for source, names in SERVED.get(place, {}).items():
            if name in names.split():
                if source.endswith("."):
                    value = import_module(source + name)
                else:
                    value = getattr(import_module(source, __package__), name)
                setattr(sys.modules[place], name, value)
                return value
        raise AttributeError(explained(place, name))
    raise AttributeError(f"module {place!r} has no attribute {name!r}")


def explained(place: str, name: str) -> str:
    """What to say where `place` has no `name`."""
    said = "a tensor" if place == "Tensor" else place
    for where in (place, "tinygan") if place == "Tensor" else (place,):
        if name in HINTS.get(where, {}):
            return f"{said} has no {name!r}: {HINTS[where][name]}"
    for other in ("tinygan", "tinygan.nn", "tinygan.nn.functional", "tinygan.optim"):
        if name in vars(sys.modules[other]):
            return f"{said} has no {name!r}; it is {other}.{name}"
    known = dir(Tensor) if place == "Tensor" else vars(import_module(place))
    known = [n for n in known if not n.startswith("_")]
    close = difflib.get_close_matches(name, known, 3, 0.7)
    if name in pytorch_names().get(place, ()):
        near = f" (close to it: {', '.join(close)})" if close else ""
        return (
            f"{said} has no {name!r}: PyTorch has, tinygan has not{near}; write what you need of "
            "it with tinygan's operations, or as an operation of your own (tinygan.Op)"
        )
    return f"{said} has no {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else "")


@functools.cache
def pytorch_names() -> dict[str, set[str]]:
    """The names of PyTorch's that each module might be asked for."""
    lines = (_HERE / "pytorch_names.txt").read_text(encoding="utf-8").splitlines()
    return {place: set(names.split()) for place, names in (line.split(":") for line in lines)}


def _missing(tensor, name):
    """What a tensor says where it has no such attribute."""
    if name.startswith("_"):  # asked for by Python or NumPy itself
        raise AttributeError(f"{type(tensor).__name__!r} object has no attribute {name!r}")
    raise AttributeError(explained("Tensor", name))
