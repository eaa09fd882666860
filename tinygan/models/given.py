"""What a mixture is told: its parameters, and the start if one is given, checked before a fit.

Where scikit-learn has words for what is wrong, they are used, so that what reads them goes on
working."""

import numpy as np

from .gaussians import inner_shape, inverse
from .points import host

__all__ = ["COVARIANCES", "LLOYD_STEPS", "check_parameters", "given_start"]

COVARIANCES = ("full", "tied", "diag", "spherical")
LLOYD_STEPS = {"k-means++": 10, "kmeans": 300, "random_from_data": 0, "random": 0}
_WHOLE = {"n_components": 1, "max_iter": 0, "n_init": 1, "verbose": 0, "verbose_interval": 1}


def check_parameters(mixture) -> None:
    for name, least in _WHOLE.items():
        value = getattr(mixture, name)
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(
                f"GaussianMixture: {name} must be a whole number ≥ {least}, got {value!r}"
            )
    for name in ("tol", "reg_covar"):
        value = getattr(mixture, name)
        if not np.isreal(value) or not 0 <= value < np.inf:
            raise ValueError(f"GaussianMixture: {name} must be a number ≥ 0, got {value!r}")
    for name, known in {"covariance_type": COVARIANCES, "init_params": LLOYD_STEPS}.items():
        if getattr(mixture, name) not in known:
            raise ValueError(
                f"GaussianMixture: {name} must be one of {', '.join(known)}, "
                f"got {getattr(mixture, name)!r}"
            )


def given_start(mixture, d):
    """The weights, means and covariances that were given to start from, or None for each."""
    k, kind = mixture.n_components, mixture.covariance_type
    matrices = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[kind]
    weights = _shaped("weights", mixture.weights_init, (k,))
    means = _shaped("means", mixture.means_init, (k, d))
    precisions = _shaped(f"{kind} precision", mixture.precisions_init, matrices)
    if weights is not None:
        _check_weights(weights)
    if precisions is not None:
        precisions = _inverse(kind, inner_shape(kind, precisions))
    return weights, means, precisions


def _shaped(name, value, shape):
    if value is None:
        return None
    value = np.array(host(value), np.float64)
    if value.shape != shape:
        raise ValueError(
            f"GaussianMixture: The parameter '{name}' should have the shape of {shape}, but got "
            f"{value.shape}"
        )
    if not np.isfinite(value).all():
        raise ValueError(f"GaussianMixture: The parameter '{name}' should be finite, got {value}")
    return value


def _inverse(kind, precisions):
    matrices = precisions.ndim == 3
    try:
        if matrices and not np.allclose(precisions, precisions.swapaxes(1, 2)):
            raise np.linalg.LinAlgError("not symmetric")
        return inverse(precisions)
    except np.linalg.LinAlgError:
        needed = "symmetric, positive-definite" if matrices else "positive"
        raise ValueError(f"GaussianMixture: '{kind} precision' should be {needed}") from None


def _check_weights(weights):
    if (weights < 0).any() or (weights > 1).any():
        raise ValueError(  # in scikit-learn's order, which its tests read: the smallest comes first
            "GaussianMixture: The parameter 'weights' should be in the range [0, 1], but got max "
            f"value {weights.min():.5f}, min value {weights.max():.5f}"
        )
    if abs(weights.sum() - 1) > 1e-6:
        raise ValueError(
            "GaussianMixture: The parameter 'weights' should be normalized, but got sum(weights) = "
            f"{weights.sum():.5f}"
        )
