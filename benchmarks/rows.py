"""What is measured: each row builds, in a given engine, a step to be timed and the numbers that
must agree.

A row is a function `row(engine) -> (step, numbers)`: `step()` does the work once; `numbers()`
returns arrays that both engines must agree on before anything is timed.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from .engines import evaluating, random_weights

# A rounding error of 1e-6 before a LeakyReLU now and then flips its slope at a value next to 0. One
# flip among a hundred thousand changes a gradient by a few thousandths, in either engine against
# float64, so that is how closely two engines can agree on a deep network's gradients in float32.
FLIPS = 3e-2


@dataclass(frozen=True)
class Row:
    name: str
    kind: str  # "step", "layer", "growth", "generation" or "dispatch"
    build: object
    images: int = 1  # work units in a step, for images/s and growth
    bar: float = 1.0  # the ratio this row is held to
    rtol: float = 1e-2


ROWS: dict[str, Row] = {}


def row(name, kind, **options):
    def register(build):
        ROWS[name] = Row(name, kind, build, **options)
        return build

    return register


def _uniform(shape, seed):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def _normal(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# -- models ----------------------------------------------------------------------------------------


def dcgan_nets(engine, size, channels, width, latent):
    """Generator and discriminator of PyTorch's DCGAN tutorial (64 px), or one stage less (32
    px).
    """
    nn = engine.nn
    stages = {64: 3, 32: 2}[size]
    up, down = [], []
    planes = width * 2**stages
    up += [
        nn.ConvTranspose2d(latent, planes, 4, 1, 0, bias=False),
        nn.BatchNorm2d(planes),
        nn.ReLU(True),
    ]
    for _ in range(stages):
        up += [
            nn.ConvTranspose2d(planes, planes // 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(planes // 2),
            nn.ReLU(True),
        ]
        planes //= 2
    up += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
    down += [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for _ in range(stages):
        down += [
            nn.Conv2d(planes, planes * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(planes * 2),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        planes *= 2
    down += [nn.Conv2d(planes, 1, 4, 1, 0, bias=False), nn.Flatten(0)]
    nets = nn.Sequential(*up), nn.Sequential(*down)
    return [engine.place(net, random_weights(net, seed, std=0.02)) for seed, net in enumerate(nets)]


def mlp(engine, *sizes, last=None):
    nn, layers = engine.nn, []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    net = nn.Sequential(*layers[:-1], *([last] if last else []))
    return engine.place(net, random_weights(net, sum(sizes)))


# -- training steps --------------------------------------------------------------------------------


def _gan(engine, generator, discriminator, real, noise, lr, betas):
    """Alternate one discriminator and one generator step; neither engine computes gradients of D in
    G's step.
    """
    F = engine.F
    adam_d = engine.adam(discriminator.parameters(), lr=lr, betas=betas)
    adam_g = engine.adam(generator.parameters(), lr=lr, betas=betas)
    theirs = list(generator.parameters())
    batch = real[0].shape[0]
    one, zero = (
        engine.tensor(np.ones(batch, np.float32)),
        engine.tensor(np.zeros(batch, np.float32)),
    )
    turns = itertools.cycle(zip(real, noise))

    @engine.captured
    def learn(x, z):
        discriminator.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(discriminator(x).reshape(-1), one)
        loss_real.backward()
        fake = generator(z)
        loss_fake = F.binary_cross_entropy_with_logits(
            discriminator(fake.detach()).reshape(-1), zero
        )
        loss_fake.backward()
        adam_d.step()
        generator.zero_grad()
        loss_g = F.binary_cross_entropy_with_logits(discriminator(fake).reshape(-1), one)
        loss_g.backward(inputs=theirs)
        adam_g.step()
        return loss_real, loss_fake, loss_g

    def step():
        return learn(*next(turns))

    def numbers():
        """Every gradient before the first update (Adam's first step is a sign: it would turn
        rounding into noise), then the losses of a step."""
        loss = F.binary_cross_entropy_with_logits(
            discriminator(generator(noise[0])).reshape(-1), one
        )
        loss.backward()
        gradients = [engine.numpy(p.grad).copy() for p in [*theirs, *discriminator.parameters()]]
        generator.zero_grad()
        return [*gradients, np.array([float(loss.detach()) for loss in step()])]

    return step, numbers


def _dcgan(size, channels, width, batch, latent=100):
    def build(engine):
        nets = dcgan_nets(engine, size, channels, width, latent)
        real = [engine.tensor(_uniform((batch, channels, size, size), s)) for s in (1, 2)]
        noise = [engine.tensor(_normal((batch, latent, 1, 1), s)) for s in (3, 4)]
        return _gan(engine, *nets, real, noise, lr=2e-4, betas=(0.5, 0.999))

    return build


row("dcgan64", "step", images=64, rtol=FLIPS)(_dcgan(64, 3, 64, 64))
row("dcgan32", "step", images=64, rtol=FLIPS)(_dcgan(32, 1, 32, 64))
row("dcgan64-b16", "growth", images=16, rtol=FLIPS)(_dcgan(64, 3, 64, 16))
row("dcgan64-b128", "growth", images=128, rtol=FLIPS)(_dcgan(64, 3, 64, 128))


@row("mlpgan", "step", images=256)
def mlpgan(engine):
    generator, discriminator = mlp(engine, 2, 128, 128, 2), mlp(engine, 2, 128, 128, 1)
    real = [engine.tensor(_normal((256, 2), s)) for s in (1, 2)]
    noise = [engine.tensor(_normal((256, 2), s)) for s in (3, 4)]
    return _gan(engine, generator, discriminator, real, noise, lr=1e-3, betas=(0.5, 0.999))


def _regression_step(engine, net, x, y, loss):
    return _descent(engine, net, lambda: loss(net(x), y))


def _descent(engine, net, loss):
    """A step of Adam against `loss()`."""
    adam = engine.adam(net.parameters(), lr=1e-3)

    @engine.captured
    def step():
        value = loss()
        adam.zero_grad()
        value.backward()
        adam.step()
        return value

    def numbers():
        """Gradients before the first update, then the losses of three steps."""
        loss().backward()
        gradients = [engine.numpy(p.grad).copy() for p in net.parameters()]
        return [*gradients, np.array([float(step().detach()) for _ in range(3)])]

    return step, numbers


@row("mlp", "step", images=1)
def overhead(engine):
    """2-128-128-1 on a single point: almost all of it is the engine's own overhead."""
    x, y = engine.tensor(_normal((1, 2), 1)), engine.tensor(_normal((1, 1), 2))
    return _regression_step(engine, mlp(engine, 2, 128, 128, 1), x, y, engine.F.mse_loss)


