"""DCGAN: the adversarial game between convolutional networks (Radford et al., 2015).

The game and its losses are GAN's. What made it train stably is the architecture:

- strided convolutions instead of pooling, transposed ones in G, and no fully connected layers;
- BatchNorm in both networks, except at G's output and D's input;
- ReLU in G and tanh at its end, LeakyReLU with slope 0.2 in D;
- weights from N(0, 0.02²), Adam with learning rate 2·10⁻⁴ and β₁ = 0.5.

For 64 px, z (100) → 4×4 → 8×8 → 16×16 → 32×32 → 64×64 with 8w, 4w, 2w, w, C channels; D mirrors
this. A size with one halving less (32 px) has one stage less, and 28 px starts at 7×7.
"""

from dataclasses import dataclass
from typing import ClassVar

from .. import nn
from .gan import GAN


@dataclass(eq=False, kw_only=True)
class DCGAN(GAN):
    """The convolutional game, on square images of 28, 32, 64 px (4 … 7 times a power of two)."""

    width: int = 64  # channels next to the image; they double at each halving of the size

    key: ClassVar[str] = "dcgan"

    def networks(self):
        start, stages = halvings(self.shape)
        networks = {
            "generator": generator(self.shape[0], self.latent, self.width, start, stages),
            "discriminator": discriminator(self.shape[0], self.width, start, stages),
        }
        for network in networks.values():
            network.apply(initialise)
        return networks


def generator(channels, latent, width, start, stages):
    """z (N, latent) → (N, channels, S, S) in (−1, 1), where S = start · 2^stages."""
    planes = width * 2 ** (stages - 1)
    layers = [
        nn.Unflatten(1, (latent, 1, 1)),
        nn.ConvTranspose2d(latent, planes, start, 1, 0, bias=False),
        nn.BatchNorm2d(planes),
        nn.ReLU(),
    ]
    for _ in range(stages - 1):
        layers += [
            nn.ConvTranspose2d(planes, planes // 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(planes // 2),
            nn.ReLU(),
        ]
        planes //= 2
    return nn.Sequential(
        *layers, nn.ConvTranspose2d(planes, channels, 4, 2, 1, bias=False), nn.Tanh()
    )


def discriminator(channels, width, start, stages):
    """x (N, channels, S, S) → logits (N,)."""
    layers, planes = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)], width
    for _ in range(stages - 1):
        layers += [
            nn.Conv2d(planes, 2 * planes, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * planes),
            nn.LeakyReLU(0.2),
        ]
        planes *= 2
    return nn.Sequential(*layers, nn.Conv2d(planes, 1, start, 1, 0, bias=False), nn.Flatten(0))


def initialise(module):
    """Weights of convolutions ~ N(0, 0.02²), scales of BatchNorm ~ N(1, 0.02²)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def halvings(shape):
    """(start, stages): how small an image gets by halving, and in how many steps.

    >>> halvings((3, 64, 64)), halvings((1, 28, 28))
    ((4, 4), (7, 2))
    """
    start, stages = shape[-1], 0
    while start > 7 and start % 2 == 0:
        start, stages = start // 2, stages + 1
    if len(shape) != 3 or shape[1] != shape[2] or not 4 <= start <= 7 or not stages:
        raise ValueError(
            f"examples have shape {tuple(shape)}; expected square images (C, S, S) with a "
            "side of 28, 32, 64 or another 4 … 7 times a power of two: choose --size"
        )
    return start, stages
