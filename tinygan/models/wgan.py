"""WGAN: a critic that measures how far apart two distributions are (Arjovsky et al., 2017).

    W₁(p_data, p_G) = max_f  E f(x) − E f(G(z))     over all f with |f(x) − f(y)| ≤ ‖x − y‖

is the least work that moves one heap of probability onto the other. Unlike the Jensen-Shannon
divergence it falls smoothly as the heaps approach each other, even where they do not overlap, so
that G always has a slope to go down, and the loss says how good G is.

    D minimises  E f(G(z)) − E f(x)
    G minimises  −E f(G(z))

f is the critic: no probability, no sigmoid. To keep its slope bounded, each of its weights is
clipped to [−c, c] after each of its steps; the bound is not 1 but some K, and the gap K·W₁. f must
be near its maximum before its slope is of use: 5 steps of f for one of G. RMSprop, because with
clipped weights momentum goes astray.

Departs from the paper: no BatchNorm in f, which would let f(x) depend on the rest of the batch, and
whose scale would be clipped away.
"""

from dataclasses import dataclass
from typing import ClassVar

from .. import optim
from ..autograd import no_grad
from .adversarial import Adversarial
from .networks import discriminator


@dataclass(eq=False, kw_only=True)
class WGAN(Adversarial):
    """The Wasserstein game with clipped weights."""

    lr: float = 5e-5
    n_critic: int = 5
    clip: float = 0.01  # c
    alpha: float = 0.99  # how long RMSprop remembers; its first steps are 1/√(1 − α) too large

    key: ClassVar[str] = "wgan"

    def critic(self):
        return discriminator(self.net, self.shape, self.width, norm=False, pack=self.pack)

    def optimizer(self, parameters):
        return optim.RMSprop(parameters, lr=self.lr, alpha=self.alpha)

    def discriminator_loss(self, x, fake, c):
        f = self.discriminator
        return f(fake).mean() - f(x).mean()

    def generator_loss(self, fake, c):
        f = self.discriminator
        return -f(fake).mean()

    @no_grad
    def after_discriminator_step(self):
        for p in self.discriminator.parameters():
            p.clamp_(-self.clip, self.clip)
