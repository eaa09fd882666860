"""Saving and loading tensors as safetensors: files that hold numbers and nothing that runs.

A flat dict of tensors, such as a `state_dict()`, becomes a plain safetensors file, which PyTorch
reads, and the other way round. Anything nested (dicts, lists, numbers, strings, tensors), such as a
checkpoint, keeps its tensors in the same way, under names joined by dots, and its structure as JSON
in the file's metadata.

Files are written to a temporary name and renamed when they are complete, so that a crash leaves the
previous file whole.
"""

import contextlib
import errno
import json
import math
import os
import stat
import struct
from pathlib import Path

import numpy as np
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
    "BF16": np.uint16,  # NumPy has none: the upper half of a float32
}
_GLANCE = 256  # bytes by which a foreign file is recognised
_LONGEST_HEADER = 100_000_000  # as the format's own library has it


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
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(f"save: expected metadata as a dict, got {type(metadata).__name__}")
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
        structure = json.loads(notes[_STRUCTURE], object_pairs_hook=_distinct)
        whole = _put_together(structure, tensors)
        if not isinstance(whole, dict):
            raise ValueError("it is no dict")
        if tensors:
            raise ValueError(f"it has no place for {_short(list(tensors))}")
    except (KeyError, ValueError, RecursionError) as error:
        raise FileError(f"{path}: its structure does not fit its tensors ({error})") from None
    return whole


def load_metadata(path) -> dict[str, str]:
    """The metadata that was given to `save`; the tensors are not read."""
    notes = _read(Path(path), with_arrays=False)[1]
    return {key: value for key, value in notes.items() if key != _STRUCTURE}


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
    """The structure with the tensors, each of which is taken out of `tensors`, in their places."""
    if isinstance(value, dict):
        return {key: _put_together(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_together(item, tensors) for item in value]
    if isinstance(value, str) and value.startswith(_TENSOR):
        return tensors.pop(value.removeprefix(_TENSOR))
    return value


# -- reading -------------------------------------------------------------------------------------


def open_file(path):
    """An ordinary file, opened for reading; OSError says what is there instead.

    Opening a pipe would wait until somebody writes into it, and a device need never end.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode):
        return open(path, "rb")
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))


def _read(path, with_arrays=True):
    """The arrays, unless they are not wanted, and the metadata of a file; a foreign or damaged one
    is refused with its reason.

        length of the header (uint64)   the header, JSON   the bytes of all tensors, in a row

    Nothing is reserved or read that the file's own length does not bear out.
    """
    try:
        with open_file(path) as file:
            header, start = _header(file)
            notes = _notes(header.pop("__metadata__", {}))
            _check_places(header, os.fstat(file.fileno()).st_size - start)
            wanted = header if with_arrays else {}
            found = {name: _array(file, start, name, header[name]) for name in wanted}
    except FileError as error:
        raise FileError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError:
        raise FileError(f"{path}: is damaged: its header is nested too deeply") from None
    return found, notes


def _header(file):
    """A file's header, and where it ends."""
    size = os.fstat(file.fileno()).st_size
    start = file.read(_GLANCE)
    if size < 8:
        raise FileError(f"is truncated: a safetensors file has at least 8 bytes, this one {size}")
    (length,) = struct.unpack("<Q", start[:8])
    if start[8:9] not in (b"{", b""):
        raise FileError(_foreign(start))
    if size < 8 + length:
        raise FileError(f"is truncated: its header says {length:,} bytes, the file has {size:,}")
    if length > _LONGEST_HEADER:
        raise FileError(f"is damaged: a header of {length:,} bytes is longer than any")
    file.seek(8)
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_distinct)
    except ValueError as error:
        raise FileError(f"is damaged: its header is not valid JSON ({error})") from None
    if not isinstance(header, dict):
        raise FileError("is damaged: its header is no JSON object")
    return header, 8 + length


def _foreign(start):
    """What a file is instead of safetensors, by its first bytes, and what to do."""
    torch_to_safe = (
        'python -c "import torch, safetensors.torch as s; '
        "s.save_file(torch.load('FILE', weights_only=True), 'FILE.safetensors')\""
    )
    if start.startswith(b"\x80") or (start.startswith(b"PK") and b"/data.pkl" in start):
        return (
            "is not a safetensors file but a pickle, as torch.save writes them, which can run code "
            f"and is never loaded; where PyTorch is installed, convert it: {torch_to_safe}"
        )
    if start.startswith((b"\x93NUMPY", b"PK")):
        return (
            "is not a safetensors file but NumPy's or another zip; tinygan.data.open reads data, "
            "and for weights: tinygan.save({name: tinygan.tensor(array), ...}, 'FILE.safetensors')"
        )
    hint = " (HDF5)" if start.startswith(b"\x89HDF") else ""
    return (
        "is not a safetensors file: its header is not JSON; the file begins with "
        f"{start[:8].hex(' ')}{hint}"
    )


def _distinct(pairs):
    """A JSON object as a dict, refused where a name stands in it twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{_short(twice)} stands in it twice")
    return found


def _notes(notes):
    if isinstance(notes, dict) and all(isinstance(value, str) for value in notes.values()):
        return notes
    raise FileError("is damaged: its metadata is no dict of strings")


def _check_places(header, size):
    """Every tensor is as long as its dtype and shape say, and one follows the other without gap or
    overlap to the end of the file, which has `size` bytes for them.
    """
    for name, entry in header.items():
        if not _is_entry(entry):
            raise FileError(f"is damaged: its header says of {_short(name)} {_short(entry)}")
        if entry["dtype"] not in _DTYPES:
            raise FileError(
                f"{_short(name)} is stored as {_short(entry['dtype'])}, which tinygan does not know"
            )
    reached = 0
    for name in sorted(header, key=lambda name: header[name]["data_offsets"]):
        entry = header[name]
        begin, end = entry["data_offsets"]
        needed = math.prod(entry["shape"]) * np.dtype(_DTYPES[entry["dtype"]]).itemsize
        if begin != reached or end - begin != needed:
            raise FileError(
                f"is damaged: its header puts {_short(name)}, {entry['dtype']} of "
                f"shape {_short(entry['shape'])}, at {begin:,} to {end:,}; expected {reached:,} to "
                f"{reached + needed:,}"
            )
        reached = end
    if reached != size:
        kind = "truncated" if reached > size else "damaged"
        raise FileError(
            f"is {kind}: its tensors need {reached:,} bytes, the file has {size:,} for them"
        )


def _is_entry(entry):
    """Whether a header's entry has the form {"dtype": str, "shape": [...], "data_offsets": [b, e]},
    with whole numbers that are sizes, and no more axes than an array can have.
    """
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        return False
    sizes = all(type(n) is int and 0 <= n < 2**63 for n in [*shape, *offsets])
    return sizes and len(shape) <= 64 and isinstance(entry["dtype"], str)


def _short(value):
    return repr(value) if len(repr(value)) < 100 else repr(value)[:99] + "…"


def _array(file, start, name, entry):
    try:
        array = np.empty(entry["shape"], _DTYPES[entry["dtype"]])
    except (MemoryError, ValueError) as error:
        raise FileError(f"{_short(name)} of shape {_short(entry['shape'])}: {error}") from None
    file.seek(start + entry["data_offsets"][0])
    if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise FileError(f"is truncated: it ended while {_short(name)} was read")
    if entry["dtype"] == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


__all__ = [
    "FileError", "load", "load_metadata", "open_file", "printable", "save", "write_atomically",
]  # fmt: skip
