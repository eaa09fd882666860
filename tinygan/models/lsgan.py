"""LSGAN: the game with squares in the place of logarithms (Mao et al., 2017).

    D minimises  ½ E (D(x) − 1)² + ½ E D(G(z))²
    G minimises  ½ E (D(G(z)) − 1)²

D(x) is a plain number: 1 stands for real, 0 for generated. GAN's logarithms are flat where D is
sure; a square pulls an example that D takes for real all the same towards the decision's edge, the
more, the farther it lies on the right side of it. At D's optimum G minimises half a Pearson χ²
divergence of p_data + p_G from 2 p_G.

Departs from the paper in nothing: these are its 0-1 labels.
"""

from dataclasses import dataclass
from typing import ClassVar

from ..ops import square
from .adversarial import Adversarial


@dataclass(eq=False, kw_only=True)
class LSGAN(Adversarial):
    """Least squares."""

    key: ClassVar[str] = "lsgan"
    won_below: ClassVar[dict[str, float]] = {"discriminator": 0.005}

    def discriminator_loss(self, x, fake, c):
        D = self.discriminator
        return 0.5 * square(D(x) - 1).mean() + 0.5 * square(D(fake)).mean()

    def generator_loss(self, fake, c):
        D = self.discriminator
        return 0.5 * square(D(fake) - 1).mean()
