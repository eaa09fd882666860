"""A system trained beside a run's, to compare with: the same data, the same settings, no folder."""

from .. import data, optim
from ..models import System
from .loop import schedules
from .options import dataset


def beside(twin: System, options) -> System:
    """`twin` trained as the command line says; afterwards it has its average weights, if any."""
    loader = data.Loader(dataset(options), options.batch_size)
    falling = schedules(twin, options.schedule, options.steps)
    averages = [optim.EMA(twin.modules[k], options.ema) for k in twin.sampled if options.ema]
    twin.capture()
    for _ in range(options.steps):
        twin.step(next(loader))
        for average in averages:
            average.update()
        for schedule in falling.values():
            schedule.step()
    loader.close()
    for average in averages:
        average.copy_to(average.module)
    return twin
