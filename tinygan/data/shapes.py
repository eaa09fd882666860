"""`shapes`: one coloured sprite on black, its caption, and a reader that gets the factors back.

A picture is known by four factors: colour × shape × size × position, 6·4·2·5 = 240 combinations.
A sprite is the inside of an outline f(u, v) ≤ 1 around its centre, u and v in units of its radius,
drawn with a soft edge one pixel wide; centre, radius and brightness vary a little, so that pictures
of one combination differ.

Some pairs of colour and shape never occur in "train" and "test": they are the split "heldout",
by which a model that reads captions shows that it has understood the words one by one.
"""

import itertools
import zlib

import numpy as np

from ..backend import Stream
from .cache import cached
from .captions import FACTORS, VOCABULARY, combinations, decode, encode, tokens
from .dataset import ArrayDataset, DataError

LENGTHS = {"train": 20_000, "test": 4_000, "heldout": 4_000}
_VERSION = 1  # of this generator: raise it when the pictures change
_COLOURS = np.array(
    [[1, 0.15, 0.1], [0.1, 0.8, 0.15], [0.15, 0.3, 1], [1, 0.9, 0.1], [0.75, 0.15, 0.9], [1, 1, 1]],
    np.float32,
)
_RADII = np.array([0.21, 0.38], np.float32)  # shares of half the picture's side
_CENTRES = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1], [0, 0]], np.float32) * 0.48  # column, row
_LOW = (0, 0, 0.32, 0)  # a triangle's centre of mass lies so many radii below its middle
_CHUNK = 512


class ShapesDataset(ArrayDataset):
    """Sprites x (3, size, size); "factors" int64 (N, 4), numbers of the words in `factor_words`;
    "caption" int64 (N, LENGTH), numbers of words in `vocabulary`, 0 after the end; "label", the
    shape.
    """

    factor_names = tuple(FACTORS)
    factor_words = FACTORS
    vocabulary = VOCABULARY
    encode = staticmethod(encode)
    decode = staticmethod(decode)

    def captions(self, indices) -> list[str]:
        """The captions in words."""
        return decode(self._columns["caption"][np.asarray(indices)])


def shapes(split="train", size=None, seed=0, n: int | None = None, outline=False) -> ShapesDataset:
    """`n` sprites of `size` pixels (default 32): by default 20,000 to train, 4,000 to test, and
    4,000 of combinations held out; `outline` draws their outlines only.
    """
    size, n = size or 32, LENGTHS[split] if n is None else n
    style = "outline" if outline else "filled"
    arrays = cached(
        f"shapes-{style}-{size}-{split}-seed{seed}-n{n}-v{_VERSION}",
        lambda: render(
            Stream([seed, zlib.crc32(b"shapes"), zlib.crc32(split.encode())]),
            n,
            size,
            unseen=split == "heldout",
            outline=outline,
        ),
    )
    return ShapesDataset(
        "shapes", arrays["x"], arrays["factors"][:, 1], split=split, factors=arrays["factors"],
        caption=arrays["caption"], class_names=FACTORS["shape"],
    )  # fmt: skip


def render(stream: Stream, n: int, size: int, unseen=False, outline=False):
    """Draw n sprites: x uint8 (n, 3, size, size), factors (n, 4), caption (n, LENGTH)."""
    known = combinations(unseen)
    factors = known[stream.integers(0, len(known), (n,))]
    radius = _RADII[factors[:, 2]] * (1 + 0.08 * (2 * stream.uniform((n,)) - 1))
    centre = _CENTRES[factors[:, 3]] + 0.06 * (2 * stream.uniform((n, 2)) - 1)
    bright = 0.85 + 0.15 * stream.uniform((n, 1))
    caption = tokens(factors, stream.integers(0, 2**31, (n,)))
    x = np.empty((n, 3, size, size), np.uint8)
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        ink = _coverage(factors[part, 1], centre[part], radius[part], size, outline)
        colour = _COLOURS[factors[part, 0]] * bright[part]
        x[part] = np.rint(255 * colour[:, :, None, None] * ink[:, None])
    return {"x": x, "factors": factors.astype(np.int64), "caption": caption}