@row("vae", "step", images=128)
def vae(engine):
    """784-400-20-400-784 with Bernoulli likelihood, as in PyTorch's example."""
    nn, F = engine.nn, engine.F

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.mu, self.log_var = (
                nn.Linear(784, 400),
                nn.Linear(400, 20),
                nn.Linear(400, 20),
            )
            self.widen, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, x, noise):
            h = F.relu(self.hidden(x))
            mu, log_var = self.mu(h), self.log_var(h)
            z = mu + noise * (0.5 * log_var).exp()
            return self.out(F.relu(self.widen(z))), mu, log_var

    net = VAE()
    engine.place(net, random_weights(net, 5))
    x, noise = engine.tensor(np.abs(_uniform((128, 784), 1))), engine.tensor(_normal((128, 20), 2))
    adam = engine.adam(net.parameters(), lr=1e-3)

    @engine.captured
    def step():
        logits, mu, log_var = net(x, noise)
        likelihood = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        loss = likelihood - 0.5 * (1 + log_var - mu * mu - log_var.exp()).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss

    def numbers():
        return [
            np.array([float(step().detach()) for _ in range(3)]),
            engine.numpy(net.hidden.weight),
        ]

    return step, numbers


@row("convvae", "step", images=64)
def convvae(engine):
    """A convolutional VAE at 32 px: three halvings, a code of 32, three doublings; Bernoulli."""
    nn, F = engine.nn, engine.F

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
                nn.Conv2d(64, 128, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2048, 64),
            )  # fmt: skip
            self.decoder = nn.Sequential(
                nn.Linear(32, 2048), nn.Unflatten(1, (128, 4, 4)), nn.ReLU(),
                nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.ReLU(),
                nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1),
            )  # fmt: skip

        def forward(self, x, noise):
            h = self.encoder(x)
            mu, log_var = h[:, :32], h[:, 32:]
            return self.decoder(mu + noise * (0.5 * log_var).exp()), mu, log_var

    net = VAE()
    net = engine.place(net, random_weights(net, 9))
    x = engine.tensor(np.abs(_uniform((64, 1, 32, 32), 1)))
    noise = engine.tensor(_normal((64, 32), 2))

    def loss():
        logits, mu, log_var = net(x, noise)
        likelihood = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (likelihood - 0.5 * (1 + log_var - mu * mu - log_var.exp()).sum()) / 64

    return _descent(engine, net, loss)


def _resblock(batch):
    """CycleGAN's residual block at 64 px and width 64: forward, backward and Adam."""

    def build(engine):
        nn = engine.nn

        def half(last):
            layers = [nn.Conv2d(64, 64, 3, 1, 1), nn.InstanceNorm2d(64)]
            return layers if last else [*layers, nn.ReLU()]

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(*half(False), *half(True))

            def forward(self, x):
                return x + self.body(x)

        net = Block()
        engine.place(net, random_weights(net, 6))
        x, y = (engine.tensor(_uniform((batch, 64, 64, 64), seed)) for seed in (1, 2))
        return _regression_step(engine, net, x, y, engine.F.l1_loss)

    return build


