"""GAN: the original adversarial game (Goodfellow et al., 2014).

    min_G max_D  E log σ(D(x)) + E log(1 − σ(D(G(z))))

where D(x) is a logit. At D's optimum, σ(D(x)) = p_data/(p_data + p_G), G minimises the
Jensen-Shannon divergence of p_G from p_data. Early on, though, D is sure that G(z) is false, and
log(1 − σ(D(G(z)))) is flat, so that G hardly learns. The *non-saturating* form has G maximise
log σ(D(G(z))) instead: the same fixed point, a strong gradient where G is bad.

Logarithms come from logits: −log σ(y) = softplus(−y), and −log(1 − σ(y)) = softplus(y).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ops import softplus
from .adversarial import Adversarial


@dataclass(eq=False, kw_only=True)
class GAN(Adversarial):
    """The original game."""

    saturating: bool = False  # the minimax form of G's loss

    key: ClassVar[str] = "gan"
    won_below: ClassVar[dict[str, float]] = {"discriminator": 0.02}

    def discriminator_loss(self, x, fake, c):
        D = self.discriminator
        return softplus(-D(x)).mean() + softplus(D(fake)).mean()

    def generator_loss(self, fake, c):
        D = self.discriminator
        return -softplus(D(fake)).mean() if self.saturating else softplus(-D(fake)).mean()

    def field(self, points):
        """σ(D(x)), the probability that x is real."""
        return 1 / (1 + np.exp(-self.opinion(points)))
