"""Saving and loading tensors as safetensors: files that hold numbers and nothing that runs.

A flat dict of tensors, such as a `state_dict()`, becomes a plain safetensors file, which PyTorch
reads, and the other way round. Anything nested (dicts, lists, numbers, strings, tensors), such as a
checkpoint, keeps its tensors in the same way, under names joined by dots, and its structure as JSON
in the file's metadata.

Files are written to a temporary name and renamed when they are complete, so that a crash leaves the
previous file whole.
"""

import contextlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from .autograd import Tensor
from .autograd.tensor import as_array

_STRUCTURE = "tinygan.structure"  # the key in the metadata
_TENSOR = "tensor:"  # a string in the structure that stands for a tensor
_DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "I16": np.int16,
    "U16": np.uint16,
    "I32": np.int32,
    "U32": np.uint32,
    "I64": np.int64,
    "U64": np.uint64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}


class FileError(ValueError):
    """A file that cannot be loaded; the message names it and says why."""

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(name) -> str:
    """A text as every terminal and file can take it: bytes of a file's name that are not UTF-8, and
    which Python keeps as lone surrogates, are spelled out.

    >>> printable(os.fsdecode(bytes([99, 97, 102, 0xe9])))
    'caf\\\\udce9'
    """
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def save(obj, path, metadata: dict[str, str] | None = None) -> None:
    """Write a state dict, or nested dicts and lists with tensors and plain values, to a file.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save({"weight": Tensor([1.0, 2.0])}, path)
    >>> load(path)
    {'weight': tensor([1., 2.])}
    """
    if not isinstance(obj, dict):
        raise TypeError(
            f"save: expected a dict, got {type(obj).__name__}; put it into one: "
            f"save({{'value': ...}}, path)"
        )
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"save: metadata must map strings to strings, got {key!r}: {value!r}")
    arrays = {}
    structure = _take_apart(obj, (), arrays)
    notes = dict(metadata or {})
    if not all(isinstance(value, Tensor) for value in obj.values()):
        notes[_STRUCTURE] = json.dumps(structure)
    write_atomically(path, safetensors.numpy.save(arrays, notes or None))


def load(path, device=None):
    """What `save`, or PyTorch's safetensors, wrote; tensors on `device`, else the default one."""
    arrays, notes = _read(Path(path))
    tensors = {name: Tensor(as_array(array, where=device)) for name, array in arrays.items()}
    if _STRUCTURE not in notes:
        return tensors
    try:
        return _put_together(json.loads(notes[_STRUCTURE]), tensors)
    except (KeyError, ValueError) as error:
        raise FileError(f"{path}: its structure does not fit its tensors ({error})") from None


def load_metadata(path) -> dict[str, str]:
    """The metadata that was given to `save`."""
    return {key: value for key, value in _read(Path(path))[1].items() if key != _STRUCTURE}


def write_atomically(path, content: bytes) -> None:
    """Write a file so that at every moment either the old or the new one is there, whole."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = (
            "there is no such folder" if not path.parent.is_dir() else error.strerror or str(error)
        )
        raise OSError(error.errno, f"could not write {path}: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True) if path.parent.is_dir() else None
    _sync_folder(path.parent)


def _sync_folder(folder):
    """Make the renaming itself survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# -- structures ----------------------------------------------------------------------------------


def _take_apart(value, place, arrays):
    """The structure with a reference in the place of each tensor; the tensors go into `arrays`."""
    name = ".".join(place)
    if isinstance(value, Tensor):
        if name in arrays:
            raise ValueError(
                f"save: two tensors would be called {name!r}; rename a key that contains a dot"
            )
        arrays[name] = np.asarray(value.numpy(), order="C")
        return _TENSOR + name
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise TypeError(
                    f"save: keys must be strings or whole numbers, got {key!r} in "
                    f"{name or 'the dict'}"
                )
        keys = [str(key) for key in value]
        if len(set(keys)) < len(keys):
            raise ValueError(
                f"save: {name or 'the dict'} has a number and a string that read the same as keys"
            )
        return {
            str(key): _take_apart(item, (*place, str(key)), arrays) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_take_apart(item, (*place, str(i)), arrays) for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and value.startswith(_TENSOR):
        raise ValueError(f"save: the string {name} = {value!r} begins like a reference to a tensor")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(
        f"save: {name} is a {type(value).__name__}; expected tensors, numbers, strings, dicts and "
        f"lists"
    )


def _put_together(value, tensors):
    if isinstance(value, dict):
        return {key: _put_together(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_together(item, tensors) for item in value]
    if isinstance(value, str) and value.startswith(_TENSOR):
        return tensors[value.removeprefix(_TENSOR)]
    return value


# -- reading -------------------------------------------------------------------------------------


def _read(path):
    """The arrays and metadata of a file; a foreign or damaged one is refused with its reason."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from error
    if foreign := _foreign(content):
        raise FileError(f"{path}: {foreign}")
    (length,) = struct.unpack("<Q", content[:8])
    try:
        pieces = safetensors.deserialize(content)
        notes = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError) as error:
        raise FileError(f"{path}: is not a valid safetensors file, or damaged ({error})") from None
    return {name: _array(path, name, piece) for name, piece in pieces}, notes


def _foreign(content):
    """One line that says what the file is instead of safetensors, or that it ends too early."""
    kinds = {
        b"PK": "PyTorch's own or another zip",
        b"\x80": "a pickle",
        b"\x93NUMPY": "NumPy's",
        b"\x89HDF": "HDF5",
    }
    for magic, kind in kinds.items():
        if content.startswith(magic) and content[8:9] != b"{":
            return (
                f"is not a safetensors file but {kind} format, which can run code or is foreign; "
                "convert it with safetensors.torch.save_file or tinygan.save"
            )
    if len(content) < 8:
        return f"is truncated: a safetensors file has at least 8 bytes, this one {len(content)}"
    (length,) = struct.unpack("<Q", content[:8])
    if content[8:9] not in (b"{", b""):
        return "is not a safetensors file: its header is not JSON"
    if len(content) < 8 + length:
        return f"is truncated: its header says {length:,} bytes, the file has {len(content):,}"
    try:
        header = json.loads(content[8 : 8 + length])
        ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return "is not a safetensors file: its header is damaged"
    needed = 8 + length + max(ends, default=0)
    if len(content) < needed:
        return f"is truncated: its tensors need {needed:,} bytes, the file has {len(content):,}"
    return None


def _array(path, name, piece):
    if piece["dtype"] == "BF16":  # NumPy has no bfloat16: the upper half of a float32
        upper = np.frombuffer(piece["data"], np.uint16).astype(np.uint32) << 16
        return upper.view(np.float32).reshape(piece["shape"])
    if piece["dtype"] not in _DTYPES:
        raise FileError(
            f"{path}: {name!r} is stored as {piece['dtype']}, which tinygan does not know"
        )
    return np.frombuffer(bytearray(piece["data"]), _DTYPES[piece["dtype"]]).reshape(piece["shape"])


__all__ = [
    "FileError", "load", "load_metadata", "save", "write_atomically",
]  # fmt: skip
