"""Conditions: what the games that are told a class have in common.

A class c reaches G as a one-hot vector behind z. What D does with it is where they differ: it may
be told, too, or be asked.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import nn, ops
from ..autograd import Tensor
from .adversarial import Adversarial
from .networks import generator, head, trunk


@dataclass(eq=False, kw_only=True)
class Conditional(Adversarial):
    """A game whose examples have classes; both players' losses are given c, one-hot (N, classes).

    In training the classes asked of G are those of the batch, and so drawn from p_c.
    """

    classes: int | None = 10

    packs: ClassVar[bool] = False
    asked_by: ClassVar[str | None] = "class"

    def __post_init__(self):
        if not self.classes:
            raise ValueError(
                f"{self.key} draws what class it is told, and these data have no classes: choose "
                "--data digits, shapes, ring, or a folder with a folder for each class"
            )
        super().__post_init__()

    def networks(self):
        inputs = self.latent + self.classes
        return {
            "generator": generator(self.net, self.shape, inputs, self.width),
            "discriminator": self.critic(),
        }

    def condition(self, batch):
        return self.tensor(self.one_hot(batch["label"]))

    def one_hot(self, labels) -> np.ndarray:
        """Labels (N,) → conditions (N, classes)."""
        return one_hot(labels, self.classes)

    def generate(self, z, c=None):
        """Without a condition: the classes in turn."""
        c = self.one_hot(np.arange(len(z)) % self.classes) if c is None else c
        return self.generator(ops.cat([z, self.tensor(c)], 1))


def one_hot(labels, classes: int) -> np.ndarray:
    """Labels (N,) → (N, classes), 1 in the label's place.

    >>> one_hot([1, 0], 3).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    labels = np.asarray(labels)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"classes are 0 … {classes - 1}, got {labels.min()} … {labels.max()}")
    return np.eye(classes, dtype=np.float32)[labels]


def beside(x: Tensor, c: Tensor) -> Tensor:
    """x (N, C, …) and the K numbers of its condition as K more channels, alike at every pixel."""
    planes = c.reshape(*c.shape, *(1,) * (x.ndim - 2)).expand(*c.shape, *x.shape[2:])
    return ops.cat([x, planes], 1)


class Heads(nn.Module):
    """One trunk and several heads: x → a tuple with (N, k) of each, (N,) where k is 1."""

    def __init__(self, net, shape, width, *outputs):
        super().__init__()
        self.trunk = nn.Sequential(*trunk(net, shape, width))
        self.heads = nn.ModuleList(head(net, shape, width, k) for k in outputs)

    def forward(self, x):
        features = self.trunk(x)
        answers = [each(features) for each in self.heads]
        return tuple(y.squeeze(1) if y.shape[1] == 1 else y for y in answers)


class Asked(Conditional):
    """A game in which D is not told the class, but asked for it: D(x) → is it real, which class."""

    def critic(self):
        return Heads(self.net, self.shape, self.width, 1, self.classes)

    def realness(self, x):
        real, _ = self.discriminator(x)
        return real
