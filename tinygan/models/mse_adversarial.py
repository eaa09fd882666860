"""MSE against an adversarial loss: the same decoder taught in two ways, and in both at once.

An autoencoder x̂ = G(E(x)) with a short code cannot keep everything. What it does about the rest
depends on the loss:

    "mse"          E ‖x̂ − x‖²/n            the mean of all that the code leaves open: blur
    "adversarial"  −E log σ(D(x̂))          something that might be real, but need not be x
    "both"         MSE + λ·adversarial      close to x, and sharp

where D minimises −E log σ(D(x)) − E log(1 − σ(D(x̂))), as in GAN. A squared error looks at pixels
one by one and is satisfied with their means; D looks at the image, and its idea of what is wrong
with x̂ changes as x̂ does. (With "mse" D learns, too, but nobody listens to it: its loss shows how
easily blur is told from the real thing.)
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import nn
from ..ops import softplus, square
from .adversarial import Adversarial
from .ae import Spread
from .networks import discriminator, generator, head, trunk

LOSSES = ("mse", "adversarial", "both")


@dataclass(eq=False, kw_only=True)
class MSEAdversarial(Adversarial):
    """Encoder and decoder, one player; D, the other."""

    net: str = "dcgan"
    width: int = 32
    latent: int = 16  # numbers of the code
    loss: str = "both"
    weight: float = 0.02  # λ

    key: ClassVar[str] = "mse-vs-adversarial"
    packs: ClassVar[bool] = False
    sampled: ClassVar[tuple[str, ...]] = ("generator", "encoder", "spread")

    def __post_init__(self):
        if self.loss not in LOSSES:
            raise ValueError(f"loss {self.loss!r}: expected {', '.join(map(repr, LOSSES))}")
        super().__post_init__()

    def networks(self):
        net, shape, width = self.net, self.shape, self.width
        return {
            "generator": generator(net, shape, self.latent, width),
            "discriminator": discriminator(net, shape, width),
            "encoder": nn.Sequential(
                *trunk(net, shape, width), head(net, shape, width, self.latent)
            ),
            "spread": Spread(self.latent),
        }

    def build_optimizers(self):
        G, D, E = (self.modules[k] for k in ("generator", "discriminator", "encoder"))
        return {
            "generator": self.optimizer([*G.parameters(), *E.parameters()]),
            "discriminator": self.optimizer(D.parameters()),
        }

    def condition(self, batch):
        return self.tensor(batch["x"])

    def generate(self, z, c=None):
        """The example c rebuilt; without one, what noise decodes to that is spread as codes are."""
        if c is None:
            return self.generator(self.spread(z))
        code = self.encoder(self.tensor(c))
        if self.spread.training:
            self.spread.follow(code.detach())
        return self.generator(code)

    def reconstruct(self, x) -> np.ndarray:
        """x̂ of examples (N, *shape)."""
        return self.each(lambda x, c: self.generator(self.encoder(x)), x)

    def discriminator_loss(self, x, fake, c):
        D = self.discriminator
        return softplus(-D(x)).mean() + softplus(D(fake)).mean()

    def generator_loss(self, fake, c):
        D, x = self.discriminator, c
        error = square(fake - x).mean()
        if self.loss == "mse":
            return error
        convinced = softplus(-D(fake)).mean()
        return convinced if self.loss == "adversarial" else error + self.weight * convinced
