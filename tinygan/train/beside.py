"""Training without a folder: systems to compare with."""

from .. import data, optim
from ..models import System
from .options import dataset
from .rates import schedules


def learn(
    system: System, dataset, steps: int, batch_size: int, schedule="linear", ema=0.0, watch=None
) -> System:
    """The system after so many steps; what is sampled from has its average weights, if any.

    `watch(step, losses)` is called after each step.
    """
    loader = data.Loader(dataset, batch_size)
    falling = schedules(system, schedule, steps).values()
    averages = [optim.EMA(system.modules[name], ema) for name in system.sampled if ema]
    system.capture()
    for step in range(steps):
        losses = system.step(next(loader))
        for each in averages:
            each.update()
        for each in falling:
            each.step()
        if watch:
            watch(step + 1, losses)
    loader.close()
    for each in averages:
        each.copy_to(each.module)
    return system


def beside(twin: System, options, steps=None) -> System:
    """`twin` after a training as the command line says, of other `steps` where they are given."""
    steps = options.steps if steps is None else steps
    known = dataset(options)
    return learn(twin, known, steps, options.batch_size, options.schedule, options.ema)
