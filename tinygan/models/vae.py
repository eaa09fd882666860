"""VAE: an autoencoder that is a density (Kingma & Welling, 2014; Rezende et al., 2014).

A picture is made from noise, p(x) = ∫ p(x|z) N(z; 0, I) dz. The integral is out of reach, but any
q(z|x) bounds it from below (Jensen):

    log p(x) ≥ ELBO(x) = E_q log p(x|z) − KL(q(z|x) ‖ N(0, I))          in nats, per image

The encoder gives q(z|x) = N(μ(x), σ²(x)), and z = μ + σ·ε with ε ~ N(0, I) lets gradients through.
The first term, summed over the pixels, wants codes that tell images apart: alone, it drives σ to 0,
and the codes lie about with holes between them, as an autoencoder's do. The second,

    KL = ½ Σⱼ (μⱼ² + σⱼ² − 1 − log σⱼ²),

wants every code to be the prior: alone, it makes all codes alike. Their weight is no matter of
taste: with β = 1 it is a bound of the likelihood. Two common departures from it:

    β (Higgins et al., 2017)            loss = −E_q log p(x|z) + β·KL
    free bits λ (Kingma et al., 2016)   KL   = Σⱼ max(λ, mean of KLⱼ over the batch)

A tighter bound with k draws from q (Burda et al., 2016), equal to log p(x) as k → ∞:

    log p(x) ≥ E log 1/k Σᵢ p(x|zᵢ) p(zᵢ) / q(zᵢ|x)
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import ops
from ..autograd import Tensor
from ..ops.loss import gaussian_kl
from .likelihood import OBSERVATIONS, Autoencoder, require_pixels


@dataclass(eq=False, kw_only=True)
class VAE(Autoencoder):
    """p(x|z) is "bernoulli" (for pixels) or "gaussian" (with one learned variance)."""

    likelihood: str = "bernoulli"
    beta: float = 1.0
    free_bits: float = 0.0  # nats that each unit may carry at no cost

    key: ClassVar[str] = "vae"

    def __post_init__(self):
        if self.likelihood not in OBSERVATIONS:
            raise ValueError(f"likelihood {self.likelihood!r}: expected 'bernoulli' or 'gaussian'")
        if self.likelihood == "bernoulli":
            require_pixels(self.shape, "bernoulli", "gaussian")
        super().__post_init__()

    def networks(self):
        return {
            "encoder": self.encoder_net(2 * self.latent),
            "decoder": self.decoder_net(),
            "observation": OBSERVATIONS[self.likelihood](),
        }

    # -- the model: CVAE adds a condition c to each of these ---------------------------------------

    def encode(self, x, c=None) -> tuple[Tensor, Tensor]:
        """μ and log σ² of q(z|x), each (N, latent)."""
        return self.halves(self.encoder(x))

    def halves(self, h):
        """The encoder's output as μ and log σ²."""
        return h[:, : self.latent], h[:, self.latent :]

    def log_likelihood(self, x, y, c=None):
        """log p(x|z), summed over the pixels: (N,)."""
        return self.observation.log_prob(x, y).flatten(1).sum(1)

    def code(self, x, c=None):
        return self.encode(x, c)[0]

    def generate(self, z, c=None):
        return self.observation.mean(self.decode(z, c))

    # -- the loss ----------------------------------------------------------------------------------

    def learn(self, x, c, turn):
        mu, log_var = self.encode(x, c)
        z = mu + ops.exp(0.5 * log_var) * self.noise(len(x))
        reconstruction = -self.log_likelihood(x, self.decode(z, c), c).mean()
        kl = gaussian_kl(mu, log_var, reduction="none").mean(0)  # of each unit
        paid = kl.clamp(self.free_bits).sum() if self.free_bits else kl.sum()
        return self.descend(
            {
                "loss": reconstruction + self.beta * paid,
                "reconstruction": reconstruction,
                "kl": kl.sum(),
            }
        )

    # -- figures, always with β = 1 and without free bits ------------------------------------------

    def elbo(self, x, c=None) -> np.ndarray:
        """The bound of log p(x) in nats for each image (N,), from one draw of z each."""

        def bound(x, c):
            mu, log_var = self.encode(x, c)
            z = mu + ops.exp(0.5 * log_var) * self.noise(len(x), "evaluation")
            log_p = self.log_likelihood(x, self.decode(z, c), c)
            return log_p - gaussian_kl(mu, log_var, reduction="none").sum(1)

        return self.each(bound, x, c)

    def nll(self, x, c=None, k: int = 500) -> np.ndarray:
        """−log p(x) in nats for each image (N,), estimated by k importance-weighted draws."""

        def bound(x, c):
            mu, log_var = self.encode(x, c)
            n, (x, c) = len(x), (repeated(x, k), None if c is None else repeated(c, k))
            mu, log_var = repeated(mu, k), repeated(log_var, k)
            noise = self.noise(n * k, "evaluation")
            z = mu + ops.exp(0.5 * log_var) * noise
            log_prior, log_q = -0.5 * (z * z).sum(1), -0.5 * (noise * noise + log_var).sum(1)
            log_w = self.log_likelihood(x, self.decode(z, c), c) + log_prior - log_q
            return math.log(k) - log_w.reshape(n, k).logsumexp(1)

        return self.each(bound, x, c, chunk=max(1, 4096 // k))

    def kl(self, x, c=None) -> np.ndarray:
        """The mean KL of each unit in nats (latent,): what it tells about an image."""

        def of_units(x, c):
            return gaussian_kl(*self.encode(x, c), reduction="none")

        return self.each(of_units, x, c).mean(0, dtype=np.float64)

    def active_units(self, x, c=None) -> int:
        """How many units vary with x: the variance of μⱼ(x) is above 0.01 (Burda et al.)."""
        return int((self.codes(x, c).var(0) > 0.01).sum())


def repeated(x, k):
    """Each row k times in a row: (N, …) → (N·k, …)."""
    return x.unsqueeze(1).expand(len(x), k, *x.shape[1:]).reshape(len(x) * k, *x.shape[1:])
