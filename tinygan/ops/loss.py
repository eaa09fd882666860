"""Losses: distances between numbers, classification, and likelihoods.

Each is computed from logits where there is a choice. `reduction` is "mean", "sum" or "none", and
always given by name: PyTorch keeps two retired arguments before it. Losses that want a margin are
in `tinygan.ops.margin_loss`.
"""

import math

import numpy as np

from ..autograd.op import Op
from ..autograd.tensor import Tensor
from ..backend.device import kernels
from ..backend.recording import checked
from .create import full_like
from .elementwise import abs, clamp, exp, log, sigmoid, square, where
from .reduce import log_softmax


def _logarithm(x):
    return clamp(log(x), -100.0)


_bce = Op(
    "binary_cross_entropy",
    lambda xp, x, t: (
        -(t * xp.maximum(xp.log(x), -100.0) + (1 - t) * xp.maximum(xp.log(1 - x), -100.0))
    ),
    elementwise=True,
    floating=True,
    quiet=True,
    x=lambda g, x, t: g * (x - t) / clamp(x * (1.0 - x), 1e-12),
    t=lambda g, x: g * (_logarithm(1.0 - x) - _logarithm(x)),
)
_bce_logits = Op(
    "bce_with_logits",
    lambda xp, x, t: kernels(x).bce_with_logits(x, t),
    elementwise=True,
    floating=True,
    x=lambda g, x, t: g * (sigmoid(x) - t),
    t=lambda g, x: -g * x,
)


def _reduced(name, values, reduction, weight=None):
    """The mean, the sum, or every value; with a weight, the mean is the weighted one's."""
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


def broadcasting(name, *tensors):
    """A check that the shapes broadcast against each other."""
    try:
        np.broadcast_shapes(*(t.shape for t in tensors))
    except ValueError:
        shapes = ", ".join(str(t.shape) for t in tensors)
        raise ValueError(f"{name}: shapes {shapes} do not broadcast") from None


def _weighted(name, losses, weight):
    """Each loss times its weight; the weight broadcasts against the losses, not they against it."""
    if weight is None:
        return losses
    lead = losses.ndim - weight.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(weight.shape, losses.shape[lead:])):
        raise ValueError(
            f"{name}: weight {weight.shape} does not broadcast to losses {losses.shape}"
        )
    return losses * weight


# -- distances -------------------------------------------------------------------------------------


def mse_loss(x, target, *, reduction="mean"):
    """(x − target)²."""
    _same_shape("mse_loss", x, target)
    return _reduced("mse_loss", square(x - target), reduction)


def l1_loss(x, target, *, reduction="mean"):
    """|x − target|."""
    _same_shape("l1_loss", x, target)
    return _reduced("l1_loss", abs(x - target), reduction)


def smooth_l1_loss(x, target, *, reduction="mean", beta=1.0):
    """d²/(2β) where d = |x − target| < β, else d − β/2; for β = 0 the l1_loss."""
    _same_shape("smooth_l1_loss", x, target)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: expected beta >= 0, got {beta}")
    d = x - target
    far = abs(d) - 0.5 * beta
    values = where(abs(d) < beta, square(d) * (0.5 / beta), far) if beta else far
    return _reduced("smooth_l1_loss", values, reduction)


def huber_loss(x, target, *, reduction="mean", delta=1.0):
    """d²/2 where d = |x − target| ≤ δ, else δ·(d − δ/2)."""
    _same_shape("huber_loss", x, target)
    if delta <= 0:
        raise ValueError(f"huber_loss: expected delta > 0, got {delta}")
    d = x - target
    values = where(abs(d) < delta, 0.5 * square(d), delta * (abs(d) - 0.5 * delta))
    return _reduced("huber_loss", values, reduction)


# -- classification --------------------------------------------------------------------------------


def _check_probabilities(x, target, name):
    remedy = "; apply sigmoid first, or use binary_cross_entropy_with_logits"
    for values, what, hint in (x, "probabilities", remedy), (target, "targets", ""):
        if not bool(((values >= 0) & (values <= 1)).all()):
            low, high = values.min(), values.max()
            raise ValueError(f"{name}: expected {what} from 0 to 1, got {low} … {high}{hint}")


