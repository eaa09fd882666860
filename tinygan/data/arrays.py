"""`.npy` and `.npz` files, mapped into memory where they are not compressed.

Images (N, H, W), (N, H, W, C) or (N, C, H, W), C = 1 or 3, as bytes or as floats in [0, 1] or
[-1, 1]; or points (N, 2). An archive's array is called x, images, data or arr_0, its labels y or
labels; or x_train, y_train, x_test, y_test.
"""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .dataset import ArrayDataset, DataError, held_out

_X = ("x", "images", "data", "arr_0")
_Y = ("y", "labels", "label", "arr_1")


class _Unit(ArrayDataset):
    """Floats in [0, 1] become −1…1."""

    def _converted(self, x):
        return super()._converted(x.astype(np.float32) * 2 - 1)


def arrays(
    path: Path, split: str, size=None, n=None, channels=None, skip_damaged=False
) -> ArrayDataset:
    """The data set in a `.npy` or `.npz` file; without a test part of its own it is divided."""
    found = {"x": _mapped(path)} if _is_npy(path) else _archive(path)
    own = f"x_{split}" in found
    x = found[f"x_{split}"] if own else next((found[k] for k in _X if k in found), None)
    if x is None:
        raise DataError(f"{path}: holds {', '.join(found) or 'nothing'}; call the images 'x'")
    label = found.get(f"y_{split}") if own else next((found[k] for k in _Y if k in found), None)
    if label is not None:
        label = np.asarray(label).reshape(len(label), -1)[:, 0]
        if label.dtype.kind not in "iu" or (len(label) and label.min() < 0):
            raise DataError(f"{path}: labels must be whole numbers from 0, they are {label.dtype}")
    x = _images_first(path, x)
    rows = np.arange(len(x)) if own else held_out(len(x), split)
    kind = _Unit if _unit_range(path, x) else ArrayDataset
    return kind(
        path.stem, x, label, split=split, size=size if x.ndim == 4 else None, channels=channels,
        rows=rows[:n], lazy=isinstance(x, np.memmap),
    )  # fmt: skip


def _images_first(path, x):
    if not len(x) or x.dtype.kind not in "uf" or (x.dtype.kind == "u" and x.dtype != np.uint8):
        raise DataError(
            f"{path}: expected bytes (uint8) or floats, got {x.dtype} of shape {x.shape}"
        )
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 2 and x.shape[1] == 2 and x.dtype.kind == "f":
        return x
    if x.ndim == 4 and x.shape[1] in (1, 3):
        return x
    if x.ndim == 4 and x.shape[3] in (1, 3):
        return x.transpose(0, 3, 1, 2)
    raise DataError(
        f"{path}: shape {x.shape} is neither images (N, H, W), (N, H, W, C), (N, C, H, W) with 1 "
        "or 3 channels, nor points (N, 2)"
    )


def _unit_range(path, x):
    """Whether float images lie in [0, 1] rather than [-1, 1], judged by some of them."""
    if x.ndim != 4 or x.dtype == np.uint8:
        return False
    some = np.asarray(x[:: max(len(x) // 256, 1)])
    low, high = float(some.min()), float(some.max())
    if not (low >= -1.001 and high <= 1.001):
        raise DataError(
            f"{path}: float images must lie in [0, 1] or [-1, 1], these reach from {low:.4g} to "
            f"{high:.4g}; divide them, or store bytes"
        )
    return low >= 0


def _is_npy(path):
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"


def _mapped(path, offset=0):
    """The array of a `.npy` file, or of one inside another file, mapped into memory."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            if dtype.hasobject:
                raise ValueError("it holds Python objects, which are not loaded")
            return np.memmap(path, dtype, "r", file.tell(), shape, order="F" if fortran else "C")
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: is damaged or truncated ({error})") from None


def _archive(path):
    """The arrays of a `.npz`: mapped where stored as they are, else unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
            wanted = {k: m for k, m in members.items() if m.filename.endswith(".npy")}
            return {name: _member(path, archive, m) for name, m in wanted.items()}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is damaged or truncated ({error})") from None


def _member(path, archive, member):
    if member.compress_type != zipfile.ZIP_STORED:
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    with path.open("rb") as file:  # the local header: 30 bytes, the name, an extra field
        file.seek(member.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return _mapped(path, member.header_offset + 30 + name + extra)
