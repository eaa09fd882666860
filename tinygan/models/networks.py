"""The networks that the adversarial games are played with: two pairs, for any of the losses.

    net="mlp"      fully connected: for points in the plane, and for small images
    net="dcgan"    convolutional (Radford et al., 2015): for square images of 28, 32, 64 px

Both come as a *generator*, and as a *trunk* (x → features) with a *head* (features → numbers), so
that a discriminator with several heads is one trunk and several of them.

DCGAN's pair. What made the game train stably is the architecture: strided convolutions instead of
pooling, transposed ones in G, and no fully connected layers; BatchNorm in both networks, except at
G's output and D's input; ReLU in G and tanh at its end, LeakyReLU with slope 0.2 in D; weights from
N(0, 0.02²). For 64 px, z (100) → 4×4 → 8×8 → 16×16 → 32×32 → 64×64 with 8w, 4w, 2w, w, C channels;
D mirrors this. A size with one halving less (32 px) has one stage less, and 28 px starts at 7×7.
"""

import math

from .. import nn

NETS = ("mlp", "dcgan")


def generator(net, shape, inputs, width):
    """z (N, inputs) → (N, *shape): images in (−1, 1), points anywhere."""
    return nn.Sequential(*_choose(net, _mlp_generator, _dcgan_generator)(shape, inputs, width))


def discriminator(net, shape, width, norm=True, pack=1):
    """x (N, *shape) → logits (N,); with `pack` = m, one for each m examples: (N/m,)."""
    packed = [] if pack == 1 else [Pack(pack)]
    shape = (pack * shape[0], *shape[1:])
    layers = [*trunk(net, shape, width, norm), _head(net, shape, width, 1)]
    return nn.Sequential(*packed, *layers, nn.Flatten(0))


def trunk(net, shape, width, norm=True):
    """x (N, *shape) → features: the layers of a discriminator up to its last. Without `norm` the
    convolutional one has no BatchNorm.
    """
    return _choose(net, _mlp_trunk, _dcgan_trunk)(shape, width, norm)


def features(net, shape, width):
    """How many channels a trunk's features have: (N, channels) or (N, channels, start, start)."""
    return width if net == "mlp" else width * 2 ** (halvings(shape)[1] - 1)


def head(net, shape, width, outputs):
    """A trunk's features → (N, outputs)."""
    return nn.Sequential(_head(net, shape, width, outputs), nn.Flatten())


def _head(net, shape, width, outputs):
    return _choose(net, _mlp_head, _dcgan_head)(shape, width, outputs)


class Pack(nn.Module):
    """Each m examples as one of m times the channels: (N, C, …) → (N/m, m·C, …)."""

    def __init__(self, m):
        super().__init__()
        self.m = m

    def forward(self, x):
        if len(x) % self.m:
            raise ValueError(
                f"a batch of {len(x)} cannot be divided into packs of {self.m}: choose another "
                "batch size"
            )
        return x.reshape(len(x) // self.m, self.m * x.shape[1], *x.shape[2:])


class Scale(nn.Module):
    """x → Kx."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def _choose(net, fully_connected, convolutional):
    if net not in NETS:
        raise ValueError(f"net {net!r}: expected 'mlp' or 'dcgan'")
    return fully_connected if net == "mlp" else convolutional


# -- fully connected -------------------------------------------------------------------------------


def mlp(*sizes, activation):
    """Linear layers of these sizes with an activation between them."""
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), activation()]
    return layers[:-1]


def leaky():
    """The discriminators' activation."""
    return nn.LeakyReLU(0.2)


def _mlp_generator(shape, inputs, width):
    layers = mlp(inputs, width, width, width, math.prod(shape), activation=nn.ReLU)
    return layers if len(shape) == 1 else [*layers, nn.Tanh(), nn.Unflatten(1, shape)]


def _mlp_trunk(shape, width, norm):
    return [nn.Flatten(), *mlp(math.prod(shape), width, width, width, activation=leaky), leaky()]


def _mlp_head(shape, width, outputs):
    return nn.Linear(width, outputs)


# -- convolutional ---------------------------------------------------------------------------------


def _dcgan_generator(shape, inputs, width):
    start, stages = halvings(shape)
    planes = width * 2 ** (stages - 1)
    layers = [
        nn.Unflatten(1, (inputs, 1, 1)),
        nn.ConvTranspose2d(inputs, planes, start, 1, 0, bias=False),
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
    last = nn.ConvTranspose2d(planes, shape[0], 4, 2, 1, bias=False)
    return initialised([*layers, last, nn.Tanh()])


def _dcgan_trunk(shape, width, norm):
    _, stages = halvings(shape)
    layers, planes = [nn.Conv2d(shape[0], width, 4, 2, 1, bias=False), leaky()], width
    for _ in range(stages - 1):
        normed = [nn.BatchNorm2d(2 * planes)] if norm else []
        layers += [nn.Conv2d(planes, 2 * planes, 4, 2, 1, bias=False), *normed, leaky()]
        planes *= 2
    return initialised(layers)


def _dcgan_head(shape, width, outputs):
    """As large a window as the features: what others call fully connected."""
    window = nn.Conv2d(features("dcgan", shape, width), outputs, halvings(shape)[0], bias=False)
    return initialised([window])[0]


def initialised(layers):
    """Weights of convolutions ~ N(0, 0.02²), scales of BatchNorm ~ N(1, 0.02²)."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return layers


def halvings(shape):
    """(start, stages): how small an image gets by halving, and in how many steps.

    >>> halvings((3, 64, 64)), halvings((1, 28, 28))
    ((4, 4), (7, 2))
    """
    if len(shape) != 3:
        raise ValueError(
            f"examples have shape {tuple(shape)}; expected square images (C, S, S): choose --data "
            "digits or other images, or net 'mlp'"
        )
    start, stages = shape[-1], 0
    while start > 7 and start % 2 == 0:
        start, stages = start // 2, stages + 1
    if shape[1] != shape[2] or not 4 <= start <= 7 or not stages:
        raise ValueError(
            f"examples have shape {tuple(shape)}; expected square images (C, S, S) with a "
            "side of 28, 32, 64 or another 4 … 7 times a power of two: choose --size"
        )
    return start, stages
