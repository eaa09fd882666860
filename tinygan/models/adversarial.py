"""The adversarial game: what every GAN shares.

Two networks play. D learns to tell real x from generated G(z); G learns to make D wrong:

    D takes a step against  discriminator_loss(x, G(z))     G fixed: its output is detached
    G takes a step against  generator_loss(G(z))            D fixed: its gradients are not computed

`n_critic` steps of D go with one of G. A member of the family is this skeleton with its own two
losses. What else some of them need are hooks with a default here: another discriminator (`critic`),
a condition that is told to both players (`condition`), an optimiser of their own (`optimizer`), and
something to do after each step of D (`after_discriminator_step`).

With `pack` = m, D sees m examples at a time, all real or all generated, and says one thing of them
(PacGAN, Lin et al., 2018). A generator that repeats itself shows in a pack at once.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import optim
from ..autograd import Tensor, no_grad
from .networks import discriminator, generator
from .system import System, evaluating


@dataclass(eq=False, kw_only=True)
class Adversarial(System):
    """Alternate n_critic steps of the discriminator and one of the generator.

    Each call of `step` is one step of D, on a fresh batch; every n_critic-th is one of G, too.
    """

    net: str = "mlp"  # or "dcgan": see `networks`
    width: int = 128  # hidden units, or channels next to the image
    lr: float = 2e-4
    beta1: float = 0.5
    n_critic: int = 1
    pack: int = 1

    sampled: ClassVar[tuple[str, ...]] = ("generator",)
    packs: ClassVar[bool] = True  # can its discriminator judge several examples as one?

    def __post_init__(self):
        if self.pack > 1 and not self.packs:
            raise ValueError(f"{self.key} judges each example by itself: leave pack at 1")
        super().__post_init__()

    # -- the two lines in which the members of the family differ -----------------------------------

    def discriminator_loss(self, x: Tensor, fake: Tensor, c) -> Tensor:
        """What D minimises, given real x, generated examples (no gradient to G), conditions."""
        raise NotImplementedError(f"{type(self).__name__} has no discriminator_loss(x, fake, c)")

    def generator_loss(self, fake: Tensor, c) -> Tensor:
        """What G minimises, given what it generated."""
        raise NotImplementedError(f"{type(self).__name__} has no generator_loss(fake, c)")

    # -- hooks -------------------------------------------------------------------------------------

    def networks(self):
        return {
            "generator": generator(self.net, self.shape, self.latent, self.width),
            "discriminator": self.critic(),
        }

    def critic(self):
        """D: x (N, *shape) → (N,), or (N / pack,)."""
        return discriminator(self.net, self.shape, self.width, pack=self.pack)

    def after_discriminator_step(self) -> None:
        """For instance, clip the critic's weights."""

    def optimizer(self, parameters) -> optim.Optimizer:
        """What each player takes its steps with."""
        return optim.Adam(parameters, lr=self.lr, betas=(self.beta1, 0.999))

    def build_optimizers(self):
        return {name: self.optimizer(module.parameters()) for name, module in self.modules.items()}

    # -- the skeleton ------------------------------------------------------------------------------

    def generate(self, z, c=None):
        return self.generator(z)

    @property
    def turn(self):
        """Is it G's turn, too?"""
        return self.updates % self.n_critic == 0

    def learn(self, x, c, generators_turn):
        with nullcontext() if generators_turn else no_grad():
            fake = self.generate(self.noise(len(x)), c)

        losses = {"discriminator": self.discriminator_loss(x, fake.detach(), c)}
        self._descend("discriminator", losses)
        self.after_discriminator_step()

        if generators_turn:
            losses["generator"] = self.generator_loss(fake, c)
            self._descend("generator", losses)
        return {name: loss.detach() for name, loss in losses.items()}

    def _descend(self, player, losses):
        """One step of a player against its loss. Only its own gradients are computed."""
        optimizer = self.optimizers[player]
        optimizer.zero_grad()
        own = [p for group in optimizer.param_groups for p in group["params"]]
        losses[player].backward(inputs=own)
        optimizer.step()

    # -- looking at it -----------------------------------------------------------------------------

    def realness(self, x: Tensor) -> Tensor:
        """What D says of each example, (N,): larger for what it takes to be real."""
        return self.discriminator(x)

    @no_grad
    def opinion(self, points) -> np.ndarray:
        """`realness` of each example (N, *shape) by itself, in evaluation mode: (N,)."""
        alone = np.repeat(points, self.pack, axis=0)  # a pack of the same
        with evaluating(self.discriminator):
            return self.realness(self.tensor(alone)).numpy()

    def field(self, points) -> np.ndarray:
        """How real D takes points (N, *shape) to be, for a picture: from 0 to 1, ½ in the middle of
        what it says of them.
        """
        y = self.opinion(points)
        return 1 / (1 + np.exp(-2 * (y - y.mean()) / (y.std() + 1e-12)))
