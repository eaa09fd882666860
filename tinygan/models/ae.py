"""AE: two networks that squeeze an image through a few numbers and make it again.

    z = e(x)      y = d(z)      min E ‖x − y‖²        or, for x in [0, 1], the cross-entropy of y

The linear AE with squared error is principal component analysis: its optimum is the projection on
the `latent` leading eigenvectors of the covariance (Baldi & Hornik, 1989), and its error the sum of
the other eigenvalues. A deep one bends that plane, and comes closer to the data.

An AE generates badly: nothing ever asked that the codes fill their space, and between two of them
the decoder has never been. Here z ~ N(0, 1) is moved and stretched to the mean and the deviation of
the codes, which is all that one Gaussian can do for it. What is missing is the VAE's term.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import nn, ops
from ..autograd import no_grad
from .likelihood import Autoencoder, Bernoulli, require_pixels


@dataclass(eq=False, kw_only=True)
class AE(Autoencoder):
    """Squared error ("mse") or cross-entropy ("bce"), summed over the pixels, mean of the batch."""

    loss: str = "mse"

    key: ClassVar[str] = "ae"
    sampled: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "observation", "spread")

    def __post_init__(self):
        if self.loss not in ("mse", "bce"):
            raise ValueError(f"loss {self.loss!r}: expected 'mse' or 'bce'")
        if self.loss == "bce":
            require_pixels(self.shape, "bce", "mse")
        super().__post_init__()

    def networks(self):
        return {
            "encoder": self.encoder_net(self.latent),
            "decoder": self.decoder_net(),
            "observation": Bernoulli() if self.loss == "bce" else Squared(),
            "spread": Spread(self.latent),
        }

    def code(self, x, c=None):
        return self.encoder(x)

    def learn(self, x, c, turn):
        z = self.encoder(x)
        self.spread.follow(z.detach())
        y = self.decoder(z)
        loss = -self.observation.log_prob(x, y).flatten(1).sum(1).mean()
        return self.descend({"loss": loss})

    def generate(self, z, c=None):
        return self.observation.mean(self.decoder(self.spread(z)))

    def error(self, x) -> float:
        """The mean squared error of a pixel, of x in [−1, 1]."""
        return float(np.square(self.reconstruct(x) - x).mean(dtype=np.float64))


class Squared(nn.Module):
    """The squared error as a log-likelihood without its constants."""

    def log_prob(self, x, y):
        return -((x - y) ** 2)

    def mean(self, y):
        return y


class Spread(nn.Module):
    """Mean and deviation of the codes of late, and noise moved and stretched to them."""

    def __init__(self, latent: int, momentum: float = 0.05):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("centre", ops.zeros(latent))
        self.register_buffer("square", ops.ones(latent))

    @no_grad
    def follow(self, z):
        for mine, now in ((self.centre, z.mean(0)), (self.square, (z * z).mean(0))):
            mine.mul_(1 - self.momentum).add_(now * self.momentum)

    def forward(self, z):
        variance = (self.square - self.centre * self.centre).clamp(1e-12)
        return self.centre + variance.sqrt() * z
