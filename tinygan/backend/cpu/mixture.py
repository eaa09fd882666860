"""Mixtures of Gaussians on the CPU: two matrix products a chunk, in memory that stays in the cache.

A Gaussian's log-density is linear in what its M step sums up. With φ(x) = (1, x, x_i·x_j for i ≤ j)

    log π_k N(x | μ_k, Σ_k) = θ_k · φ(x),   and the M step needs   Σ_i r_ik φ(x_i),

so for a chunk of points the E step is Θ @ Φ, the M step R @ Φᵀ, and symmetry halves the arithmetic.
With many dimensions and few components these products are too narrow for BLAS; there all components
whiten the chunk in one product, and the triangular whitening matrices are cut into blocks of
columns, so that most of their zeros are skipped.

Both take squares of x before they subtract squares of μ, and lose digits to it where a component is
narrow and far from the centre. The caller measures how many (see `tinygan.models.gmm`) and takes
`portable.CentredGaussians` where they matter.
"""

import numpy as np

from .threads import parallel_for
from .workspace import scratch

__all__ = ["add_up", "fast_gaussians", "log_sum_exp"]

_BLOCKS = 16  # partial sums of a pass: more of them balance threads better and take more memory
_NO_SHARE = 1e-30  # below it a share changes no digit of a sum
_WORKING_SET = 1 << 17  # elements a chunk may touch: 1 MiB of float64, an L2 cache


def fast_gaussians(kind, bias, means, whiten, centre):
    """The quickest way for a mixture of this kind; `means` are relative to `centre`."""
    k, d = means.shape
    if kind == "tied":
        return _SharedQuadratic(bias, means, whiten, centre)
    if kind == "full" and d > 24 and k < d // 2 - 4:
        return _TriangularWhitening(bias, means, whiten, centre)
    return _Features(bias, means, whiten, centre)


