"""ACGAN: a discriminator with an auxiliary classifier (Odena et al., 2017).

    L_S = E log P(S = real | x) + E log P(S = false | G(z, c))     the source
    L_C = E log P(C = c | x)    + E log P(C = c | G(z, c))         the class

    D maximises  L_S + L_C
    G maximises  L_C − L_S

D sees no label: one head says whether an example is real, the other of which class it is, and both
players want the class to be recognised. G is rewarded for examples that are clear cases of their
class, which makes classes distinct, and may make them less various.

Departs from the paper as its own code does: in the place of −L_S, G minimises the non-saturating
−log P(S = real | G(z, c)).
"""

from dataclasses import dataclass
from typing import ClassVar

from ..ops import softplus
from .cgan_heads import log_probability
from .condition import Asked


@dataclass(eq=False, kw_only=True)
class ACGAN(Asked):
    """Source and class."""

    key: ClassVar[str] = "acgan"

    def discriminator_loss(self, x, fake, c):
        (real, of_real), (false, of_false) = self.discriminator(x), self.discriminator(fake)
        source = -softplus(-real).mean() - softplus(false).mean()
        classes = log_probability(of_real, c).mean() + log_probability(of_false, c).mean()
        return -(source + classes)

    def generator_loss(self, fake, c):
        real, of_class = self.discriminator(fake)
        return softplus(-real).mean() - log_probability(of_class, c).mean()
