"""Normalisation: γ·(x − μ)/√(σ² + ε) + β; the kinds differ in which elements share μ and σ²."""

import numpy as np


def standardised(x, axes, eps):
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps)


def scaled(x, weight, bias, slope=None):
    """γ and β per channel, then a leaky ReLU where a slope is given."""
    column = (1, -1) + (1,) * (x.ndim - 2)
    x = x if weight is None else x * weight.reshape(column)
    x = x if bias is None else x + bias.reshape(column)
    return x if slope is None else np.where(x > 0, x, slope * x)


def batch_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1,
    eps=1e-5, slope=None,
):  # fmt: skip
    """Per channel, over the batch and all pixels; in evaluation by the running statistics."""
    if training or running_mean is None:
        return scaled(standardised(x, (0, *range(2, x.ndim)), eps), weight, bias, slope)
    column = (1, -1) + (1,) * (x.ndim - 2)
    mean, var = running_mean.reshape(column), running_var.reshape(column)
    return scaled((x - mean) / np.sqrt(var + eps), weight, bias, slope)


def moved_statistics(mean, var, x, momentum):
    """The running mean and variance after a batch: a share `momentum` of its own is mixed in; its
    variance is the unbiased one, Σ(x − μ)²/(n − 1).
    """
    per_channel = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    n = per_channel.shape[1]
    batch_mean = per_channel.sum(1) / n
    batch_var = ((per_channel - batch_mean[:, None]) ** 2).sum(1) / (n - 1)
    return (
        (1 - momentum) * mean + momentum * batch_mean,
        (1 - momentum) * var + momentum * batch_var,
    )


def instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
    momentum=0.1, eps=1e-5, slope=None,
):  # fmt: skip
    """Per image and channel, over its pixels; or by the running statistics."""
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, eps=eps, slope=slope)
    return scaled(standardised(x, tuple(range(2, x.ndim)), eps), weight, bias, slope)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Per item, over the last axes, whose elements each have a γ and β of their own."""
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    out = standardised(x, axes, eps)
    return out * (1 if weight is None else weight) + (0 if bias is None else bias)


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Per image, over groups of neighbouring channels and all pixels."""
    groups = np.split(x, num_groups, axis=1)
    every = tuple(range(1, x.ndim))
    return scaled(np.concatenate([standardised(g, every, eps) for g in groups], 1), weight, bias)


def rms_norm(x, normalized_shape, weight=None, eps=None):
    """x over the root of its mean square, over the last axes; no mean is taken away."""
    eps = np.finfo(x.dtype).eps if eps is None else eps
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    out = x / np.sqrt((x**2).mean(axes, keepdims=True) + eps)
    return out if weight is None else out * weight
