"""What every data set is: a length, a shape, and batches made from indices.

A data set is a pure function from indices to arrays. It has no position and draws no random numbers
when it is read, so that a loader can read it ahead, twice, or from several threads.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..io import printable
from .resize import central_square, resize

SPLITS = ("train", "test")
_SMALL = 2**28  # bytes of a mapped array that is looked through when it is opened
_PIECE = 256  # rows that are checked at once
_HELD_OUT = 10  # where the files name no test set, every tenth item is kept for it


class DataError(ValueError):
    """Data that cannot be used; the message names the file and says why."""

    def __init__(self, message: str):
        super().__init__(printable(message))


class Dataset:
    """The interface of all data sets.

    `name`; `split`; `shape`, (C, H, W) for images and (2,) for points; `classes`, their number, or
    None; `class_names`. `lazy` says that a batch costs reading or decoding files, which a loader
    then does ahead in threads. `skipped` has a line for each item that `skip_damaged` left out.
    """

    name, split, shape = "", "train", ()
    skipped: tuple[str, ...] = ()
    classes: int | None = None
    class_names: tuple[str, ...] | None = None
    lazy = True
    files: Sequence[Path] = ()  # where each item is a file, all of them in the order of items
    judge: str | None = None  # the judge in `tinygan.metrics` that knows this data

    def __len__(self) -> int:
        raise NotImplementedError

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """`{"x": float32 (N, *shape)}`, images in [-1, 1]; `"label"`, int64 (N,), if there are
        classes; and what else the data set knows of its items, such as `"factors"`.
        """
        raise NotImplementedError

    def take(self, n: int) -> dict[str, np.ndarray]:
        """A batch of `n` items spread evenly over the set; of all, if there are not so many."""
        n = min(n, len(self))
        return self.batch(np.arange(n, dtype=np.int64) * len(self) // max(n, 1))

    def __repr__(self):
        classes = f", {self.classes} classes" if self.classes else ""
        skipped = f", {len(self.skipped):,} damaged left out" if self.skipped else ""
        return f"<{self.name}, {self.split}: {len(self):,} of {self.shape}{classes}{skipped}>"


class ArrayDataset(Dataset):
    """A data set in arrays: in memory, or mapped from a file (then pass `lazy=True`).

    x: uint8 images (N, C, H, W), or floats, which are kept as they are. `size` crops images to
    their central square and resizes it; `channels`, 1 or 3, makes them grey or gives them three
    channels; `rows` says which rows belong to the set, else all. `source` is what messages call the
    data, such as a file's path. `more` holds further columns of N rows each. NaN and infinity are
    refused: at once, or in large mapped data when they are met.

    >>> data = ArrayDataset("two", np.array([[[[0]]], [[[255]]]], np.uint8))
    >>> data.batch([1, 0])["x"].ravel().tolist()
    [1.0, -1.0]
    """

    def __init__(
        self, name, x, label=None, *, split="train", class_names=None, lazy=False, size=None,
        channels=None, rows=None, source=None, **more,
    ):  # fmt: skip
        self.source = printable(source or name)
        if channels is not None and (channels not in (1, 3) or x.ndim != 4):
            raise DataError(
                f"{name}: channels={channels!r} is for pictures (N, C, H, W), 1 for grey or 3 for "
                f"colour; these data have the shape {tuple(x.shape)}"
            )
        self.name, self.split, self.lazy = printable(name), split, lazy
        columns = {"x": x, "label": label, **more}
        self._columns = {key: array for key, array in columns.items() if array is not None}
        for key, array in self._columns.items():
            if len(array) != len(x):
                raise DataError(
                    f"{self.source}: {len(x):,} items, but {len(array):,} rows of {key!r}"
                )
        self._looked_through = not lazy or x.nbytes <= _SMALL
        if self._looked_through:
            self._refuse(not_finite(x, np.arange(len(x)) if rows is None else rows))
        self._size, self._channels, self._rows = size, channels, rows
        self.shape = tuple(map(int, x.shape[1:]))
        if len(self.shape) == 3:
            self.shape = (channels or self.shape[0], *((size, size) if size else self.shape[1:]))
        if class_names is not None:
            self.class_names = tuple(map(printable, class_names))
            self.classes = len(self.class_names)
        elif label is not None:
            self.classes = int(label.max()) + 1 if len(label) else 0

    def __len__(self):
        return len(self._columns["x"] if self._rows is None else self._rows)

    def batch(self, indices):
        indices = np.asarray(indices)
        rows = indices if self._rows is None else self._rows[indices]
        out = {key: np.asarray(array[rows]) for key, array in self._columns.items()}
        if not self._looked_through:
            self._refuse(rows[~finite(out["x"])])
        out["x"] = self._converted(out["x"])
        if "label" in out:
            out["label"] = out["label"].astype(np.int64, copy=False)
        return out

    def _refuse(self, rows):
        """Refuse rows that are not finite, if there are any."""
        if len(rows):
            where = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
            raise DataError(
                f"{self.source}: NaN or infinity in {len(rows):,} of the items, number {where}; "
                "mend them, or leave them out with skip_damaged=True (--skip-damaged)"
            )

    def _converted(self, x):
        x = in_channels(scaled(x), self._channels)
        return resize(central_square(x), self._size) if self._size else x


def scaled(x: np.ndarray) -> np.ndarray:
    """float32; bytes 0…255 become -1…1."""
    if x.dtype != np.uint8:
        return x.astype(np.float32, copy=False)
    out = x.astype(np.float32)
    out /= np.float32(127.5)
    out -= 1
    return out


def finite(x: np.ndarray) -> np.ndarray:
    """For each row whether float32 can hold all its numbers, and none is NaN."""
    if x.dtype.kind != "f":
        return np.ones(len(x), bool)
    with np.errstate(over="ignore"):
        return np.isfinite(x.astype(np.float32, copy=False)).all(tuple(range(1, x.ndim)))


def not_finite(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those of the rows that are not finite, looked at piece by piece."""
    if x.dtype.kind != "f":
        return rows[:0]
    pieces = [rows[i : i + _PIECE] for i in range(0, len(rows), _PIECE)]
    return np.concatenate([rows[:0], *(piece[~finite(x[piece])] for piece in pieces)])


def in_channels(x: np.ndarray, channels: int | None) -> np.ndarray:
    """(N, C, H, W) → (N, channels, H, W): grey is repeated, colour becomes its brightness
    0.299 R + 0.587 G + 0.114 B.
    """
    if channels in (None, x.shape[1]):
        return x
    if channels == 3:
        return np.repeat(x, 3, axis=1)
    return np.einsum("nchw,c->nhw", x, np.array([0.299, 0.587, 0.114], x.dtype))[:, None]


def held_out(n: int, split: str) -> np.ndarray:
    """Indices of the training part, or of the test part, of files that name no test set.

    The test part is a tenth, drawn in the same way in every run, whatever its seed, so that no run
    has trained on another's test images. A set of fewer than 20 is not divided.
    """
    if n < 2 * _HELD_OUT:
        return np.arange(n)
    order = np.random.Generator(np.random.SFC64(n)).permutation(n)
    cut = n // _HELD_OUT
    return np.sort(order[:cut] if split == "test" else order[cut:])
