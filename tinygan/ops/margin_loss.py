"""Losses that ask for a margin, max(0, margin − …), and are 0 where it is kept.

Of a critic's scores (hinge), of pairs and triplets of points, of the right class over the others.
`reduction` is "mean", "sum" or "none", as in `tinygan.ops.loss`.
"""

from .create import arange
from .distance import cosine_similarity, pairwise_distance
from .elementwise import clamp, minimum, relu, softplus, where
from .loss import _per_class, _reduced, broadcasting
from .pool import needs_fractions


def _positive(x):
    """max(0, x); a pair that keeps its margin exactly is still pushed, as in PyTorch."""
    return clamp(x, min=0.0)


def hinge_loss(x, sign, margin=1.0, *, reduction="mean"):
    """max(0, margin − sign·x): `sign` is +1 or −1, a number or a tensor."""
    return _reduced("hinge_loss", relu(margin - sign * x), reduction)


def soft_margin_loss(x, target, *, reduction="mean"):
    """log(1 + exp(−t·x)) for targets t of +1 and −1."""
    broadcasting("soft_margin_loss", x, target)
    return _reduced("soft_margin_loss", softplus(-target * x), reduction)


def hinge_embedding_loss(distance, target, margin=1.0, *, reduction="mean"):
    """The distance of a pair where t = 1, max(0, margin − distance) where t = −1."""
    broadcasting("hinge_embedding_loss", distance, target)
    near = where(target == -1, 0.0, distance)
    far = where(target == 1, 0.0, _positive(margin - distance))
    return _reduced("hinge_embedding_loss", near + far, reduction)


def margin_ranking_loss(x1, x2, target, margin=0.0, *, reduction="mean"):
    """max(0, margin − t·(x1 − x2)): x1 is to rank above x2 where t = 1, below where t = −1."""
    if not x1.ndim == x2.ndim == target.ndim:
        raise ValueError(
            "margin_ranking_loss: expected inputs and target with equally many axes, got "
            f"{x1.shape}, {x2.shape} and {target.shape}"
        )
    broadcasting("margin_ranking_loss", x1, x2, target)
    needs_fractions("margin_ranking_loss", x1)
    return _reduced("margin_ranking_loss", _positive(margin - target * (x1 - x2)), reduction)


def cosine_embedding_loss(x1, x2, target, margin=0.0, *, reduction="mean"):
    """1 − cos(x1, x2) where t = 1, max(0, cos(x1, x2) − margin) where t = −1.

    x1 and x2 are (N, D) with targets (N,), or (D,) with a single one.
    """
    if x1.ndim != x2.ndim or target.ndim != x1.ndim - 1:
        raise ValueError(
            "cosine_embedding_loss: expected (N, D), (N, D) and (N,), or (D,), (D,) and a number, "
            f"got {x1.shape}, {x2.shape} and {target.shape}"
        )
    broadcasting("cosine_embedding_loss", x1, x2)
    cosine = cosine_similarity(x1, x2, dim=-1)
    values = where(target == 1, 1.0 - cosine, where(target == -1, _positive(cosine - margin), 0.0))
    return _reduced("cosine_embedding_loss", values, reduction)


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, *, reduction="mean"
):
    """max(0, d(a, p) − d(a, n) + margin), with d the `pairwise_distance` of order p.

    With `swap`, d(p, n) takes the place of d(a, n) where it is smaller.
    """
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, margin=margin, swap=swap, reduction=reduction,
        distance_function=lambda x, y: pairwise_distance(x, y, p, eps),
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False,
    reduction="mean",
):  # fmt: skip
    """`triplet_margin_loss` with a distance of one's own, a function of two tensors."""
    distance_function = distance_function or pairwise_distance
    name = "triplet_margin_loss"
    broadcasting(name, anchor, positive, negative)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(
            f"{name}: expected anchor, positive and negative with equally many axes, got "
            f"{anchor.shape}, {positive.shape} and {negative.shape}"
        )
    if margin <= 0:
        raise ValueError(f"{name}: expected margin > 0, got {margin}")
    near, far = distance_function(anchor, positive), distance_function(anchor, negative)
    if swap:
        far = minimum(far, distance_function(positive, negative))
    return _reduced(name, _positive(margin + near - far), reduction)


def multi_margin_loss(x, target, p=1, margin=1.0, weight=None, *, reduction="mean"):
    """Σ_{c ≠ t} w_t·max(0, margin − x_t + x_c)ᵖ / C: the score of class t against the others'.

    x is (N, C) with class numbers (N,), or (C,) with one; p is 1 or 2.
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"{name}: expected p = 1 or 2, got {p}")
    if target.dtype.kind not in "iu" or 0 in x.shape[-1:]:
        raise TypeError(
            f"{name}: expected labels as integers and at least one class, got {target.dtype} and "
            f"scores {x.shape}"
        )
    if x.ndim not in (1, 2) or target.ndim > 1 or target.numel() != x[..., 0].numel():
        raise ValueError(
            f"{name}: expected (N, C) and labels (N,), or (C,) and one label, got {x.shape} and "
            f"{target.shape}"
        )
    scores, labels = x.reshape(-1, x.shape[-1]), target.reshape(-1)
    classes = scores.shape[1]
    weight = _per_class(name, weight, classes)
    lost = relu(margin - scores.gather(1, labels.unsqueeze(1)) + scores)
    lost = where(labels.unsqueeze(1) == arange(classes, device=x.device), 0.0, lost) ** p
    lost = lost if weight is None else lost * weight[labels].unsqueeze(1)
    return _reduced(name, (lost.sum(1) / classes).reshape(target.shape), reduction)


def multilabel_soft_margin_loss(x, target, weight=None, *, reduction="mean"):
    """Binary cross-entropy of every class from logits x (…, C), averaged over the classes."""
    if x.shape != target.shape:
        raise ValueError(
            f"multilabel_soft_margin_loss: input {x.shape} and target {target.shape} differ in "
            "shape"
        )
    values = target * softplus(-x) + (1 - target) * softplus(x)
    values = values if weight is None else values * weight
    return _reduced("multilabel_soft_margin_loss", values.mean(-1), reduction)


__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "hinge_loss", "margin_ranking_loss",
    "multi_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip
