"""cGAN: a game that both players play under a condition (Mirza & Osindero, 2014).

    min_G max_D  E log σ(D(x, c)) + E log(1 − σ(D(G(z, c), c)))

c is what both are told, here the class. G gets it behind z, D beside x, as more channels: it learns
what real examples *of this class* look like, and so refuses a perfect 3 where a 5 was asked for.

Departs from the paper: with convolutional networks c reaches D as planes rather than through a
layer of its own, which comes to the same (a learned weight for each class and filter).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import ops
from ..ops import softplus
from .condition import Conditional, beside
from .networks import discriminator


@dataclass(eq=False, kw_only=True)
class CGAN(Conditional):
    """The condition joins both networks' inputs."""

    key: ClassVar[str] = "cgan"
    won_below: ClassVar[dict[str, float]] = {"discriminator": 0.02}

    def critic(self):
        shape = self.shape if self.net == "dcgan" else (math.prod(self.shape),)
        return discriminator(self.net, (shape[0] + self.classes, *shape[1:]), self.width)

    def judge(self, x, c):
        """D(x, c), logits (N,)."""
        return self.discriminator(beside(x if self.net == "dcgan" else x.flatten(1), c))

    def realness(self, x):
        """As an example of the class that it fits best."""
        told = [self.one_hot(np.full(len(x), k)) for k in range(self.classes)]
        return ops.stack([self.judge(x, self.tensor(c)) for c in told]).amax(0)

    def discriminator_loss(self, x, fake, c):
        D = self.judge
        return softplus(-D(x, c)).mean() + softplus(D(fake, c)).mean()

    def generator_loss(self, fake, c):
        D = self.judge
        return softplus(-D(fake, c)).mean()
