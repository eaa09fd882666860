"""The judge's network."""

from .. import nn
from ..autograd import Tensor

FEATURES = 64


class Network(nn.Module):
    """x (N, C, 32, 32) → logits (N, classes); `features` gives the layer before, (N, 64).

    Three 4×4 convolutions of stride 2, as in a DCGAN discriminator.
    """

    def __init__(self, channels: int, classes: int, width: int = 16):
        layers = []
        for before, after in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [
                nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2),
            ]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width * 16, FEATURES))
        self.head = nn.Sequential(nn.BatchNorm1d(FEATURES), nn.LeakyReLU(0.2))
        self.classify = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def forward(self, x):
        return self.classify(self.features(x))
