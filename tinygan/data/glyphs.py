"""The ten digits of the fonts that matplotlib carries, as signed distances to their outline.

A signed distance s (positive inside, in units of the digit's height) can be sampled at any scale,
and its level s = -w is the same digit drawn with a pen that is 2w wider: one small picture a glyph
gives every size and stroke.
"""

from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique", "DejaVuSerif",
    "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic", "STIXGeneral",
    "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta", "cmr10", "cmb10", "cmss10",
    "cmti10", "cmtt10",
)  # fmt: skip
TILE = 80  # side of a glyph's picture
HEIGHT = 50  # the digit's height in it
_FINE = 2  # outlines are measured on a picture so many times finer


@cache
def atlas() -> tuple[np.ndarray, np.ndarray]:
    """Signed distances (fonts, 10, TILE, TILE) and each font's mean stroke width (fonts,), both in
    units of the digit's height.
    """
    tiles = np.stack([[_distance(mask) for mask in _masks(font)] for font in FONTS])
    tiles = (tiles / (HEIGHT * _FINE)).astype(np.float32)
    inside = tiles > 0
    # Across a stroke of width w the distance runs from 0 to w/2 and back: its mean is w/4.
    width = 4 * np.where(inside, tiles, 0).sum((1, 2, 3)) / inside.sum((1, 2, 3))
    return tiles, width


def _masks(font):
    """For each digit a boolean picture, the digit centred and HEIGHT·_FINE high."""
    ft2font = import_module("matplotlib.ft2font")
    path = Path(import_module("matplotlib").get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    face = ft2font.FT2Font(str(path))
    for digit in range(10):
        size = 140.0
        for _ in range(3):  # heights differ between digits: a 0 goes below the line, a 7 does not
            face.set_size(size, 72)
            face.set_text(str(digit), 0.0)
            face.draw_glyphs_to_bitmap(antialiased=True)
            ink = np.array(face.get_image()) > 127
            rows, columns = ink.any(1).nonzero()[0], ink.any(0).nonzero()[0]
            size *= HEIGHT * _FINE / (rows[-1] - rows[0] + 1)
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        frame = np.zeros((TILE * _FINE, TILE * _FINE), bool)
        top, left = (TILE * _FINE - ink.shape[0]) // 2, (TILE * _FINE - ink.shape[1]) // 2
        frame[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        yield frame


def _distance(mask):
    edt = import_module("scipy.ndimage").distance_transform_edt
    fine = np.where(mask, edt(mask) - 0.5, 0.5 - edt(~mask))
    return fine.reshape(TILE, _FINE, TILE, _FINE).mean((1, 3))