row("resblock", "step", images=1, bar=0.8)(_resblock(1))


@row("wgan-gp", "step", images=64, rtol=FLIPS)
def wgan_gp(engine):
    """A critic step with gradient penalty on the 32 px discriminator (no batch norm in a
    critic).
    """
    nn = engine.nn
    critic = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(128, 1, 4, 1, 0), nn.Flatten(0),
    )  # fmt: skip
    engine.place(critic, random_weights(critic, 7))
    real, fake = (engine.tensor(_uniform((64, 1, 32, 32), s)) for s in (1, 2))
    mix = engine.tensor(np.abs(_uniform((64, 1, 1, 1), 3)))
    adam = engine.adam(critic.parameters(), lr=1e-4, betas=(0.0, 0.9))

    @engine.captured
    def step():
        between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
        (slope,) = engine.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.reshape(64, -1).norm(2, 1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss

    def numbers():
        return [
            np.array([float(step().detach()) for _ in range(3)]),
            *(engine.numpy(p) for p in critic.parameters()),
        ]

    return step, numbers


# -- layers ----------------------------------------------------------------------------------------


def _layer(make, *shape):
    """Forward and backward of one layer, by its input and its parameters."""

    def build(engine):
        net = make(engine.nn)
        engine.place(net, random_weights(net, 8))
        x = engine.tensor(_uniform(shape, 1)).requires_grad_()
        with engine.no_grad():
            g = engine.tensor(_uniform(tuple(net(x).shape), 2))

        def step():
            net.zero_grad()
            x.grad = None
            net(x).backward(g)

        def numbers():
            step()
            return [
                engine.numpy(x.grad),
                *(engine.numpy(p.grad) for p in net.parameters()),
                engine.numpy(net(x)),
            ]

        return step, numbers

    return build


for _name, _make, *_shape in [
    ("conv4x4s2-64", lambda nn: nn.Conv2d(64, 128, 4, 2, 1, bias=False), 64, 64, 32, 32),
    ("conv4x4s2-128", lambda nn: nn.Conv2d(128, 256, 4, 2, 1, bias=False), 64, 128, 16, 16),
    ("conv4x4s2-256", lambda nn: nn.Conv2d(256, 512, 4, 2, 1, bias=False), 64, 256, 8, 8),
    ("conv4x4s2-rgb", lambda nn: nn.Conv2d(3, 64, 4, 2, 1, bias=False), 64, 3, 64, 64),
    ("conv3x3s1-64", lambda nn: nn.Conv2d(64, 64, 3, 1, 1), 8, 64, 64, 64),
    (
        "transposed4x4s2-128",
        lambda nn: nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        64,
        128,
        16,
        16,
    ),
    (
        "transposed4x4s2-rgb",
        lambda nn: nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False),
        64,
        64,
        32,
        32,
    ),
    ("batchnorm-64", lambda nn: nn.BatchNorm2d(64), 64, 64, 32, 32),
]:
    row(_name, "layer", images=_shape[0], bar=0.7)(_layer(_make, *_shape))


@row("adam-3.6M", "layer", bar=0.7)
def adam(engine):
    """Adam on the parameters of the 64 px generator, gradients given."""
    generator, _ = dcgan_nets(engine, 64, 3, 64, 100)
    optimizer = engine.adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    parameters = list(generator.parameters())
    for i, p in enumerate(parameters):
        with engine.no_grad():  # laid out in memory as the engine lays out the parameter
            p.grad = engine.lib.zeros_like(p).copy_(engine.tensor(_normal(tuple(p.shape), i)))

    def numbers():
        for _ in range(3):
            optimizer.step()
        return [engine.numpy(p) for p in parameters]

    return optimizer.step, numbers


@row("dispatch", "layer", bar=0.7)
def dispatch(engine):
    """A hundred recorded multiplications of two numbers: what one operation costs beyond its
    arithmetic.
    """
    x = engine.tensor(np.array([1.5, -2.0], np.float32)).requires_grad_()
    y = engine.tensor(np.array([0.9, 1.1], np.float32))

    def step():
        out = x
        for _ in range(100):
            out = out * y
        return out

    return step, lambda: [engine.numpy(step())]


# -- generation ------------------------------------------------------------------------------------


def _generation(batch):
    def build(engine):
        generator, _ = dcgan_nets(engine, 64, 3, 64, 100)
        generator.eval()
        z = engine.tensor(_normal((batch, 100, 1, 1), 1))

        @engine.captured
        def step():
            with evaluating(engine):
                return generator(z)

        return step, lambda: [engine.numpy(step())]

    return build


row("generate-b1", "generation", images=1)(_generation(1))
row("generate-b64", "generation", images=64)(_generation(64))
