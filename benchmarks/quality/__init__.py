"""Does each model learn? A gate of figures that it passes, and that twins and fakes fail.

    python -m benchmarks.quality [--models gan,dcgan] [--seeds 3] [--quick] [--jobs 2] [--json FILE]

A gate that something broken passes measures nothing. So each model has twins, trained in the same
way but for one fault, and models of pictures meet a panel of fakes (`fakes.py`), which nobody
trained: all are scored as the model is, and each must fail one of the gate's figures.
"""

from . import adversarial, conditional, likelihood, points  # their gates register themselves
from .command import line, main, measure, rows_of
from .gate import GATES, Figure, gate
from .twins import constant_noise, frozen, intact, misled, untold

__all__ = [
    "GATES", "Figure", "adversarial", "conditional", "constant_noise", "frozen", "gate", "intact",
    "likelihood", "line", "main", "measure", "misled", "points", "rows_of", "untold",
]  # fmt: skip
