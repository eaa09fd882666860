"""Kernels written once against the array module `xp`: what a device uses until it has something
faster of its own.

Arrays in, arrays out; nothing here knows of gradients. What may be given images is written in
functions, `xp.multiply(x, y)` and not `x * y`: on a GPU only they keep channels last (see
`cuda/arrays.py`).
"""

import math

import numpy as np

from .device import array_module, to_numpy


def sigmoid(x):
    """1 / (1 + e⁻ˣ). The exponent is cut where e⁻ˣ would overflow; σ is below 1e-38 there."""
    xp = array_module(x)
    if x.dtype == np.float16:  # whose e⁻ˣ would overflow from x = −11 on
        return sigmoid(x.astype(xp.float32)).astype(x.dtype)
    limit = 88.0 if x.dtype != np.float64 else 700.0
    return xp.reciprocal(xp.add(xp.exp(xp.minimum(xp.negative(x), limit)), 1))


def softplus(x):
    """log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|)."""
    xp = array_module(x)
    out = xp.log1p(xp.exp(xp.negative(xp.abs(x))))
    return xp.add(out, xp.maximum(x, 0))


def matmul(x, y):
    if x.shape[-1] == 1 and x.ndim == y.ndim == 2:  # an outer product: BLAS is slow at it
        return x * y
    return x @ y


def contract(operands, terms, result):
    """Einstein's sum: each operand has the indices of its term, the result those of `result`."""
    xp = array_module(operands[0])
    return xp.einsum(f"{','.join(terms)}->{result}", *operands, optimize=True)


def linear_gradients(x, weight, g):
    """The gradients of x, weight and bias of y = x Wᵀ + b."""
    return g @ weight, g.T @ x, g.sum(axis=0)


def relu(x):
    return array_module(x).maximum(x, 0)


def tanh(x):
    return array_module(x).tanh(x)


def tanh_gradient(g, y):
    """g·(1 − y²)."""
    xp = array_module(g)
    return xp.multiply(g, xp.subtract(1, xp.square(y)))


def leaky_relu(x, slope):
    xp = array_module(x)
    if 0 < slope <= 1:
        return xp.maximum(x, xp.multiply(x, slope))
    return xp.add(xp.maximum(x, 0), xp.multiply(xp.minimum(x, 0), slope))


def leaky_relu_gradient(g, out, slope):
    """g where out > 0, slope·g elsewhere."""
    xp = array_module(g)
    positive = xp.greater(out, 0)
    return xp.where(positive, g, xp.multiply(g, slope)) if slope else xp.multiply(g, positive)


def bce_with_logits(x, t):
    xp = array_module(x)
    return xp.subtract(softplus(x), xp.multiply(x, t))


def sum_over(x, axis, keepdims=False, dtype=None):
    """x summed over `axis`."""
    return array_module(x).sum(x, axis=axis, keepdims=keepdims, dtype=dtype)


def add_at(out, index, values):
    """out[index] += values, where an index that occurs twice counts twice."""
    xp = array_module(out)
    xp.add.at(out, index, values)


def standardize(x, weight, bias, dims, eps, slope=None):
    """y = γ(x − μ)/σ + β over the axes `dims`, or LeakyReLU(y) where a `slope` is given; also μ,
    the variance and 1/σ = (variance + ε)^−½.
    """
    xp = array_module(x)
    mean = x.mean(axis=dims, keepdims=True, dtype=x.dtype)
    out = xp.subtract(x, mean)
    var = xp.square(out).mean(axis=dims, keepdims=True, dtype=x.dtype)
    rstd = 1 / xp.sqrt(var + eps)
    xp.multiply(out, rstd, out=out)
    if weight is not None:
        xp.multiply(out, weight, out=out)
        xp.add(out, bias, out=out)
    if slope is not None:
        out = leaky_relu(out, slope)
    return out, mean, var, rstd


def move_statistics(running_mean, running_var, mean, var, momentum, unbiased):
    """running ← (1 − momentum)·running + momentum·batch in place, for means and for variances; of
    these `unbiased` times the batch's is the unbiased one. Of several per channel the mean counts.
    """
    for running, batch in ((running_mean, mean), (running_var, var * unbiased)):
        batch = batch.reshape(-1, running.shape[0]).mean(0)
        running *= 1 - momentum
        running += momentum * batch


def standardize_given(x, weight, bias, mean, rstd, slope=None):
    """y = γ(x − μ)/σ + β with μ and 1/σ given, or LeakyReLU(y) where a `slope` is given."""
    xp, (scale, shift) = array_module(x), scale_and_shift(x, weight, bias, mean, rstd)
    out = xp.multiply(x, scale)
    xp.add(out, shift, out=out)
    return out if slope is None else leaky_relu(out, slope)


def scale_and_shift(x, weight, bias, mean, rstd):
    """a = γ/σ and b = β − aμ, so that γ(x − μ)/σ + β = ax + b."""
    scale = rstd if weight is None else rstd * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return scale.astype(x.dtype), shift.astype(x.dtype)