def binary_cross_entropy(x, target, weight=None, *, reduction="mean"):
    """−t·log x − (1−t)·log(1−x) for probabilities x. Logarithms are cut at −100; prefer the form
    with logits.
    """
    name = "binary_cross_entropy"
    _same_shape(name, x, target)
    checked(_check_probabilities, x.array, target.array, name)
    return _reduced(name, _weighted(name, _bce(x, target), weight), reduction)


def binary_cross_entropy_with_logits(x, target, weight=None, *, reduction="mean", pos_weight=None):
    """−t·log σ(x) − (1−t)·log(1−σ(x)) = softplus(x) − t·x, safe for logits of any size.

    `pos_weight` multiplies the first term only, `weight` the whole.
    """
    name = "binary_cross_entropy_with_logits"
    _same_shape(name, x, target)
    losses = _bce_logits(x, target)
    if pos_weight is not None:
        losses = losses + _weighted(name, target * _bce_logits(x, 1.0), pos_weight - 1.0)
    return _reduced(name, _weighted(name, losses, weight), reduction)


def nll_loss(log_probs, target, weight=None, *, ignore_index=-100, reduction="mean"):
    """−log_probs[n, target[n]]; log_probs is (C,), (N, C) or (N, C, …), targets are class numbers.

    With a weight per class, the mean is Σ wₙ·lossₙ / Σ wₙ over the targets that are not ignored.
    """
    if log_probs.ndim == 1 and not target.ndim:
        return nll_loss(
            log_probs.unsqueeze(0),
            target.unsqueeze(0),
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
        ).reshape(())
    losses, weights = _negative_log_likelihoods(log_probs, target, weight, ignore_index)
    return _reduced("nll_loss", losses, reduction, weights)


def _check_classes(labels, target, classes):
    if labels.size and not bool(((labels >= 0) & (labels < classes)).all()):
        raise ValueError(
            f"nll_loss: labels must lie in 0 … {classes - 1}, got {target.min()} … {target.max()}"
        )


def _negative_log_likelihoods(log_probs, target, weight, ignore_index):
    """For each target −w·log p, 0 where it is ignored, and w."""
    if log_probs.ndim < 2 or log_probs.shape[:1] + log_probs.shape[2:] != target.shape:
        raise ValueError(
            f"nll_loss: expected (N, C, ...) and labels (N, ...), got {log_probs.shape} and "
            f"{target.shape}"
        )
    classes = log_probs.shape[1]
    weight = _per_class("nll_loss", weight, classes)
    ignored = target == ignore_index
    labels = where(ignored, 0, target)
    checked(_check_classes, labels.array, target.array, classes)
    losses = -log_probs.gather(1, labels.unsqueeze(1)).squeeze(1)
    weights = (~ignored).to(losses.dtype)
    weights = weights if weight is None else weights * weight[labels]
    return where(ignored, 0.0, losses * weights), weights  # also where a loss is infinite


def _per_class(name, weight, classes):
    if weight is not None and weight.shape != (classes,):
        raise ValueError(
            f"{name}: expected a weight for each of {classes} classes, got shape {weight.shape}"
        )
    return weight


