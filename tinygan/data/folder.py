"""A folder of pictures, decoded when they are needed, so that it may be larger than memory."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np

from ..backend.cpu import get_num_threads
from ..io import printable
from .dataset import DataError, Dataset, held_out, scaled
from .picture import decode

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_SPLITS = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}
_PROBES = 16  # pictures that are looked at when the folder is opened
_PIECE = 1024  # pictures that are queued at once when all are looked at


class FolderDataset(Dataset):
    """Pictures of a folder and those below it, in the order of their names.

    With `size`, each is cropped to its central square (of `crop` pixels, if given) and resized;
    without, all must be equal in size. All must be grey (one channel) or all in colour (three),
    unless `channels` says which they become. Folders `train` and `test` (or `val`) are the splits,
    else a tenth is held out. If all pictures lie in two or more folders, these are their classes.
    `n` takes the first so many.

    `skip_damaged` decodes every picture once at the beginning and leaves out those that cannot be
    read, and those whose shape is not the one that most have; `skipped` names them. Splits and
    classes are as if they were there.
    """

    def __init__(
        self, path, split="train", size=None, n=None, channels=None, crop=None, skip_damaged=False
    ):
        if channels not in (None, 1, 3):
            raise DataError(f"{path}: channels must be 1 (grey) or 3 (colour), got {channels!r}")
        if crop and not size:
            raise DataError(f"{path}: crop={crop} needs size as well: what the crop is resized to")
        self.name, self.split = printable(Path(path).resolve().name), split
        self._how = {"channels": channels, "size": size, "crop": crop}
        parts = _parts(Path(path))
        base = parts.get(split, Path(path))
        files = pictures(base)
        if not files:
            raise DataError(f"{base}: holds no pictures; {_contents(base)}")
        names = _classes({base: files, **{p: pictures(p) for p in parts.values() if p != base}})
        rows = np.arange(len(files)) if parts else held_out(len(files), split)
        self.files = [files[i] for i in rows[:n]]
        if skip_damaged:
            self._keep_readable(base)
        self._labels = None
        if names:
            self.class_names, self.classes = tuple(map(printable, names)), len(names)
            kinds = [names.index(_kind(base, file)) for file in self.files]
            self._labels = np.array(kinds, np.int64)
        self._model = self.files[0]
        self.shape = decode(self._model, **self._how).shape
        for file in self.files[:: max(len(self) // _PROBES, 1)]:  # to complain early
            self._picture(file)

    def __len__(self):
        return len(self.files)

    def batch(self, indices):
        indices = np.asarray(indices)
        out = {"x": scaled(np.stack([self._picture(self.files[i]) for i in indices]))}
        if self._labels is not None:
            out["label"] = self._labels[indices]
        return out

    def _keep_readable(self, base):
        """Leave out, and note in `skipped`, what cannot be read or has not the usual shape."""
        looks = []
        with ThreadPoolExecutor(get_num_threads(), thread_name_prefix="tinygan-data") as pool:
            for i in range(0, len(self), _PIECE):
                looks += pool.map(_look, self.files[i : i + _PIECE], repeat(self._how))
        shapes = Counter(look for look in looks if isinstance(look, tuple))
        if not shapes:
            raise DataError(f"{base}: none of {len(self):,} pictures can be read; {looks[0]}")
        usual, count = shapes.most_common(1)[0]
        kept, skipped = [], []
        for file, look in zip(self.files, looks):
            if look == usual:
                kept.append(file)
            elif isinstance(look, tuple):
                skipped.append(f"{file}: is {_said(look)}; {count:,} others are {_said(usual)}")
            else:
                skipped.append(look)
        self.files, self.skipped = kept, tuple(map(printable, skipped))

    def _picture(self, path):
        """uint8 (C, H, W), of the same shape as the first."""
        pixels = decode(path, **self._how)
        if pixels.shape != self.shape:
            fix = "size=64 or so (--size) to crop and resize all"
            if pixels.shape[0] != self.shape[0]:
                fix = "channels=3 or channels=1 (--channels) to make all alike"
            raise DataError(
                f"{path}: is {_said(pixels.shape)}, but {self._model.name} is {_said(self.shape)}; "
                f"say {fix}, or skip_damaged=True (--skip-damaged) to leave it out"
            )
        return pixels


def _look(file, how):
    """The shape of a picture, or why it cannot be read."""
    try:
        return decode(file, **how).shape
    except DataError as reason:
        return str(reason)


def _said(shape):
    channels, height, width = shape
    return f"{width}×{height} {'grey' if channels == 1 else 'in colour'}"


# -- what lies where -------------------------------------------------------------------------------


def pictures(folder: Path) -> list[Path]:
    """The files below a folder that are called like pictures, hidden ones left out, in order."""
    return sorted(_walk(folder))


def has_pictures(folder: Path) -> bool:
    return next(_walk(folder), None) is not None


def _walk(folder):
    """Each real folder's pictures once: links to folders are followed last, and only to where
    nobody was yet.
    """
    seen, waiting = set(), [str(folder)]
    while waiting:
        for place, folders, files in os.walk(waiting.pop(0), onerror=_refuse):
            real = os.stat(place)
            if (real.st_dev, real.st_ino) in seen:
                folders.clear()
                continue
            seen.add((real.st_dev, real.st_ino))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = [os.path.join(place, name) for name in folders]
            waiting += [path for path in below if os.path.islink(path)]
            for name in files:
                if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                    yield Path(place, name)


def _refuse(error):
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})")


def _parts(path):
    """The folders of both splits, if there are such folders."""
    found = {}
    for part, names in _SPLITS.items():
        found[part] = next((path / n for n in names if (path / n).is_dir()), None)
    return found if found["train"] and found["test"] else {}


def _kind(base, file):
    """The name of the folder in `base` that a file lies in; None for a file outside of any."""
    parts = file.relative_to(base).parts
    return parts[0] if len(parts) > 1 else None


def _classes(found):
    """The names of the classes, if there are two or more folders and no file outside of them;
    `found` are the files of each split, which may lack some class.
    """
    kinds = {_kind(base, file) for base, files in found.items() for file in files}
    return [] if len(kinds) < 2 or None in kinds else sorted(kinds)


def _contents(folder):
    kinds = Counter(p.suffix.lower() or "no suffix" for p in folder.rglob("*") if p.is_file())
    seen = ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common(4))
    return f"looked for {' '.join(SUFFIXES)}, found {seen or 'nothing'}"