def _coverage(shape, centre, radius, size, outline=False):
    """How much of each pixel (n, size, size) the sprite covers, 0…1."""
    at = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    u = (at - centre[:, :1]) / radius[:, None]
    v = (at - centre[:, 1:]) / radius[:, None]
    inside = _inside(shape, u[:, None, :], v[:, :, None])
    pixels = inside * (radius * size / 2)[:, None, None]  # depth below the outline, in pixels
    ink = np.clip(pixels + 0.5, 0, 1)
    return ink - np.clip(pixels - 1.0, 0, 1) if outline else ink


def _inside(shape, u, v):
    """Distance to the outline, positive inside, in radii: (n, size, size). All four shapes have
    about the same area.
    """
    out = np.empty(np.broadcast_shapes(u.shape, v.shape), np.float32)
    for number, distance in enumerate((_circle, _square, _triangle, _cross)):
        which = shape == number
        out[which] = distance(u[which], v[which])
    return out


def _circle(u, v):
    return 1 - np.sqrt(u * u + v * v)


def _square(u, v):
    return 0.88 - np.maximum(abs(u), abs(v))


def _triangle(u, v):
    """Standing on its base; equilateral, centred on the middle of its height."""
    slope = (1.15 + v) * np.float32(0.5) - abs(u)  # along the row, to the slanted side
    return np.minimum(1.05 - v, slope * np.float32(2 / 5**0.5))


def _cross(u, v):
    u, v = abs(u), abs(v)
    return np.maximum(np.minimum(0.42 - u, 1.1 - v), np.minimum(0.42 - v, 1.1 - u))


# -- reading -----------------------------------------------------------------------------------


def read_factors(images: np.ndarray, outline=False) -> dict[str, np.ndarray]:
    """The factors of pictures (N, 3, S, S) in [-1, 1], by rules: int64 (N,) for each of colour,
    shape, size, position, and bool "readable", false where no sprite is to be seen (then −1).

    Ink is a pixel's brightest channel. The position is the nearest of the five to the ink's centre;
    colour the nearest to the mean of the ink, brightness aside; shape and size are those whose
    sprite, drawn at the ink's centre, overlaps the ink best. `outline` reads outlined sprites.

    >>> data = shapes("test", n=8)
    >>> found = read_factors(data.take(8)["x"])
    >>> bool((found["shape"] == data.take(8)["label"]).all())
    True
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise DataError(f"read_factors: expected pictures (N, 3, S, S), got {images.shape}")
    starts = range(0, max(len(images), 1), _CHUNK)
    parts = [_read(images[i : i + _CHUNK], outline) for i in starts]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _read(images, outline):
    light, size = np.clip((images + 1) / 2, 0, 1), images.shape[-1]
    ink = light.max(1)
    ink = np.clip(ink / np.maximum(ink.max((1, 2), keepdims=True), 0.3), 0, 1)
    ink = np.where(ink > 0.25, ink, 0)
    amount = ink.sum((1, 2))
    readable = (amount > 0.01 * size * size) & (amount < 0.6 * size * size)
    at = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    share = ink / np.maximum(amount, 1e-6)[:, None, None]
    centre = np.stack([share.sum(1) @ at, share.sum(2) @ at], 1)
    mean = (light * share[:, None]).sum((2, 3))
    shape, large = _best_overlap(ink, centre, outline)
    found = {
        "colour": _nearest(_unit(mean), _unit(_COLOURS)),
        "shape": shape,
        "size": large,
        "position": _nearest(centre, _CENTRES),
    }
    out = {name: np.where(readable, found[name], -1).astype(np.int64) for name in FACTORS}
    return {**out, "readable": readable}


def _unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)


def _nearest(x, points):
    return ((x[:, None] - points) ** 2).sum(2).argmin(1)


def _best_overlap(ink, centre, outline):
    """The shape and size, (n,) each, of the sprite with the largest Σ min / Σ max with the ink."""
    n, side = len(ink), ink.shape[-1]
    best, found = np.full(n, -1.0), np.zeros((2, n), np.int64)
    for shape, size, vary in itertools.product(range(4), range(2), (0.92, 1.0, 1.08)):
        radius = np.full(n, _RADII[size] * vary, np.float32)
        middle = (centre - [0, _LOW[shape] * radius[0]] if n else centre).astype(np.float32)
        sprite = _coverage(np.full(n, shape), middle, radius, side, outline)
        union = np.maximum(ink, sprite).sum((1, 2))
        overlap = np.minimum(ink, sprite).sum((1, 2)) / np.maximum(union, 1e-6)
        found[:, overlap > best] = np.array([[shape], [size]])
        best = np.maximum(best, overlap)
    return found
