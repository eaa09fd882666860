"""Convolution with fewer multiplications: F(m x m, r x r) over tiles, for kernels of r strides (Winograd's algorithm).

A convolution with kernel size k = s r and stride s is a convolution with r taps and stride 1 over "phases": pixel
(s i + a, s j + b) of the padded input becomes channel (a, b, c) of pixel (i, j) in an image with s² C channels. So the
DCGAN's 4x4 stride-2 layers are r = 2, s = 2, and a residual block's 3x3 layers are r = 3, s = 1.

The image of phases is cut into patches d of n x n pixels, n = m + r - 1, that give m x m outputs each. With the matrices
of toom_cook.py, each applied along rows and columns, and a product over channels for each of the n² indices:

    V = B^T d        U = G g        Q = A dy

    forward           y  = A^T [ V U^T ]       (tiles, s² C) (s² C, O)
    data gradient     d  = B   [ Q U ]         (tiles, O) (O, s² C), overlapping patches added up
    weight gradient   g  = G^T [ Q^T V ]       (O, tiles) (tiles, s² C)

Each is: transform along rows, along columns, n² matrix products, transform back along columns, rows. The transforms run
over few tiles at a time (they live in the cache), the products over many (BLAS repacks its operands at every call).
 F(2 x 2, 2 x 2) takes 9 products where the
direct sum takes 16, F(4 x 4, 2 x 2) 25 for 64, F(2 x 2, 3 x 3) 16 for 36, F(4 x 4, 3 x 3) 36 for 144.

Arrays here are channels-last: x (N, H, W, C), weight (O, k, k, C), y (N, oh, ow, O).
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .layout import Piece, cut, output_size, padded_rows
from .threads import get_num_threads, parallel_for
from .toom_cook import transforms
from .workspace import scratch

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]

_TRANSFORM_BYTES = 1 << 20  # transformed at a time
_PRODUCT_BYTES = 8 << 20  # multiplied at a time
_BATCH_BYTES = 96 << 20  # kept for a weight gradient


class _Tiles:
    """How F(m, r) with stride s covers outputs (oh, ow): th x tw tiles in each image, n x n indices in each tile."""

    def __init__(self, m: int, r: int, s: int, out_size):
        self.m, self.r, self.s, self.n = m, r, s, m + r - 1
        self.oh, self.ow = out_size
        self.th, self.tw = -(-self.oh // m), -(-self.ow // m)
        self.transforms = transforms(m, r)

    def count(self, piece: Piece) -> int:
        return (piece.n1 - piece.n0) * (piece.r1 - piece.r0) * self.tw

    def cut(self, images: int, channels: int) -> list[Piece]:
        """Pieces for the products; rows of a piece are rows of tiles."""
        return cut(images, self.th, self.tw * self.n**2 * channels * 4, _PRODUCT_BYTES)

    def parts(self, piece: Piece, channels: int):
        """Cut a piece again, for the transforms: (part, slice of the piece's tiles)."""
        row_bytes = self.tw * self.n**2 * channels * 4
        stop = 0
        for part in cut(piece.n1 - piece.n0, piece.r1 - piece.r0, row_bytes, _TRANSFORM_BYTES, fewest=1):
            part = Piece(part.n0 + piece.n0, part.n1 + piece.n0, part.r0 + piece.r0, part.r1 + piece.r0)
            start, stop = stop, stop + self.count(part)
            yield part, slice(start, stop)

    def transform_input(self, x, piece: Piece, padding, v) -> None:
        """V = B^T d: v (n, n, tiles, s² C)."""
        m, s, n, C = self.m, self.s, self.n, x.shape[3]
        Bt = self.transforms["Bt"]
        for part, tiles in self.parts(piece, s * s * C):
            images, rows = part.n1 - part.n0, part.r1 - part.r0
            height, width = s * (m * (rows - 1) + n), s * (m * (self.tw - 1) + n)
            padded = padded_rows(x, part, s * m * part.r0 - padding[0], height, padding[1], width)
            image, row, pixel, channel = padded.strides
            shape = (n, images, rows, s, width, C)
            strides = (s * row, image, s * m * row, row, pixel, channel)
            by_rows = scratch("by_rows", shape, x.dtype)
            Bt(as_strided(padded, shape, strides), by_rows)

            i, image, row, phase, pixel, channel = by_rows.strides
            shape = (n, n, images, rows, self.tw, s, s, C)
            strides = (s * pixel, i, image, row, s * m * pixel, phase, pixel, channel)
            patches = scratch("patches", shape, x.dtype)
            np.copyto(patches, as_strided(by_rows, shape, strides))
            Bt(patches.reshape(n, n, -1, s * s * C), v[:, :, tiles].swapaxes(0, 1))

    def transform_output(self, dy, piece: Piece, q) -> None:
        """Q = A dy: q (n, n, tiles, O)."""
        m, n, O = self.m, self.n, dy.shape[3]
        A = self.transforms["A"]
        for part, tiles in self.parts(piece, O):
            images, rows = part.n1 - part.n0, part.r1 - part.r0
            padded = padded_rows(dy, part, m * part.r0, m * rows, 0, m * self.tw)
            by_rows = scratch("by_rows", (n, images, rows, self.tw, m, O), dy.dtype)
            A(padded.reshape(images, rows, m, self.tw, m, O).transpose(2, 0, 1, 3, 4, 5), by_rows)
            pixels = scratch("patches", (m, n, images, rows, self.tw, O), dy.dtype)
            np.copyto(pixels, by_rows.transpose(4, 0, 1, 2, 3, 5))
            A(pixels.reshape(m, n, -1, O), q[:, :, tiles].swapaxes(0, 1))

    def transform_weight(self, weight, transposed: bool) -> np.ndarray:
        """U = G g: (n, n, O, s² C), or transposed (n, n, s² C, O)."""
        r, s, n = self.r, self.s, self.n
        O, C = weight.shape[0], weight.shape[3]
        taps = weight.reshape(O, r, s, r, s, C)
        if transposed:
            taps = taps.transpose(1, 3, 2, 4, 5, 0)
            u = scratch("U", (n, n, s, s, C, O), weight.dtype)
            axis, length = 4, C
        else:
            taps = taps.transpose(1, 3, 0, 2, 4, 5)
            u = scratch("U", (n, n, O, s, s, C), weight.dtype)
            axis, length = 2, O

        def work(start: int, stop: int) -> None:
            slab = (slice(None),) * axis + (slice(start, stop),)
            g = scratch("taps", taps[slab].shape, weight.dtype)
            np.copyto(g, taps[slab])
            by_rows = scratch("by_rows", (n, *g.shape[1:]), weight.dtype)
            self.transforms["G"](g, by_rows)
            self.transforms["G"](by_rows.swapaxes(0, 1), u[slab].swapaxes(0, 1))

        parallel_for(work, length, _slab(length, u.nbytes // length, _TRANSFORM_BYTES))
        return u.reshape(n, n, s * s * C, O) if transposed else u.reshape(n, n, O, s * s * C)

    def transform_back(self, name: str, products, target) -> None:
        """target (i', j', …) = products (i, j, …) transformed along both axes."""
        transform = self.transforms[name]
        by_columns = scratch("by_columns", (target.shape[1], *products.shape[:1], *products.shape[2:]), products.dtype)
        transform(products.swapaxes(0, 1), by_columns)
        transform(by_columns.swapaxes(0, 1), target)


def _slab(length: int, bytes_each: int, budget: int) -> int:
    """Items per slab, so that a slab has about `budget` bytes and every thread gets equally many."""
    threads = get_num_threads()
    slabs = -(-length * bytes_each // budget)
    slabs = max(threads, -(-slabs // threads) * threads)
    return max(1, -(-length // slabs))


def _multiply(a, b, out) -> None:
    """n² matrix products."""
    n = a.shape[0] * a.shape[1]
    np.matmul(a.reshape(n, *a.shape[2:]), b.reshape(n, *b.shape[2:]), out=out.reshape(n, *out.shape[2:]))


def conv2d(x, weight, stride, padding, m):
    """x (N, H, W, C), weight (O, k, k, C) -> y (N, oh, ow, O)."""
    N, H, W, C = x.shape
    O, k, _, _ = weight.shape
    s, r = stride[0], k // stride[0]
    tiles = _Tiles(m, r, s, output_size((H, W), (k, k), stride, padding, (1, 1)))
    n, K = tiles.n, s * s * C
    y = np.empty((N, tiles.oh, tiles.ow, O), x.dtype)
    u = tiles.transform_weight(weight, transposed=True)
    pieces = tiles.cut(N, max(K, O))

    def work(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            count = tiles.count(piece)
            v = scratch("V", (n, n, count, K), x.dtype)
            products = scratch("products", (n, n, count, O), x.dtype)
            tiles.transform_input(x, piece, padding, v)
            _multiply(v, u, products)
            for part, here in tiles.parts(piece, O):
                outputs = scratch("outputs", (m, m, tiles.count(part), O), x.dtype)
                tiles.transform_back("At", products[:, :, here], outputs)
                _place_tiles(outputs, y, part, tiles)

    parallel_for(work, len(pieces))
    return y


def _place_tiles(outputs, y, piece: Piece, tiles: _Tiles) -> None:
    """Write (m, m, tiles, O) to where the tiles lie in y."""
    m, rows, tw, O = tiles.m, piece.r1 - piece.r0, tiles.tw, y.shape[3]
    target = y[piece.n0 : piece.n1, m * piece.r0 : m * piece.r1]
    outputs = outputs.reshape(m, m, -1, rows, tw, O)
    if target.shape[1] == m * rows and target.shape[2] == m * tw:
        target.reshape(-1, rows, m, tw, m, O)[...] = outputs.transpose(2, 3, 0, 4, 1, 5)
        return
    for i in range(m):  # some outputs of the last tiles lie outside
        for j in range(m):
            some = target[:, i::m, j::m]
            some[...] = outputs[i, j, :, : some.shape[1], : some.shape[2]]


def conv2d_input_grad(g, weight, input_size, stride, padding, m):
    """g (N, oh, ow, O), weight (O, k, k, C), input_size (H, W) -> dx (N, H, W, C)."""
    N, oh, ow, O = g.shape
    _, k, _, C = weight.shape
    s, r = stride[0], k // stride[0]
    tiles = _Tiles(m, r, s, (oh, ow))
    n, K = tiles.n, s * s * C
    dx = np.empty((N, *input_size, C), g.dtype)
    u = tiles.transform_weight(weight, transposed=False)
    pieces = tiles.cut(N, max(K, O))

    def work(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            reached = piece._replace(r0=max(0, piece.r0 - 1))  # the tiles above reach into the piece's rows
            count = tiles.count(reached)
            q = scratch("Q", (n, n, count, O), g.dtype)
            products = scratch("products", (n, n, count, K), g.dtype)
            tiles.transform_output(g, reached, q)
            _multiply(q, u, products)
            if piece.n1 - piece.n0 > 1:
                for part, here in tiles.parts(piece, K):
                    _add_patches(products[:, :, here], dx, part, part, padding, tiles)
            else:
                _add_patches(products, dx, piece, reached, padding, tiles)

    parallel_for(work, len(pieces))
    return dx


def _add_patches(products, dx, piece: Piece, reached: Piece, padding, tiles: _Tiles) -> None:
    """Add up the overlapping patches B products (n, n, tiles, s² C) and write the piece's rows of dx."""
    m, s, n, tw = tiles.m, tiles.s, tiles.n, tiles.tw
    _, H, W, C = dx.shape
    patches = scratch("patches", products.shape, dx.dtype)
    tiles.transform_back("B", products, patches)

    images, rows = piece.n1 - piece.n0, reached.r1 - reached.r0
    top = s * m * reached.r0  # the row of the padded image that `padded` begins with
    begin = max(0, s * m * piece.r0 - padding[0])
    end = H if piece.r1 == tiles.th else min(H, s * m * piece.r1 - padding[0])
    height = max(s * m * (rows + 1), end + padding[0] - top)
    width = max(s * m * (tw + 1), W + padding[1])
    padded = scratch("padded_rows", (images, height, width, C), dx.dtype)
    padded[:, s * m * rows :] = 0
    padded[:, : s * m * rows, s * m * tw :] = 0
    patches = patches.reshape(n, n, images, rows, tw, s, s, C).transpose(2, 3, 0, 5, 4, 1, 6, 7)
    for i in (0, 1):  # a patch covers its own tile and begins the next one
        for j in (0, 1):
            source = patches[:, :, i * m : (i + 1) * m, :, :, j * m : (j + 1) * m]
            there = padded[:, s * m * i : s * m * (i + rows), s * m * j : s * m * (j + tw)]
            there = there.reshape(images, rows, m, s, tw, m, s, C)[:, :, : source.shape[2], :, :, : source.shape[5]]
            if i == j == 0:
                there[...] = source
            else:
                there += source
    first = begin + padding[0] - top
    dx[piece.n0 : piece.n1, begin:end] = padded[:, first : first + end - begin, padding[1] : padding[1] + W]


def conv2d_weight_grad(x, g, kernel_size, stride, padding, m):
    """x (N, H, W, C), g (N, oh, ow, O) -> dw (O, k, k, C)."""
    N, H, W, C = x.shape
    _, oh, ow, O = g.shape
    s, r = stride[0], kernel_size[0] // stride[0]
    tiles = _Tiles(m, r, s, (oh, ow))
    dw = np.empty((O, *kernel_size, C), x.dtype)
    bytes_per_image = tiles.n**2 * tiles.th * tiles.tw * (s * s * C + O) * 4
    batch = max(1, min(N, _BATCH_BYTES // bytes_per_image))
    for n0 in range(0, N, batch):
        _add_weight_grad(x[n0 : n0 + batch], g[n0 : n0 + batch], dw, padding, tiles, first=n0 == 0)
    return dw


def _add_weight_grad(x, g, dw, padding, tiles: _Tiles, first: bool) -> None:
    """dw (+)= G^T [Q^T V] over all tiles of these images."""
    N, C, O = x.shape[0], x.shape[3], g.shape[3]
    n, r, s, K = tiles.n, tiles.r, tiles.s, tiles.s**2 * C
    count = N * tiles.th * tiles.tw
    v = scratch("all_V", (n, n, count, K), x.dtype)
    q = scratch("all_Q", (n, n, count, O), x.dtype)
    pieces = cut(N, tiles.th, tiles.tw * n * n * max(K, O) * 4, _TRANSFORM_BYTES)

    def transform(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            begin = (piece.n0 * tiles.th + piece.r0) * tiles.tw
            here = slice(begin, begin + tiles.count(piece))
            tiles.transform_input(x, piece, padding, v[:, :, here])
            tiles.transform_output(g, piece, q[:, :, here])

    parallel_for(transform, len(pieces))
    taps = dw.reshape(O, r, s, r, s, C).transpose(1, 3, 0, 2, 4, 5)

    def multiply(start: int, stop: int) -> None:
        products = scratch("products", (n, n, stop - start, K), x.dtype)
        np.matmul(q[..., start:stop].swapaxes(2, 3), v, out=products)
        part = scratch("outputs", (r, r, stop - start, K), x.dtype)
        tiles.transform_back("Gt", products, part)
        part = part.reshape(r, r, stop - start, s, s, C)
        if first:
            taps[:, :, start:stop] = part
        else:
            taps[:, :, start:stop] += part

    parallel_for(multiply, O, _slab(O, n * n * K * 4, _PRODUCT_BYTES))
