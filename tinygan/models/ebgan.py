"""EBGAN: the discriminator is an autoencoder, and its error an energy (Zhao et al., 2017).

    E(x) = ‖Dec(Enc(x)) − x‖ / √n

    D minimises  E(x) + max(0, m − E(G(z)))
    G minimises  E(G(z)) + λ·PT

Real examples are to be rebuilt well, low in energy, generated ones badly, but only up to a margin
m: without it D would go on raising their energy for ever, instead of lowering that of real ones. D
learns from all of an example, not one bit of it.

PT, the pulling-away term, is the mean squared cosine between the codes S = Enc(G(z)) of different
examples of a batch:

    PT = 1/(N(N−1)) Σ_{i≠j} (SᵢᵀSⱼ / ‖Sᵢ‖‖Sⱼ‖)²

It drives them apart, and so keeps G from making one thing over and over.

The example is rebuilt *and* rebuilt towards: G's gradient flows through both places of x in E(x).
Cutting the second, as collections do, loses half of it.

Departs from the paper: the norm is divided by the root of n, the numbers in an example, so that a
margin means the same for all sizes.
"""

from dataclasses import dataclass
from typing import ClassVar

from .. import nn, ops
from .adversarial import Adversarial
from .networks import generator, trunk


class Autoencoder(nn.Module):
    """x → its energy (N,) and its code (N, code)."""

    def __init__(self, net, shape, width, code):
        super().__init__()
        self.encode = nn.Sequential(*trunk(net, shape, width), nn.Flatten())
        self.narrow = nn.Linear(self.encode(ops.zeros(2, *shape)).shape[1], code)
        self.decode = generator(net, shape, code, width)

    def forward(self, x):
        code = self.narrow(self.encode(x))
        return ops.square(self.decode(code) - x).flatten(1).mean(1).sqrt(), code


@dataclass(eq=False, kw_only=True)
class EBGAN(Adversarial):
    """Energies instead of probabilities."""

    margin: float = 1.0  # m
    pull: float = 0.1  # λ
    code: int = 32  # numbers between Enc and Dec

    key: ClassVar[str] = "ebgan"
    packs: ClassVar[bool] = False

    def critic(self):
        return Autoencoder(self.net, self.shape, self.width, self.code)

    def realness(self, x):
        energy, _ = self.discriminator(x)
        return -energy

    def discriminator_loss(self, x, fake, c):
        (real, _), (false, _) = self.discriminator(x), self.discriminator(fake)
        return real.mean() + ops.relu(self.margin - false).mean()

    def generator_loss(self, fake, c):
        energy, code = self.discriminator(fake)
        return energy.mean() + self.pull * pulling_away(code)


def pulling_away(code):
    """PT of codes (N, K): 0 where all are at right angles, 1 where all point one way."""
    n = len(code)
    direction = code / code.norm(2, dim=1, keepdim=True).clamp(min=1e-12)
    cosines = direction @ direction.T
    return (ops.square(cosines).sum() - n) / (n * (n - 1))
