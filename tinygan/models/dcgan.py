"""DCGAN: the adversarial game between convolutional networks (Radford et al., 2015).

The game and its losses are GAN's. What made it train stably is the architecture, which is in
`networks` beside the fully connected one:

- strided convolutions instead of pooling, transposed ones in G, and no fully connected layers;
- BatchNorm in both networks, except at G's output and D's input;
- ReLU in G and tanh at its end, LeakyReLU with slope 0.2 in D;
- weights from N(0, 0.02²), Adam with learning rate 2·10⁻⁴ and β₁ = 0.5.
"""

from dataclasses import dataclass
from typing import ClassVar

from .gan import GAN
from .networks import discriminator


@dataclass(eq=False, kw_only=True)
class DCGAN(GAN):
    """The convolutional game, on square images of 28, 32, 64 px (4 … 7 times a power of two)."""

    net: str = "dcgan"
    width: int = 64  # channels next to the image; they double at each halving of the size
    critic_width: int = 0  # D's, where they are not as many as G's

    key: ClassVar[str] = "dcgan"

    def critic(self):
        width = self.critic_width or self.width
        return discriminator(self.net, self.shape, width, pack=self.pack)
