"""PyTorch's dialect, for code that was written for PyTorch.

Everything here exists for ported code's sake: keywords that the core does not need, functions that
are another spelling of one that the core has, namespaces that PyTorch keeps things in, and, for a
name of PyTorch's that is absent, a message that says what to use. It is attached to the public face
from above; nothing in the core imports it, and a reader of the core never meets it.

`signatures` lists PyTorch's signatures of the core's functions, `dialect` gives the functions those
signatures, `functions` holds what is only another spelling. `faces` lets modules answer for names
that they do not have: by what `namespaces`, `tensors`, `settings`, `dataloader` and the others
provide, or by saying what to use (`hints`).
"""

from . import attributes, dialect, faces, inplace, layers, optimisers, saving


def install(face: dict) -> None:
    """Attach the dialect to the public face, the names of `import tinygan`; called once there."""
    dialect.install(face)
    inplace.install()
    attributes.install()
    layers.install()
    optimisers.install()
    saving.install(face)
    faces.install()
