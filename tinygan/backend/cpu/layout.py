"""How convolution operands lie in memory, and how the work on them is cut into pieces.

Arrays are logically (N, C, H, W) and (O, C, kh, kw); the kernels want channels last, (N, H, W, C)
and (O, kh, kw, C), where a pixel's channels, and a whole row of a window, are neighbours. An array
that already lies like that is used in place. Results are channels-last memory behind an NCHW view.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..portable import output_size
from .threads import get_num_threads, parallel_for
from .workspace import scratch

__all__ = [
    "Piece",
    "channels_first",
    "channels_last",
    "cut",
    "output_size",
    "padded_rows",
    "slab_length",
    "windows",
]

_COPIED = 1 << 17  # numbers that a thread copies at least


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> contiguous (N, H, W, C); no copy if the memory is in that order already."""
    view = x.transpose(0, 2, 3, 1)
    if view.flags.c_contiguous:
        return view
    result = np.empty(view.shape, view.dtype, like=view)
    chunk = max(1, -(-len(view) // get_num_threads()), _COPIED * len(view) // max(1, view.size))

    def copy(start: int, stop: int) -> None:
        result[start:stop] = view[start:stop]

    parallel_for(copy, len(view), chunk)
    return result


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> a view (N, C, H, W)."""
    return x.transpose(0, 3, 1, 2)


class Piece(NamedTuple):
    """Images [n0, n1), rows [r0, r1): whole images, or some rows of one image."""

    n0: int
    n1: int
    r0: int
    r1: int


@lru_cache(maxsize=1024)
def cut(images: int, rows: int, bytes_per_row: int, budget: int, fewest: int) -> tuple[Piece, ...]:
    """Cut `images` of `rows` each into pieces whose scratch fills about `budget` bytes, at least
    `fewest` if possible."""
    if images == 0 or rows == 0:
        return ()
    total = images * rows * bytes_per_row
    pieces = max(-(-total // budget), fewest)
    if pieces > fewest:
        pieces = -(-pieces // fewest) * fewest  # every thread gets the same number
    if images >= pieces or images % fewest == 0:
        bounds = _even_bounds(images, min(pieces, images))
        if images * 1.0 / min(pieces, images) * rows * bytes_per_row <= 4 * budget:
            return tuple(Piece(a, b, 0, rows) for a, b in bounds)
    per_image = min(rows, -(-pieces // images))
    bounds = _even_bounds(rows, per_image)
    return tuple(Piece(n, n + 1, a, b) for n in range(images) for a, b in bounds)


def slab_length(length: int, bytes_each: int, budget: int, threads: int) -> int:
    """Items per slab, so that a slab has about `budget` bytes and every thread gets equally
    many."""
    slabs = -(-length * bytes_each // budget)
    slabs = max(threads, -(-slabs // threads) * threads)
    return max(1, -(-length // slabs))


def _even_bounds(n: int, pieces: int) -> list[tuple[int, int]]:
    return [(n * i // pieces, n * (i + 1) // pieces) for i in range(pieces)]


def padded_rows(
    x: np.ndarray, piece: Piece, first: int, count: int, left: int, width: int
) -> np.ndarray:
    """Rows [first, first + count) of the piece's images, `left` columns in from the left edge of
    rows `width` wide.

    x: (N, H, W, C). Rows and columns outside the image are zero; `first` may be negative. The
    result is scratch memory, or a view of x where nothing has to be filled in."""
    _, height, image_width, channels = x.shape
    images = piece.n1 - piece.n0
    if left == 0 and width == image_width and first >= 0 and first + count <= height:
        return x[piece.n0 : piece.n1, first : first + count]
    padded = scratch("padded_rows", (images, count, width, channels), x.dtype)
    top = min(max(0, -first), count)
    bottom = max(top, min(count, height - first))
    used = min(image_width, width - left)
    _clear_ends(padded, 1, top, count - bottom)
    _clear_ends(padded[:, top:bottom], 2, left, width - left - used)
    padded[:, top:bottom, left : left + used] = x[
        piece.n0 : piece.n1, first + top : first + bottom, :used
    ]
    return padded


def _clear_ends(x: np.ndarray, axis: int, first: int, last: int) -> None:
    """Zero the `first` and the `last` entries along the axis, in one go where that is possible."""
    x = x.swapaxes(0, axis)
    if first == last == 1 and len(x) > 1:
        x[:: len(x) - 1] = 0
        return
    if first > 0:
        x[:first] = 0
    if last > 0:
        x[-last:] = 0


def windows(x: np.ndarray, rows: int, columns: int, kernel_size, stride, dilation) -> np.ndarray:
    """All windows of a padded x (N, H, W, C), as an overlapping view (N, rows, columns, kh, kw,
    C)."""
    n, h, w, c = x.strides
    shape = (x.shape[0], rows, columns, *kernel_size, x.shape[3])
    strides = (n, h * stride[0], w * stride[1], h * dilation[0], w * dilation[1], c)
    return np.lib.stride_tricks.as_strided(x, shape, strides, subok=True, writeable=False)
