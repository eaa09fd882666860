"""Fetching the classical data sets where there is internet: checked, and resumed when cut off."""

import contextlib
import hashlib
import os
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from .cache import folder as cache_folder
from .dataset import DataError

# name -> (address, {file: MD5 as its publishers state it})
SOURCES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "cifar10": (
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    ),
}
_PIECE = 1 << 16
_PATIENCE = 30  # seconds without a byte


def place(name: str) -> Path:
    """Where `download` puts a data set and `open` looks for it, if not told otherwise."""
    return cache_folder() / name


def download(name: str, folder=None, log=print) -> Path:
    """Fetch "mnist", "fashion-mnist" or "cifar10" into a folder, which `open` then reads.

    A file that is there and whole is kept; one that was cut off is continued.
    """
    if name not in SOURCES:
        raise DataError(f"download: unknown data set {name!r}; known: {', '.join(SOURCES)}")
    folder = place(name) if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    address, files = SOURCES[name]
    for file, md5 in files.items():
        path = folder / file
        if not (path.exists() and _md5(path) == md5):
            log(f"downloading {address}{file}")
            _fetch(name, address + file, path, md5)
        if file.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
    return folder


def by_hand(name: str, folder: Path) -> str:
    """What to do without internet."""
    address, files = SOURCES[name]
    unpack = " and unpack it there" if any(f.endswith(".tar.gz") for f in files) else ""
    return (
        f"without internet, put {', '.join(files)} from {address} into {folder}{unpack}, or give "
        "the path of a folder that has them"
    )


def _fetch(name, url, path, md5):
    part = path.with_name(path.name + ".part")
    try:
        _continue(url, part)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"could not download {url} ({reason}); call download again to continue; "
            + by_hand(name, path.parent)
        ) from None
    if (found := _md5(part)) != md5:
        part.unlink()
        raise DataError(
            f"{url}: what came has the checksum {found} instead of {md5}, and was thrown away; "
            "try again; " + by_hand(name, path.parent)
        )
    os.replace(part, path)


def _continue(url, part):
    """Append what is missing of `url` to the file `part`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        reply = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing
            return
        raise
    with contextlib.closing(reply):
        resumed = have and reply.status == 206
        expected = int(reply.headers.get("Content-Length") or -1) + (have if resumed else 0)
        with open(part, "ab" if resumed else "wb") as file:
            while piece := reply.read(_PIECE):
                file.write(piece)
        if reply.headers.get("Content-Length") and part.stat().st_size < expected:
            raise OSError(f"cut off after {part.stat().st_size:,} of {expected:,} bytes")


def _md5(path):
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
