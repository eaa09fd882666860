"""`digits`: ten classes of white digits on black, from fonts, bent and written by many hands.

Each picture is a glyph seen through a smooth map of the plane. A pixel at p, in units where the
picture is [-1, 1]², shows the glyph at

    q = A⁻¹(p − t) + e(p),     A = scale · rotation(θ) · shear(k) · diag(aspect, 1)

where e is an elastic field: a cubic spline over a coarse net of normal displacements. Its grey is
the signed distance there plus half the change of stroke, in pixels, cut off at half a pixel inside
and outside. All pictures are made at once, by one bilinear look-up in the atlas of glyphs.
"""

import zlib
from importlib.metadata import version

import numpy as np

from ..backend import Stream
from .cache import cached
from .dataset import ArrayDataset
from .glyphs import FONTS, HEIGHT, TILE, atlas

LENGTHS = {"train": 20_000, "test": 5_000}
FACTORS = ("rotation", "scale", "shear", "stroke", "font")
_VERSION = 1  # of this generator: raise it when the pictures change
_NET = 4  # the elastic field's net has so many cells a side
_BEND = 0.05  # standard deviation of a displacement
_CHUNK = 256


class DigitsDataset(ArrayDataset):
    """Digits x (1, size, size), label, and the factors they were drawn with, float32 (N, 5), named
    by `factor_names`: rotation in degrees, height and stroke as shares of the picture's side and
    of the digit's height, shear, and the number of the font.
    """

    factor_names = FACTORS
    judge = "digits"


def digits(split="train", size=None, seed=0, n: int | None = None) -> DigitsDataset:
    """`n` digits of `size` pixels (default 32), by default 20,000 to train and 5,000 to test."""
    size, n = size or 32, LENGTHS[split] if n is None else n
    fonts = version("matplotlib")
    arrays = cached(
        f"digits-{size}-{split}-seed{seed}-n{n}-v{_VERSION}-mpl{fonts}",
        lambda: render(Stream([seed, zlib.crc32(b"digits"), zlib.crc32(split.encode())]), n, size),
    )
    return DigitsDataset(
        "digits", arrays["x"], arrays["label"], split=split, factors=arrays["factors"],
        class_names=[str(i) for i in range(10)],
    )  # fmt: skip


def render(stream: Stream, n: int, size: int) -> dict[str, np.ndarray]:
    """Draw n digits: x uint8 (n, 1, size, size), label int64 (n,), factors float32 (n, 5)."""
    _, width = atlas()
    label = stream.integers(0, 10, (n,))
    font = stream.integers(0, len(FONTS), (n,))
    rotation = np.clip(7 * stream.normal((n,)), -20, 20)
    shear = np.clip(0.15 * stream.normal((n,)), -0.4, 0.4)
    scale = 0.60 + 0.18 * stream.uniform((n,))
    aspect = np.exp(0.12 * np.clip(stream.normal((n,)), -2, 2))
    own = width[font].astype(np.float32)
    stroke = np.clip(0.11 + 0.13 * stream.uniform((n,)), 0.8 * own, own + 0.10)
    shift = 0.06 * np.clip(stream.normal((n, 2)), -2, 2)
    bend = _BEND * stream.normal((n, 2, _NET + 3, _NET + 3))
    x = np.empty((n, 1, size, size), np.uint8)
    inverse = _inverse_maps(rotation, scale, shear, aspect)
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        x[part, 0] = _draw(
            font[part] * 10 + label[part], inverse[part], shift[part], bend[part],
            (stroke - own)[part] / 2, scale[part], size,
        )  # fmt: skip
    factors = np.stack([rotation, scale, shear, stroke, font.astype(np.float32)], 1)
    return {"x": x, "label": label, "factors": factors.astype(np.float32)}


def _inverse_maps(rotation, scale, shear, aspect):
    """A⁻¹ (n, 2, 2) on (column, row) coordinates."""
    theta, zero, one = np.deg2rad(rotation), np.zeros_like(scale), np.ones_like(scale)
    turn = _matrices(np.cos(theta), np.sin(theta), -np.sin(theta), np.cos(theta))
    slant = _matrices(one, shear, zero, one)
    stretch = _matrices(1 / (scale * aspect), zero, zero, 1 / scale)
    return stretch @ slant @ turn


def _matrices(a, b, c, d):
    return np.stack([np.stack([a, b], -1), np.stack([c, d], -1)], -2)


def _draw(glyph, inverse, shift, bend, wider, scale, size):
    """Bytes (n, size, size). Distances are in units of the digit's height."""
    n, spline = len(glyph), _spline(size)
    side = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    grid = np.stack(np.meshgrid(side, side, indexing="xy")).reshape(2, -1)
    elastic = (spline @ bend @ spline.T).reshape(n, 2, -1)
    q = inverse @ (grid - shift[:, :, None]) + elastic / scale[:, None, None]
    distance = _look_up(glyph, q * (HEIGHT / 2) + (TILE - 1) / 2)
    # In this unit the picture's side is 1/scale, so a pixel is 1/(scale·size).
    pixels = (distance + wider[:, None]) * (scale * size)[:, None]
    return np.rint(255 * np.clip(pixels + 0.5, 0, 1)).astype(np.uint8).reshape(n, size, size)


def _look_up(glyph, q):
    """The atlas at q (n, 2, P), in pixels of a tile, bilinearly; far outside, its border."""
    tiles = atlas()[0].ravel()
    q = np.clip(q, 0, TILE - 1.001)
    whole = q.astype(np.int32)
    right, down = np.moveaxis(q - whole, 1, 0)
    at = (glyph * TILE * TILE)[:, None] + whole[:, 1] * TILE + whole[:, 0]
    upper = tiles[at] * (1 - right) + tiles[at + 1] * right
    lower = tiles[at + TILE] * (1 - right) + tiles[at + TILE + 1] * right
    return upper * (1 - down) + lower * down


def _spline(size):
    """(size, _NET + 3): the weight of each knot at each pixel, a uniform cubic B-spline."""
    at = (np.arange(size) + 0.5) * (_NET / size)
    cell = at.astype(int)
    t = at - cell
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    out = np.zeros((size, _NET + 3), np.float32)
    for k, weight in enumerate(weights):
        out[np.arange(size), cell + k] = weight / 6
    return out
