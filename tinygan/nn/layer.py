"""Layers without weights, each around a function.

    Hardtanh = layer(__name__, "Hardtanh", ops.hardtanh, "…", min_val=-1.0, max_val=1.0)

is a module whose settings are attributes, in this order and with these defaults, and are passed to
the function by name. REQUIRED settings have no default. With a setting `inplace` that is true, the
input becomes the result.
"""

import inspect

from ..autograd import Tensor
from ..ops.inplace import in_place
from .module import Module

REQUIRED = inspect.Parameter.empty


class _Layer(Module):
    """What the classes made by `layer` share."""

    _function, _settings = None, ()

    def forward(self, *inputs):
        settings = {name: getattr(self, name) for name in self._settings}
        if self.__dict__.get("inplace"):
            return in_place(type(self).__name__, self._function, *inputs, **settings)
        return self._function(*inputs, **settings)

    def extra_repr(self):
        shown = {name: getattr(self, name) for name in self._settings}
        parts = [f"{k}={v!r}" for k, v in shown.items() if not isinstance(v, Tensor)]
        return ", ".join([*parts, *["inplace=True"] * self.__dict__.get("inplace", False)])


def layer(place: str, name: str, function, doc: str, *, by_name=(), buffers=(), **settings) -> type:
    """The class of a layer around a function, for the module `place`.

    Settings in `by_name` can only be given so; those in `buffers` are tensors that move and are
    saved with the layer.
    """
    kinds = inspect.Parameter
    parameters = [
        kinds(key, kinds.KEYWORD_ONLY if key in by_name else kinds.POSITIONAL_OR_KEYWORD, default=v)
        for key, v in settings.items()
    ]
    signature = inspect.Signature(parameters)

    def __init__(self, *values, **keywords):
        try:
            given = signature.bind(*values, **keywords)
        except TypeError as error:
            raise TypeError(f"{name}: {error}; it takes {signature}") from None
        given.apply_defaults()
        for key, value in given.arguments.items():
            if key in buffers:
                self.register_buffer(key, value)
            else:
                setattr(self, key, value)

    __init__.__signature__ = inspect.Signature([kinds("self", kinds.POSITIONAL_ONLY), *parameters])
    body = {
        "__doc__": doc,
        "__module__": place,
        "__init__": __init__,
        "_function": staticmethod(function),
        "_settings": tuple(key for key in settings if key != "inplace"),
    }
    return type(name, (_Layer,), body)
