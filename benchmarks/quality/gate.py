"""What a gate is: figures with bars, and how far from its bar a value lies."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One number of a gate: the model's, that of its controls, and what is asked of it.

    The controls are the model's broken twins and the fakes. `ideal` is what the best possible
    samples get: real data's own figure where there is one. A bar stands at about twice the distance
    from it that the worst healthy seed has.
    """

    metric: str
    value: float
    threshold: float
    controls: dict[str, float] = field(default_factory=dict)  # the twin's or fake's name -> value
    least: bool = True  # is the bar the least that passes, or the most?
    ideal: float | None = None  # default: for the least, twice the bar; for the most, 0

    def __post_init__(self):
        if self.ideal is None:
            self.ideal = 2 * self.threshold if self.least else 0.0

    def passes(self, value: float) -> bool:
        return bool(value >= self.threshold if self.least else value <= self.threshold)

    def fault(self, value: float) -> float:
        """The distance from the ideal in units of the bar's: what passes has at most 1.

        >>> Figure("precision", 0.7, threshold=0.55, ideal=0.95).fault(0.75)
        0.5
        """
        if math.isnan(value):
            return math.inf
        missing, allowed = self.ideal - value, self.ideal - self.threshold
        if not self.least:
            missing, allowed = -missing, -allowed
        if allowed <= 0:  # nothing but the ideal passes
            return 0.0 if self.passes(value) else 1 + abs(missing / self.threshold)
        return max(0.0, round(missing / allowed, 9))


def worst(figures: list[Figure], control: str | None = None) -> tuple[float, Figure]:
    """The largest fault in a gate, and the figure that has it: a control's, or the model's."""
    value = lambda f: f.value if control is None else f.controls[control]
    return max(((f.fault(value(f)), f) for f in figures), key=lambda pair: pair[0])


def nearest(figures: list[Figure]) -> str:
    """The control that comes nearest to passing the gate: its largest fault is the smallest."""
    return min(figures[0].controls, key=lambda name: worst(figures, name)[0])


# model -> f(seed, quick), which trains it and its twins: its gates by name
GATES: dict[str, Callable[[int, bool], dict[str, list[Figure]]]] = {}


def gate(model: str):
    """Register `f(seed, quick)` under the model's name."""

    def register(function):
        GATES[model] = function
        return function

    return register
