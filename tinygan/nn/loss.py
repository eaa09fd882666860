"""Losses as layers; the functions are in `tinygan.ops.loss` and `tinygan.ops.margin_loss`.

`reduction` is "mean", "sum" or "none". Settings are given by name, but for weights, which come
first and are buffers.
"""

from .. import ops
from ..ops.distance import pairwise_distance
from .layer import layer

_WEIGHTS = ("weight", "pos_weight")


def _loss(name, function, doc, more=(), **settings):
    """The layer of a loss, which may know `more` reductions than the usual ones."""
    by_name = {"reduction", "pos_weight", *settings} - {"weight"}
    made = layer(
        __name__, name, function, doc, by_name=by_name, buffers=_WEIGHTS, **settings,
        reduction="mean",
    )  # fmt: skip
    build = made.__init__

    def __init__(self, *weights, **keywords):
        build(self, *weights, **keywords)
        known = ("mean", "sum", "none", *more)
        if self.reduction not in known:
            wanted = " or ".join([", ".join(map(repr, known[:-1])), repr(known[-1])])
            raise ValueError(f"{name}: expected reduction {wanted}, got {self.reduction!r}")

    __init__.__signature__ = build.__signature__
    made.__init__ = __init__
    return made


# -- regression ----------------------------------------------------------------------------------

MSELoss = _loss(
    "MSELoss",
    ops.mse_loss,
    """(x − target)².

    >>> MSELoss()(ops.tensor([1.0, 2.0]), ops.tensor([1.0, 4.0])).item()
    2.0
    """,
)
L1Loss = _loss("L1Loss", ops.l1_loss, "|x − target|.")
SmoothL1Loss = _loss(
    "SmoothL1Loss",
    ops.smooth_l1_loss,
    "d²/(2β) where d = |x − target| < β, else d − β/2.",
    beta=1.0,
)
HuberLoss = _loss(
    "HuberLoss", ops.huber_loss, "d²/2 where d = |x − target| ≤ δ, else δ·(d − δ/2).", delta=1.0
)
GaussianNLLLoss = _loss(
    "GaussianNLLLoss",
    ops.gaussian_nll_loss,
    "−log N(target; x, var), given x, target, var.",
    full=False,
    eps=1e-6,
)
PoissonNLLLoss = _loss(
    "PoissonNLLLoss",
    ops.poisson_nll_loss,
    "−log Poisson(target; λ), where x is log λ, or λ without `log_input`.",
    log_input=True,
    full=False,
    eps=1e-8,
)

# -- classes and probabilities -------------------------------------------------------------------

BCELoss = _loss(
    "BCELoss",
    ops.binary_cross_entropy,
    "−t·log x − (1 − t)·log(1 − x) for probabilities x; BCEWithLogitsLoss is safer.",
    weight=None,
)
BCEWithLogitsLoss = _loss(
    "BCEWithLogitsLoss",
    ops.binary_cross_entropy_with_logits,
    """Binary cross-entropy for logits of any size; `pos_weight` weighs the term of t = 1.

    >>> BCEWithLogitsLoss()(ops.tensor([1000.0]), ops.tensor([1.0])).item()
    0.0
    """,
    weight=None,
    pos_weight=None,
)
NLLLoss = _loss(
    "NLLLoss",
    ops.nll_loss,
    "−log_probs[n, target[n]], for log-probabilities (N, C, …) and class numbers (N, …).",
    weight=None,
    ignore_index=-100,
)
CrossEntropyLoss = _loss(
    "CrossEntropyLoss",
    ops.cross_entropy,
    """−log softmax(x)[n, target[n]], for logits x (N, C, …).

    Targets are class numbers (N, …) or probabilities (N, C, …).
    """,
    weight=None,
    ignore_index=-100,
    label_smoothing=0.0,
)
KLDivLoss = _loss(
    "KLDivLoss",
    ops.kl_div,
    "p·(log p − x) for log-probabilities x and a target p, or log p with `log_target`.",
    more=("batchmean",),
    log_target=False,
)
MultiLabelSoftMarginLoss = _loss(
    "MultiLabelSoftMarginLoss",
    ops.multilabel_soft_margin_loss,
    "Binary cross-entropy of every class from logits (N, C), averaged over the classes.",
    weight=None,
)

# -- margins -------------------------------------------------------------------------------------

SoftMarginLoss = _loss(
    "SoftMarginLoss", ops.soft_margin_loss, "log(1 + exp(−t·x)) for targets t of +1 and −1."
)
MultiMarginLoss = _loss(
    "MultiMarginLoss",
    ops.multi_margin_loss,
    "Σ_{c ≠ t} max(0, margin − x_t + x_c)ᵖ / C: the score of class t against the others'.",
    weight=None,
    p=1,
    margin=1.0,
)
HingeEmbeddingLoss = _loss(
    "HingeEmbeddingLoss",
    ops.hinge_embedding_loss,
    "x where t = 1, max(0, margin − x) where t = −1.",
    margin=1.0,
)
MarginRankingLoss = _loss(
    "MarginRankingLoss", ops.margin_ranking_loss, "max(0, margin − t·(x₁ − x₂)).", margin=0.0
)
CosineEmbeddingLoss = _loss(
    "CosineEmbeddingLoss",
    ops.cosine_embedding_loss,
    "1 − cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) − margin) where t = −1.",
    margin=0.0,
)
TripletMarginLoss = _loss(
    "TripletMarginLoss",
    ops.triplet_margin_loss,
    "max(0, d(anchor, positive) − d(anchor, negative) + margin), with d of order p.",
    margin=1.0,
    p=2.0,
    eps=1e-6,
    swap=False,
)
TripletMarginWithDistanceLoss = _loss(
    "TripletMarginWithDistanceLoss",
    ops.triplet_margin_with_distance_loss,
    "TripletMarginLoss with a distance of one's own.",
    distance_function=pairwise_distance,
    margin=1.0,
    swap=False,
)
