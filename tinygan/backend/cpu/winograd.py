"""Convolution with fewer multiplications: F(m x m, r x r) over tiles, for kernels of r strides
(Winograd's algorithm).

A convolution with kernel size k = s r and stride s is a convolution with r taps and stride 1 over
"phases": pixel (s i + a, s j + b) of the padded input becomes channel (a, b, c) of pixel (i, j) in
an image with s² C channels. So the DCGAN's 4x4 stride-2 layers are r = 2, s = 2, and a residual
block's 3x3 layers are r = 3, s = 1.

The image of phases is cut into patches d of n x n pixels, n = m + r - 1, that give m x m outputs
each. With the matrices of toom_cook.py, and a product over channels for each of the n² indices:

    V = B^T d        U = G g        Q = A dy

    forward           y  = A^T [ V U^T ]       (tiles, s² C) (s² C, O)
    data gradient     d  = B   [ Q U ]         (tiles, O) (O, s² C), overlapping patches added up
    weight gradient   g  = G^T [ Q^T V ]       (O, tiles) (tiles, s² C)

Each is: gather, transform, n² matrix products, transform back, scatter. The transforms run over few
tiles at a time (so that they stay in the cache), the products over many (BLAS repacks its operands
at every call).

F(2 x 2, 2 x 2) takes 9 products where the direct sum takes 16, F(4 x 4, 2 x 2) 25 for 64, F(2 x 2,
3 x 3) 16 for 36, F(4 x 4, 3 x 3) 36 for 144.

Arrays here are channels-last: x (N, H, W, C), weight (O, k, k, C), y (N, oh, ow, O).
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .gemm import matmul_tall, matmul_wide
from .layout import Piece, cut, output_size, padded_rows, slab_length
from .threads import Loop, parallel_loops, threads_for
from .toom_cook import transforms
from .weights import transformed_weight
from .workspace import scratch, scratch_matrix

__all__ = [
    "conv2d", "conv2d_gradients", "conv2d_input_grad", "conv2d_weight_grad",
    "conv_transpose2d_gradients",
]  # fmt: skip

_TRANSFORM_BYTES = 2 << 20  # transformed at a time, at most: a quarter of small pieces
_LEAST_TRANSFORM = 1 << 19
_PRODUCT_BYTES = 8 << 20  # multiplied at a time, at most: a quarter of small batches
_LEAST_PRODUCT = 2 << 20
_BATCH_BYTES = 96 << 20  # kept for a weight gradient
_SHARE_BYTES = 2 << 20  # each thread's own sum of products, for a weight gradient


class _Tiles:
    """How F(m, r) with stride s covers outputs (oh, ow): th x tw tiles in each image, n x n indices
    in each tile."""

    def __init__(self, m: int, r: int, s: int, out_size):
        self.m, self.r, self.s, self.n = m, r, s, m + r - 1
        self.oh, self.ow = out_size
        self.th, self.tw = -(-self.oh // m), -(-self.ow // m)
        self.A, self.B, self.G = transforms(m, r)

    def count(self, piece: Piece) -> int:
        return (piece.n1 - piece.n0) * (piece.r1 - piece.r0) * self.tw

    def reaching(self, piece: Piece) -> Piece:
        """The piece and the row of tiles above it, whose patches reach into its rows."""
        return piece._replace(r0=max(0, piece.r0 - 1))

    def cut(self, images: int, K: int, O: int, budget: int | None = None):
        """Pieces of the batch for the threads; a piece's rows are rows of tiles."""
        row_bytes = self.tw * self.n**2 * max(K, O) * 4
        quarter = max(_LEAST_PRODUCT, images * self.th * row_bytes // 4)
        budget = budget or min(_PRODUCT_BYTES, quarter)
        return cut(images, self.th, row_bytes, budget, self.threads(images, K, O))

    def threads(self, images: int, K: int, O: int) -> int:
        """How many threads to wake for images of s² C = K channels that become O."""
        tiles = images * self.th * self.tw
        return threads_for(tiles * self.n**2 * (K * O + self.n**2 * K + self.m**2 * O))

    def parts(self, piece: Piece, channels: int):
        """Cut a piece again, for the transforms: (part, its columns in a matrix (indices, tiles
        channels))."""
        row_bytes = self.tw * self.n**2 * channels * 4
        images, rows = piece.n1 - piece.n0, piece.r1 - piece.r0
        quarter = max(_LEAST_TRANSFORM, images * rows * row_bytes // 4)
        stop = 0
        for part in cut(images, rows, row_bytes, min(_TRANSFORM_BYTES, quarter), fewest=1):
            part = Piece(
                part.n0 + piece.n0, part.n1 + piece.n0, part.r0 + piece.r0, part.r1 + piece.r0
            )
            start, stop = stop, stop + self.count(part)
            yield part, slice(start * channels, stop * channels)

    def transform_input(self, x, piece: Piece, padding, v) -> None:
        """V = B^T d into v (n², tiles s² C)."""
        m, s, n, C = self.m, self.s, self.n, x.shape[3]
        for part, here in self.parts(piece, s * s * C):
            images, rows = part.n1 - part.n0, part.r1 - part.r0
            height, width = s * (m * (rows - 1) + n), s * (m * (self.tw - 1) + n)
            padded = padded_rows(x, part, s * m * part.r0 - padding[0], height, padding[1], width)
            image, row, pixel, channel = padded.strides
            strides = (s * row, s * pixel, image, s * m * row, s * m * pixel, row, pixel, channel)
            d = scratch_matrix("gathered", n * n, here.stop - here.start)
            shape = (n, n, images, rows, self.tw, s, s, C)
            d.reshape(shape)[...] = as_strided(padded, shape, strides, subok=True)
            matmul_wide(self.B.T, d, v[:, here])

    def transform_output(self, dy, piece: Piece, q) -> None:
        """Q = A dy into q (n², tiles O)."""
        m, O = self.m, dy.shape[3]
        for part, here in self.parts(piece, O):
            rows = part.r1 - part.r0
            padded = padded_rows(dy, part, m * part.r0, m * rows, 0, m * self.tw)
            pixels = padded.reshape(-1, rows, m, self.tw, m, O).transpose(2, 4, 0, 1, 3, 5)
            t = scratch_matrix("gathered", m * m, here.stop - here.start)
            t.reshape(pixels.shape)[...] = pixels
            matmul_wide(self.A, t, q[:, here])


def conv2d(x, weight, stride, padding, m):
    """x (N, H, W, C), weight (O, k, k, C) -> y (N, oh, ow, O)."""
    size = output_size(x.shape[1:3], weight.shape[1:3], stride, padding, (1, 1))
    tiles, K, O = _tiles_of(weight, stride, size, m)
    N, y = len(x), np.empty((len(x), *size, O), x.dtype, like=x)
    pieces = tiles.cut(N, K, O)

    def work(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            v = scratch_matrix("V", tiles.n**2, tiles.count(piece) * K)
            tiles.transform_input(x, piece, padding, v)
            ready.wait()
            _write_outputs(v, u, y, piece, tiles)

    with transformed_weight(weight, tiles, tiles.threads(N, K, O), transposed=True) as (u, ready):
        parallel_loops(ready, Loop(work, len(pieces)))
    return y


def _tiles_of(weight, stride, out_size, m):
    """The tiles for outputs of this size, and s² C, O."""
    O, k, _, C = weight.shape
    s = stride[0]
    return _Tiles(m, k // s, s, out_size), s * s * C, O


def _write_outputs(v, u, y, piece: Piece, tiles: _Tiles) -> None:
    """A^T [V U^T], from v (n², tiles s² C) and u (n², s² C, O), to the piece's places in y."""
    nn, count, (_, K, O) = tiles.n**2, tiles.count(piece), u.shape
    products = scratch_matrix("products", nn, count * O)
    matmul_tall(v.reshape(nn, count, K), u, products.reshape(nn, count, O))
    for part, here in tiles.parts(piece, O):
        outputs = scratch_matrix("gathered", tiles.m**2, here.stop - here.start)
        matmul_wide(tiles.A.T, products[:, here], outputs)
        _place_tiles(outputs, y, part, tiles)


def _place_tiles(outputs, y, piece: Piece, tiles: _Tiles) -> None:
    """Write (m², tiles O) to where the tiles lie in y."""
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
    tiles, K, O = _tiles_of(weight, stride, g.shape[1:3], m)
    N, dx = len(g), np.empty((len(g), *input_size, weight.shape[3]), g.dtype, like=g)
    pieces = tiles.cut(N, K, O)

    def work(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            q = _reaching_q(g, piece, tiles)
            ready.wait()
            _write_input_grad(q, u, dx, piece, padding, tiles)

    with transformed_weight(weight, tiles, tiles.threads(N, K, O), transposed=False) as (u, ready):
        parallel_loops(ready, Loop(work, len(pieces)))
    return dx


def _reaching_q(g, piece: Piece, tiles: _Tiles):
    """Q = A g (n², tiles O) of all tiles that reach into the piece."""
    reached = tiles.reaching(piece)
    q = scratch_matrix("Q", tiles.n**2, tiles.count(reached) * g.shape[3])
    tiles.transform_output(g, reached, q)
    return q


def _write_input_grad(q, u, dx, piece: Piece, padding, tiles: _Tiles) -> None:
    """B [Q U], from q (n², tiles O) of all tiles that reach into the piece and u (n², O, s² C), to
    the piece's rows of dx."""
    reached = tiles.reaching(piece)
    nn, count, (_, O, K) = tiles.n**2, tiles.count(reached), u.shape
    products = scratch_matrix("products", nn, count * K)
    matmul_tall(q.reshape(nn, count, O), u, products.reshape(nn, count, K))
    if piece.n1 - piece.n0 > 1:
        for part, here in tiles.parts(piece, K):
            _add_patches(products[:, here], dx, part, part, padding, tiles)
    else:
        _add_patches(products, dx, piece, reached, padding, tiles)


def _add_patches(products, dx, piece: Piece, reached: Piece, padding, tiles: _Tiles) -> None:
    """Add up the overlapping patches B products (n², tiles s² C) and write the piece's rows of
    dx."""
    m, s, n, tw = tiles.m, tiles.s, tiles.n, tiles.tw
    _, H, W, C = dx.shape
    patches = scratch_matrix("gathered", *products.shape)
    matmul_wide(tiles.B, products, patches)

    images, rows = piece.n1 - piece.n0, reached.r1 - reached.r0
    top = s * m * reached.r0  # the row of the padded image that `padded` begins with
    begin = max(0, s * m * piece.r0 - padding[0])
    end = H if piece.r1 == tiles.th else min(H, s * m * piece.r1 - padding[0])
    bottom, right = s * (m * rows + n - m), s * (m * tw + n - m)  # the patches reach so far
    height, width = max(bottom, end + padding[0] - top), max(right, W + padding[1])
    padded = scratch("padded_rows", (images, height, width, C), dx.dtype)
    padded[:, s * m * rows :] = 0
    padded[:, : s * m * rows, s * m * tw :] = 0
    patches = patches.reshape(n, n, images, rows, tw, s, s, C).transpose(2, 3, 0, 5, 4, 1, 6, 7)
    image, row, pixel, channel = padded.strides
    strides = (image, s * m * row, s * row, row, s * m * pixel, s * pixel, pixel, channel)
    for i in (0, m):  # a patch covers its own tile and begins the next one
        for j in (0, m):
            source = patches[:, :, i : i + m, :, :, j : j + m]
            there = as_strided(padded[:, s * i :, s * j :], source.shape, strides, subok=True)
            if i == j == 0:
                there[...] = source
            else:
                there += source
    first = begin + padding[0] - top
    dx[piece.n0 : piece.n1, begin:end] = padded[
        :, first : first + end - begin, padding[1] : padding[1] + W
    ]


def conv2d_weight_grad(x, g, kernel_size, stride, padding, m):
    """x (N, H, W, C), g (N, oh, ow, O) -> dw (O, k, k, C)."""
    dw = np.empty((g.shape[3], *kernel_size, x.shape[3]), x.dtype, like=x)
    tiles, _, _ = _tiles_of(dw, stride, g.shape[1:3], m)
    _weight_grad(x, g, dw, padding, tiles)
    return dw


def conv2d_gradients(x, weight, g, stride, padding, m):
    """dx and dw of y = conv2d(x, weight), g being the gradient of y: both need Q = A g."""
    tiles, K, O = _tiles_of(weight, stride, g.shape[1:3], m)
    dx = np.empty(x.shape, x.dtype, like=x)
    dw = np.empty(weight.shape, x.dtype, like=x)

    def write_dx(piece: Piece, v, q) -> None:
        if tiles.reaching(piece) != piece:
            q = _reaching_q(g, piece, tiles)
        ready.wait()
        _write_input_grad(q, u, dx, piece, padding, tiles)

    threads = tiles.threads(len(x), K, O)
    with transformed_weight(weight, tiles, threads, transposed=False) as (u, ready):
        _weight_grad(x, g, dw, padding, tiles, ready, write_dx)
    return dx, dw


def conv_transpose2d_gradients(y, weight, g, stride, padding, m):
    """dy and dw of x = conv2d_input_grad(y, weight), g being the gradient of x: both need
    V = B^T g."""
    tiles, K, O = _tiles_of(weight, stride, y.shape[1:3], m)
    dy = np.empty(y.shape, y.dtype, like=y)
    dw = np.empty(weight.shape, y.dtype, like=y)

    def write_dy(piece: Piece, v, q) -> None:
        ready.wait()
        _write_outputs(v, u, dy, piece, tiles)

    threads = tiles.threads(len(y), K, O)
    with transformed_weight(weight, tiles, threads, transposed=True) as (u, ready):
        _weight_grad(g, y, dw, padding, tiles, ready, write_dy)
    return dy, dw


def _weight_grad(x, g, dw, padding, tiles: _Tiles, before=None, also=None) -> None:
    """Write dw (O, k, k, C). With `also`, call `also(piece, v, q)` for every piece of the batch
    while its transforms are in the cache, in the loop that follows `before`."""
    N, C, O = x.shape[0], x.shape[3], g.shape[3]
    K = tiles.s**2 * C
    before = before or Loop(None, 0)
    if tiles.n**2 * K * O * 4 <= _SHARE_BYTES:
        _small_weight_grad(x, g, dw, padding, tiles, before, also)
        return
    bytes_per_image = tiles.n**2 * tiles.th * tiles.tw * (K + O) * 4
    batch = max(1, min(N, _BATCH_BYTES // bytes_per_image))
    for n0 in range(0, N, batch):
        _add_weight_grad(x, g, dw, n0, min(n0 + batch, N), padding, tiles, before, also)


def _small_weight_grad(x, g, dw, padding, tiles: _Tiles, before: Loop, also) -> None:
    """dw = G^T [Q^T V], where each thread can hold the products: it sums over its own tiles, and
    the sums are added in order."""
    N, C, O = x.shape[0], x.shape[3], g.shape[3]
    nn, r, s, K = tiles.n**2, tiles.r, tiles.s, tiles.s**2 * C
    pieces = tiles.cut(N, K, O)
    shares = min(tiles.threads(N, K, O), len(pieces))
    sums = scratch("weight_grad_sums", (shares, r * r, O * K), x.dtype)

    def work(share: int, _: int) -> None:
        mine = pieces[len(pieces) * share // shares : len(pieces) * (share + 1) // shares]
        for number, piece in enumerate(mine):
            count = tiles.count(piece)
            v, q = scratch_matrix("V", nn, count * K), scratch_matrix("Q", nn, count * O)
            tiles.transform_input(x, piece, padding, v)
            tiles.transform_output(g, piece, q)
            products = scratch_matrix("more sums" if number else "sums", nn, O * K)
            by_tile = q.reshape(nn, count, O).swapaxes(1, 2)
            np.matmul(by_tile, v.reshape(nn, count, K), out=products.reshape(nn, O, K))
            if number == 0:
                total = products
            else:
                total += products
            if also:
                also(piece, v, q)
        matmul_wide(tiles.G.T, total, sums[share])

    parallel_loops(before, Loop(work, shares))
    for share in range(1, shares):
        sums[0] += sums[share]
    taps = sums[0].reshape(r, r, O, s, s, C).transpose(2, 0, 3, 1, 4, 5)
    dw.reshape(taps.shape)[...] = taps


def _add_weight_grad(x, g, dw, n0, n1, padding, tiles: _Tiles, before: Loop, also) -> None:
    """dw (+)= G^T [Q^T V] over all tiles of images [n0, n1)."""
    N, C, O = n1 - n0, x.shape[3], g.shape[3]
    nn, r, s, K = tiles.n**2, tiles.r, tiles.s, tiles.s**2 * C
    count = N * tiles.th * tiles.tw
    v, q = scratch_matrix("all_V", nn, count * K), scratch_matrix("all_Q", nn, count * O)
    threads = tiles.threads(N, K, O)
    pieces = tiles.cut(N, K, O, None if also else _TRANSFORM_BYTES)

    def transform(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            begin = (piece.n0 * tiles.th + piece.r0) * tiles.tw
            end = begin + tiles.count(piece)
            piece = piece._replace(n0=n0 + piece.n0, n1=n0 + piece.n1)
            here = v[:, begin * K : end * K], q[:, begin * O : end * O]
            tiles.transform_input(x, piece, padding, here[0])
            tiles.transform_output(g, piece, here[1])
            if also:
                also(piece, *here)

    taps = dw.reshape(O, r, s, r, s, C).transpose(1, 3, 0, 2, 4, 5)

    transformed = Loop(transform, len(pieces))

    def multiply(start: int, stop: int) -> None:
        transformed.wait()
        products = scratch_matrix("products", nn, (stop - start) * K)
        by_tile = q.reshape(nn, count, O)[:, :, start:stop]
        np.matmul(
            by_tile.transpose(0, 2, 1), v.reshape(nn, count, K), out=products.reshape(nn, -1, K)
        )
        part = scratch_matrix("gathered", r * r, (stop - start) * K)
        matmul_wide(tiles.G.T, products, part)
        part = part.reshape(r, r, stop - start, s, s, C)
        if n0 == 0:
            taps[:, :, start:stop] = part
        else:
            taps[:, :, start:stop] += part

    slabs = Loop(multiply, O, slab_length(O, nn * K * 4, _PRODUCT_BYTES, threads))
    parallel_loops(before, transformed, slabs)
