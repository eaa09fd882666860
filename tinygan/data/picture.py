"""One picture file as bytes (C, H, W), in whatever format Pillow reads."""

import os
import struct
import zlib
from importlib import import_module
from pathlib import Path

import numpy as np

from ..io import open_file
from . import limits
from .dataset import DataError

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # others may run programs
_PIECE = 2**20
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")


def decode(path: Path, channels=None, size=None, crop=None) -> np.ndarray:
    """uint8 (C, H, W): grey files give one channel, all others three, unless `channels` says so.

    `size` cuts out the central square, of `crop` pixels or as large as can be, and resizes it.
    The camera's orientation is applied; what is transparent becomes white.
    """
    pil = import_module("PIL.Image")
    try:
        with open_file(path) as file:
            _require_size(path, file)
            _require_checksums(file)
            if limits.PIXELS in os.environ:  # whoever sets this limit means it, not Pillow's
                pil.MAX_IMAGE_PIXELS = None
            with pil.open(file, formats=_FORMATS) as image:
                limits.require_pixels(path, *image.size)
                image.load()
                image = import_module("PIL.ImageOps").exif_transpose(image)
                image = _plain(pil, image, channels or (1 if image.mode in _GREY else 3))
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders fail on damaged files in every way there is
        raise DataError(f"{path}: {_reason(pil, path, error)}") from None
    if size:
        image = _square(path, image, crop).resize((size, size), pil.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _require_size(path, file):
    """Refuse a file that is longer than the largest picture, since some decoders read it whole."""
    size = os.fstat(file.fileno()).st_size
    if size > 8 * limits.pixels():
        raise DataError(f"{path}: has {size:,} bytes, more than any picture that may be decoded")


def _require_checksums(file):
    """Each chunk of a PNG ends in a CRC-32, which Pillow does not compare for all of them: a
    changed bit would then show as other pixels. The other formats have nothing of the kind.
    """
    if file.read(8) == b"\x89PNG\r\n\x1a\n":
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            crc = zlib.crc32(kind)
            while length and (piece := file.read(min(length, _PIECE))):
                length, crc = length - len(piece), zlib.crc32(piece, crc)
            if file.read(4) != crc.to_bytes(4, "big"):
                raise ValueError(f"the checksum of its chunk {kind} does not fit")
            if kind == b"IEND":
                break
    file.seek(0)


def _plain(pil, image, channels):
    """Grey or RGB of eight bits."""
    if image.mode.startswith("I;16"):
        image = pil.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = pil.new("RGBA", image.size, "white")
        image = pil.alpha_composite(white, image)
    return image.convert("L" if channels == 1 else "RGB")


def _square(path, image, crop):
    width, height = image.size
    side = crop or min(width, height)
    if side > min(width, height):
        raise DataError(f"{path}: is {width}×{height}, too small to crop {side}×{side} out of it")
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _reason(pil, path, error):
    try:
        with open_file(path) as file:
            start = file.read(64)
    except OSError as unreadable:
        return f"cannot be read ({unreadable.strerror or unreadable})"
    if not start:
        return "is empty"
    if isinstance(error, (pil.DecompressionBombError, pil.DecompressionBombWarning)):
        return f"{error}; if its size is right, set {limits.PIXELS} in the environment"
    if isinstance(error, pil.UnidentifiedImageError):
        text = all(byte in b"\t\n\r" or byte >= 32 for byte in start)
        what = "holds text" if text else f"begins with {start[:4].hex(' ')}"
        return f"is not a picture of a known format ({', '.join(_FORMATS)}): it {what}"
    return f"is a damaged picture ({error})"
