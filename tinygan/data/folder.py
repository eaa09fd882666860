"""A folder of pictures, decoded when they are needed, so that it may be larger than memory."""

import os
from collections import Counter
from pathlib import Path

import numpy as np

from .dataset import DataError, Dataset, held_out, scaled
from .picture import decode

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_SPLITS = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}
_PROBES = 16  # pictures that are looked at when the folder is opened


class FolderDataset(Dataset):
    """Pictures of a folder and those below it, in the order of their names.

    With `size`, each is cropped to its central square (of `crop` pixels, if given) and resized;
    without, all must be equal in size. All must be grey (one channel) or all in colour (three),
    unless `channels` says which they become. Folders `train` and `test` (or `val`) are the splits,
    else a tenth is held out. If all pictures lie in two or more folders, these are their classes.
    """

    def __init__(
        self, path, split="train", size=None, n=None, channels=None, crop=None, skip_bad=False
    ):
        if channels not in (None, 1, 3):
            raise DataError(f"{path}: channels must be 1 (grey) or 3 (colour), got {channels!r}")
        if crop and not size:
            raise DataError(f"{path}: crop={crop} needs size as well: what the crop is resized to")
        self.name, self.split = Path(path).resolve().name, split
        self._size, self._channels, self._crop = size, channels, crop
        base, divided = _part(Path(path), split)
        self._files = pictures(base)
        if not self._files:
            raise DataError(f"{base}: holds no pictures; {_contents(base)}")
        labels = self._classes(base)
        if divided:
            rows = held_out(len(self._files), split)
            self._files = [self._files[i] for i in rows]
            labels = None if labels is None else labels[rows]
        self._files, self._labels = self._files[:n], labels
        self._model = None
        self._look(skip_bad)

    def __len__(self):
        return len(self._files)

    def batch(self, indices):
        indices = np.asarray(indices)
        out = {"x": scaled(np.stack([self._picture(self._files[i]) for i in indices]))}
        if self._labels is not None:
            out["label"] = self._labels[indices]
        return out

    def _classes(self, base):
        """Each file's folder as its class, if there are two or more and no file outside."""
        places = [file.relative_to(base).parts for file in self._files]
        names = sorted({parts[0] for parts in places if len(parts) > 1})
        if len(names) < 2 or any(len(parts) == 1 for parts in places):
            return None
        self.class_names, self.classes = tuple(names), len(names)
        number = {name: i for i, name in enumerate(names)}
        return np.array([number[parts[0]] for parts in places], np.int64)

    def _look(self, skip_bad):
        """Take the shape from the first picture, and look at some more, to complain early."""
        error = None
        for i in range(0, len(self), 1 if skip_bad else max(len(self) // _PROBES, 1)):
            try:
                self._picture(self._files[i])
            except DataError as reason:
                if not skip_bad:
                    raise
                error = reason
            if skip_bad and self._model is not None:
                return
        if self._model is None:
            raise DataError(f"{self.name}: none of {len(self):,} pictures can be read; {error}")

    def _picture(self, path):
        """uint8 (C, H, W), of the same shape as the first."""
        pixels = decode(path, self._channels, self._size, self._crop)
        if self._model is None:
            self._model, self.shape = path.name, pixels.shape
        if pixels.shape[0] != self.shape[0]:
            kinds = {1: "grey", 3: "in colour"}
            raise DataError(
                f"{path}: is {kinds[len(pixels)]}, but {self._model} is {kinds[self.shape[0]]}; "
                "say channels=3 or channels=1 to make all alike, or skip_bad=True to leave it out"
            )
        if pixels.shape != self.shape:
            (_, height, width), (_, first_height, first_width) = pixels.shape, self.shape
            raise DataError(
                f"{path}: is {width}×{height}, but {self._model} is {first_width}×{first_height}; "
                "say size=64 or so to crop and resize all"
            )
        return pixels


def pictures(folder: Path) -> list[Path]:
    """The files below a folder that are called like pictures, hidden ones left out, in order."""
    return sorted(_walk(folder))


def has_pictures(folder: Path) -> bool:
    return next(_walk(folder), None) is not None


def _walk(folder):
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(place, name)


def _part(path, split):
    """The folder of that split, and whether the pictures must be divided instead."""
    found = {}
    for part, names in _SPLITS.items():
        found[part] = next((path / n for n in names if (path / n).is_dir()), None)
    if found["train"] and found["test"]:
        return found[split], False
    return path, True


def _contents(folder):
    kinds = Counter(p.suffix.lower() or "no suffix" for p in folder.rglob("*") if p.is_file())
    seen = ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common(4))
    return f"looked for {' '.join(SUFFIXES)}, found {seen or 'nothing'}"
