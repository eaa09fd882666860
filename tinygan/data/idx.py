"""MNIST's format: a header of big-endian numbers, then bytes; gzipped or not.

0 0 8 d   n₁ … n_d (uint32)   the n₁·…·n_d bytes
"""

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from .dataset import ArrayDataset, DataError, held_out

_IMAGES = re.compile(r"images[-.]idx3", re.IGNORECASE)
_TEST = re.compile(r"t10k|test", re.IGNORECASE)
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
    parts = {s: [p for p in files if bool(_TEST.search(p.name)) == (s == "test")] for s in
             ("train", "test")}  # fmt: skip
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
    """The bytes of an IDX file as an array with so many axes."""
    content = _content(path)
    magic = b"\0\0\x08" + bytes([dims])
    if content[:4] != magic:
        raise DataError(
            f"{path}: begins with {content[:4].hex(' ') or 'nothing'}, but an IDX file of "
            f"{'images' if dims == 3 else 'labels'} with {magic.hex(' ')}; is it the right file?"
        )
    header = 4 + 4 * dims
    if len(content) < header:
        raise DataError(f"{path}: ends within its header, after {len(content)} bytes")
    shape = struct.unpack(f">{dims}I", content[4:header])
    needed = header + int(np.prod(shape, dtype=np.int64))
    if len(content) < needed:
        raise DataError(
            f"{path}: is too short: {shape} needs {needed:,} bytes, there are {len(content):,}; "
            "copy or download it again"
        )
    if not shape[0]:
        raise DataError(f"{path}: holds no items")
    return np.frombuffer(content, np.uint8, needed - header, header).reshape(shape)


def _content(path):
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except EOFError:
        raise DataError(f"{path}: the gzip file is truncated; copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
