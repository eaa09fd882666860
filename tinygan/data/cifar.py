"""CIFAR-10's binary version: records of one byte for the class and 3·32·32 for the picture."""

import os
from pathlib import Path

import numpy as np

from ..io import open_file
from .dataset import ArrayDataset, DataError, held_out
from .limits import reserve

_RECORD = 1 + 3 * 32 * 32
NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def find(folder: Path) -> list[Path]:
    """The batches in a folder or one below."""
    return sorted(
        p
        for pattern in ("", "*/")
        for name in ("data_batch_*.bin", "test_batch.bin")
        for p in folder.glob(pattern + name)
    )


def is_cifar(path: Path) -> bool:
    """Whether a file looks like a batch: whole records, whose first bytes are classes."""
    size = path.stat().st_size
    if path.suffix != ".bin" or not size:
        return False
    return path.name.startswith(("data_batch", "test_batch")) or size % _RECORD == 0


def cifar(
    path: Path, split: str, size=None, n=None, channels=None, skip_damaged=False
) -> ArrayDataset:
    """The data set in a folder of batches, or in one file, which is divided. `skip_damaged` leaves
    out records of no class, and what is left of a record at the end of a file.
    """
    files = [path] if path.is_file() else find(path)
    test = [p for p in files if p.name.startswith("test")]
    train = [p for p in files if p not in test]
    divided = not (test and train)
    files = files if divided else {"train": train, "test": test}[split]
    records, skipped = _read(path, files, skip_damaged)
    rows = (held_out(len(records), split) if divided else np.arange(len(records)))[:n]
    good = records[rows, 0] < len(NAMES)
    data = ArrayDataset(
        path.resolve().name, records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0],
        split=split, class_names=NAMES, size=size, channels=channels, rows=rows[good], source=path,
    )  # fmt: skip
    data.skipped = (*skipped, *(f"{path}: record {i} is of no class" for i in rows[~good]))
    return data


def _read(path, files, skip_damaged):
    """The whole records of all files, and what of them is no record."""
    try:
        sizes = [os.path.getsize(file) for file in files]
        skipped = [_rest(*pair) for pair in zip(files, sizes) if _rest(*pair)]
        if skipped and not skip_damaged:
            raise DataError(skipped[0])
        counts = [size // _RECORD for size in sizes]
        records, at = reserve(path, (sum(counts), _RECORD), np.uint8), 0
        for name, count in zip(files, counts):
            part, at = records[at : at + count], at + count
            with open_file(name) as file:
                if file.readinto(part.reshape(-1)) < part.size:
                    raise DataError(f"{name}: ended while it was read")
            wrong = np.flatnonzero(part[:, 0] >= len(NAMES))
            if len(wrong) and not skip_damaged:
                raise DataError(
                    f"{name}: holds a class {part[wrong[0], 0]}, but CIFAR-10 has 0…9, in record "
                    f"{wrong[0]:,} and {len(wrong) - 1:,} others"
                )
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read ({error.strerror})") from None
    if not len(records):
        raise DataError(f"{path}: holds no whole record of {_RECORD} bytes")
    return records, skipped


def _rest(file, size):
    """What is wrong with the size of a file, if it is."""
    if size and size % _RECORD == 0:
        return ""
    return (
        f"{file}: has {size:,} bytes, which is no multiple of CIFAR-10's records of {_RECORD}; it "
        "is truncated or something else"
    )
