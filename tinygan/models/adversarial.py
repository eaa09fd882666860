"""The adversarial game: what every GAN shares.

Two networks play. D learns to tell real x from generated G(z); G learns to make D wrong:

    D takes a step against  discriminator_loss(x, G(z))     G fixed: its output is detached
    G takes a step against  generator_loss(G(z))            D fixed: its gradients are not computed

`n_critic` steps of D go with one of G. A member of the family is this skeleton with its own two
losses; everything else (clipped weights, a gradient penalty, conditions, more heads) fits into the
hooks `condition`, `after_discriminator_step` and the losses themselves.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

from .. import optim
from ..autograd import Tensor, no_grad
from .system import System


@dataclass(eq=False, kw_only=True)
class Adversarial(System):
    """Alternate n_critic steps of the discriminator and one of the generator.

    Each call of `step` is one step of D, on a fresh batch; every n_critic-th is one of G, too.
    """

    lr: float = 2e-4
    beta1: float = 0.5
    n_critic: int = 1

    sampled: ClassVar[tuple[str, ...]] = ("generator",)

    # -- the two lines in which the members of the family differ -----------------------------------

    def discriminator_loss(self, x: Tensor, fake: Tensor, c) -> Tensor:
        """What D minimises, given real x, generated examples (no gradient to G), conditions."""
        raise NotImplementedError(f"{type(self).__name__} has no discriminator_loss(x, fake, c)")

    def generator_loss(self, fake: Tensor, c) -> Tensor:
        """What G minimises, given what it generated."""
        raise NotImplementedError(f"{type(self).__name__} has no generator_loss(fake, c)")

    # -- hooks -------------------------------------------------------------------------------------

    def condition(self, batch: dict):
        """What both networks are told about the batch; None for an unconditional game."""
        return None

    def after_discriminator_step(self) -> None:
        """For instance, clip the critic's weights."""

    def optimisers(self):
        return {
            name: optim.Adam(module.parameters(), lr=self.lr, betas=(self.beta1, 0.999))
            for name, module in self.modules.items()
        }

    # -- the skeleton ------------------------------------------------------------------------------

    def generate(self, z, c=None):
        return self.generator(z)

    def step(self, batch):
        x, c = self.tensor(batch["x"]), self.condition(batch)
        self.updates += 1
        generators_turn = self.updates % self.n_critic == 0
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
