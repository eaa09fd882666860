"""One picture file as bytes (C, H, W), in whatever format Pillow reads."""

from importlib import import_module
from pathlib import Path

import numpy as np

from .dataset import DataError

_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")


def decode(path: Path, channels=None, size=None, crop=None) -> np.ndarray:
    """uint8 (C, H, W): grey files give one channel, all others three, unless `channels` says so.

    `size` cuts out the central square, of `crop` pixels or as large as can be, and resizes it.
    The camera's orientation is applied; what is transparent becomes white.
    """
    pil = import_module("PIL.Image")
    try:
        with pil.open(path) as image:
            image.load()
            image = import_module("PIL.ImageOps").exif_transpose(image)
            image = _plain(pil, image, channels or (1 if image.mode in _GREY else 3))
    except (OSError, SyntaxError, ValueError, EOFError, pil.DecompressionBombError) as error:
        raise DataError(f"{path}: {_reason(pil, path, error)}") from None
    if size:
        image = _square(path, image, crop).resize((size, size), pil.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


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
        start = path.read_bytes()[:64]
    except OSError as unreadable:
        return f"cannot be read ({unreadable.strerror or unreadable})"
    if not start:
        return "is empty"
    if isinstance(error, pil.UnidentifiedImageError):
        text = all(byte in b"\t\n\r" or byte >= 32 for byte in start)
        what = "holds text" if text else f"begins with {start[:4].hex(' ')}"
        return f"is not a picture in any format that Pillow reads: it {what}"
    return f"is a damaged picture ({error})"
