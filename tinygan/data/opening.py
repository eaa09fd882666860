"""`open`: a data set from a name or a path; what a path holds is found out from its content."""

import difflib
from pathlib import Path

from . import cifar, idx, mixtures, pairs, web
from .arrays import arrays
from .dataset import SPLITS, DataError, Dataset
from .digits import digits
from .folder import FolderDataset, has_pictures
from .picture import decode
from .shapes import shapes

NAMES = (*mixtures.NAMES, "digits", "shapes", *pairs.NAMES)
_FORMATS = (
    "a folder with MNIST's IDX files or CIFAR-10's .bin files, a folder of pictures, an IDX file, "
    "a .npy or a .npz file"
)


def open(
    spec, split="train", size=None, channels=None, skip_damaged=False, *, seed=0, n=None, crop=None
) -> Dataset:
    """A data set by its name, one of `NAMES`, or from a path.

    `split` is "train" or "test" (for shapes also "heldout"); `size` the side of images in pixels,
    by default 32 for those that are drawn and as they are for files; `seed` that of drawn data; `n`
    limits or sets the number of items. For files `channels`, 1 or 3, makes all pictures grey or
    gives all three channels, and `skip_damaged` leaves out items that cannot be used: the data
    set's `skipped` says which and why. A folder of pictures also takes `crop`, in pixels. "mnist",
    "fashion-mnist" and "cifar10" are looked for where `download` puts them.

    >>> open("digits", "test", size=28, n=10)
    <digits, test: 10 of (1, 28, 28), 10 classes>
    """
    spec, shown = str(spec), repr(str(spec))
    splits = (*SPLITS, "heldout") if spec == "shapes" or spec in pairs.OF_SHAPES else SPLITS
    if split not in splits:
        raise DataError(f"open({shown}): split must be one of {', '.join(splits)}; got {split!r}")
    if size is not None and (not isinstance(size, int) or size < 8):
        raise DataError(f"open({shown}): size must be a whole number of at least 8, got {size!r}")
    if n is not None and n < 1:
        raise DataError(f"open({shown}): n must be at least 1, got {n}")
    if channels not in (None, 1, 3):
        raise DataError(f"open({shown}): channels must be 1 (grey) or 3 (colour), got {channels!r}")
    if spec in NAMES:
        for_files = {"channels": channels, "skip_damaged": skip_damaged, "crop": crop}
        if given := [name for name, value in for_files.items() if value]:
            raise DataError(f"open({shown}): {given[0]!r} is for files, but {spec} is drawn")
        return _drawn(spec, split, size, seed, n)
    more = {"size": size, "n": n, "channels": channels, "skip_damaged": skip_damaged}
    return _from_path(_path(spec), split, crop, more)


def _drawn(name, split, size, seed, n):
    if name in mixtures.NAMES:
        return mixtures.points(name, split, seed, n)
    make = {"digits": digits, "shapes": shapes}.get(name)
    return make(split, size, seed, n) if make else pairs.pair(name, split, size, seed, n)


def _path(spec):
    if spec in web.SOURCES and not Path(spec).exists():
        folder = web.place(spec)
        if folder.is_dir() and any(folder.iterdir()):
            return folder
        raise DataError(
            f'{spec}: is not here yet. With internet: python -c "import tinygan.data as d; '
            f"d.download('{spec}')\"; {web.by_hand(spec, folder)}"
        )
    try:
        path = Path(spec).expanduser()
        if path.exists():
            return path
    except (OSError, RuntimeError) as error:  # no permission, too long a name, nobody's home
        raise DataError(f"{spec}: cannot be read ({error})") from None
    near = difflib.get_close_matches(spec, (*NAMES, *web.SOURCES), 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise DataError(
        f"{spec}: no data set has this name, and there is no such file or folder; {hint}names: "
        f"{', '.join((*NAMES, *web.SOURCES))}; paths: {_FORMATS}"
    )


def _from_path(path, split, crop, options):
    if path.is_dir():
        if idx.find(path):
            kind = idx.idx
        elif cifar.find(path):
            kind = cifar.cifar
        elif has_pictures(path):
            return FolderDataset(path, split, crop=crop, **options)
        else:
            _refuse_folder(path)
    else:
        kind = _kind(path)
    if crop:
        raise DataError(f"{path}: crop={crop} is for folders of pictures")
    return kind(path, split, **options)


def _kind(path):
    """The reader of a file, by its first bytes."""
    with idx.unpacked(path) as file:
        start = file.read(8)
    if idx.is_idx(start):
        return idx.idx
    if start.startswith((b"\x93NUMPY", b"PK")):
        return arrays
    if cifar.is_cifar(path):
        return cifar.cifar
    raise DataError(f"{path}: {_what_else(path, start)}; expected {_FORMATS}")


def _refuse_folder(path):
    found = sorted(p.name for p in path.iterdir())
    if any(name.startswith("data_batch_") and "." not in name for name in found):
        raise DataError(
            f"{path}: holds CIFAR-10's Python version, pickles, which are never loaded; get "
            f"{web.SOURCES['cifar10'][0]}cifar-10-binary.tar.gz"
        )
    arrays_here = [name for name in found if name.endswith((".npy", ".npz"))]
    if arrays_here:
        raise DataError(f"{path}: is a folder; give the file itself, as {path / arrays_here[0]}")
    what = f"found {', '.join(found[:5])}" if found else "it is empty"
    raise DataError(f"{path}: holds no data: {what}; expected {_FORMATS}")


def _what_else(path, start):
    if not start:
        return "is empty"
    if start[:4] in (b"\0\0\x08\x01", b"\0\0\x08\x02"):
        return "is an IDX file, but not of images; give the file of images or their folder"
    try:
        decode(path)
    except DataError:
        return f"is of no known kind, it begins with {start[:4].hex(' ')}"
    return "is a single picture; give the folder with many of them"
