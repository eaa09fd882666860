"""`save` and `load` as PyTorch's scripts call them."""

import os

from .. import io
from ..backend import Device
from ..nn import Module


def save(obj, f, metadata=None):
    """Write a state dict, or nested dicts and lists with tensors and plain values, to a file.

    It is a safetensors file, which PyTorch reads, too; `metadata` are notes, strings by name.
    """
    _path("save", f)
    if isinstance(obj, Module):
        raise TypeError(
            f"save: a file holds numbers, not a {type(obj).__name__}; save its weights, "
            "tg.save(module.state_dict(), path), and load them into a new module by "
            "module.load_state_dict(tg.load(path))"
        )
    io.save(obj, f, metadata)


def load(f, map_location=None, *, device=None, weights_only=True, mmap=None):
    """What `save`, or PyTorch's safetensors, wrote; tensors on `device`, else the default one.

    `map_location` is PyTorch's name for `device`. It may also be a dict, or a function that gives
    back what is read, which is on the CPU.
    """
    _path("load", f)
    where = map_location if device is None else device
    if isinstance(where, dict):
        places = set(where.values())
        if len(places) > 1:
            raise ValueError(
                f"load: a file does not say where its tensors were, so they go to one device; got "
                f"map_location={where}"
            )
        where = next(iter(places), None)
    elif callable(where):
        where = Device("cpu")
    return io.load(f, where)


def _path(name, f):
    if not isinstance(f, str | os.PathLike):
        raise TypeError(f"{name}: expected the path of a file, got {type(f).__name__}")


def install(face: dict) -> None:
    face.update(save=save, load=load)
