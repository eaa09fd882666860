"""Learning rates that fall when a score no longer improves."""

import math

from .schedule import Schedule


class ReduceLROnPlateau(Schedule):
    """Times `factor` when `step(score)` has seen no improvement for more than `patience` epochs.

    `mode` says whether a lower ("min") or a higher ("max") score is better; it must be so by more
    than `threshold`, relative to the best so far ("rel") or as it is ("abs"). After a reduction
    the next `cooldown` epochs do not count. No rate falls below `min_lr`, or by less than `eps`.

    >>> from tinygan import tensor
    >>> from tinygan.optim import SGD
    >>> optimizer = SGD([tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (5.0, 4.0, 4.0, 4.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(
        self, optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr=0,
        eps: float = 1e-8,
    ):  # fmt: skip
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                "ReduceLROnPlateau: expected mode 'min' or 'max' and threshold_mode 'rel' or "
                f"'abs', got {mode!r} and {threshold_mode!r}"
            )
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: expected factor < 1, got {factor}")
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(
                f"ReduceLROnPlateau: {len(self.min_lrs)} values of min_lr for {groups} parameter "
                "groups"
            )
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0

    def step(self, metrics, epoch=None):
        """Take in the score of the epoch that has just ended."""
        score = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._better(score):
            self.best, self.num_bad_epochs = score, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group, least in zip(self.optimizer.param_groups, self.min_lrs):
                lower = max(group["lr"] * self.factor, least)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower

    def _better(self, score):
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * score > sign * self.best * (1 + sign * self.threshold)
        return sign * score > sign * self.best + self.threshold

    def state_dict(self):
        names = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        return {**{name: getattr(self, name) for name in names}, "_last_lr": self.get_last_lr()}

    def load_state_dict(self, state):
        for name in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch"):
            if name not in state:
                raise ValueError(f"ReduceLROnPlateau.load_state_dict: expected {name!r}")
            setattr(self, name, state[name])
        for group, lr in zip(self.optimizer.param_groups, state["_last_lr"]):
            group["lr"] = float(lr)
