"""Losses, item by item; `reduction` says what becomes of the items."""

import numpy as np

from .activations import log_softmax


def reduced(values, reduction):
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](values)


def mse_loss(x, target, reduction="mean"):
    return reduced((x - target) ** 2, reduction)


def l1_loss(x, target, reduction="mean"):
    return reduced(np.abs(x - target), reduction)


def smooth_l1_loss(x, target, reduction="mean", beta=1.0):
    """A parabola of height d²/2β near 0, a line of slope 1 from d = β on, without a step."""
    d = np.abs(x - target)
    near = d**2 / (2 * beta) if beta else d
    return reduced(np.where(d < beta, near, d - beta / 2), reduction)


def huber_loss(x, target, reduction="mean", delta=1.0):
    """A parabola of height d²/2 near 0, a line of slope δ from d = δ on, without a step."""
    d = np.abs(x - target)
    return reduced(np.where(d < delta, d**2 / 2, delta * (d - delta / 2)), reduction)


def kl_div(log_q, p, reduction="mean", log_target=False):
    """Σ p·(log p − log q), where 0·log 0 = 0."""
    log_p = p if log_target else np.log(np.where(p == 0, 1, p))
    values = (np.exp(p) if log_target else p) * (log_p - log_q)
    return values.sum() / len(values) if reduction == "batchmean" else reduced(values, reduction)


def binary_cross_entropy(x, target, reduction="mean"):
    """−t·log x − (1 − t)·log(1 − x), where log 0 counts as −100."""
    with np.errstate(divide="ignore"):
        log_x, log_rest = np.maximum(np.log(x), -100), np.maximum(np.log(1 - x), -100)
    return reduced(-target * log_x - (1 - target) * log_rest, reduction)


def binary_cross_entropy_with_logits(x, target, reduction="mean", pos_weight=1.0):
    """−w·t·log σ(x) − (1 − t)·log(1 − σ(x)), where log σ(x) = −log(1 + e⁻ˣ)."""
    log_x, log_rest = -np.logaddexp(0, -x), -np.logaddexp(0, x)
    return reduced(-pos_weight * target * log_x - (1 - target) * log_rest, reduction)


def one_hot(target, classes):
    """(N, …) → (N, C, …)."""
    return np.moveaxis(np.eye(classes)[target], -1, 1)


def nll_loss(log_probs, target, weight=None, reduction="mean", ignore_index=-100):
    """−w_t·log p_t. Ignored items count nothing; the mean is by the weights of the others."""
    if log_probs.ndim == 1:
        log_probs, target = log_probs[None], target[None]
    weight = np.ones(log_probs.shape[1]) if weight is None else weight
    losses, weights = np.zeros(target.shape), np.zeros(target.shape)
    for place in np.ndindex(target.shape):
        t = target[place]
        if t != ignore_index:
            weights[place] = weight[t]
            losses[place] = -weight[t] * log_probs[(place[0], t, *place[1:])]
    return mean_by(weights, losses) if reduction == "mean" else reduced(losses, reduction)


def mean_by(weights, losses):
    """The weighted mean; that of nothing is NaN."""
    return losses.sum() / weights.sum() if weights.any() else np.nan


def cross_entropy(x, target, weight=None, reduction="mean", ignore_index=-100, label_smoothing=0.0):
    """−Σ_c w_c·p_c·log softmax(x)_c, where p is the target, mixed with a share ε of the uniform
    distribution: (1 − ε)·p + ε/C.
    """
    if x.ndim == 1:
        x, target = x[None], target[None]
    classes = x.shape[1]
    weight = np.ones(classes) if weight is None else weight
    labels = target if target.ndim < x.ndim else None
    if labels is not None:
        counted = labels != ignore_index
        target = one_hot(np.where(counted, labels, 0), classes)
    p = (1 - label_smoothing) * target + label_smoothing / classes
    spread = weight.reshape(-1, *[1] * (x.ndim - 2))
    losses = -(spread * p * log_softmax(x, 1)).sum(1)
    if labels is None:
        return reduced(losses, reduction)
    losses = np.where(counted, losses, 0)
    if reduction == "mean":
        return mean_by(weight[np.where(counted, labels, 0)] * counted, losses)
    return reduced(losses, reduction)
