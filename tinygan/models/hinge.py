"""Hinge GAN with spectral norm (Lim & Ye, 2017; Miyato et al., 2018).

    D minimises  E max(0, 1 − D(x)) + E max(0, 1 + D(G(z)))
    G minimises  −E D(G(z))

D looks only at examples that it does not yet tell apart by a margin. What keeps its slope bounded,
so that G always has a gradient to follow, is that every weight of D is divided by its largest
singular value: D is then a map of Lipschitz constant 1 (see `nn.spectral_norm`), and D(Kx) one of
Lipschitz constant K. K is the one setting that the data decide: 1 is enough for images, which lie
far apart; a margin of 2 between points 0.03 apart needs a steeper D.

Departs from the paper: no BatchNorm in D (it would undo the bound), no residual blocks.
"""

from dataclasses import dataclass
from typing import ClassVar

from .. import nn
from ..ops import relu
from .adversarial import Adversarial
from .networks import Scale, discriminator


@dataclass(eq=False, kw_only=True)
class HingeGAN(Adversarial):
    """Margins, and a discriminator of bounded slope."""

    slope: float = 1.0  # K

    key: ClassVar[str] = "hinge"

    def critic(self):
        D = discriminator(self.net, self.shape, self.width, norm=False, pack=self.pack)
        D.apply(lambda m: nn.spectral_norm(m) if isinstance(m, nn.Conv2d | nn.Linear) else None)
        return nn.Sequential(Scale(self.slope), *D)

    def discriminator_loss(self, x, fake, c):
        D = self.discriminator
        return relu(1 - D(x)).mean() + relu(1 + D(fake)).mean()

    def generator_loss(self, fake, c):
        D = self.discriminator
        return -D(fake).mean()
