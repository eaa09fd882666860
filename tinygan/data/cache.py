"""Generated data kept on disk, so that it is made once.

A file holds a SHA-256 of its content, then the content: an uncompressed `.npz`. Its name says what
it holds and by which version of the generator. A cache is never needed: if the folder cannot be
written, or a file is damaged, the data are made again.
"""

import contextlib
import hashlib
import io
import os
from pathlib import Path

import numpy as np

from ..io import open_file, write_atomically

_DIGEST = 32


def folder() -> Path:
    """`$TINYGAN_CACHE`, else `~/.cache/tinygan`."""
    given = os.environ.get("TINYGAN_CACHE")
    return Path(given) if given else Path(os.path.expanduser("~")) / ".cache" / "tinygan"


def cached(name: str, make) -> dict[str, np.ndarray]:
    """The arrays that are kept under `name`, else those of `make()`, which are then kept."""
    path = folder() / f"{name}.cache"
    arrays = _read(path)
    if arrays is None:
        arrays = make()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _packed(arrays))
    return arrays


def _packed(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def _read(path):
    """The arrays of a whole file; None where there is none or it is damaged."""
    try:
        with open_file(path) as file:
            packed = memoryview(file.read())
    except (OSError, MemoryError):
        return None
    digest, content = packed[:_DIGEST], packed[_DIGEST:]
    if len(packed) <= _DIGEST or hashlib.sha256(content).digest() != digest:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)