def cross_entropy(
    x, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    """−Σ_c w_c·p_c·log softmax(x)_c for logits x, (C,), (N, C) or (N, C, …), and targets: class
    numbers, or probabilities p like x.

    Label smoothing ε mixes the target with the uniform distribution: (1−ε)·p + ε/C.
    """
    name = "cross_entropy"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: expected label_smoothing from 0 to 1, got {label_smoothing}")
    if not x.ndim:
        raise ValueError(f"{name}: expected logits (C,), (N, C) or (N, C, ...), got a number")
    if x.ndim == 1:
        return cross_entropy(
            x.unsqueeze(0), target.unsqueeze(0), weight, ignore_index=ignore_index,
            reduction=reduction, label_smoothing=label_smoothing,
        ).reshape(())  # fmt: skip
    classes, log_probs = x.shape[1], log_softmax(x, 1)
    weight = _per_class(name, weight, classes)
    per_class = 1.0 if weight is None else weight.reshape(-1, *(1,) * (x.ndim - 2))
    if target.dtype.kind in "iu":
        losses, weights = _negative_log_likelihoods(log_probs, target, weight, ignore_index)
        if label_smoothing:
            uniform = where(target == ignore_index, 0.0, -(log_probs * per_class).mean(1))
            losses = (1 - label_smoothing) * losses + label_smoothing * uniform
        return _reduced(name, losses, reduction, weights)
    if x.shape != target.shape:
        raise ValueError(
            f"{name}: for logits {x.shape} expected labels (N, ...) of integers or probabilities "
            f"of the same shape, got {target.dtype} {target.shape}"
        )
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / classes
    losses = -(target * log_probs * per_class).sum(1)
    return _reduced(name, losses, reduction)


# -- likelihoods -----------------------------------------------------------------------------------


def gaussian_kl(mu, log_var, *, reduction="sum"):
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² − 1 − log σ²), in nats."""
    _same_shape("gaussian_kl", mu, log_var)
    return _reduced("gaussian_kl", 0.5 * (square(mu) + exp(log_var) - 1.0 - log_var), reduction)


def kl_div(log_q, target, *, reduction="mean", log_target=False):
    """p·(log p − log q), whose sum is KL(p ‖ q); the target is p, or log p with `log_target`.

    "mean" divides by the number of elements, as in PyTorch; "batchmean" by the size of the batch,
    which is the mean divergence of a batch of distributions.
    """
    broadcasting("kl_div", log_q, target)
    p = exp(target) if log_target else target
    p_log_p = p * target if log_target else target * log(where(target == 0, 1.0, target))
    values = p_log_p - p * log_q
    if reduction == "batchmean":
        return values.sum() / values.shape[0] if values.ndim else values
    return _reduced("kl_div", values, reduction)


def gaussian_nll_loss(mu, target, var, full=False, eps=1e-6, *, reduction="mean"):
    """−log N(target; μ, σ²) = ½ (log σ² + (target − μ)²/σ²), and ½ log 2π more with `full`.

    `var` is σ², at least `eps`: a number, a tensor like μ, or one that lacks the last axis.
    """
    broadcasting("gaussian_nll_loss", mu, target)
    var = var if isinstance(var, Tensor) else full_like(mu, var)
    if var.shape != mu.shape and var.shape == mu.shape[:-1]:
        var = var.unsqueeze(-1)
    if var.ndim != mu.ndim or any(n not in (1, m) for n, m in zip(var.shape, mu.shape)):
        raise ValueError(f"gaussian_nll_loss: var {var.shape} does not fit a mean {mu.shape}")
    if bool((var.array < 0).any()):
        raise ValueError(f"gaussian_nll_loss: a variance is negative: {var.array.min()}")
    var = var + (clamp(var, min=eps) - var).detach()  # so that a variance below eps can still grow
    values = 0.5 * (log(var) + square(mu - target) / var)
    values = values + 0.5 * math.log(2 * math.pi) if full else values
    return _reduced("gaussian_nll_loss", values, reduction)


def poisson_nll_loss(x, target, log_input=True, full=False, *, eps=1e-8, reduction="mean"):
    """−log Poisson(t; λ) = λ − t·log λ + log t!, where x is log λ, or λ without `log_input`.

    The last term, which no parameter moves, is left out unless `full` asks for it in Stirling's
    approximation t·log t − t + ½ log 2πt, 0 for t ≤ 1.
    """
    broadcasting("poisson_nll_loss", x, target)
    values = exp(x) - target * x if log_input else x - target * log(x + eps)
    if full:
        t = where(target > 1, target, 1.0)
        stirling = t * log(t) - t + 0.5 * log(2 * math.pi * t)
        values = values + where(target > 1, stirling, 0.0)
    return _reduced("poisson_nll_loss", values, reduction)


__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "gaussian_kl",
    "gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss",
    "poisson_nll_loss", "smooth_l1_loss",
]  # fmt: skip
