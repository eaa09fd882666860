"""GAN: the original adversarial game (Goodfellow et al., 2014).

    min_G max_D  E log σ(D(x)) + E log(1 − σ(D(G(z))))

where D(x) is a logit. At D's optimum, σ(D(x)) = p_data/(p_data + p_G), G minimises the
Jensen-Shannon divergence of p_G from p_data. Early on, though, D is sure that G(z) is false, and
log(1 − σ(D(G(z)))) is flat, so that G hardly learns. The *non-saturating* form has G maximise
log σ(D(G(z))) instead: the same fixed point, a strong gradient where G is bad.

Logarithms come from logits: −log σ(y) = softplus(−y), and −log(1 − σ(y)) = softplus(y).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from .. import nn
from ..autograd import no_grad
from ..ops import softplus
from .adversarial import Adversarial
from .system import evaluating


@dataclass(eq=False, kw_only=True)
class GAN(Adversarial):
    """The original game between two fully connected networks, for points or small images."""

    width: int = 128
    saturating: bool = False  # the minimax form of G's loss

    key: ClassVar[str] = "gan"
    won_below: ClassVar[dict[str, float]] = {"discriminator": 0.02}

    def networks(self):
        size, w = math.prod(self.shape), self.width
        last = [] if self.shape == (2,) else [nn.Tanh(), nn.Unflatten(1, self.shape)]
        generator = mlp(self.latent, w, w, w, size, activation=nn.ReLU)
        discriminator = mlp(size, w, w, w, 1, activation=lambda: nn.LeakyReLU(0.2))
        return {
            "generator": nn.Sequential(*generator, *last),
            "discriminator": nn.Sequential(nn.Flatten(), *discriminator, nn.Flatten(0)),
        }

    def discriminator_loss(self, x, fake, c):
        D = self.discriminator
        return softplus(-D(x)).mean() + softplus(D(fake)).mean()

    def generator_loss(self, fake, c):
        D = self.discriminator
        return -softplus(D(fake)).mean() if self.saturating else softplus(-D(fake)).mean()

    @no_grad
    def field(self, points):
        """σ(D(x)) at points (N, *shape): how real D takes each of them to be."""
        with evaluating(self.discriminator):
            return self.discriminator(self.tensor(points)).sigmoid().numpy()


def mlp(*sizes, activation):
    """Linear layers of these sizes with an activation between them."""
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), activation()]
    return layers[:-1]
