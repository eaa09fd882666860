"""Learning rates that change over time.

A schedule is a function `rate(base, epoch, group)`, where `base` is the learning rate the optimiser
was made with, and an epoch whatever `step()` is called for. It sets `group["lr"]` when made and at
each `step()`.

Several schedules may share an optimiser. One that finds another learning rate than it has set takes
the difference for a factor, which it keeps: so their factors multiply. Those that are `absolute`
set their rate whatever they find.
"""

import math


class Schedule:
    """The base: counts epochs, sets learning rates, saves its place.

    `last_epoch` is -1, or the last epoch of a run that is to be continued; the groups of its
    optimiser then know their "initial_lr".
    """

    absolute = False
    eta_min = 0.0  # where factors begin to count

    def __init__(self, optimizer, last_epoch: int = -1):
        self.optimizer, self.last_epoch = optimizer, last_epoch + 1
        for group in optimizer.param_groups:
            if last_epoch != -1 and "initial_lr" not in group:
                raise ValueError(
                    f"{type(self).__name__}: to go on from last_epoch={last_epoch}, the groups "
                    "need 'initial_lr', the rate at the start: load the optimiser's state first"
                )
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._own = list(self.base_lrs)  # what this schedule would have the rates be
        if last_epoch != -1:  # the groups have the rates of the run that goes on
            self._own = [group["lr"] for group in optimizer.param_groups]
        self._set()

    def rate(self, base: float, epoch: int, group: int) -> float:
        """The learning rate in an epoch, given the one at the start."""
        raise NotImplementedError(
            f"{type(self).__name__} has no rate: define `def rate(self, base, epoch, group)`"
        )

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to a given one."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set()

    def _set(self):
        for i, (group, base) in enumerate(zip(self.optimizer.param_groups, self.base_lrs)):
            rate, own = float(self.rate(base, self.last_epoch, i)), self._own[i]
            found, self._own[i] = group["lr"], rate
            if self.absolute or found == own:
                group["lr"] = rate
            elif own == self.eta_min:
                group["lr"] = found + rate - own
            else:
                share = (rate - self.eta_min) / (own - self.eta_min)
                group["lr"] = self.eta_min + (found - self.eta_min) * share

    def rebase(self, lr: float) -> None:
        """Go on as if the optimiser had been made with this learning rate."""
        self.base_lrs = [lr] * len(self.base_lrs)
        self._own = [group["lr"] for group in self.optimizer.param_groups]
        self._set()

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict:
        state = {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}
        return {**state, "_last_lr": self.get_last_lr()}

    def load_state_dict(self, state: dict) -> None:
        """Continue from a `state_dict()`, PyTorch's too."""
        name = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, dict) or {"last_epoch", "base_lrs"} - set(state):
            raise ValueError(f"{name}: expected 'last_epoch' and 'base_lrs'")
        if len(state["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{name}: saved for {len(state['base_lrs'])} parameter groups, the optimiser has "
                f"{len(self.base_lrs)}"
            )
        self.last_epoch, self.base_lrs = state["last_epoch"], list(state["base_lrs"])
        self._own = [self.rate(b, self.last_epoch, i) for i, b in enumerate(self.base_lrs)]
        for group, lr in zip(self.optimizer.param_groups, state.get("_last_lr", self._own)):
            group["lr"] = float(lr)


class StepLR(Schedule):
    """Times `gamma` every `step_size` epochs."""

    def __init__(self, optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        if step_size < 1:
            raise ValueError(f"StepLR: expected step_size >= 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        return base * self.gamma ** (epoch // self.step_size)


class MultiStepLR(Schedule):
    """Times `gamma` at each of the `milestones`."""

    def __init__(self, optimizer, milestones, gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        return base * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)


class ExponentialLR(Schedule):
    """Times `gamma` every epoch."""

    def __init__(self, optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        return base * self.gamma**epoch


class ConstantLR(Schedule):
    """`factor` times the base for `total_iters` epochs, then the base."""

    def __init__(
        self, optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1
    ):
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: expected factor in [0, 1], got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        return base if epoch >= self.total_iters else base * self.factor


class CosineAnnealingLR(Schedule):
    """From the base down to `eta_min` in `T_max` epochs along half a cosine, then up again."""

    def __init__(self, optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: expected T_max >= 1, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        return (
            self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2
        )


class PolynomialLR(Schedule):
    """The base times (1 − epoch/total_iters)^power, down to 0."""

    def __init__(self, optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        if total_iters < 1:
            raise ValueError(f"PolynomialLR: expected total_iters >= 1, got {total_iters}")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        return base * (1 - min(epoch, self.total_iters) / self.total_iters) ** self.power


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
        self, optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5,
        last_epoch: int = -1,
    ):  # fmt: skip
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1 and total_iters >= 1):
            raise ValueError(
                "LinearLR: expected 0 < start_factor <= 1, 0 <= end_factor <= 1 and total_iters >= "
                f"1, got {start_factor}, {end_factor}, {total_iters}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        passed = min(epoch, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * passed)


class LambdaLR(Schedule):
    """Times `lr_lambda(epoch)`: one function, or one for each group. They are not saved."""

    absolute = True

    def __init__(self, optimizer, lr_lambda, last_epoch: int = -1):
        groups = len(optimizer.param_groups)
        self.lr_lambdas = (
            list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * groups
        )
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} parameter groups"
            )
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        return base * self.lr_lambdas[group](epoch)


class SequentialLR(Schedule):
    """One schedule after another, changing over at `milestones`; each counts from 0."""

    absolute = True

    def __init__(self, optimizer, schedulers, milestones, last_epoch: int = -1):
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        if len(self.milestones) != len(self.schedulers) - 1 or self.milestones != sorted(
            self.milestones
        ):
            raise ValueError(
                f"SequentialLR: {len(self.schedulers)} schedules need {len(self.schedulers) - 1} "
                f"ascending milestones, got {self.milestones}"
            )
        _same_optimizer("SequentialLR", optimizer, self.schedulers)
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        i = sum(epoch >= milestone for milestone in self.milestones)
        return self.schedulers[i].rate(base, epoch - (self.milestones[i - 1] if i else 0), group)


class ChainedScheduler(Schedule):
    """Several schedules stepped together; their factors multiply."""

    def __init__(self, schedulers, optimizer=None):
        self.schedulers = list(schedulers)
        if not self.schedulers:
            raise ValueError("ChainedScheduler: expected at least one schedule, got none")
        self.optimizer = optimizer or self.schedulers[0].optimizer
        _same_optimizer("ChainedScheduler", self.optimizer, self.schedulers)

    def step(self):
        for schedule in self.schedulers:
            schedule.step()

    def state_dict(self):
        return {"_schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state):
        for schedule, saved in zip(self.schedulers, state["_schedulers"]):
            schedule.load_state_dict(saved)


def _same_optimizer(name, optimizer, schedules):
    for schedule in schedules:
        if schedule.optimizer is not optimizer:
            raise ValueError(f"{name}: a schedule belongs to another optimiser")
        if type(schedule).rate is Schedule.rate:
            raise ValueError(
                f"{name}: {type(schedule).__name__} is not a function of the epoch alone; step it "
                "by itself"
            )