def standardize_gradient(g, x, weight, mean, rstd, dims, needed, out=None, slope=None):
    """dx = (h − mean(h) − x̂·mean(h·x̂))/σ with h = γ·g;  dγ = Σ g·x̂,  dβ = Σ g; behind a
    LeakyReLU with result `out`, g is multiplied by its derivative first.
    """
    if slope is not None:
        g = leaky_relu_gradient(g, out, slope)
    xp = array_module(x)
    normal = xp.multiply(xp.subtract(x, mean), rstd)
    h = g if weight is None else xp.multiply(g, weight)
    dx = None
    if 0 in needed:
        dx = xp.subtract(h, h.mean(axis=dims, keepdims=True, dtype=x.dtype))
        along = xp.multiply(h, normal).mean(axis=dims, keepdims=True, dtype=x.dtype)
        xp.subtract(dx, xp.multiply(normal, along), out=dx)
        xp.multiply(dx, rstd, out=dx)
    if weight is None:
        return dx, None, None
    shared = tuple(range(x.ndim - weight.ndim)) + tuple(
        i + x.ndim - weight.ndim
        for i, n in enumerate(weight.shape)
        if n == 1 and x.shape[i + x.ndim - weight.ndim] != 1
    )
    gammas = xp.multiply(g, normal).sum(axis=shared).reshape(weight.shape) if 1 in needed else None
    return dx, gammas, g.sum(axis=shared).reshape(weight.shape) if 2 in needed else None


# -- convolution by im2col and matrix product ------------------------------------------------------


