"""CVAE: a VAE whose encoder and decoder both see a condition c (Sohn et al., 2015).

    log p(x|c) ≥ E_q log p(x|z, c) − KL(q(z|x, c) ‖ N(0, I))

What c tells need not be put into z, so that z is left with what c does not tell. Two conditions:

    "label"      c is the class, one-hot: z becomes the hand that writes it
    "quadrants"  c is the image with some of its quadrants hidden, and a mask of those shown;
                 x is what is hidden. Each example shows 0 … 3 quadrants in training.

A deterministic net that completes an image must give the mean of all that it might be; a CVAE draws
one of them. `latent=0` is that deterministic net: the same decoder, from c alone.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import ops
from ..backend import stream
from .likelihood import OBSERVATIONS
from .vae import VAE


@dataclass(eq=False, kw_only=True)
class CVAE(VAE):
    """Given the label, or some quadrants; fully connected."""

    given: str = "label"
    classes: int | None = 10

    key: ClassVar[str] = "cvae"

    def __post_init__(self):
        if self.given not in ("label", "quadrants"):
            raise ValueError(f"given {self.given!r}: expected 'label' or 'quadrants'")
        if self.given == "label" and not self.classes:
            raise ValueError("a CVAE by label needs data with classes; these have none")
        if self.given == "quadrants" and len(self.shape) != 3:
            raise ValueError(f"a CVAE by quadrants needs images, not examples of {self.shape}")
        if self.net == "conv":
            raise ValueError("a CVAE is fully connected: net 'mlp' or 'linear'")
        super().__post_init__()

    def networks(self):
        size = self.classes if self.given == "label" else 2 * math.prod(self.shape)
        return {
            "encoder": self.encoder_net(2 * self.latent, size),
            "decoder": self.decoder_net(size),
            "observation": OBSERVATIONS[self.likelihood](),
        }

    @property
    def asked_by(self):
        return "class" if self.given == "label" else None

    # -- conditions --------------------------------------------------------------------------------

    def condition(self, batch):
        if self.given == "label":
            return self.tensor(self.one_hot(batch["label"]))
        shown = stream("quadrants").integers(0, 4, (len(batch["x"]),))
        order = stream("quadrants").uniform((len(batch["x"]), 4)).argsort(1).argsort(1)
        return self.tensor(self.hidden_image(batch["x"], order < shown[:, None]))

    def one_hot(self, labels) -> np.ndarray:
        """Labels (N,) → conditions (N, classes)."""
        return np.eye(self.classes, dtype=np.float32)[np.asarray(labels)]

    def hidden_image(self, x, shown) -> np.ndarray:
        """Images and which quadrants of each are shown, (N, 4) → conditions (N, 2·C·H·W).

        The quadrants are upper left, upper right, lower left, lower right.
        """
        n, (_, h, w) = len(x), self.shape
        lower, right = np.arange(h) >= h // 2, np.arange(w) >= w // 2
        mask = np.asarray(shown)[:, 2 * lower[:, None] + right][:, None]
        mask = np.broadcast_to(mask, (n, *self.shape)).reshape(n, -1).astype(np.float32)
        return np.concatenate([np.asarray(x).reshape(n, -1) * mask, mask], 1)

    def mask(self, c):
        """1 where the condition shows the image, (N, *shape)."""
        return c[:, c.shape[1] // 2 :].reshape(len(c), *self.shape)

    def join(self, a, c):
        """a, and the condition after it."""
        return ops.cat([a.flatten(1), c], 1)

    # -- the model ---------------------------------------------------------------------------------

    def encode(self, x, c=None):
        return self.halves(self.encoder(self.join(x, c)))

    def decode(self, z, c=None):
        return self.decoder(self.join(z, c))

    def log_likelihood(self, x, y, c=None):
        log_p = self.observation.log_prob(x, y)
        if self.given == "quadrants":
            log_p = log_p * (1 - self.mask(c))
        return log_p.flatten(1).sum(1)

    def generate(self, z, c=None):
        """Without a condition: the classes in turn, or from no quadrant at all."""
        if c is None and self.given == "label":
            c = self.one_hot(np.arange(len(z)) % self.classes)
        elif c is None:
            c = np.zeros((len(z), 2 * math.prod(self.shape)), np.float32)
        c = self.tensor(c)
        y = self.observation.mean(self.decode(z, c))
        if self.given == "label":
            return y
        seen = c[:, : c.shape[1] // 2].reshape(y.shape)
        return seen + (1 - self.mask(c)) * y
