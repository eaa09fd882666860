"""PyTorch's dialect, for code that was written for PyTorch.

Everything here exists for ported code's sake: keywords that the core does not need, functions that
are another spelling of one that the core has, namespaces that PyTorch keeps things in, and, for a
name of PyTorch's that is absent, a message that says what to use. It is attached to the public face
from above; nothing in the core imports it, and a reader of the core never meets it.
"""

from . import optimisers


def install() -> None:
    """Attach the dialect to the public face; called once, when tinygan is imported."""
    optimisers.install()
