"""Lengths and distances of vectors, and losses that ask for a margin between them."""

import numpy as np

from .losses import reduced


def length(x, p, dim, keepdims=False):
    return (np.abs(x) ** p).sum(dim, keepdims=keepdims) ** (1 / p)


def normalize(x, p=2.0, dim=1, eps=1e-12):
    return x / np.maximum(length(x, p, dim, True), eps)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between two vectors."""
    lengths = [np.maximum(length(x, 2, dim), eps) for x in (x1, x2)]
    return (x1 * x2).sum(dim) / (lengths[0] * lengths[1])


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    return length(x1 - x2 + eps, p, -1, keepdim)


def soft_margin_loss(x, target, reduction="mean"):
    return reduced(np.log(1 + np.exp(-target * x)), reduction)


def hinge_embedding_loss(distance, target, margin=1.0, reduction="mean"):
    """Pairs that belong together should be near, others farther apart than the margin."""
    return reduced(np.where(target == 1, distance, np.maximum(0, margin - distance)), reduction)


def margin_ranking_loss(x1, x2, target, margin=0.0, reduction="mean"):
    return reduced(np.maximum(0, -target * (x1 - x2) + margin), reduction)


def cosine_embedding_loss(x1, x2, target, margin=0.0, reduction="mean"):
    cosine = cosine_similarity(x1, x2)
    return reduced(np.where(target == 1, 1 - cosine, np.maximum(0, cosine - margin)), reduction)


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"
):
    """The negative should be farther from the anchor than the positive is, by the margin. With
    `swap`, from whichever of the two it is nearer to.
    """
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = np.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(np.maximum(0, near - far + margin), reduction)


triplet_margin_with_distance_loss = triplet_margin_loss


def multi_margin_loss(x, target, p=1, margin=1.0, weight=None, reduction="mean"):
    """Each wrong class should score less than the right one, by the margin."""
    losses = np.zeros(len(x))
    for i, t in enumerate(target):
        for c in range(x.shape[1]):
            if c != t:
                lost = max(0, margin - x[i, t] + x[i, c]) ** p
                losses[i] += (1 if weight is None else weight[t]) * lost / x.shape[1]
    return reduced(losses, reduction)


def multilabel_soft_margin_loss(x, target, weight=1.0, reduction="mean"):
    """A binary cross-entropy for each class, the mean over the classes."""
    losses = target * np.log(1 + np.exp(-x)) + (1 - target) * np.log(1 + np.exp(x))
    return reduced((weight * losses).mean(-1), reduction)
