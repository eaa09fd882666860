"""The training loop: a system, a loader, and callbacks that watch.

    for each step:  batch → system.step(batch) → averages, schedules → callbacks

A run's state is everything that the next step depends on. It is taken between steps, as one nested
dict, and a run restored from it continues bit for bit: weights, buffers, optimisers, averages,
schedules, all random streams, the data's order and position, and what the callbacks keep.
"""

import time
from contextlib import ExitStack, contextmanager

from tqdm import tqdm

from .. import optim
from ..backend import random_state, restore_random_state
from ..models import System
from ..parallel import ALONE
from . import checkpoint
from .doctor import Unhealthy, diagnose, not_finite
from .folder import RunFolder
from .interrupt import Interrupt
from .log import MetricsLog
from .rates import schedules


class Callback:
    """Something that happens besides training. Override what is needed."""

    name = ""  # under which its state is kept in checkpoints; "" where it has none

    def start(self, run: "Trainer") -> None:
        """Before the first step, also of a resumed run."""

    def after_step(self, run: "Trainer") -> None:
        """After each step: `run.step` counts those done, `run.losses` has the last ones."""

    def finish(self, run: "Trainer") -> None:
        """After the last step, or when the run is stopped."""

    def state(self) -> dict:
        return {}

    def restore(self, state: dict) -> None:
        """Go on from `state()`."""


class Trainer:
    """Trains a system for a number of steps; `about` is what checkpoints tell of the run besides.

    `ema` is the decay of the average weights that samples are made with; 0 for none. `schedule`
    names how the learning rates fall. A step is `captured` where that gives the same bits.
    """

    def __init__(
        self, system: System, loader, folder: RunFolder, steps: int, callbacks=(), *,
        ema: float = 0.0, schedule: str = "constant", keep: int = 3, about: dict | None = None,
        captured: bool = True, group=ALONE,
    ):  # fmt: skip
        self.system, self.loader, self.folder = system, loader, folder
        self.steps, self.callbacks, self.keep = steps, list(callbacks), keep
        self.about, self.group = about or {}, group
        self.step, self.losses, self.elapsed = 0, {}, 0.0
        self.log, self.bar = MetricsLog(folder.metrics) if folder else None, None
        sampled = {name: system.modules[name] for name in system.sampled} if ema else {}
        self.average = {name: optim.EMA(module, ema) for name, module in sampled.items()}
        self.schedules = schedules(system, schedule, steps)
        if captured:
            system.capture(self.say, group)
        self.healthy = None  # a state from the last steps that had finite losses and weights

    # -- one step ----------------------------------------------------------------------------------

    def learn(self) -> int:
        """One step of everything that learns; gives its number.

        After it the gradients are those of this step: a network whose turn it was not has none.
        What the doctor reads from them does so not depend on where a run was resumed.
        """
        for optimizer in self.system.optimizers.values():
            optimizer.zero_grad()
        self.losses = self.group.mean(self.system.step(next(self.loader)))
        for average in self.average.values():
            average.update()
        for schedule in self.schedules.values():
            schedule.step()
        self.step += 1
        return self.step

    @contextmanager
    def averaged(self):
        """In the block the system has its average weights, if it keeps any."""
        with ExitStack() as stack:
            for average in self.average.values():
                stack.enter_context(average.applied())
            yield

    def sample(self, z):
        with self.averaged():
            return self.system.sample(z)

    # -- the whole run -----------------------------------------------------------------------------

    def run(self) -> int:
        """Train up to `steps`. Gives 0, or the exit status of the signal that stopped the run.

        Raises Unhealthy when losses or weights stop being numbers; the checkpoint left then is
        from before that.
        """
        begun, before = time.monotonic(), self.elapsed
        if self.group.leads:
            self.log.open()
        try:
            with Interrupt() as interrupt:
                self._each("start")
                if self.step == 0:
                    self.save()
                while self.step < self.steps and not self.group.any(interrupt.asked):
                    self.learn()
                    self.elapsed = before + time.monotonic() - begun
                    self._each("after_step")
                if self.step:
                    self.save()
                self._each("finish")
            stopped = self.step < self.steps  # perhaps because another process was asked to
            return interrupt.exit_status if interrupt.asked else 143 if stopped else 0
        finally:
            if self.group.leads:
                self.log.close()
            self.loader.close()
            if self.bar is not None:
                self.bar.close()

    def _each(self, moment):
        for callback in self.callbacks:
            getattr(callback, moment)(self)

    def say(self, text: str) -> None:
        """A line on the screen that leaves the progress bar whole."""
        tqdm.write(text)

    # -- state -------------------------------------------------------------------------------------

    def state(self) -> dict:
        return {
            **self.about,
            "step": self.step,
            "config": self.system.config,
            "system": self.system.state_dict(),
            "average": {name: average.state_dict() for name, average in self.average.items()},
            "schedules": {name: s.state_dict() for name, s in self.schedules.items()},
            "random": random_state(),
            "loader": self.loader.state(),
            "callbacks": {c.name: c.state() for c in self.callbacks if c.name},
            "log": self.log.state(),
            "elapsed": self.elapsed,
        }

    def restore(self, state: dict) -> None:
        self.system.load_state_dict(state["system"])
        for part, own in (("average", self.average), ("schedules", self.schedules)):
            for name, each in own.items():
                each.load_state_dict(state[part][name])
        restore_random_state(checkpoint.restorable(state["random"]))
        self.loader.restore(state["loader"])
        for callback in self.callbacks:
            if callback.name in state["callbacks"]:
                callback.restore(state["callbacks"][callback.name])
        self.step, self.elapsed = state["step"], state["elapsed"]

    def save(self) -> None:
        """A checkpoint of now; refuses to save weights that are not numbers."""
        if not self.group.leads:
            return
        self.mark_healthy()
        self.log.sync()
        checkpoint.write(self.folder, self.step, self.healthy, self.keep)

    # -- health ------------------------------------------------------------------------------------

    def mark_healthy(self) -> None:
        """Remember this moment, to go back to should the next steps go wrong."""
        self.check_weights()
        self.healthy = checkpoint.clone(self.state())

    def check_weights(self) -> None:
        if broken := not_finite(self.system.modules):
            self.give_up(f"{broken} holds NaN or infinity")

    def give_up(self, what: str) -> None:
        """Find out where it began, leave a checkpoint from before, and end the run."""
        gone_wrong = self.step
        if self.healthy is None:
            raise Unhealthy(f"step {gone_wrong}: {what}, from the very beginning")
        self.restore(self.healthy)
        if self.group.size > 1:  # the others wait elsewhere, and cannot repeat the steps
            where = "where it began is only looked for in a run of one process"
        else:
            where = diagnose(self.learn, gone_wrong)
        at = min(self.step + 1, gone_wrong)
        self.restore(self.healthy)
        state = {**checkpoint.clone(self.state()), "log": self.healthy["log"]}
        path = checkpoint.write(self.folder, self.step, state, self.keep)
        raise Unhealthy(
            f"step {at}: {what}; {where}\n"
            f"the last healthy checkpoint is {path}: go on from it with a lower --lr, "
            f"--resume {self.folder} --lr …"
        )
