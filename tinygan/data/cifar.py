"""CIFAR-10's binary version: records of one byte for the class and 3·32·32 for the picture."""

from pathlib import Path

import numpy as np

from .dataset import ArrayDataset, DataError, held_out

_RECORD = 1 + 3 * 32 * 32
NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def find(folder: Path) -> list[Path]:
    """The batches in a folder or one below."""
    return sorted(
        p for pattern in ("", "*/") for name in ("data_batch_*.bin", "test_batch.bin")
        for p in folder.glob(pattern + name)
    )  # fmt: skip


def is_cifar(path: Path) -> bool:
    """Whether a file looks like a batch: whole records, whose first bytes are classes."""
    size = path.stat().st_size
    if path.suffix != ".bin" or not size:
        return False
    return path.name.startswith(("data_batch", "test_batch")) or size % _RECORD == 0


def cifar(
    path: Path, split: str, size=None, n=None, channels=None, skip_damaged=False
) -> ArrayDataset:
    """The data set in a folder of batches, or in one file, which is divided."""
    files = [path] if path.is_file() else find(path)
    test = [p for p in files if p.name.startswith("test")]
    train = [p for p in files if p not in test]
    divided = not (test and train)
    files = files if divided else {"train": train, "test": test}[split]
    records = np.concatenate([_read(p) for p in files])
    rows = held_out(len(records), split) if divided else np.arange(len(records))
    return ArrayDataset(
        path.resolve().name, records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64),
        split=split, class_names=NAMES, size=size, channels=channels, rows=rows[:n],
    )  # fmt: skip


def _read(path):
    content = np.fromfile(path, np.uint8)
    if len(content) == 0 or len(content) % _RECORD:
        raise DataError(
            f"{path}: has {len(content):,} bytes, which is no multiple of CIFAR-10's records of "
            f"{_RECORD}; it is truncated or something else"
        )
    records = content.reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        raise DataError(f"{path}: holds a class {records[:, 0].max()}, but CIFAR-10 has 0…9")
    return records
