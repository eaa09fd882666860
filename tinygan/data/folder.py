"""A folder of pictures, decoded when they are needed, so that it may be larger than memory."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

from .dataset import DataError, Dataset, held_out, scaled

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_SPLITS = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}
_GREY = ("1", "L", "LA", "I;16", "I")
_PROBES = 16  # pictures that are looked at when the folder is opened


class FolderDataset(Dataset):
    """Pictures of a folder and those below it, in the order of their names.

    With `size`, each is cropped to its central square (of `crop` pixels, if given) and resized;
    without, all must be equal in size. All must be grey (one channel) or all in colour (three),
    unless `channels` says which they become. Transparency becomes white. Folders `train` and `test`
    (or `val`) are the splits, else a tenth is held out. If all pictures lie in two or more folders,
    these are their classes.
    """

    def __init__(self, path, split="train", size=None, channels=None, crop=None, n=None,
                 skip_bad=False):  # fmt: skip
        if channels not in (None, 1, 3):
            raise DataError(f"{path}: channels must be 1 or 3, got {channels!r}")
        self.folder, self.split, self.name = Path(path), split, Path(path).resolve().name
        self._size, self._crop, self._channels = size, crop, channels
        self._files, own = _listed(self.folder, split)
        if not own:
            self._files = [self._files[i] for i in held_out(len(self._files), split)]
        self._labels = self._classes(self.folder / own)
        self._files = self._files[:n]
        self._look(skip_bad)

    def __len__(self):
        return len(self._files)

    def file(self, index: int) -> Path:
        return self._files[index]

    def batch(self, indices):
        indices = np.asarray(indices)
        out = {"x": scaled(np.stack([self._decoded(self._files[i]) for i in indices]))}
        if self._labels is not None:
            out["label"] = self._labels[indices]
        return out

    def _classes(self, base):
        """Each file's folder as its class, if there are two or more and no file outside."""
        first = [file.relative_to(base).parts for file in self._files]
        names = sorted({parts[0] for parts in first if len(parts) > 1})
        if len(names) < 2 or any(len(parts) == 1 for parts in first):
            return None
        self.class_names, self.classes = tuple(names), len(names)
        number = {name: i for i, name in enumerate(names)}
        return np.array([number[parts[0]] for parts in first], np.int64)

    def _look(self, skip_bad):
        """Find the shape from the first picture, and look at some others for early complaints."""
        self.shape, error = None, None
        step = max(len(self) // _PROBES, 1)
        for i in range(0, len(self), 1 if skip_bad else step):
            try:
                picture = self._decoded(self._files[i])
            except DataError as reason:
                error = reason
                if not skip_bad:
                    raise
                continue
            if self.shape is None:
                self.shape = picture.shape
                self._first = self._files[i].name
            if skip_bad:
                return
        if self.shape is None:
            raise DataError(f"{self.folder}: none of {len(self):,} pictures can be read; {error}")

    def _decoded(self, path):
        """One picture, uint8 (C, H, W)."""
        pil = import_module("PIL.Image")
        try:
            with pil.open(path) as image:
                image.load()
                image = import_module("PIL.ImageOps").exif_transpose(image)
                grey = image.mode in _GREY
                self._check_mode(path, image.mode, grey)
                channels = self._channels or (1 if grey else 3)
                image = _plain(pil, image, channels)
        except (OSError, SyntaxError, ValueError, pil.DecompressionBombError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path}: {_reason(pil, path, error)}") from None
        pixels = np.asarray(self._sized(pil, image)).reshape(-1, *_sides(self, image))
        return self._check_size(path, _channels_first(pixels, channels))
