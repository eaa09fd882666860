"""Two-headed cGAN: D is not told the class but asked for it, as a second question.

    D minimises  −E log Dₓ(x) − E log(1 − Dₓ(G(z, c))) − E log D_c(x) − E log(1 − D_c(G(z, c)))
    G minimises  −E log Dₓ(G(z, c)) − E log D_c(G(z, c))

Dₓ is the probability that the example is real, D_c that it is of class c: of its own class for a
real example, of the one asked for where it is generated. So D learns to deny generated examples
their class as well, and G has to convince both heads. c is drawn from p_c, the classes' shares.

This is the form of the lecture notes that tinygan grew from. ACGAN's differs in one sign: there D
helps to recognise the class of generated examples, here it resists.
"""

from dataclasses import dataclass
from typing import ClassVar

from ..ops import log_softmax, logsumexp, softplus, where
from .condition import Asked


@dataclass(eq=False, kw_only=True)
class CGANHeads(Asked):
    """Two heads, and four terms."""

    key: ClassVar[str] = "cgan-heads"

    def discriminator_loss(self, x, fake, c):
        (real, of_real), (false, of_false) = self.discriminator(x), self.discriminator(fake)
        is_real = softplus(-real).mean() + softplus(false).mean()
        return is_real - log_probability(of_real, c).mean() - log_rest(of_false, c).mean()

    def generator_loss(self, fake, c):
        real, of_class = self.discriminator(fake)
        return softplus(-real).mean() - log_probability(of_class, c).mean()


def log_probability(y, c):
    """log p_c, where p = softmax(y), y (N, K) and c one-hot."""
    return (log_softmax(y, 1) * c).sum(1)


def log_rest(y, c):
    """log(1 − p_c): what all other classes have, without subtracting from 1."""
    return logsumexp(where(c > 0, -1e30, y), 1) - logsumexp(y, 1)
