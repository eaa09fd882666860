"""The training doctor: watches for the ways in which trainings fail, and says what usually helps.

Each finding is one line, said once. NaN ends the run: the steps since the last healthy moment are
replayed under `detect_anomaly`, which names the operation that went wrong first.
"""

import math
from collections import deque

import numpy as np

from ..autograd import AnomalyError, detect_anomaly
from ..backend.device import array_module, numbers

ADVICE = {
    "saturation": "{who} has all but won (its loss stays near {value:.3g}), so the other side "
    "gets no useful gradient: lower --lr, make {who} smaller, or add noise to its input",
    "collapse": "samples are {value:.0%} as different from each other as the data are: the "
    "generator is collapsing; lower --lr, use larger batches, or a loss less prone to it (WGAN-GP)",
    "duplicates": "{value:.0%} of the samples are copies of another one: the generator is "
    "collapsing; lower --lr, use larger batches, or a loss less prone to it (WGAN-GP)",
    "classes": "{value:.0%} of the samples are of class {most}{none}: the generator shows only a "
    "part of the data; lower --lr, give z more numbers (--latent), or use a loss less prone to it "
    "(WGAN-GP)",
    "dead": "no gradient reaches {who} any more (norm {value:.1e}): its units are dead or the loss "
    "is flat; lower --lr, or use LeakyReLU and the non-saturating loss",
    "exploding": "the gradients of {who} explode (norm {value:.1e}, usually {usual:.1e}): lower "
    "--lr, or clip them with optim.clip_grad_norm_",
}


class Unhealthy(FloatingPointError):
    """NaN or infinity in a loss or in the weights; the message says where it began."""


class Doctor:
    """Examines losses, gradients and samples. `say(text)` passes on each finding."""

    patience = 20  # examinations in a row before saying it

    def __init__(self, won_below: dict[str, float] | None = None):
        self.won_below = won_below or {}
        self.said: list[str] = []
        self.counts: dict[str, int] = {}
        self.norms: dict[str, deque] = {}

    # -- examinations ------------------------------------------------------------------------------

    def losses(self, means: dict[str, float]) -> list[str]:
        """From mean losses since the last time: has one side won?"""
        found = []
        for who, bound in self.won_below.items():
            if who in means and self._lasting(f"saturation:{who}", means[who] < bound):
                found += self._finding("saturation", who, value=means[who])
        return found

    def gradients(self, norms: dict[str, float]) -> list[str]:
        """From the norm of each network's gradient: dead, or exploding?"""
        found = []
        for who, norm in norms.items():
            history = self.norms.setdefault(who, deque(maxlen=50))
            usual = float(np.median(history)) if len(history) >= 10 else math.inf
            if self._lasting(f"dead:{who}", norm < 1e-8):
                found += self._finding("dead", who, value=norm)
            if norm > 1e3 * max(usual, 1e-6) or norm > 1e8:
                found += self._finding("exploding", who, value=norm, usual=usual)
            history.append(norm)
        return found

    def samples(self, made: np.ndarray, real: np.ndarray) -> list[str]:
        """From a batch of samples and one of data: are they too much alike?"""
        n = min(len(made), len(real), 64)
        if n < 8 or not np.isfinite(made).all():
            return []
        fake, true = _distances(made[:n]), _distances(real[:n])
        typical = true[np.isfinite(true)].mean()
        spread = fake[np.isfinite(fake)].mean() / max(typical, 1e-12)
        copies, normal = (float((d.min(1) < 0.05 * typical).mean()) for d in (fake, true))
        if self._lasting("collapse", spread < 0.25, times=2):
            return self._finding("collapse", "generator", value=spread)
        if self._lasting("duplicates", copies > normal + 0.5, times=2):
            return self._finding("duplicates", "generator", value=copies)
        return []

    def classes(self, labels: np.ndarray, names) -> list[str]:
        """From the classes that a judge sees in a batch of samples: are some of them missing?

        An even generator leaves one of k classes out of n samples with probability (1 − 1/k)ⁿ, and
        so any of them with at most k times that.
        """
        k, n = len(names), len(labels)
        counts = np.bincount(labels, minlength=k)
        most, absent = int(counts.argmax()), [str(names[i]) for i in np.flatnonzero(counts == 0)]
        telling = k * (1 - 1 / k) ** n < 0.02
        lopsided = counts[most] > n * max(0.5, 3 / k) or (telling and len(absent) > 0)
        if k < 2 or not self._lasting("classes", lopsided, times=4):
            return []
        none = f", and none of class {', '.join(absent)}" if absent and telling else ""
        share = counts[most] / n
        return self._finding("classes", "generator", value=share, most=names[most], none=none)

    def _lasting(self, key, present, times=patience):
        self.counts[key] = self.counts.get(key, 0) + 1 if present else 0
        return self.counts[key] >= times

    def _finding(self, kind, who, **numbers):
        key = f"{kind}:{who}"
        if key in self.said:
            return []
        self.said.append(key)
        return [ADVICE[kind].format(who=f"the {who}", **numbers)]

    # -- its place in a checkpoint -----------------------------------------------------------------

    def state(self) -> dict:
        return {
            "said": list(self.said),
            "counts": dict(self.counts),
            "norms": {who: list(history) for who, history in self.norms.items()},
        }

    def restore(self, state: dict) -> None:
        self.said, self.counts = list(state["said"]), dict(state["counts"])
        self.norms = {who: deque(norms, maxlen=50) for who, norms in state["norms"].items()}


def _distances(x):
    """Distances between all pairs of examples (N, …), infinity on the diagonal."""
    flat = x.reshape(len(x), -1).astype(np.float64)
    square = (flat**2).sum(1)
    d2 = square[:, None] + square[None] - 2 * flat @ flat.T
    d = np.sqrt(np.maximum(d2, 0))
    np.fill_diagonal(d, math.inf)
    return d


def gradient_norms(modules: dict) -> dict[str, float]:
    """The norm of each network's present gradient, those without one left out."""
    squares = {}
    for name, module in modules.items():
        arrays = [p.grad.array for p in module.parameters() if p.grad is not None]
        if arrays:
            xp = array_module(arrays[0])
            flat = [a.ravel(order="K") for a in arrays]
            squares[name] = sum(xp.dot(a, a) for a in flat)
    return dict(zip(squares, map(math.sqrt, numbers(squares.values()))))


def not_finite(modules: dict) -> str | None:
    """The name of the first parameter or buffer that holds NaN or infinity, or None."""
    finite = {}
    for name, module in modules.items():
        for key, tensor in module.state_dict().items():
            if tensor.array.dtype.kind == "f":
                xp = array_module(tensor.array)
                finite[f"{name}.{key}"] = xp.isfinite(tensor.array).all()
    return next((key for key, is_so in zip(finite, numbers(finite.values())) if not is_so), None)


def diagnose(step, upto: int) -> str:
    """Replay `step()`, which gives the number of the step it did, until it goes wrong: where?"""
    done = 0
    try:
        with detect_anomaly():
            while done < upto:
                done = step()
    except AnomalyError as error:
        return f"{error}"
    return "the replay of the last steps was healthy, so it cannot be told which operation it was"
