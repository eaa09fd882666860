"""Convolution and its gradients on the GPU, in float32: which kernel, and in which tiles.

`conv.cu` knows all three maps, on any card; `conv_hopper.cu` two of them, on Hopper, sooner. Images
and filters lie channels-last in memory, behind the (N, C, H, W) and (O, C, kh, kw) views that the
rest of the engine sees; so do results. Whoever lies otherwise is copied. Where a window covers the
whole image, all three maps are products of plain matrices, and cuBLAS does them. Groups and other
types than float32 go the portable way.

The kernels fetch factors in words of 32 bits: float32 numbers, or two neighbouring channels stored
as bfloat16 (`precision.py`). Where channels are counted here, words are meant.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from .. import portable
from ..device import array_module
from .blas import matmul
from .columns import channels_last, channels_second
from .compiled import has_bfloat16, is_hopper, kernel, multiprocessors
from .precision import float32_precision

FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT = range(3)
_LARGEST = 1 << 31  # numbers in an array: the kernels count them with 32 bits


class Tile(NamedTuple):
    """The part of a product that a block computes, how its warps divide it, the chunks of shared
    memory in flight, and how many blocks a multiprocessor is to hold.
    """

    m: int
    n: int
    warps_m: int
    warps_n: int
    stages: int = 3
    blocks: int = 2
    speed: float = 1.0  # of a multiprocessor full of them, as measured on an H100
    file: str = "conv.cu"

    @property
    def threads(self):
        return 32 * self.warps_m * self.warps_n

    @property
    def shared(self):
        """Bytes of shared memory."""
        return self.stages * (self.m + self.n) * 32 * 4 + (1024 if self.file != "conv.cu" else 0)

    def macros(self, kind, precision):
        names = {"TILE_M": self.m, "TILE_N": self.n, "KIND": kind, "STAGES": self.stages}
        names |= {"WARPS_M": self.warps_m, "WARPS_N": self.warps_n, "BLOCKS": self.blocks}
        return names | ({} if precision == "tf32" else {precision.upper(): 1})


_HOPPER = "conv_hopper.cu"
_PIXELS = [  # where the rows of the result are pixels: FORWARD, INPUT_GRADIENT
    Tile(128, 8, 4, 1, speed=0.2),
    Tile(128, 32, 4, 1, speed=0.6),
    Tile(128, 64, 2, 2, blocks=3, speed=0.85),
    Tile(128, 128, 2, 2),
]
_LARGE_PIXELS = [
    Tile(128, 128, 8, 1, 4, 1, 1.45, _HOPPER),
    Tile(256, 128, 8, 1, 4, 1, 1.5, _HOPPER),
    Tile(128, 256, 8, 1, 4, 1, 1.65, _HOPPER),
]
_FILTERS = [  # where they are filters: WEIGHT_GRADIENT
    Tile(32, 128, 1, 4, speed=0.6),
    Tile(64, 128, 1, 4, speed=0.75),
    Tile(128, 64, 2, 2, blocks=3, speed=0.95),
    Tile(128, 128, 2, 2, speed=0.95),
]


VARIANTS = [
    (tile.file, name, tile.macros(kind, precision))
    for kind, tiles in (
        (FORWARD, _PIXELS + _LARGE_PIXELS),
        (INPUT_GRADIENT, _PIXELS + _LARGE_PIXELS),
        (WEIGHT_GRADIENT, _FILTERS),
    )
    for tile in tiles
    for precision in ("tf32", "exact", "bfloat16")
    for name in ("convolve", "arrange")
    if tile.file != _HOPPER or precision != "exact"
    if tile.file == _HOPPER or name == "convolve"
] + [
    ("add_parts.cu", "add_parts", {}),
    ("fill_channels.cu", "fill_channels", {}),
    ("fill_channels.cu", "fill_channels", {"BFLOAT16": 1}),
]


# -- the three maps --------------------------------------------------------------------------------


def conv2d(x, weight, stride, padding, dilation, groups, size=None):
    """y[n, o] = Σ windows · w[o]; of `size` where fewer windows are wanted than there are."""
    geometry = (stride, padding, dilation)
    if size is None:
        size = portable.output_size(x.shape[2:], weight.shape[2:], *geometry)
    if not _ours(x, weight, groups, (len(x), len(weight), *size)):
        y = portable.conv2d(x, weight, *geometry, groups)
        return y[:, :, : size[0], : size[1]]
    if _whole(x.shape, weight.shape, size, padding):
        return _first(matmul(_matrix(x), _matrix(weight).T), (len(x), 1, 1, len(weight)))
    return _forward(x, weight, size, geometry)


def conv2d_input_grad(g, weight, size, stride, padding, dilation, groups):
    """Each g spreads w over the window it came from."""
    shape = (len(g), weight.shape[1] * groups, *size)
    if not _ours(g, weight, groups, shape):
        return portable.conv2d_input_grad(g, weight, size, stride, padding, dilation, groups)
    if _whole(shape, weight.shape, g.shape[2:], padding):
        return _first(matmul(_matrix(g), _matrix(weight)), (len(g), *size, weight.shape[1]))
    return _input_gradient(g, weight, size, (stride, padding, dilation))


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    """w[o] gets Σ g[n, o] · window, summed over images and pixels."""
    shape = (g.shape[1], x.shape[1] // groups, *kernel_size)
    if not _ours(x, g, groups, shape):
        return portable.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups)
    if _whole(x.shape, shape, g.shape[2:], padding):
        return _first(matmul(_matrix(g).T, _matrix(x)), (shape[0], *kernel_size, shape[1]))
    return _weight_gradient(x, g, shape, (stride, padding, dilation))


def conv2d_gradients(x, weight, g, *geometry):
    """dx and dw of y = conv2d(x, weight), given the gradient of y."""
    dx = conv2d_input_grad(g, weight, x.shape[2:], *geometry)
    return dx, conv2d_weight_grad(x, g, weight.shape[2:], *geometry)


def conv_transpose2d_gradients(y, weight, g, *geometry):
    """dy and dw of x = conv2d_input_grad(y, weight), given the gradient of x."""
    dy = conv2d(g, weight, *geometry, size=y.shape[2:])
    return dy, conv2d_weight_grad(g, y, weight.shape[2:], *geometry)


def _ours(x, other, groups, shape):
    """Is it for `conv.cu`?"""
    sizes = (x.size, other.size, int(np.prod(shape, dtype=np.int64)))
    return (
        groups == 1
        and x.dtype == other.dtype == np.float32
        and min(sizes) > 0
        and max(sizes) < _LARGEST // 4  # with channels filled up to a multiple of four
        and max(*x.shape[2:], *other.shape[2:], *shape[2:]) < 1 << 13
    )


def _whole(shape, weight_shape, windows, padding):
    """Does the only window cover the whole image?"""
    return shape[2:] == weight_shape[2:] and tuple(windows) == (1, 1) and not any(padding)


# -- layouts ---------------------------------------------------------------------------------------


def _first(x, shape):
    """Memory (N, H, W, C) as a view (N, C, H, W)."""
    return channels_second(x.reshape(shape))


def _matrix(x):
    """(N, C, H, W) → (N, H·W·C)."""
    return channels_last(x).reshape(len(x), -1)


def _stored(x):
    """x (…, C) as the kernels fetch it: words, in groups of 16 bytes, zeros behind the channels."""
    channels, xp, packed = x.shape[-1], array_module(x), _packed()
    if packed == 1 and channels % 4 == 0:
        return x
    words = -(-channels // (4 * packed)) * 4
    out = xp.empty((*x.shape[:-1], words), np.float32 if packed == 1 else np.uint32)
    count = out.size // 4
    blocks = min(-(-count // 256), 16 * multiprocessors())
    arguments = (xp.ascontiguousarray(x), out, np.int32(channels), np.int64(count))
    run = kernel("fill_channels.cu", "fill_channels", **({"BFLOAT16": 1} if packed == 2 else {}))
    run((blocks,), (256,), arguments)
    return out


def _packed():
    """How many numbers are in a word."""
    return 2 if _precision() == "bfloat16" else 1


def _precision():
    """As was chosen; in float32 on cards that do not multiply bfloat16."""
    chosen = float32_precision()
    return "tf32" if chosen == "bfloat16" and not has_bfloat16() else chosen


# -- the kernel ------------------------------------------------------------------------------------


def _forward(x, weight, size, geometry):
    stride = geometry[0]
    images, filters = _stored(channels_last(x)), _stored(channels_last(weight))
    count, height, width, channels = images.shape
    taps = _taps(weight.shape[2:], *geometry, False)
    out = array_module(x).empty((count, *size, len(weight)), x.dtype)
    rows, length = count * size[0] * size[1], len(taps[0]) * channels
    _launch(
        FORWARD, (rows, len(weight)), length, 1, images, filters, images, out, taps,
        (count, height, width, *size, *stride, channels, channels, len(taps[0]), channels,
         len(weight), *size, 1, 1),
    )  # fmt: skip
    return channels_second(out)


def _input_gradient(g, weight, size, geometry):
    step, outer = geometry[0], weight.shape[1]
    gradients = _stored(channels_last(g))
    count, height, width, inner = gradients.shape
    filters, filled = _filters_across(weight, inner)
    taps = _taps(weight.shape[2:], *geometry, True)
    out = array_module(g).empty((count, *size, outer), g.dtype)
    grid = [-(-n // s) for n, s in zip(size, step)]
    length = max(row[0][3] for row in taps) * filled
    _launch(
        INPUT_GRADIENT, (count * grid[0] * grid[1], outer), length, len(taps),
        filters, filters, gradients, out, taps,
        (count, height, width, *grid, 1, 1, inner, filled, len(taps[0]), filters.shape[-1],
         outer, *size, *step),
    )  # fmt: skip
    return channels_second(out)


def _filters_across(weight, inner):
    """Filters for the sum over them, whose gradients are `inner` words; and how many words of the
    sum belong to each tap.
    """
    xp = array_module(weight)
    if _packed() == 2:  # (C, kh, kw, O): two neighbours of the sum are in a word
        return _stored(xp.ascontiguousarray(weight.transpose(1, 2, 3, 0))), inner
    filters = _stored(channels_last(weight))
    if len(filters) != inner:  # as many filters as there are channels of the gradient
        filters = _stored(filters.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
        filters = xp.ascontiguousarray(filters)
    return filters, -(-inner // 32) * 32  # a chunk of 32 belongs to one tap


def _weight_gradient(x, g, shape, geometry):
    images, gradients = _stored(channels_last(x)), _stored(channels_last(g))
    count, height, width, channels = images.shape
    _, rows, columns, outer = gradients.shape
    taps, packed = _taps(shape[2:], *geometry, False), _packed()
    size = (outer * packed, *shape[2:], channels * packed)
    out = array_module(x).empty(size, x.dtype)
    length = -(-count * rows * columns // packed)
    _launch(
        WEIGHT_GRADIENT, (size[0], len(taps[0]) * size[-1]), length, 1,
        images, gradients, gradients, out, taps,
        (count, height, width, rows, columns, *geometry[0], channels, channels, len(taps[0]),
         channels, outer, 1, 1, 1, 1),
    )  # fmt: skip
    return channels_second(out[: shape[0], ..., : shape[1]])


def _launch(kind, size, length, classes, images, filters, gradients, out, taps, numbers):
    """Convolve: the result has `size` rows and columns in each class, sums of `length` words."""
    precision = _precision()
    tile, splits = _plan(kind, size, length, classes, is_hopper() and precision != "exact")
    xp = array_module(out)
    on_device = _on_device(taps, xp)
    parts = xp.empty((splits, *out.shape), out.dtype) if splits > 1 else out
    more = ()
    if tile.file == _HOPPER:
        filters = _arranged(tile, kind, filters, on_device, taps, size[1], numbers)
        more = (np.int32(filters.shape[2]),)
    run = kernel(tile.file, "convolve", **tile.macros(kind, precision))
    run.max_dynamic_shared_size_bytes = tile.shared
    arguments = (images, filters, gradients, parts, on_device, *more)
    arguments += (*map(np.int32, numbers), np.int32(splits), np.int64(out.size))
    grid = (-(-size[0] // tile.m), -(-size[1] // tile.n), classes * splits)
    run(grid, (tile.threads,), arguments, shared_mem=tile.shared)
    if splits > 1:
        blocks = min(-(-out.size // 256), 8 * multiprocessors())
        add = kernel("add_parts.cu", "add_parts")
        add((blocks,), (256,), (parts, out, np.int32(splits), np.int64(out.size)))


def _arranged(tile, kind, filters, on_device, taps, outer, numbers):
    """The filters as `conv_hopper.cu` multiplies by them: (classes, tiles, chunks, tile.n, 32)."""
    inner, inner_padded, all_taps, channels = numbers[7:11]
    chunks = -(-max(of_class[0][3] for of_class in taps) * inner_padded // 32)
    tiles = -(-outer // tile.n)
    shape = (len(taps), tiles, chunks, tile.n, 32)
    out = array_module(filters).empty(shape, filters.dtype)
    sizes = map(np.int32, (outer, inner, inner_padded, all_taps, channels))
    run = kernel(tile.file, "arrange", **tile.macros(kind, _precision()))
    run((chunks, tiles * tile.n // 32, len(taps)), (32, 8), (filters, out, on_device, *sizes))
    return out


# Of an H100, in microseconds: how a multiprocessor multiplies at speed 1, and how long it takes to
# add up the parts of sums.
_PRODUCTS, _LAUNCH, _NUMBERS = 1.04e6 / 2, 3.0, 6e5
_MOST_PARTS = 400


@cache
def _plan(kind, size, length, classes, hopper):
    """The tile, and into how many parts to cut the sums, with which the card is done first."""
    tiles = _FILTERS if kind == WEIGHT_GRADIENT else _PIXELS
    if hopper and kind != WEIGHT_GRADIENT and size[1] > 64:
        tiles = _LARGE_PIXELS
    chunks, plans = -(-length // 32), []
    for tile in tiles:
        blocks = -(-size[0] // tile.m) * -(-size[1] // tile.n) * classes
        room = tile.blocks * multiprocessors()
        chunk = tile.m * tile.n * 32 * tile.blocks / tile.speed / _PRODUCTS
        for splits in range(1, max(2, min(chunks, 2 * room // blocks + 2, _MOST_PARTS))):
            rounds = -(-blocks * splits // room)
            adding = _LAUNCH + size[0] * size[1] * classes * (splits + 1) / _NUMBERS
            time = rounds * chunk * (chunks / splits + 2) + (splits > 1) * adding
            plans.append((time, tile, splits))
    return min(plans)[1:]


@cache
def _taps(kernel_size, stride, padding, dilation, transposed):
    """For each class of pixels, and each tap that meets it: (dy, dx, number of the tap, how many
    taps the class has). A tap finds its pixel at (dy, dx) from the window's place.
    """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    every = list(product(range(kh), range(kw)))
    if not transposed:
        return (tuple((u * dh - ph, v * dw - pw, i, len(every)) for i, (u, v) in enumerate(every)),)
    classes = []
    for y, x in product(range(sh), range(sw)):
        meets = [
            ((y + ph - u * dh) // sh, (x + pw - v * dw) // sw, i)
            for i, (u, v) in enumerate(every)
            if (y + ph - u * dh) % sh == 0 and (x + pw - v * dw) % sw == 0
        ]
        rows = [(*tap, len(meets)) for tap in meets]
        classes.append(tuple(rows + [(0, 0, 0, len(meets))] * (len(every) - len(meets))))
    return tuple(classes)


_placed = {}


def _on_device(taps, xp):
    """The table of taps in the card's memory, where it is put once."""
    key = (taps, xp, _device_index(xp))
    if key not in _placed:
        _placed[key] = xp.array(np.array(taps, np.int32))
    return _placed[key]


def _device_index(xp):
    return xp.cuda.runtime.getDevice() if hasattr(xp.cuda.runtime, "getDevice") else 0
