"""The ways in which a twin is broken."""

import numpy as np

from tinygan import ops
from tinygan.models.ebgan import pulling_away


def intact(system):
    return system


def frozen(system):
    """A discriminator that never learns: what it says at the start is all that G hears."""
    system.optimizers["discriminator"].step = lambda: None
    return system


def constant_noise(system):
    """One z for all: G can make one picture only."""
    draw = system.noise
    system.noise = lambda n, purpose="noise": draw(n, purpose) * 0 + 1
    return system


def misled(column):
    """Batches in which this column is another example's: what one is told says nothing of it."""

    def breaking(system):
        step = system.step

        def shifted(batch):
            return step({**batch, column: np.roll(batch[column], len(batch[column]) // 2, 0)})

        system.step = shifted
        return system

    return breaking


def untold(system):
    """Both networks see zeros in the condition's place."""
    join = system.join
    system.join = lambda a, c: join(a, c * 0)
    return system


def detached(system):
    """EBGAN: G's gradient flows through one place of x in E(x) only: the target is a constant."""
    D = system.discriminator

    def generator_loss(fake, c):
        code = D.narrow(D.encode(fake))
        energy = ops.square(D.decode(code) - fake.detach()).flatten(1).mean(1).sqrt()
        return energy.mean() + system.pull * pulling_away(code)

    system.generator_loss = generator_loss
    return system
