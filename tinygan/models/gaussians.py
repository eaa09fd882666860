"""The parameters θ = (π, μ, Σ) of a mixture of Gaussians, and the M step that finds them.

Covariances are kept as matrices (k, d, d), one for all (1, d, d) when tied, variances (k, d) when
diagonal and (k, 1) when spherical; users see (d, d) and (k,) for the second and the last.
"""

from functools import cached_property

import numpy as np

from ..backend import portable
from ..backend.cpu import mixture as quick

__all__ = ["Gaussians", "inner_shape", "inverse", "m_step", "outer_shape"]

_EPS = np.finfo(np.float64).eps
_ILL_DEFINED = (  # as scikit-learn says it
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data."
)


class Gaussians:
    """π (k,), μ (k, d) and Σ, which whiten points by P with Σ⁻¹ = P Pᵀ, P upper triangular."""

    def __init__(self, kind, weights, means, covariances):
        self.kind, self.weights, self.means, self.covariances = kind, weights, means, covariances

    @cached_property
    def whiten(self):
        if self.covariances.ndim == 3:
            lower = np.linalg.cholesky(self.covariances)
            return np.linalg.solve(lower, np.eye(lower.shape[-1])).swapaxes(1, 2)
        if not (self.covariances > 0).all():
            raise np.linalg.LinAlgError("a variance is not positive")
        return 1 / np.sqrt(self.covariances)

    @property
    def bias(self):
        """log π_k + log det P_k − d/2 · log 2π."""
        d = self.means.shape[1]
        scales = self.whiten.diagonal(0, 1, 2) if self.whiten.ndim == 3 else self.whiten
        log_det = np.broadcast_to(np.log(scales), (len(scales), d)).sum(axis=1)
        with np.errstate(divide="ignore"):  # a component of weight 0 is allowed
            return np.log(self.weights) + log_det - 0.5 * d * np.log(2 * np.pi)

    def error(self, reach):
        """The largest error that log-densities and covariances get from moments about an origin at
        `reach` from the points or means: ε·|δ|ᵀ|Σ⁻¹||δ|; infinite where Σ is singular."""
        try:
            whiten = self.whiten
        except np.linalg.LinAlgError:
            return np.inf
        delta = np.broadcast_to(abs(reach), self.means.shape)
        if whiten.ndim == 3:
            precision = abs(whiten @ whiten.swapaxes(1, 2))
            delta = delta[:, :, None]
            return _EPS * (delta.swapaxes(1, 2) @ precision @ delta).max()
        return _EPS * ((delta * whiten) ** 2).sum(axis=1).max()

    def densities(self, points, origins=None):
        """What computes scores and moments of chunks of `points`: about an origin for each
        component, or where none are given, quickly about the centre of all points."""
        shape = self.means.shape
        whiten = self.whiten if self.whiten.ndim == 3 else np.broadcast_to(self.whiten, shape)
        if origins is None:
            means = self.means - points.centre
            return quick.fast_gaussians(self.kind, self.bias, means, whiten, points.centre)
        return portable.CentredGaussians(points.x, self.bias, self.means, whiten, origins)

    def check(self, points):
        """Refuse a covariance that is singular up to rounding of the points."""
        smallest = 4 * _EPS * points.size  # a standard deviation below it is rounding
        for k, c in enumerate(self.covariances):
            try:
                c = np.linalg.cholesky(c).diagonal() if c.ndim == 2 else np.sqrt(c)
                singular = not (c > smallest).all()
            except np.linalg.LinAlgError:
                singular = True
            if singular:
                who = (
                    "the covariance of all components" if self.kind == "tied" else f"component {k}"
                )
                raise ValueError(
                    f"GaussianMixture: {who} has collapsed onto too few distinct points: its "
                    f"covariance is singular (it holds {self.weights[k] * points.total:.3g} of "
                    f"{points.total:g} points). {_ILL_DEFINED} Another covariance_type may help; "
                    "remove duplicates and constant columns"
                )


def m_step(kind, count, first, second, origins, reg_covar):
    """θ from N = Σ r, Σ r·δ and Σ r·δδᵀ (Σ r·δ² for diagonal kinds) with δ = x − origin.

    A tied covariance is the mean of all components', weighted by N.
    """
    count = count + 10 * _EPS  # an empty component stays at its origin
    shift = first / count[:, None]
    if kind == "tied":
        square = (shift.T * count) @ shift
        covariances = ((second.sum(axis=0) - square) / count.sum())[None]
    elif kind == "full":
        covariances = second / count[:, None, None] - shift[:, :, None] * shift[:, None, :]
    else:
        covariances = second / count[:, None] - shift * shift
        if kind == "spherical":
            covariances = covariances.mean(axis=1, keepdims=True)
    covariances += reg_covar * (np.eye(shift.shape[1]) if covariances.ndim == 3 else 1)
    return Gaussians(kind, count / count.sum(), origins + shift, covariances)


def inverse(covariances):
    """Σ⁻¹ from Σ, or Σ from Σ⁻¹; an error where it is not positive definite."""
    if covariances.ndim == 2:
        if not (covariances > 0).all():
            raise np.linalg.LinAlgError("not positive")
        return 1 / covariances
    half = np.linalg.inv(np.linalg.cholesky(covariances))
    return half.swapaxes(1, 2) @ half


def outer_shape(kind, value):
    """Covariances, or what is made of them, as users see them."""
    return value[0] if kind == "tied" else value[:, 0] if kind == "spherical" else value


def inner_shape(kind, value):
    return value[None] if kind == "tied" else value[:, None] if kind == "spherical" else value
