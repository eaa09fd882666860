"""Learning rates that change over time.

A schedule is a function `rate(base, epoch, group)`, where `base` is the learning rate the optimiser
was made with, and an epoch whatever `step()` is called for. It sets `group["lr"]` when made and at
each `step()`; when several schedules share an optimiser, the last one called decides.
"""

import math


class Schedule:
    """The base: counts epochs, sets learning rates, saves its place."""

    def __init__(self, optimizer):
        self.optimizer, self.last_epoch = optimizer, 0
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._set()

    def rate(self, base: float, epoch: int, group: int) -> float:
        """The learning rate in an epoch, given the one at the start."""
        raise NotImplementedError(
            f"{type(self).__name__} has no rate: define `def rate(self, base, epoch, group)`"
        )

    def step(self) -> None:
        """Go to the next epoch."""
        self.last_epoch += 1
        self._set()

    def _set(self):
        for i, (group, base) in enumerate(zip(self.optimizer.param_groups, self.base_lrs)):
            group["lr"] = float(self.rate(base, self.last_epoch, i))

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict:
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: dict) -> None:
        if not isinstance(state, dict) or {"last_epoch", "base_lrs"} - set(state):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected 'last_epoch' and 'base_lrs'"
            )
        if len(state["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: saved for {len(state['base_lrs'])} "
                f"parameter groups, "
                f"the optimiser has {len(self.base_lrs)}"
            )
        self.last_epoch, self.base_lrs = state["last_epoch"], list(state["base_lrs"])
        self._set()


class StepLR(Schedule):
    """Times `gamma` every `step_size` epochs."""

    def __init__(self, optimizer, step_size: int, gamma: float = 0.1):
        if step_size < 1:
            raise ValueError(f"StepLR: expected step_size >= 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, base, epoch, group):
        return base * self.gamma ** (epoch // self.step_size)


class CosineAnnealingLR(Schedule):
    """From the base down to `eta_min` in `T_max` epochs along half a cosine, then up again."""

    def __init__(self, optimizer, T_max: int, eta_min: float = 0.0):
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: expected T_max >= 1, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, base, epoch, group):
        return (
            self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2
        )


class LinearLR(Schedule):
    """From `start_factor` to `end_factor` times the base in `total_iters` epochs: warm-up, decay.

    >>> from tinygan import tensor
    >>> from tinygan.optim import SGD
    >>> optimizer = SGD([tensor([0.0], requires_grad=True)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> for _ in range(3):
    ...     print(warm_up.get_last_lr())
    ...     warm_up.step()
    [0.25]
    [0.5]
    [0.75]
    """

    def __init__(
        self, optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ):
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1 and total_iters >= 1):
            raise ValueError(
                "LinearLR: expected 0 < start_factor <= 1, 0 <= end_factor <= 1 and total_iters >= "
                "1, "
                f"got {start_factor}, {end_factor}, {total_iters}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def rate(self, base, epoch, group):
        passed = min(epoch, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * passed)


class LambdaLR(Schedule):
    """Times `lr_lambda(epoch)`: one function, or one for each group. They are not saved."""

    def __init__(self, optimizer, lr_lambda):
        groups = len(optimizer.param_groups)
        self.lr_lambdas = (
            list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * groups
        )
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} parameter groups"
            )
        super().__init__(optimizer)

    def rate(self, base, epoch, group):
        return base * self.lr_lambdas[group](epoch)


class SequentialLR(Schedule):
    """One schedule after another, changing over at `milestones`; each counts from 0."""

    def __init__(self, optimizer, schedulers, milestones):
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        if len(self.milestones) != len(self.schedulers) - 1 or self.milestones != sorted(
            self.milestones
        ):
            raise ValueError(
                f"SequentialLR: {len(self.schedulers)} schedules need {len(self.schedulers) - 1} "
                f"ascending milestones, "
                f"got {self.milestones}"
            )
        if any(s.optimizer is not optimizer for s in self.schedulers):
            raise ValueError("SequentialLR: a schedule belongs to another optimiser")
        super().__init__(optimizer)

    def rate(self, base, epoch, group):
        i = sum(epoch >= milestone for milestone in self.milestones)
        return self.schedulers[i].rate(base, epoch - (self.milestones[i - 1] if i else 0), group)
