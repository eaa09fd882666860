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
    """A parabola near 0, a line of slope δ from d = δ on, without a step."""
    d = np.abs(x - target)
    return reduced(np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)), reduction)


def kl_div(log_q, target, reduction="mean", log_target=False):
    """p·(log p − log q); "batchmean" is the mean over the first axis of what the rest sums to."""
    p = np.exp(target) if log_target else target
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(p == 0, 0, p * (np.log(p) - log_q))  # p·log p → 0
    return values.sum() / len(values) if reduction == "batchmean" else reduced(values, reduction)


def gaussian_nll_loss(mu, target, var, full=False, eps=1e-6, reduction="mean"):
    """−log of the normal density, with its constant ½ log 2π where `full` asks for it."""
    var = np.maximum(var if var.shape == mu.shape else var[..., None], eps)
    constant = np.log(2 * np.pi) / 2 if full else 0
    return reduced(constant + np.log(var) / 2 + (target - mu) ** 2 / (2 * var), reduction)


def poisson_nll_loss(x, target, log_input=True, full=False, eps=1e-8, reduction="mean"):
    """λ − t·log λ, and Stirling's log t! where `full` asks for it and t > 1."""
    rate, log_rate = (np.exp(x), x) if log_input else (x, np.log(x + eps))
    values = rate - target * log_rate
    if full:
        t = np.maximum(target, 1)
        stirling = t * np.log(t) - t + np.log(2 * np.pi * t) / 2
        values = values + np.where(target > 1, stirling, 0)
    return reduced(values, reduction)


def binary_cross_entropy(x, target, weight=1.0, reduction="mean"):
    """−t·log x − (1 − t)·log(1 − x), where log 0 counts as −100."""
    with np.errstate(divide="ignore"):
        log_x, log_rest = np.maximum(np.log(x), -100), np.maximum(np.log(1 - x), -100)
    return reduced(weight * (-target * log_x - (1 - target) * log_rest), reduction)


def binary_cross_entropy_with_logits(x, target, weight=1.0, reduction="mean", pos_weight=1.0):
    """−w·t·log σ(x) − (1 − t)·log(1 − σ(x)), where log σ(x) = −log(1 + e⁻ˣ)."""
    log_x, log_rest = -np.logaddexp(0, -x), -np.logaddexp(0, x)
    return reduced(weight * (-pos_weight * target * log_x - (1 - target) * log_rest), reduction)


def one_hot(target, classes):
    """(N, …) → (N, C, …)."""
    return np.moveaxis(np.eye(classes)[target], -1, 1)


def nll_loss(log_probs, target, weight=None, reduction="mean", ignore_index=-100):
    """−w_t·log p_t. Ignored items count nothing; the mean is by the weights of the others."""
    if log_probs.ndim == 1:
        return nll_loss(log_probs[None], target[None], weight, reduction, ignore_index).reshape(())
    weight = np.ones(log_probs.shape[1]) if weight is None else weight
    losses, weights = np.zeros(target.shape), np.zeros(target.shape)
    for place in np.ndindex(target.shape):
        t = target[place]
        if t != ignore_index:
            weights[place] = weight[t]
            losses[place] = -weight[t] * log_probs[(place[0], t, *place[1:])]
    return weighted_mean(losses, weights) if reduction == "mean" else reduced(losses, reduction)


def weighted_mean(losses, weights):
    """NaN, the mean of nothing, where all were ignored."""
    return losses.sum() / weights.sum() if weights.any() else np.asarray(np.nan)


def cross_entropy(x, target, weight=None, reduction="mean", ignore_index=-100, label_smoothing=0.0):
    """−Σ_c w_c·p_c·log softmax(x)_c, where p is the target, mixed with a share ε of the uniform
    distribution: (1 − ε)·p + ε/C.
    """
    if x.ndim == 1:
        options = (weight, reduction, ignore_index, label_smoothing)
        return cross_entropy(x[None], target[None], *options).reshape(())
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
        return weighted_mean(losses, weight[np.where(counted, labels, 0)] * counted)
    return reduced(losses, reduction)
