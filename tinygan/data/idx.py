"""MNIST's format: a header of big-endian numbers, then bytes; gzipped or not.

0 0 8 d   n₁ … n_d (uint32)   the n₁·…·n_d bytes
"""

import gzip
import math
import os
import re
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..io import open_file
from . import limits
from .dataset import ArrayDataset, DataError, held_out

_IMAGES = re.compile(r"images[-.]idx3", re.IGNORECASE)
_TEST = re.compile(r"t10k|test", re.IGNORECASE)
_PIECE = 2**20
FASHION = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip


def is_idx(start: bytes) -> bool:
    """Whether a file of images begins so."""
    return start[:4] == b"\0\0\x08\x03"


def find(folder: Path) -> list[Path]:
    """The files of images in a folder or up to two levels below, as `MNIST/raw` has them."""
    levels = (folder.glob(pattern + "*images*") for pattern in ("", "*/", "*/*/"))
    return sorted(p for level in levels for p in level if _IMAGES.search(p.name) and p.is_file())


def idx(
    path: Path, split: str, size=None, n=None, channels=None, skip_damaged=False
) -> ArrayDataset:
    """The data set in an IDX folder, or one that a file of images belongs to.

    With files for training and for testing (`train-…`, `t10k-…`) these are the splits; a single
    file is divided. `skip_damaged` changes nothing: items have no marks by which a damaged one
    could be told.
    """
    files = find(path if path.is_dir() else path.parent) or [path]
    if path.is_file() and path not in files:
        files = [path]
    parts = {
        s: [p for p in files if bool(_TEST.search(p.name)) == (s == "test")]
        for s in ("train", "test")
    }
    divided = not (parts["train"] and parts["test"])
    if path.is_file() and (divided or split == "train"):
        chosen = path
    else:
        chosen = files[0] if divided else parts[split][0]
    images = read(chosen, 3)
    label = _labels(chosen, len(images))
    rows = held_out(len(images), split) if divided else np.arange(len(images))
    fashion = "fashion" in str(path.resolve()).lower()
    names = FASHION if fashion and label is not None and label.max() < 10 else None
    if names is None and label is not None:
        names = [str(i) for i in range(int(label.max()) + 1)]
    return ArrayDataset(
        path.stem.split(".")[0] if path.is_file() else path.resolve().name,
        images[:, None], label,
        split=split, class_names=names, size=size, channels=channels, rows=rows[:n],
        lazy=isinstance(images, np.memmap), source=chosen,
    )  # fmt: skip


def _labels(images: Path, n: int):
    """The labels beside a file of images; None if there are none."""
    stem = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for name in (stem, stem + ".gz"):
        path = images.with_name(name)
        if path.exists() and path != images:
            label = read(path, 1)
            if len(label) != n:
                raise DataError(
                    f"{path}: holds {len(label):,} labels, but {images.name} {n:,} images"
                )
            return label.astype(np.int64)
    return None


def read(path: Path, dims: int) -> np.ndarray:
    """The bytes of an IDX file as an array with so many axes. A file must be as long as its header
    says. A plain one that would fill more memory than `limits` allow stays on the disk, mapped.
    """
    with unpacked(path) as file:
        shape = _shape(path, file, dims)
        if isinstance(file, gzip.GzipFile):
            return _bytes(path, file, shape)
        header = file.tell()
        _require_size(path, shape, math.prod(shape), os.fstat(file.fileno()).st_size - header)
        mapped = np.memmap(file, np.uint8, "r", header, shape)
        return mapped if mapped.nbytes > limits.memory() else np.array(mapped)


@contextmanager
def unpacked(path: Path):
    """A file to read, or what is inside if it is gzipped; what goes wrong becomes a DataError."""
    try:
        with open_file(path) as file:
            gzipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with gzip.open(file) if gzipped else file as content:
                yield content
    except EOFError:
        raise DataError(f"{path}: the gzip file is truncated; copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _shape(path, file, dims):
    """What the header says, which must be of bytes in so many axes; the file stands behind it."""
    magic = b"\0\0\x08" + bytes([dims])
    header = file.read(4 + 4 * dims)
    if header[:4] != magic:
        raise DataError(
            f"{path}: begins with {header[:4].hex(' ') or 'nothing'}, but an IDX file of "
            f"{'images' if dims == 3 else 'labels'} with {magic.hex(' ')}; is it the right file?"
        )
    if len(header) < 4 + 4 * dims:
        raise DataError(f"{path}: ends within its header, after {len(header)} bytes")
    shape = struct.unpack(f">{dims}I", header[4:])
    if not math.prod(shape):
        raise DataError(f"{path}: holds no items: its header says {shape}")
    return shape


def _bytes(path, file, shape):
    """As many bytes as the shape has, up to the end, where gzip has its checksum, and no more."""
    array = limits.reserve(path, shape, np.uint8)
    target, filled = array.reshape(-1), 0
    while filled < array.size and (count := file.readinto(target[filled : filled + _PIECE])):
        filled += count
    _require_size(path, shape, array.size, filled + len(file.read(1)))
    return array


def _require_size(path, shape, needed, found):
    if needed != found:
        how = "short" if found < needed else "long"
        raise DataError(
            f"{path}: is too {how}: {shape} needs {needed:,} bytes after the header, there are "
            f"{found:,}{' or more' * (found > needed)}; copy or download it again"
        )
