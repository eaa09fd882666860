"""Convolution as matrix products over windows ("im2col"), for every stride, padding, dilation and
group count.

With x[n, :, r, c] the input, w[o, c, i, j] the weight and (s, p, d) stride, padding, dilation, a
convolution is

    y[n, o, r, q]  = sum_{c, i, j}  w[o, c, i, j] x[n, c, s r + d i - p, s q + d j - p]

Write every window of x as one row of a matrix `columns` (pixels of y, kh kw C) and the weight as
`w` (O, kh kw C):

    forward           y       = columns w^T
    data gradient     columns = g w,   every window added back to where it came from ("col2im")
    weight gradient   w       = g^T columns

The matrix of windows is kh kw / s² times as large as x. It is made piece by piece, so that a piece
stays in the cache, and the threads share the pieces. Arrays here are channels-last: x (N, H, W, C),
w (O, kh, kw, C / groups), y (N, H, W, O)."""

import numpy as np

from .gemm import matmul, matmul_tall
from .layout import Piece, cut, output_size, padded_rows, windows
from .threads import parallel_for, threads_for
from .workspace import scratch

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "conv_transpose2d_gradients"]

_PIECE_BYTES = 1 << 19  # of the matrix of windows made at a time


def conv2d(x, weight, stride, padding, dilation, groups):
    """x (N, H, W, C), weight (O, kh, kw, C / groups) -> y (N, oh, ow, O)."""
    O, *kernel_size, _ = weight.shape
    N, H, W, _ = x.shape
    oh, ow = output_size((H, W), kernel_size, stride, padding, dilation)
    y = np.empty((N, oh, ow, O), x.dtype, like=x)
    if x.size == 0 or y.size == 0 or weight.size == 0:
        y.fill(0)
        return y
    if _is_one_product((H, W), kernel_size, stride, padding, groups):
        rows = N * oh * ow
        matmul(x.reshape(rows, -1), weight.reshape(O, -1).T, y.reshape(rows, O))
        return y
    w = _group_matrices(weight, groups).transpose(0, 2, 1)
    if groups == 1 and N * oh * ow < O:  # the weight is what costs: each thread takes a part of it
        whole = Piece(0, N, 0, oh)
        columns = _columns(x, whole, ow, kernel_size, stride, padding, dilation, groups)
        matmul(columns[0], w[0], y.reshape(-1, O))
        return y
    row_bytes = ow * w[:, :, 0].size * x.itemsize
    pieces = cut(N, oh, row_bytes, _PIECE_BYTES, _threads(y, weight))

    def work(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            columns = _columns(x, piece, ow, kernel_size, stride, padding, dilation, groups)
            matmul_tall(columns, w, _group_rows(y, piece, groups))

    parallel_for(work, len(pieces))
    return y


def conv2d_input_grad(g, weight, input_size, stride, padding, dilation, groups):
    """g (N, oh, ow, O), weight (O, kh, kw, C / groups), input_size (H, W) -> dx (N, H, W, C)."""
    O, *kernel_size, _ = weight.shape
    N, oh, ow, _ = g.shape
    C = weight.shape[3] * groups
    H, W = input_size
    dx = np.empty((N, H, W, C), g.dtype, like=g)
    if g.size == 0 or dx.size == 0:
        dx.fill(0)
        return dx
    if _is_one_product((H, W), kernel_size, stride, padding, groups):
        rows = N * oh * ow
        matmul(g.reshape(rows, O), weight.reshape(O, -1), dx.reshape(rows, -1))
        return dx
    w = _group_matrices(weight, groups)
    rows_per_row = max(1.0, oh / H)
    row_bytes = int(rows_per_row * ow * w[:, 0].size * g.itemsize)
    pieces = cut(N, H, row_bytes, _PIECE_BYTES, _threads(g, weight))
    products = None
    if groups == 1 and N * oh * ow < w.shape[2] // 4:  # as in conv2d
        products = scratch("all_columns", (N * oh * ow, w.shape[2]), g.dtype)
        matmul(g.reshape(-1, O), w[0], products)
        products = products.reshape(N, oh, ow, *kernel_size, 1, C)
        pieces = cut(N, H, row_bytes, N * H * row_bytes, 1)

    def work(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            _add_windows(g, w, products, dx, piece, kernel_size, stride, padding, dilation)

    parallel_for(work, len(pieces))
    return dx


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups, also=None):
    """x (N, H, W, C), g (N, oh, ow, O) -> dw (O, kh, kw, C / groups). With `also`, call
    `also(piece, columns)` for every piece of the batch while its windows are in the cache."""
    N, H, W, C = x.shape
    _, oh, ow, O = g.shape
    dw = np.empty((O, *kernel_size, C // groups), x.dtype, like=x)
    if x.size == 0 or g.size == 0:
        dw.fill(0)
        return dw
    if _is_one_product((H, W), kernel_size, stride, padding, groups):
        rows = N * oh * ow
        matmul(g.reshape(rows, O).T, x.reshape(rows, -1), dw.reshape(O, -1))
        return dw
    # Every thread sums over its own share of the pieces; the shares are added in order, so that
    # the result does not vary.
    row_bytes = ow * dw[0].size * groups * x.itemsize
    threads = _threads(g, dw)
    pieces = cut(N, oh, row_bytes, max(_PIECE_BYTES, 2 * dw.nbytes), threads)
    shares = min(threads, len(pieces))
    sums = scratch("weight_grad_sums", (shares, groups, O // groups, dw[0].size), x.dtype)

    def work(share: int, _: int) -> None:
        mine = pieces[len(pieces) * share // shares : len(pieces) * (share + 1) // shares]
        for number, piece in enumerate(mine):
            columns = _columns(x, piece, ow, kernel_size, stride, padding, dilation, groups)
            if also:
                also(piece, columns)
            rows = _group_rows(g, piece, groups).transpose(0, 2, 1)
            if number == 0:
                np.matmul(rows, columns, out=sums[share])
            else:
                sums[share] += np.matmul(
                    rows, columns, out=scratch("weight_grad_piece", sums.shape[1:], x.dtype)
                )

    parallel_for(work, shares)
    np.sum(sums, axis=0, out=dw.reshape(sums.shape[1:]))
    return dw


def conv_transpose2d_gradients(y, weight, g, stride, padding, dilation, groups):
    """dy and dw of x = conv2d_input_grad(y, weight), g being the gradient of x: where it has few
    channels, and gathering its windows takes longest, they are gathered once for both."""
    _, *kernel_size, C = weight.shape
    rest = (stride, padding, dilation, groups)
    one_product = _is_one_product(g.shape[1:3], kernel_size, stride, padding, groups)
    if one_product or not _few_channels(kernel_size[1], C, groups) or 0 in (y.size, g.size):
        dy = conv2d(g, weight, *rest)[:, : y.shape[1], : y.shape[2]]
        return np.ascontiguousarray(dy, like=dy), conv2d_weight_grad(g, y, kernel_size, *rest)
    dy, w = np.empty(y.shape, y.dtype, like=y), _group_matrices(weight, groups).transpose(0, 2, 1)

    def write_dy(piece: Piece, columns) -> None:
        matmul_tall(columns, w, _group_rows(dy, piece, groups))

    dw = conv2d_weight_grad(g, y, kernel_size, *rest, also=write_dy)
    return dy, dw


def _threads(y: np.ndarray, weight: np.ndarray) -> int:
    """How many threads to wake: a number of `columns` costs as much as 64 multiplications."""
    windows = y.size // weight.shape[0]
    return threads_for(windows * (weight.size + 64 * weight[0].size))


def _is_one_product(input_size, kernel_size, stride, padding, groups) -> bool:
    """Each window is a pixel, or the one window is the image: then `columns` is x itself,
    reshaped."""
    if groups != 1 or tuple(padding) != (0, 0):
        return False
    whole_image = tuple(input_size) == tuple(kernel_size)
    each_pixel = tuple(kernel_size) == (1, 1) and tuple(stride) == (1, 1)
    return whole_image or each_pixel


def _group_matrices(weight: np.ndarray, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) -> (groups, O / groups, kh kw C / groups)."""
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def _group_rows(y: np.ndarray, piece: Piece, groups: int) -> np.ndarray:
    """The piece's pixels of y (N, oh, ow, O), as a view (groups, pixels, O / groups)."""
    part = y[piece.n0 : piece.n1, piece.r0 : piece.r1]
    return part.reshape(-1, groups, y.shape[3] // groups).transpose(1, 0, 2)


def _columns(
    x, piece: Piece, ow: int, kernel_size, stride, padding, dilation, groups
) -> np.ndarray:
    """The windows of the piece's output pixels as rows: (groups, pixels, kh kw C / groups), in
    scratch memory."""
    (kh, kw), C = kernel_size, x.shape[3]
    count = (piece.r1 - piece.r0 - 1) * stride[0] + dilation[0] * (kh - 1) + 1
    width = (ow - 1) * stride[1] + dilation[1] * (kw - 1) + 1
    rows = padded_rows(x, piece, piece.r0 * stride[0] - padding[0], count, padding[1], width)
    view = windows(rows, piece.r1 - piece.r0, ow, kernel_size, stride, dilation)
    if _few_channels(kw, C, groups):
        view = view.transpose(3, 4, 5, 0, 1, 2)
        columns = scratch("columns", view.shape, x.dtype)
        np.copyto(columns, view)
        return columns.reshape(1, kh * kw * C, -1).transpose(0, 2, 1)
    view = view.reshape(*view.shape[:5], groups, C // groups).transpose(5, 0, 1, 2, 3, 4, 6)
    columns = scratch("columns", view.shape, x.dtype)
    np.copyto(columns, view)
    return columns.reshape(groups, -1, kh * kw * (C // groups))


def _few_channels(kw: int, C: int, groups: int) -> bool:
    """A row of a window is so short that copying rows of the image (columns transposed) is
    faster."""
    return groups == 1 and kw * C <= 16


def _add_windows(g, w, products, dx, piece: Piece, kernel_size, stride, padding, dilation) -> None:
    """The piece's rows of dx: all windows of g w that touch them, added up. `products` is g w where
    it is known already.
    """
    (kh, kw), groups, cg = kernel_size, w.shape[0], w.shape[2] // (kernel_size[0] * kernel_size[1])
    W, C = dx.shape[2:]
    _, oh, ow, _ = g.shape
    reach = dilation[0] * (kh - 1)
    # rows [first, last) of g reach rows [r0, r1) of dx
    first = max(0, -(-(piece.r0 + padding[0] - reach) // stride[0]))
    last = min(oh, (piece.r1 - 1 + padding[0]) // stride[0] + 1)
    images, rows = piece.n1 - piece.n0, max(0, last - first)

    begin = first * stride[0] - padding[0]  # the row of dx that the first window begins at
    top = min(begin, piece.r0)  # the row of dx that lies at padded[:, 0]
    height = max(begin - top + max(0, rows - 1) * stride[0] + reach + 1, piece.r1 - top)
    width = max((ow - 1) * stride[1] + dilation[1] * (kw - 1) + 1, W + padding[1])
    few_channels = _few_channels(kw, C, groups) and products is None
    if few_channels:
        padded = scratch("overlap", (1, cg, images, height, width), g.dtype).transpose(
            2, 3, 4, 0, 1
        )
    else:
        padded = scratch("overlap", (images, height, width, groups, cg), g.dtype)
    padded.fill(0)
    if rows:
        g_rows = _group_rows(g, Piece(piece.n0, piece.n1, first, last), groups)
        if products is not None:
            columns = products[piece.n0 : piece.n1, first:last].transpose(3, 4, 0, 1, 2, 5, 6)
        elif few_channels:
            columns = scratch("columns", (kh, kw, 1, cg, images, rows, ow), g.dtype)
            np.matmul(w[0].T, g_rows[0].T, out=columns.reshape(w.shape[2], -1))
            columns = columns.transpose(0, 1, 4, 5, 6, 2, 3)
        else:
            columns = scratch("columns", (groups, images, rows, ow, kh, kw, cg), g.dtype)
            matmul_tall(g_rows, w, columns.reshape(groups, -1, w.shape[2]))
            columns = columns.transpose(4, 5, 1, 2, 3, 0, 6)
        for i in range(kh):
            for j in range(kw):
                r, c = begin - top + i * dilation[0], j * dilation[1]
                end_r, end_c = r + (rows - 1) * stride[0] + 1, c + (ow - 1) * stride[1] + 1
                padded[:, r : end_r : stride[0], c : end_c : stride[1]] += columns[i, j]
    skip = piece.r0 - top
    inside = padded[:, skip : skip + piece.r1 - piece.r0, padding[1] : padding[1] + W]
    dx[piece.n0 : piece.n1, piece.r0 : piece.r1] = inside.reshape(*inside.shape[:3], C)
