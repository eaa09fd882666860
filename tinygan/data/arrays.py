"""`.npy` and `.npz` files, mapped into memory where they are not compressed.

Images (N, H, W), (N, H, W, C) or (N, C, H, W), C = 1 or 3, as bytes or as floats in [0, 1] or
[-1, 1]; or points (N, 2). An archive's array is called x, images, data or arr_0, its labels y or
labels; or x_train, y_train, x_test, y_test.
"""

from pathlib import Path

import numpy as np

from ..io import open_file
from .dataset import ArrayDataset, DataError, finite, held_out, not_finite
from .limits import require_memory
from .numpy_files import read_npy, read_npz

_X = ("x", "images", "data", "arr_0")
_Y = ("y", "labels", "label", "arr_1")
_MOST_CLASSES = 1_000_000
_LOOKED_AT = 256  # images of a large mapped array, to find out their range


def arrays(
    path: Path, split: str, size=None, n=None, channels=None, skip_damaged=False
) -> ArrayDataset:
    """The data set in a `.npy` or `.npz` file; without a test part of its own it is divided.

    `skip_damaged` leaves out items that hold NaN or infinity.
    """
    x, label, own = _found(path, split)
    x = _images_first(path, x)
    label = None if label is None else _whole(path, label)
    require_memory(path, 8 * len(x))  # the numbers of the items; these may stay on the disk
    rows = (np.arange(len(x)) if own else held_out(len(x), split))[:n]
    bad = not_finite(x, rows) if skip_damaged else rows[:0]
    rows = np.setdiff1d(rows, bad)
    if not len(rows):
        raise DataError(f"{path}: all of its {len(bad):,} items hold NaN or infinity")
    more = {
        "split": split, "size": size if x.ndim == 4 else None, "channels": channels, "rows": rows,
        "lazy": isinstance(x, np.memmap), "source": path,
    }  # fmt: skip
    if x.ndim == 4 and x.dtype.kind == "f":
        data = _FloatImages(path.stem, x, label, **more)
    else:
        data = ArrayDataset(path.stem, x, label, **more)
    data.skipped = tuple(f"{path}: item {i} holds NaN or infinity" for i in bad)
    return data


class _FloatImages(ArrayDataset):
    """Floats in [-1, 1], or in [0, 1], which become -1…1: which, all images tell, or some of
    those in a large mapped file.
    """

    def __init__(self, name, x, label, **more):
        super().__init__(name, x, label, **more)
        self._lowest = -1.0
        some = x if self._looked_through else x[:: max(len(x) // _LOOKED_AT, 1)]
        pieces = (some[i : i + _LOOKED_AT] for i in range(0, len(some), _LOOKED_AT))
        lows = [self._require_range(piece[finite(piece)]) for piece in pieces]
        self._lowest = 0.0 if min(lows) >= 0 else -1.0

    def _require_range(self, x):
        """The smallest number of x, if all are in the range."""
        low, high = float(x.min(initial=np.inf)), float(x.max(initial=-np.inf))
        if self._lowest - 0.001 <= low and high <= 1.001:
            return low
        if self._lowest == 0 and high <= 1.001:
            which = f"in [0, 1], as those did that were looked at first; these begin at {low:.4g}"
        else:
            which = f"in [0, 1] or [-1, 1], these reach from {low:.4g} to {high:.4g}"
        raise DataError(
            f"{self.source}: float images must lie {which}; divide them, or store bytes"
        )

    def _converted(self, x):
        self._require_range(x)
        x = x.astype(np.float32)
        return super()._converted(x * 2 - 1 if self._lowest == 0 else x)


def _found(path, split):
    """The items, the labels or None, and whether both are of that split alone."""
    if _is_npy(path):
        return read_npy(path), None, False
    arrays = read_npz(path, lambda names: _choice(path, split, names))
    return *[*arrays.values(), None][:2], f"x_{split}" in arrays


def _choice(path, split, names):
    """What the items are called in an archive and, if it has them, the labels."""
    own = f"x_{split}" in names
    x = next((name for name in ((f"x_{split}",) if own else _X) if name in names), None)
    y = next((name for name in ((f"y_{split}",) if own else _Y) if name in names), None)
    if x is None:
        raise DataError(f"{path}: holds {', '.join(names) or 'nothing'}; call the images 'x'")
    return [x] if y is None else [x, y]


def _is_npy(path):
    with open_file(path) as file:
        return file.read(6) == b"\x93NUMPY"


def _images_first(path, x):
    if x.dtype != np.uint8 and x.dtype.kind != "f":
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


def _whole(path, label):
    """Labels (N,) or (N, 1) as int64 (N,)."""
    if label.ndim == 2 and label.shape[1] == 1:
        label = label[:, 0]
    if label.ndim != 1:
        raise DataError(
            f"{path}: labels must be whole numbers (N,), one for each item, not of shape "
            f"{label.shape}; of one-hot rows take argmax(1)"
        )
    if label.dtype.kind not in "iu":
        raise DataError(f"{path}: labels must be whole numbers from 0, they are {label.dtype}")
    if label.min() < 0 or label.max() >= _MOST_CLASSES:
        raise DataError(
            f"{path}: labels must be whole numbers from 0 to {_MOST_CLASSES - 1:,}, these reach "
            f"from {label.min()} to {label.max()}"
        )
    return label.astype(np.int64)
