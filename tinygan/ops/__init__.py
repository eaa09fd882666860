"""The differentiable functions. Importing this package also attaches them to Tensor."""

from . import cast, conv, create, elementwise, index, linalg, loss, methods, norm, pool, reduce, shape

_modules = cast, conv, create, elementwise, index, linalg, loss, norm, pool, reduce, shape
__all__ = [name for module in _modules for name in module.__all__]

from .cast import *  # noqa: E402, F403
