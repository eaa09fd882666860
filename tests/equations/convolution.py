"""Convolution, a sum over the window; its transpose, which spreads each element over one; and
windows as columns.
"""

import numpy as np


def pair(value):
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * 2 if len(values) == 1 else values


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """y[n, o, i, j] = b[o] + Σ_{c,u,v} x[n, c, i·s + u·d − p, j·s + v·d − p] · w[o, c, u, v].

    With groups, the filters of a group see its channels only.
    """
    if x.ndim == 3:
        return conv2d(x[None], weight, bias, stride, padding, dilation, groups)[0]
    (sh, sw), (dh, dw) = pair(stride), pair(dilation)
    filters, channels, kh, kw = weight.shape
    if padding == "same":
        padding = (dh * (kh - 1) // 2, dw * (kw - 1) // 2)
    ph, pw = pair(padding)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    height = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1
    width = (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((x.shape[0], filters, height, width))
    for o in range(filters):
        first = o // (filters // groups) * channels
        for c, u, v in np.ndindex(channels, kh, kw):
            seen = x[:, first + c, u * dh :, v * dw :][:, ::sh, ::sw][:, :height, :width]
            y[:, o] += seen * weight[o, c, u, v]
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """A conv2d of images of height 1."""
    x, weight = x[:, :, None], weight[:, :, None]
    return conv2d(x, weight, bias, (1, stride), (0, padding), (1, dilation), groups)[:, :, 0]


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """y[n, o, i·s + u·d − p, j·s + v·d − p] += x[n, c, i, j] · w[c, o, u, v]."""
    if x.ndim == 3:
        options = (stride, padding, output_padding, groups, dilation)
        return conv_transpose2d(x[None], weight, bias, *options)[0]
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    eh, ew = pair(output_padding)
    n, channels, height, width = x.shape
    _, filters, kh, kw = weight.shape
    whole = ((height - 1) * sh + dh * (kh - 1) + 1 + eh, (width - 1) * sw + dw * (kw - 1) + 1 + ew)
    y = np.zeros((n, filters * groups, *whole))
    for c, o, u, v in np.ndindex(channels, filters, kh, kw):
        target = y[:, c // (channels // groups) * filters + o, u * dh :, v * dw :]
        target[:, ::sh, ::sw][:, :height, :width] += x[:, c] * weight[c, o, u, v]
    y = y[:, :, ph : whole[0] - ph, pw : whole[1] - pw]
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def conv_transpose1d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """A conv_transpose2d of images of height 1; a single signal (C, L), too."""
    if x.ndim == 2:
        options = (stride, padding, output_padding, groups, dilation)
        return conv_transpose1d(x[None], weight, bias, *options)[0]
    x, weight = x[:, :, None], weight[:, :, None]
    options = (1, stride), (0, padding), (0, output_padding), groups, (1, dilation)
    return conv_transpose2d(x, weight, bias, *options)[:, :, 0]


def places(size, kernel_size, dilation, padding, stride):
    """The rows and columns of each window, windows in order; they may lie in the padding."""
    (h, w), (kh, kw), (dh, dw) = pair(size), pair(kernel_size), pair(dilation)
    (ph, pw), (sh, sw) = pair(padding), pair(stride)
    height = (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    width = (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    for i, j in np.ndindex(height, width):
        yield [(i * sh - ph + u * dh, j * sw - pw + v * dw) for u, v in np.ndindex(kh, kw)]


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """Column l holds the pixels of window l, channel after channel; 0 in the padding."""
    if x.ndim == 3:
        return unfold(x[None], kernel_size, dilation, padding, stride)[0]
    n, c, h, w = x.shape
    windows = list(places((h, w), kernel_size, dilation, padding, stride))
    out = np.zeros((n, c, len(windows[0]), len(windows)))
    for l, window in enumerate(windows):
        for k, (i, j) in enumerate(window):
            if 0 <= i < h and 0 <= j < w:
                out[:, :, k, l] = x[:, :, i, j]
    return out.reshape(n, -1, len(windows))


def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Each number of each column added to the pixel that `unfold` would take it from."""
    if x.ndim == 2:
        return fold(x[None], output_size, kernel_size, dilation, padding, stride)[0]
    h, w = pair(output_size)
    windows = list(places((h, w), kernel_size, dilation, padding, stride))
    x = x.reshape(len(x), -1, len(windows[0]), len(windows))
    out = np.zeros((*x.shape[:2], h, w))
    for l, window in enumerate(windows):
        for k, (i, j) in enumerate(window):
            if 0 <= i < h and 0 <= j < w:
                out[:, :, i, j] += x[:, :, k, l]
    return out
