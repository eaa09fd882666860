"""How learning rates fall within a run of known length."""

import math

from .. import optim
from ..models import System

# By name: the rate at a part of the way, 0 to 1, as a multiple of what it was at the start.
SCHEDULES = {
    "constant": None,
    "linear": lambda part: 1 - part,
    "cosine": lambda part: (1 + math.cos(math.pi * part)) / 2,
    "late": lambda part: min(1.0, 2 - 2 * part),  # as it is for one half, then linear
}


def schedules(system: System, name: str, steps: int) -> dict:
    """What lets the rates of a system's optimisers fall within so many steps, by their names."""
    factor = SCHEDULES[name]
    if factor is None:
        return {}
    part = lambda step: factor(min(step / steps, 1.0))
    return {key: optim.LambdaLR(o, part) for key, o in system.optimizers.items()}
