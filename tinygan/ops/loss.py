"""Losses, each computed from logits where there is a choice.

`reduction` is "mean", "sum" or "none", as in PyTorch.
"""

from ..autograd.op import Op
from ..backend.device import kernels
from .elementwise import abs, clamp, exp, log, relu, sigmoid, square, where
from .reduce import log_softmax


def _logarithm(x):
    return clamp(log(x), -100.0)


_bce = Op(
    "binary_cross_entropy",
    lambda xp, x, t: -(
        t * xp.maximum(xp.log(x), -100.0) + (1 - t) * xp.maximum(xp.log(1 - x), -100.0)
    ),
    elementwise=True, floating=True, quiet=True,
    x=lambda g, x, t: g * (x - t) / clamp(x * (1.0 - x), 1e-12),
    t=lambda g, x: g * (_logarithm(1.0 - x) - _logarithm(x)),
)  # fmt: skip
_bce_logits = Op(
    "bce_with_logits", lambda xp, x, t: kernels(x).bce_with_logits(x, t),
    elementwise=True, floating=True,
    x=lambda g, x, t: g * (sigmoid(x) - t), t=lambda g, x: -g * x,
)  # fmt: skip


def _reduced(name, values, reduction, weight=None):
    if reduction == "mean":
        return values.mean() if weight is None else values.sum() / weight.sum()
    if reduction == "sum":
        return values.sum()
    if reduction == "none":
        return values
    raise ValueError(f"{name}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")


def _same_shape(name, x, target):
    if x.shape != target.shape:
        raise ValueError(f"{name}: input {x.shape} and target {target.shape} differ in shape")


def mse_loss(x, target, reduction="mean"):
    """(x − target)²."""
    _same_shape("mse_loss", x, target)
    return _reduced("mse_loss", square(x - target), reduction)


def l1_loss(x, target, reduction="mean"):
    """|x − target|."""
    _same_shape("l1_loss", x, target)
    return _reduced("l1_loss", abs(x - target), reduction)


def smooth_l1_loss(x, target, reduction="mean", beta=1.0):
    """d²/(2β) where d = |x − target| < β, else d − β/2."""
    _same_shape("smooth_l1_loss", x, target)
    if beta <= 0:
        raise ValueError(f"smooth_l1_loss: expected beta > 0, got {beta}; for 0 use l1_loss")
    d = abs(x - target)
    return _reduced(
        "smooth_l1_loss", where(d < beta, square(d) * (0.5 / beta), d - 0.5 * beta), reduction
    )


def binary_cross_entropy(x, target, reduction="mean"):
    """−t·log x − (1−t)·log(1−x) for probabilities x. Logarithms are cut at −100; prefer the form
    with logits.
    """
    _same_shape("binary_cross_entropy", x, target)
    return _reduced("binary_cross_entropy", _bce(x, target), reduction)


def binary_cross_entropy_with_logits(x, target, reduction="mean", pos_weight=None):
    """−t·log σ(x) − (1−t)·log(1−σ(x)) = softplus(x) − t·x, safe for logits of any size."""
    _same_shape("binary_cross_entropy_with_logits", x, target)
    losses = _bce_logits(x, target)
    if pos_weight is not None:
        losses = losses + (pos_weight - 1.0) * target * _bce_logits(x, 1.0)
    return _reduced("binary_cross_entropy_with_logits", losses, reduction)


def nll_loss(log_probs, target, weight=None, reduction="mean", ignore_index=-100):
    """−log_probs[n, target[n]]; log_probs is (N, C) or (N, C, …), targets are class numbers."""
    if log_probs.ndim < 2 or log_probs.shape[:1] + log_probs.shape[2:] != target.shape:
        raise ValueError(
            f"nll_loss: expected (N, C, ...) and labels (N, ...), got {log_probs.shape} and "
            f"{target.shape}"
        )
    classes = log_probs.shape[1]
    ignored = target == ignore_index
    labels = where(ignored, 0, target)
    if labels.numel() and not bool(((labels >= 0).array & (labels < classes).array).all()):
        raise ValueError(
            f"nll_loss: labels must lie in 0 … {classes - 1}, got {target.array.min()} … "
            f"{target.array.max()}"
        )
    losses = -log_probs.gather(1, labels.unsqueeze(1)).squeeze(1)
    if weight is None and not bool(ignored.array.any()):
        return _reduced("nll_loss", losses, reduction)
    weights = (1.0 - ignored.to(losses.dtype)) * (1.0 if weight is None else weight[labels])
    return _reduced("nll_loss", losses * weights, reduction, weights)


def cross_entropy(x, target, weight=None, reduction="mean", ignore_index=-100, label_smoothing=0.0):
    """−Σ_c p_c·log softmax(x)_c for logits x (N, C, …) and targets: class numbers (N, …), or
    probabilities like x.

    Label smoothing ε mixes the target with the uniform distribution: (1−ε)·p + ε/C.
    """
    if x.ndim < 2:
        raise ValueError(f"cross_entropy: expected logits (N, C, ...), got shape {x.shape}")
    classes, log_probs = x.shape[1], log_softmax(x, 1)
    if target.dtype.kind in "iu" and not label_smoothing:
        return nll_loss(log_probs, target, weight, reduction, ignore_index)
    if target.dtype.kind in "iu":
        hard = nll_loss(log_probs, target, weight, "none", ignore_index)
        counted = (target != ignore_index).to(x.dtype)
        per_class = (
            log_probs if weight is None else log_probs * weight.reshape(-1, *(1,) * (x.ndim - 2))
        )
        soft = -per_class.sum(1) * counted
        losses = (1 - label_smoothing) * hard + (label_smoothing / classes) * soft
        weights = counted if weight is None else counted * weight[where(counted == 0, 0, target)]
        return _reduced("cross_entropy", losses, reduction, weights)
    if x.shape != target.shape:
        raise ValueError(
            f"cross_entropy: for logits {x.shape} expected labels (N, ...) of integers or "
            "probabilities "
            f"of the same shape, got {target.dtype} {target.shape}"
        )
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / classes
    if weight is not None:
        target = target * weight.reshape(-1, *(1,) * (x.ndim - 2))
    return _reduced("cross_entropy", -(target * log_probs).sum(1), reduction)


def gaussian_kl(mu, log_var, reduction="sum"):
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² − 1 − log σ²), in nats."""
    _same_shape("gaussian_kl", mu, log_var)
    return _reduced("gaussian_kl", 0.5 * (square(mu) + exp(log_var) - 1.0 - log_var), reduction)


def hinge_loss(x, sign, margin=1.0, reduction="mean"):
    """max(0, margin − sign·x): `sign` is +1 or −1, a number or a tensor."""
    return _reduced("hinge_loss", relu(margin - sign * x), reduction)


__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "gaussian_kl",
    "hinge_loss", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip
