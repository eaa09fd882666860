"""Losses as layers; the functions are in `tinygan.ops.loss`."""

from .. import ops
from .module import Module


class _Loss(Module):
    def __init__(self, *, reduction="mean"):
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(
                f"{type(self).__name__}: expected reduction 'mean', 'sum' or 'none', got "
                f"{reduction!r}"
            )
        self.reduction = reduction

    def extra_repr(self):
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


class MSELoss(_Loss):
    """(x − target)².

    >>> MSELoss()(ops.tensor([1.0, 2.0]), ops.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, x, target):
        return ops.mse_loss(x, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|x − target|."""

    def forward(self, x, target):
        return ops.l1_loss(x, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """d²/(2β) where d = |x − target| < β, else d − β/2."""

    def __init__(self, *, reduction="mean", beta=1.0):
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, x, target):
        return ops.smooth_l1_loss(x, target, reduction=self.reduction, beta=self.beta)


class BCELoss(_Loss):
    """−t·log x − (1 − t)·log(1 − x) for probabilities x; BCEWithLogitsLoss is safer."""

    def forward(self, x, target):
        return ops.binary_cross_entropy(x, target, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy for logits of any size; `pos_weight` weighs the term of t = 1.

    >>> BCEWithLogitsLoss()(ops.tensor([1000.0]), ops.tensor([1.0])).item()
    0.0
    """

    def __init__(self, *, reduction="mean", pos_weight=None):
        super().__init__(reduction=reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, x, target):
        return ops.binary_cross_entropy_with_logits(
            x, target, reduction=self.reduction, pos_weight=self.pos_weight
        )


class NLLLoss(_Loss):
    """−log_probs[n, target[n]], for log-probabilities (N, C, …) and class numbers (N, …)."""

    def __init__(self, weight=None, *, ignore_index=-100, reduction="mean"):
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, log_probs, target):
        return ops.nll_loss(
            log_probs, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class CrossEntropyLoss(_Loss):
    """−log softmax(x)[n, target[n]], for logits x (N, C, …).

    Targets are class numbers (N, …) or probabilities (N, C, …).
    """

    def __init__(self, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, x, target):
        return ops.cross_entropy(
            x, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip
