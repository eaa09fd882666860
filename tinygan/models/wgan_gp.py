"""WGAN-GP: the Wasserstein game with a penalty on the critic's slope (Gulrajani et al., 2017).

    D minimises  E f(G(z)) − E f(x) + λ E (‖∇f(x̂)‖₂ − 1)²,   x̂ = ε x + (1 − ε) G(z),  ε ~ U(0, 1)
    G minimises  −E f(G(z))

The best critic of slope 1 has slope exactly 1 almost everywhere between the heaps that it compares,
so that is what is asked of it there, on random points of the lines from real to generated examples.
Clipped weights only make the slope small; f can then tell little more than a linear function could.

The penalty holds a gradient, and D's step needs the gradient of it: the gradient of a gradient.

Departs from the paper in nothing: λ = 10, Adam with β = (0, 0.9), 5 steps of f for one of G, no
BatchNorm in f, since the penalty is on each example's slope by itself.
"""

from dataclasses import dataclass
from typing import ClassVar

from .. import ops, optim
from ..autograd import grad
from ..backend import stream
from .adversarial import Adversarial
from .networks import discriminator


@dataclass(eq=False, kw_only=True)
class WGANGP(Adversarial):
    """The Wasserstein game with a gradient penalty."""

    lr: float = 1e-4
    beta1: float = 0.0
    n_critic: int = 5
    penalty: float = 10.0  # λ

    key: ClassVar[str] = "wgan-gp"

    def critic(self):
        return discriminator(self.net, self.shape, self.width, norm=False, pack=self.pack)

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=self.lr, betas=(self.beta1, 0.9))

    def discriminator_loss(self, x, fake, c):
        f = self.discriminator
        between = self.slopes(self.interpolated(x, fake))
        return f(fake).mean() - f(x).mean() + self.penalty * ops.square(between - 1).mean()

    def generator_loss(self, fake, c):
        f = self.discriminator
        return -f(fake).mean()

    def interpolated(self, x, fake):
        """x̂: a random point on each line from a real example to a generated one."""
        shape = (len(x), *(1,) * (x.ndim - 1))
        epsilon = ops.rand(*shape, device=x.device, generator=stream("interpolation")).to(x.dtype)
        return epsilon * x + (1 - epsilon) * fake

    def slopes(self, x):
        """‖∇f(x)‖₂ of each example, (N,), differentiable once more; of a pack together, (N/m,)."""
        x = x.detach().requires_grad_()
        (gradient,) = grad(self.discriminator(x).sum(), x, create_graph=True)
        return gradient.reshape(len(x) // self.pack, -1).norm(2, dim=1)