class _Gaussians:
    """What the ways share: a chunk is laid out as columns (d, m), about the centre."""

    def __init__(self, centre, components, width):
        self.centre, self.components = centre[:, None], components
        self.rows = min(8192, max(64, _WORKING_SET // (width + 2 * components)))

    def prepare(self, rows):
        out = scratch("mixture columns", rows.T.shape, np.float64)
        return np.subtract(rows.T, self.centre, out=out)

    def _scores(self, columns):
        return scratch("mixture scores", (self.components, columns), np.float64)


class _Features(_Gaussians):
    """Full or diagonal covariances: both steps are products with the features φ(x)."""

    def __init__(self, bias, means, whiten, centre):
        self.full, self.d = whiten.ndim == 3, means.shape[1]
        if self.full:
            precision = whiten @ whiten.swapaxes(1, 2)
            linear = (precision @ means[:, :, None])[:, :, 0]
            self.upper = i, j = np.triu_indices(self.d)
            quadratic = precision[:, i, j] * np.where(i == j, -0.5, -1)
        else:
            precision = whiten * whiten
            linear, quadratic = precision * means, -0.5 * precision
        constant = bias - 0.5 * (linear * means).sum(axis=1)
        self.theta = np.concatenate([constant[:, None], linear, quadratic], axis=1)
        super().__init__(centre, len(means), self.theta.shape[1])

    def prepare(self, rows):
        d = self.d
        phi = scratch("mixture features", (self.theta.shape[1], len(rows)), np.float64)
        phi[0] = 1
        x = np.subtract(rows.T, self.centre, out=phi[1 : 1 + d])
        if not self.full:
            np.multiply(x, x, out=phi[1 + d :])
            return phi
        at = 1 + d
        for i in range(d):
            np.multiply(x[i], x[i:], out=phi[at : at + d - i])
            at += d - i
        return phi

    def scores(self, phi):
        return np.matmul(self.theta, phi, out=self._scores(phi.shape[1]))

    def moments(self, phi, resp):
        return (np.matmul(resp, phi.T, out=scratch("mixture sums", self.theta.shape, np.float64)),)

    def unpack(self, sums):
        """Σ r, Σ r·x and Σ r·xxᵀ (or Σ r·x²) from the summed moments."""
        d, (packed,) = self.d, sums
        count, first, second = packed[:, 0], packed[:, 1 : 1 + d], packed[:, 1 + d :]
        if self.full:
            (i, j), square = self.upper, np.empty((len(packed), d, d))
            square[:, i, j] = square[:, j, i] = second
            second = square
        return count, first, second


class _SharedQuadratic(_Gaussians):
    """A tied covariance: xᵀΣ⁻¹x is the same for all components, what remains is linear in x."""

    def __init__(self, bias, means, whiten, centre):
        (self.whiten,) = whiten.swapaxes(1, 2)
        self.linear = means @ whiten[0] @ self.whiten
        self.constant = bias - 0.5 * (self.linear * means).sum(axis=1)
        super().__init__(centre, len(means), 3 * means.shape[1])

    def scores(self, x):
        white = np.matmul(self.whiten, x, out=scratch("mixture white", x.shape, np.float64))
        white *= white
        out = np.matmul(self.linear, x, out=self._scores(x.shape[1]))
        out += self.constant[:, None]
        out -= 0.5 * white.sum(axis=0)
        return out

    def moments(self, x, resp):
        weighted = np.multiply(resp.sum(axis=0), x, out=scratch("mixture white", x.shape, x.dtype))
        return resp.sum(axis=1), resp @ x.T, weighted @ x.T

    def unpack(self, sums):
        count, first, total = sums
        return count, first, total[None]


class _TriangularWhitening(_Gaussians):
    """Full covariances, d large: y = Pᵀx for all components at once, block after block of rows.

    P is upper triangular, so rows lo:hi of y need x[:hi] only.
    """

    def __init__(self, bias, means, whiten, centre):
        k, d = means.shape
        edges = np.linspace(0, d, max(2, d // 16) + 1).astype(int)
        self.blocks = list(zip(edges[:-1], edges[1:]))
        self.bias = bias[:, None]
        shifts = (means[:, None, :] @ whiten)[:, 0]
        self.whiten = [
            np.ascontiguousarray(whiten[:, :hi, lo:hi].swapaxes(1, 2)).reshape(-1, hi)
            for lo, hi in self.blocks
        ]
        self.shifts = [shifts[:, lo:hi].reshape(-1, 1) for lo, hi in self.blocks]
        super().__init__(centre, k, d + k * (d // len(self.blocks)))

    def _block(self, lo, hi, columns, components):
        return scratch("mixture white", (components, hi - lo, columns), np.float64)

    def scores(self, x):
        m, k = x.shape[1], self.components
        out, part = self._scores(m), scratch("mixture part", (k, m), np.float64)
        out[...] = 0
        for (lo, hi), whiten, shift in zip(self.blocks, self.whiten, self.shifts):
            white = self._block(lo, hi, m, k)
            flat = np.matmul(whiten, x[:hi], out=white.reshape(-1, m))
            flat -= shift
            out += np.einsum("kdm,kdm->km", white, white, out=part)
        out *= -0.5
        out += self.bias
        return out

    def moments(self, x, resp):
        """Each component sums over the points in which it has a share: in many dimensions few."""
        k, d = self.components, len(x)
        second = scratch("mixture sums", (k, d, d), np.float64)
        for share, out in zip(resp, second):
            mine, part = np.flatnonzero(share > _NO_SHARE), x
            if len(mine) < len(share):
                part = scratch("mixture part", (d, len(mine)), np.float64)
                np.take(x, mine, axis=1, out=part, mode="clip")
                share = share[mine]
            half = np.multiply(np.sqrt(share), part, out=self._block(0, d, len(share), 1)[0])
            np.matmul(half, half.T, out=out)  # symmetric: BLAS computes one half
        return resp.sum(axis=1), resp @ x.T, second

    def unpack(self, sums):
        return sums


def log_sum_exp(scores):
    """log Σ_k exp(scores) over the first axis; the scores become the shares exp(scores − log Σ)."""
    top = scores.max(axis=0)
    scores -= top
    np.exp(scores, out=scores)
    total = scores.sum(axis=0)
    scores /= total
    np.log(total, out=total)
    total += top
    return total


def add_up(function, n, rows):
    """Σ function(start, stop) over chunks of `range(n)`, for functions that return tuples of sums.

    Each block of chunks has a sum of its own, and these are added in order: the result does not
    depend on the threads.
    """
    length = -(-n // _BLOCKS)
    totals = [None] * -(-n // length)

    def run(first, last):
        for block in range(first, last):
            end = min(n, (block + 1) * length)
            for start in range(block * length, end, rows):
                totals[block] = _added(totals[block], function(start, min(start + rows, end)))

    parallel_for(run, len(totals))
    for part in totals[1:]:
        _added(totals[0], part)
    return totals[0]


def _added(total, part):
    if total is None:
        return [np.array(value) for value in part]  # copies: parts lie in scratch memory
    for value, more in zip(total, part):
        value += more
    return total
