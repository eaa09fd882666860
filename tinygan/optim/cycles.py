"""Learning rates that go up and down, and momenta that go the other way."""

import math

from .schedule import Schedule


class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine from the base to `eta_min`, again and again (Loshchilov & Hutter 2017).

    The first takes `T_0` epochs, each further one `T_mult` times as many as the one before. Epochs
    may be fractions: `step(epoch + batch / batches)`.
    """

    absolute = True

    def __init__(
        self, optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ):
        if T_0 < 1 or T_mult < 1:
            raise ValueError(
                f"CosineAnnealingWarmRestarts: expected T_0 >= 1 and T_mult >= 1, got {T_0} and "
                f"{T_mult}"
            )
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base, epoch, group):
        length, into = self.T_0, epoch
        if self.T_mult == 1:
            into = epoch % length
        while into >= length:
            into, length = into - length, length * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * into / length)) / 2


class _Cycle(Schedule):
    """A schedule that moves the momentum too: SGD's, or Adam's β₁."""

    absolute = True

    def _prepare(self, optimizer, cycle_momentum, base_momentum, max_momentum):
        self.cycle_momentum = cycle_momentum
        if not cycle_momentum:
            return
        if not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(
                f"{type(self).__name__}: {type(optimizer).__name__} has no momentum; pass "
                "cycle_momentum=False"
            )
        self.base_momentums = self._each("base_momentum", optimizer, base_momentum)
        self.max_momentums = self._each("max_momentum", optimizer, max_momentum)

    def _each(self, name, optimizer, value):
        """One value for each group."""
        groups = len(optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * groups
        if len(values) != groups:
            raise ValueError(
                f"{type(self).__name__}: {len(values)} values of {name} for {groups} parameter "
                "groups"
            )
        return values

    def momentum(self, epoch: int, group: int) -> float:
        """The momentum in an epoch."""
        raise NotImplementedError

    def _set(self):
        super()._set()
        if not self.cycle_momentum:
            return
        for i, group in enumerate(self.optimizer.param_groups):
            momentum = self.momentum(self.last_epoch, i)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


class CyclicLR(_Cycle):
    """Up from `base_lr` to `max_lr` in `step_size_up` steps, down in `step_size_down`, and so on.

    The height of the peaks (Smith 2017) stays ("triangular"), is halved each time ("triangular2"),
    falls as gammaᵗ ("exp_range"), or is `scale_fn` of the number of the cycle or, with
    `scale_mode="iterations"`, of the step.
    """

    def __init__(
        self, optimizer, base_lr, max_lr, step_size_up: int = 2000,
        step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
        scale_fn=None, scale_mode: str = "cycle", cycle_momentum: bool = True,
        base_momentum: float = 0.8, max_momentum: float = 0.9, last_epoch: int = -1,
    ):  # fmt: skip
        scales = {
            "triangular": (lambda cycle: 1.0, "cycle"),
            "triangular2": (lambda cycle: 0.5 ** (cycle - 1), "cycle"),
            "exp_range": (lambda step: gamma**step, "iterations"),
        }
        if scale_fn is None and mode not in scales:
            raise ValueError(f"CyclicLR: expected mode {', '.join(scales)}, got {mode!r}")
        self._scale, self._scale_of = scales[mode] if scale_fn is None else (scale_fn, scale_mode)
        self._up = step_size_up
        self._length = step_size_up + (step_size_up if step_size_down is None else step_size_down)
        self.max_lrs = self._each("max_lr", optimizer, max_lr)
        base_lrs = self._each("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs):
                group["initial_lr"] = lr
        self._prepare(optimizer, cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch):
        """How far up the step is, with peaks of 1 before they are scaled."""
        cycle, into = divmod(epoch, self._length)
        rest = self._length - into
        up = into / self._up if into <= self._up else rest / (self._length - self._up)
        return up * self._scale(cycle + 1 if self._scale_of == "cycle" else epoch)

    def rate(self, base, epoch, group):
        return base + (self.max_lrs[group] - base) * self._height(epoch)

    def momentum(self, epoch, group):
        low, high = self.base_momentums[group], self.max_momentums[group]
        return high - (high - low) * self._height(epoch)


class OneCycleLR(_Cycle):
    """Once up to `max_lr` and down to almost nothing (Smith & Topin 2018), in `total_steps` steps.

    From max_lr/div_factor up in the first `pct_start` of the steps, then down to
    max_lr/(div_factor·final_div_factor), along half cosines or lines (`anneal_strategy`). With
    `three_phase` it comes down as it went up, and ends in a third phase. `step()` is for batches.
    """

    def __init__(
        self, optimizer, max_lr, total_steps: int | None = None, epochs: int | None = None,
        steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos",
        cycle_momentum: bool = True, base_momentum=0.85, max_momentum=0.95,
        div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
        last_epoch: int = -1,
    ):  # fmt: skip
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}"
            )
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: expected pct_start in [0, 1], got {pct_start}")
        self.total_steps = epochs * steps_per_epoch if total_steps is None else total_steps
        self.anneal_strategy = anneal_strategy
        self._lowest = 1 / final_div_factor  # of the rate at the start
        self.max_lrs = self._each("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, self.max_lrs):
                group["initial_lr"] = highest / div_factor
        turns, way = [pct_start * self.total_steps - 1], ["start", "peak", "end"]
        if three_phase:
            turns.append(2 * pct_start * self.total_steps - 2)
            way.insert(2, "start")
        ends = [*turns, self.total_steps - 1]
        self._phases = list(zip([0.0, *turns], ends, way, way[1:]))
        self._prepare(optimizer, cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def _between(self, epoch, values):
        """The value at a step on the way between those of start, peak and end."""
        if epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {epoch} of {self.total_steps}; the cycle is over")
        phases = self._phases
        begin, stop, start, end = next((p for p in phases if epoch <= p[1]), phases[-1])
        share, start, end = (epoch - begin) / (stop - begin), values[start], values[end]
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def rate(self, base, epoch, group):
        end = base * self._lowest
        return self._between(epoch, {"start": base, "peak": self.max_lrs[group], "end": end})

    def momentum(self, epoch, group):
        low, high = self.base_momentums[group], self.max_momentums[group]
        return self._between(epoch, {"start": high, "peak": low, "end": high})
