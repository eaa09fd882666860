"""What autoencoders share: encoders and decoders of three kinds, and what their output means.

    net="linear"   x → W x + b                       the case with a closed form
    net="mlp"      Linear, ReLU, …, Linear           `hidden` lists the widths between
    net="conv"     halvings by 4×4 convolutions      `width` channels next to the image, doubling

A decoder gives one number a pixel. `Bernoulli` and `Gaussian` read it as the parameter of p(x|z).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import nn, ops, optim
from .networks import halvings, mlp
from .system import System


@dataclass(eq=False, kw_only=True)
class Autoencoder(System):
    """An encoder to `latent` numbers and a decoder back, both trained against one loss."""

    latent: int = 20
    net: str = "mlp"
    hidden: tuple[int, ...] = (400,)  # of the encoder; the decoder has them in reverse
    width: int = 32
    lr: float = 1e-3

    sampled: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "observation")

    def __post_init__(self):
        self.hidden = tuple(self.hidden)
        if self.net not in ("linear", "mlp", "conv"):
            raise ValueError(f"net {self.net!r}: expected 'linear', 'mlp' or 'conv'")
        super().__post_init__()

    def build_optimizers(self):
        own = [p for module in self.modules.values() for p in module.parameters()]
        return {"adam": optim.Adam(own, lr=self.lr)}

    def descend(self, losses: dict):
        """One step of Adam against losses["loss"]; gives the losses as plain values."""
        self.optimizers["adam"].zero_grad()
        losses["loss"].backward()
        self.optimizers["adam"].step()
        return {name: loss.detach() for name, loss in losses.items()}

    def code(self, x, c=None):
        """x (N, *shape) → the code that stands for it, (N, latent)."""
        raise NotImplementedError(f"{type(self).__name__} has no code(x)")

    def codes(self, x, c=None) -> np.ndarray:
        """`code` of many examples, in evaluation mode."""
        return self.each(lambda x, c: self.code(x, c), x, c)

    def reconstruct(self, x, c=None) -> np.ndarray:
        """The decoded code of each example: (N, *shape)."""
        return self.each(lambda x, c: self.observation.mean(self.decode(self.code(x, c), c)), x, c)

    def decode(self, z, c=None):
        """z (N, latent) → the parameters of p(x|z), (N, *shape)."""
        return self.decoder(z)

    def encoder_net(self, outputs: int, extra: int = 0):
        """x, and `extra` numbers after it, → (N, outputs)."""
        if self.net == "conv":
            return conv_encoder(self.shape, outputs, self.width)
        hidden = self.hidden if self.net == "mlp" else ()
        layers = mlp(math.prod(self.shape) + extra, *hidden, outputs, activation=nn.ReLU)
        return nn.Sequential(nn.Flatten(), *layers)

    def decoder_net(self, extra: int = 0):
        """z, and `extra` numbers after it, → (N, *shape)."""
        if self.net == "conv":
            return conv_decoder(self.shape, self.latent, self.width)
        hidden = self.hidden[::-1] if self.net == "mlp" else ()
        layers = mlp(self.latent + extra, *hidden, math.prod(self.shape), activation=nn.ReLU)
        return nn.Sequential(*layers, nn.Unflatten(1, self.shape))


def conv_encoder(shape, outputs, width):
    """S → S/2 → … → 4 … 7 pixels, then one Linear."""
    start, stages = halvings(shape)
    layers, planes = [], shape[0]
    for i in range(stages):
        layers += [nn.Conv2d(planes, width * 2**i, 4, 2, 1), nn.ReLU()]
        planes = width * 2**i
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(planes * start**2, outputs))


def conv_decoder(shape, latent, width):
    """The encoder mirrored."""
    start, stages = halvings(shape)
    planes = [width * 2**i for i in reversed(range(stages))] + [shape[0]]
    layers = [nn.Linear(latent, planes[0] * start**2), nn.Unflatten(1, (planes[0], start, start))]
    for before, after in zip(planes, planes[1:]):
        layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1)]
    return nn.Sequential(*layers)


class Bernoulli(nn.Module):
    """Pixel i is white with probability σ(yᵢ), where y is the decoder's output.

    Examples x in [−1, 1] become t = (x + 1)/2 in [0, 1]. For black and white pixels this is a
    likelihood; for grey ones, as everybody trains it, it is a cross-entropy that stays above 0.
    """

    def log_prob(self, x, y):
        """t log σ(y) + (1 − t) log(1 − σ(y)) of each pixel."""
        t = x * 0.5 + 0.5
        return -ops.binary_cross_entropy_with_logits(y, t, reduction="none")

    def mean(self, y):
        """E[x|z], in [−1, 1]."""
        return ops.sigmoid(y) * 2 - 1


class Gaussian(nn.Module):
    """p(x|z) = N(x; y, σ² I) with one learned variance σ² for all pixels, as log σ²."""

    def __init__(self):
        super().__init__()
        self.log_var = nn.Parameter(ops.zeros(1))

    def log_prob(self, x, y):
        """−½ [(x − y)²/σ² + log 2πσ²] of each pixel."""
        squared = ops.square(x - y) * ops.exp(-self.log_var)
        return -0.5 * (squared + (self.log_var + math.log(2 * math.pi)))

    def mean(self, y):
        return y


def require_pixels(shape, likelihood, instead):
    """Refuse points where a likelihood is of pixels."""
    if len(shape) != 3:
        raise ValueError(
            f"{likelihood!r} is of pixels, but the examples are points {tuple(shape)}: train on "
            f"images, or choose {instead!r}"
        )


OBSERVATIONS = {"bernoulli": Bernoulli, "gaussian": Gaussian}