def output_size(size, kernel_size, stride, padding, dilation) -> tuple[int, int]:
    """Positions of the window along each axis: floor((size + 2 padding - dilation (kernel - 1) - 1)
    / stride) + 1."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True)
    )


def _windows(xp, x, kernel, stride, padding, dilation):
    """Every window of x (N, C, H, W) as a view: (N, C, oh, ow, kh, kw)."""
    (ph, pw), (dh, dw), (sh, sw) = padding, dilation, stride
    if ph or pw:
        x = xp.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel))
    view = xp.lib.stride_tricks.sliding_window_view(x, span, axis=(2, 3))
    return view[:, :, ::sh, ::sw, ::dh, ::dw]


def conv2d(x, weight, stride, padding, dilation, groups):
    """y[n, o] = Σ windows · w[o]: one product of (pixels, C·kh·kw) with (C·kh·kw, O) per group."""
    xp = array_module(x)
    o, c, kh, kw = weight.shape
    view = _windows(xp, x, (kh, kw), stride, padding, dilation)
    n, _, oh, ow = view.shape[:4]
    out = xp.empty((n, oh, ow, o), x.dtype)
    for k in range(groups):
        columns = (
            view[:, k * c : (k + 1) * c]
            .transpose(0, 2, 3, 1, 4, 5)
            .reshape(n * oh * ow, c * kh * kw)
        )
        filters = slice(k * (o // groups), (k + 1) * (o // groups))
        product = columns @ weight[filters].reshape(o // groups, -1).T
        out[..., filters] = product.reshape(n, oh, ow, o // groups)
    return out.transpose(0, 3, 1, 2)


def conv2d_input_grad(g, weight, size, stride, padding, dilation, groups):
    """Each g spreads w over its window; overlapping windows add up, one kernel tap at a time."""
    xp = array_module(g)
    o, c, kh, kw = weight.shape
    n, _, oh, ow = g.shape
    (ph, pw), (sh, sw), (dh, dw) = padding, stride, dilation
    h = max(size[0] + 2 * ph, (oh - 1) * sh + dh * (kh - 1) + 1)
    w = max(size[1] + 2 * pw, (ow - 1) * sw + dw * (kw - 1) + 1)
    padded = xp.zeros((n, h, w, c * groups), g.dtype)
    pixels = g.transpose(0, 2, 3, 1)
    for k in range(groups):
        filters = slice(k * (o // groups), (k + 1) * (o // groups))
        spread = pixels[..., filters].reshape(n * oh * ow, o // groups)
        columns = spread @ weight[filters].reshape(o // groups, -1)
        columns = columns.reshape(n, oh, ow, c, kh, kw)
        for i in range(kh):
            for j in range(kw):
                rows, cols = (
                    slice(i * dh, i * dh + oh * sh, sh),
                    slice(j * dw, j * dw + ow * sw, sw),
                )
                padded[:, rows, cols, k * c : (k + 1) * c] += columns[..., i, j]
    return padded[:, ph : ph + size[0], pw : pw + size[1]].transpose(0, 3, 1, 2)


def conv2d_weight_grad(x, g, kernel, stride, padding, dilation, groups):
    """w[o] gets Σ g[n, o] · window, summed over images and pixels."""
    xp = array_module(x)
    n, o, oh, ow = g.shape
    c = x.shape[1] // groups
    view = _windows(xp, x, kernel, stride, padding, dilation)[:, :, :oh, :ow]
    pixels = g.transpose(1, 0, 2, 3)
    parts = []
    for k in range(groups):
        columns = view[:, k * c : (k + 1) * c].transpose(0, 2, 3, 1, 4, 5)
        columns = columns.reshape(n * oh * ow, c * kernel[0] * kernel[1])
        filters = pixels[k * (o // groups) : (k + 1) * (o // groups)]
        filters = filters.reshape(o // groups, n * oh * ow)
        parts.append((filters @ columns).reshape(o // groups, c, *kernel))
    return xp.concatenate(parts) if groups > 1 else parts[0]


def conv2d_gradients(x, weight, g, *geometry):
    """dx and dw of y = conv2d(x, weight), given the gradient of y."""
    dx = conv2d_input_grad(g, weight, x.shape[2:], *geometry)
    return dx, conv2d_weight_grad(x, g, weight.shape[2:], *geometry)


def conv_transpose2d_gradients(y, weight, g, *geometry):
    """dy and dw of x = conv2d_input_grad(y, weight), given the gradient of x."""
    dy = conv2d(g, weight, *geometry)[:, :, : y.shape[2], : y.shape[3]]
    return dy, conv2d_weight_grad(g, y, weight.shape[2:], *geometry)


# -- steps of the optimisers -----------------------------------------------------------------------


def add_scaled(y, b, x, a, room):
    """y ← b·y + a·x; `room` is for intermediate results, and may be x."""
    if b != 1:
        y *= b
    y += array_module(y).multiply(x, a, out=room)


def apply_to_many(equation, rows):
    """Change rows of arrays in place, element by element: equation(*row, room, add_scaled) of each.

    The arrays of a row have one shape; `room` is one more, whose content is free to use.
    """
    for row in rows:
        equation(*row, array_module(row[0]).empty_like(row[0]), add_scaled)


def norm_and_factor(arrays, order, most):
    """The norm of all numbers of these arrays, and the factor that brings it down to `most`; 0-d
    arrays.
    """
    xp = array_module(arrays[0])
    total = _norm(xp, xp.stack([_norm(xp, x, order) for x in arrays]), order)
    return total, xp.minimum(most / (total + 1e-6), 1.0)


def _norm(xp, array, order):
    if order == math.inf:
        return xp.abs(array).max() if array.size else xp.zeros((), array.dtype)
    flat = array.ravel(order="K")
    if order == 2:
        return xp.sqrt(xp.dot(flat, flat))
    return (xp.abs(flat) ** order).sum() ** (1 / order)


def scale_all(arrays, factor):
    """Each array times the factor, a 0-d array."""
    for x in arrays:
        x *= factor.astype(x.dtype)


# -- mixtures of Gaussians -------------------------------------------------------------------------


class CentredGaussians:
    """Scores log π_k N(x | μ_k, Σ_k) and moments about given origins, by differences x − μ_k.

    Nothing cancels, whatever the scale of the data. `whiten` holds P_k with Σ_k⁻¹ = P_k P_kᵀ:
    matrices (k or 1, d, d) or scales (k, d). All arithmetic is in float64.
    """

    def __init__(self, like, bias, means, whiten, origins):
        xp = array_module(like)
        self.bias, self.means, self.origins = (xp.asarray(a) for a in (bias, means, origins))
        self.whiten = xp.asarray(whiten)
        self.matrices = whiten.ndim == 3
        self.rows = max(16, (1 << (17 if xp is np else 24)) // means.size)

    def prepare(self, rows):
        """What both steps need of a chunk of rows (m, d): here (d, m) in float64."""
        return array_module(rows).ascontiguousarray(rows.T, dtype=np.float64)

    def scores(self, x):
        """bias_k − ½‖P_kᵀ(x − μ_k)‖², (k, m)."""
        white = x - self.means[:, :, None]
        if self.matrices:
            white = self.whiten.swapaxes(1, 2) @ white
        else:
            white *= self.whiten[:, :, None]
        white *= white
        return self.bias[:, None] - 0.5 * white.sum(axis=1)

    def moments(self, x, resp):
        """Σ r, Σ r·δ and Σ r·δδᵀ (or Σ r·δ²) with δ = x − origin, per component."""
        delta = x - self.origins[:, :, None]
        weighted = resp[:, None, :] * delta
        if self.matrices:
            second = weighted @ delta.swapaxes(1, 2)
        else:
            second = (weighted * delta).sum(axis=2)
        return resp.sum(axis=1), weighted.sum(axis=2), second

    def unpack(self, sums):
        """The summed moments on the host."""
        return tuple(to_numpy(value) for value in sums)


def add_up(function, n, rows):
    """Σ function(start, stop) over chunks of `range(n)`; the function returns a tuple of sums."""
    total = None
    for start in range(0, n, rows):
        part = function(start, min(start + rows, n))
        total = part if total is None else tuple(a + b for a, b in zip(total, part))
    return total


def log_sum_exp(scores):
    """log Σ_k exp(scores) over the first axis; the scores become the shares exp(scores − log Σ)."""
    xp = array_module(scores)
    top = scores.max(axis=0)
    scores -= top
    xp.exp(scores, out=scores)
    total = scores.sum(axis=0)
    scores /= total
    return top + xp.log(total)
