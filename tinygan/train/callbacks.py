"""What happens besides training: the log, the doctor, pictures, checkpoints, the progress bar."""

import math
import sys
import time

import numpy as np
from tqdm import tqdm

from ..autograd import Tensor
from ..backend.device import numbers
from . import pictures
from .doctor import Doctor, gradient_norms
from .loop import Callback


def due(run, every: int) -> bool:
    """Is something that happens each `every` steps (0: only at the end) due now?"""
    return run.step == run.steps or (every > 0 and run.step % every == 0)


class Losses(Callback):
    """The mean losses of each `every` steps into metrics.jsonl, and to the doctor."""

    name = "losses"

    def __init__(self, every: int, doctor: Doctor, healthy_every: int = 50):
        self.every, self.doctor, self.healthy_every = every, doctor, healthy_every
        self.pending: list[dict] = []
        self.means: dict[str, float] = {}

    def start(self, run):
        run.mark_healthy()

    def after_step(self, run):
        self.pending.append(run.losses)
        if due(run, self.every):
            self._report(run)
        if run.step % self.healthy_every == 0:
            run.mark_healthy()

    def _report(self, run):
        self.means = self._take_means()
        run.log.write({"step": run.step, "losses": self.means})
        if broken := [name for name, mean in self.means.items() if not math.isfinite(mean)]:
            run.give_up(f"the loss of the {broken[0]} is not finite")
        found = self.doctor.losses(self.means)
        found += self.doctor.gradients(gradient_norms(run.system.modules))
        tell(run, found)

    def _take_means(self):
        values = {}
        for losses in self._read():
            for name, loss in losses.items():
                values.setdefault(name, []).append(loss)
        self.pending = []
        return {name: math.fsum(v) / len(v) for name, v in values.items()}

    def _read(self):
        """The pending losses as numbers. Until now they stayed where they were computed."""
        losses = [value for each in self.pending for value in each.values()]
        read = iter(numbers([v.array if isinstance(v, Tensor) else v for v in losses]))
        return [{name: next(read) for name in each} for each in self.pending]

    def state(self):
        return {"pending": self._read(), "means": self.means, "doctor": self.doctor.state()}

    def restore(self, state):
        self.pending, self.means = list(state["pending"]), dict(state["means"])
        self.doctor.restore(state["doctor"])


def tell(run, findings: list[str]) -> None:
    for finding in findings:
        run.say(f"doctor, step {run.step}: {finding}")
        run.log.write({"step": run.step, "doctor": finding})


class Samples(Callback):
    """A picture of samples each `every` steps, from the same noise each time."""

    name = "samples"

    def __init__(self, every: int, dataset, doctor: Doctor, judge=None, n: int | None = None):
        self.every, self.dataset, self.doctor = every, dataset, doctor
        self.judge = judge if judge is not None and judge.classes else None
        self.n = n or (64 if len(dataset.shape) == 3 else 1000)
        self.z = None

    def start(self, run):
        if self.z is None:
            self.z = run.system.noise(self.n, "sheet").numpy().copy()
        for step, path in run.folder.pictures():  # of a future not taken, or of where it stopped
            if step > run.step or (step and (not self.every or step % self.every)):
                path.unlink(missing_ok=True)
        if run.step == 0:
            self._draw(run)

    def after_step(self, run):
        if due(run, self.every):
            made = self._draw(run)
            tell(run, self.doctor.samples(made, self.dataset.take(64)["x"]))
            if self.judge is not None:
                names = self.dataset.class_names or range(self.judge.classes)
                tell(run, self.doctor.classes(self.judge.labels(made), names))

    def finish(self, run):
        if run.step not in dict(run.folder.pictures()):
            self._draw(run)

    def _draw(self, run):
        with run.averaged():
            made = run.system.sample(self.z)
            picture = draw(made, self.dataset, run.system, f"step {run.step}")
        pictures.save_image(picture, run.folder.samples / f"step-{run.step:07d}.png")
        return made

    def state(self):
        return {"z": None if self.z is None else Tensor(self.z)}

    def restore(self, state):
        self.z = None if state["z"] is None else state["z"].numpy()


def draw(made, dataset, system=None, title=""):
    """The picture that suits the samples: a sheet of images, or points over the data."""
    if len(dataset.shape) == 3:
        return pictures.grid(made, getattr(system, "classes", None))  # a column for each class
    real = dataset.take(1000)["x"]
    return pictures.plane(
        made, real, getattr(dataset, "modes", None), getattr(system, "field", None), title
    )


class Checkpoints(Callback):
    """A checkpoint each `every` steps; the one at the end is the loop's own."""

    def __init__(self, every: int):
        self.every = every

    def after_step(self, run):
        if self.every and run.step % self.every == 0 and run.step < run.steps:
            run.save()


class Scores(Callback):
    """`score(run)`, a dict of numbers, each `every` steps, into metrics.jsonl."""

    def __init__(self, every: int, score):
        self.every, self.score = every, score

    def after_step(self, run):
        if self.every and run.step % self.every == 0 and run.step < run.steps:
            run.log.write({"step": run.step, "score": self.score(run)})


class Progress(Callback):
    """A bar with the losses, images per second and the time left."""

    def __init__(self, losses: Losses, batch_size: int):
        self.losses, self.batch_size = losses, batch_size

    def start(self, run):
        quiet = not sys.stderr.isatty()
        run.bar = tqdm(
            total=run.steps, initial=run.step, unit="step", dynamic_ncols=True, leave=True,
            mininterval=10 if quiet else 0.2, ascii=quiet or None,
        )  # fmt: skip
        self.begun, self.first = time.monotonic(), run.step

    def after_step(self, run):
        if due(run, self.losses.every):
            seconds = time.monotonic() - self.begun
            rate = (run.step - self.first) * self.batch_size / max(seconds, 1e-9)
            shown = {name: f"{mean:.3g}" for name, mean in self.losses.means.items()}
            run.bar.set_postfix({**shown, "images/s": f"{rate:.0f}"}, refresh=False)
        run.bar.update()

    def finish(self, run):
        run.bar.close()


class TensorBoard(Callback):
    """The losses as TensorBoard's events, for those who like to watch there."""

    def __init__(self, losses: Losses, writer):
        self.losses, self.writer = losses, writer

    def after_step(self, run):
        if due(run, self.losses.every):
            for name, mean in self.losses.means.items():
                self.writer.add_scalar(f"loss/{name}", np.float32(mean), run.step)

    def finish(self, run):
        self.writer.close()
