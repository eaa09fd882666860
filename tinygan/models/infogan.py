"""InfoGAN: a game whose codes come to mean something by themselves (Chen et al., 2016).

    min_{G,Q} max_D  V(D, G) − λ L_I(c; Q),     L_I = E log Q(c | G(z, c)) + H(c) ≤ I(c; G(z, c))

G's input is split: z, noise that nothing is asked of, and a code c, of one category and some
numbers in (−1, 1). Q looks at what G made and guesses c. To be guessed, c must show: so the
category comes to choose what the data fall into, the numbers what varies most, and no label was
ever seen.

Q is a head on D's trunk. It reads the probability of each category, and of each number the mean of
a normal distribution, N(c; μ, σ²).

Departs from the paper as its own code does: D's step takes L_I along, since the trunk is D's, and
σ is given, not learned. If it were, numbers would be worth more and more to G the better Q reads
them, and it would draw codes instead of examples. The smaller σ, the more a number has to move.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import ops
from ..backend import stream
from ..ops import softplus
from .adversarial import Adversarial
from .cgan_heads import log_probability
from .condition import Heads, one_hot
from .networks import generator


@dataclass(eq=False, kw_only=True)
class InfoGAN(Adversarial):
    """A category of `classes` and `numbers` continuous codes, found without labels."""

    classes: int | None = 10  # None, of data without classes: as many as if nothing was said
    numbers: int = 2
    information: float = 1.0  # λ
    deviation: float = 1.0  # σ

    key: ClassVar[str] = "infogan"
    packs: ClassVar[bool] = False
    asked_by: ClassVar[str | None] = "code"

    def __post_init__(self):
        self.classes = self.classes or type(self).classes
        super().__post_init__()

    def networks(self):
        inputs = self.latent + self.classes + self.numbers
        return {
            "generator": generator(self.net, self.shape, inputs, self.width),
            "discriminator": self.critic(),
        }

    def critic(self):
        return Heads(self.net, self.shape, self.width, 1, self.classes + self.numbers)

    def realness(self, x):
        real, _ = self.discriminator(x)
        return real

    # -- codes -------------------------------------------------------------------------------------

    def condition(self, batch):
        return self.tensor(self.draw_codes(len(batch["x"])))

    def draw_codes(self, n) -> np.ndarray:
        """Codes c (n, classes + numbers): a category, one-hot, and numbers ~ U(−1, 1)."""
        random = stream("code")
        return self.code(
            random.integers(0, self.classes, (n,)), 2 * random.uniform((n, self.numbers)) - 1
        )

    def code(self, category, numbers=0.0) -> np.ndarray:
        """The code of categories (N,) and numbers (N, numbers)."""
        category = one_hot(category, self.classes)
        numbers = np.broadcast_to(np.float32(numbers), (len(category), self.numbers))
        return np.concatenate([category, numbers], 1)

    def even_codes(self, n) -> np.ndarray:
        """Codes without chance: the categories in turn, and in turn i the number j at the fraction
        of ½ + i/φʲ, where φ^(k+1) = φ + 1 for k numbers: the golden ratio for one.
        """
        phi = 1.5
        for _ in range(60):
            phi = (phi + 1) ** (1 / (self.numbers + 1))
        i, category = np.divmod(np.arange(n), self.classes)
        numbers = (0.5 + np.outer(i, phi ** -np.arange(1.0, self.numbers + 1))) % 1
        return self.code(category, 2 * numbers - 1)

    def generate(self, z, c=None):
        """Without a code: the categories in turn, and numbers that fill (−1, 1) evenly."""
        c = self.even_codes(len(z)) if c is None else c
        return self.generator(ops.cat([z, self.tensor(c)], 1))

    def log_q(self, guess, c):
        """log Q(c | x) of each example, (N,), up to a constant."""
        k = self.classes
        normal = -0.5 * ops.square((c[:, k:] - guess[:, k:]) / self.deviation).sum(1)
        return log_probability(guess[:, :k], c[:, :k]) + normal

    def guess(self, x) -> tuple[np.ndarray, np.ndarray]:
        """What Q reads in examples (N, *shape): P(category) (N, classes), and μ (N, numbers)."""
        from_x = self.each(lambda x, c: self.discriminator(x)[1], x)
        k = self.classes
        shifted = np.exp(from_x[:, :k] - from_x[:, :k].max(1, keepdims=True))
        return shifted / shifted.sum(1, keepdims=True), from_x[:, k:]

    def clarity(self, x) -> float:
        """How clearly examples x fall into categories: I(c; x) in nats, as Q reads it off them,

            H(E P(c | x)) − E H(P(c | x))

        Nothing in the losses prefers one class a category to halves of two. But only where
        categories are classes, few examples of the data lie half way between two of them. So this
        tells, without labels, which of several trainings found more classes.
        """
        p, _ = self.guess(x)
        entropy = lambda p: -(p * np.log(np.maximum(p, 1e-12))).sum(-1)
        return float(entropy(p.mean(0)) - entropy(p).mean())

    # -- the losses --------------------------------------------------------------------------------

    def discriminator_loss(self, x, fake, c):
        (real, _), (false, guess) = self.discriminator(x), self.discriminator(fake)
        L_I = self.log_q(guess, c).mean()
        return softplus(-real).mean() + softplus(false).mean() - self.information * L_I

    def generator_loss(self, fake, c):
        real, guess = self.discriminator(fake)
        L_I = self.log_q(guess, c).mean()
        return softplus(-real).mean() - self.information * L_I

    @property
    def entropy(self) -> float:
        """H(c) of the category, in nats: the most that I(c; x) can be."""
        return math.log(self.classes)
