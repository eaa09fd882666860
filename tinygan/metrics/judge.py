"""The judge: a small convolutional classifier, whose last hidden layer serves as features.

Trained by tinygan itself on real data (`python -m tinygan.metrics.train_judge`), it stands where
the literature has Inception: a Fréchet distance on its features sees what matters for its data.
"""

import json
from pathlib import Path

import numpy as np

from .. import io, nn
from ..autograd import Tensor, no_grad
from ..ops import softmax, tensor
from .resize import resize

_SHIPPED = Path(__file__).parent / "judges"
_BATCH = 250
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


class Judge:
    """Features, probabilities and labels of pictures x (N, C, H, W) in [-1, 1], on NumPy arrays.

    Pictures of another size than its 32 pixels are resized. `accuracy` is its share of right
    labels on the test split of the data set `name`.
    """

    size = 32

    def __init__(self, network: Network, name: str, channels: int, classes: int, accuracy=None):
        self.network = network.eval()
        self.name, self.channels, self.classes = name, channels, classes
        self.accuracy = accuracy

    # -- judging -----------------------------------------------------------------------------------

    def features(self, x) -> np.ndarray:
        """float32 (N, 64)."""
        return self._batched(self.network.features, x)

    def probabilities(self, x) -> np.ndarray:
        """float32 (N, classes)."""
        return self._batched(lambda part: softmax(self.network(part), dim=1), x)

    def labels(self, x) -> np.ndarray:
        """int64 (N,)."""
        return self._batched(self.network, x).argmax(1)

    def _batched(self, function, x):
        x = np.asarray(x)
        if x.ndim != 4 or x.shape[1] != self.channels or not len(x):
            raise ValueError(
                f"Judge of {self.name!r}: expected pictures (N, {self.channels}, H, W), got "
                f"{x.shape}"
            )
        parts = []
        with no_grad():
            for start in range(0, len(x), _BATCH):
                part = resize(x[start : start + _BATCH].astype(np.float32, copy=False), self.size)
                parts.append(function(tensor(part)).numpy())
        return np.concatenate(parts)

    # -- files -------------------------------------------------------------------------------------

    def save(self, path) -> None:
        notes = {
            "name": self.name, "channels": self.channels, "classes": self.classes,
            "accuracy": self.accuracy,
        }  # fmt: skip
        io.save(self.network.state_dict(), path, metadata={"judge": json.dumps(notes)})

    @staticmethod
    def load(name) -> "Judge":
        """A judge that comes with tinygan, by the name of its data set, or one from a file.

        >>> Judge.load("digits").accuracy > 0.99
        True
        """
        path = Path(name)
        if path.suffix != ".safetensors":
            path = _SHIPPED / f"{name}.safetensors"
            if not path.exists():
                known = ", ".join(sorted(p.stem for p in _SHIPPED.glob("*.safetensors")))
                raise ValueError(
                    f"there is no judge for {name!r}, only for: {known}. Train one with: python -m "
                    f"tinygan.metrics.train_judge --data {name} --out judge.safetensors, and give "
                    "that file's path"
                )
        notes = io.load_metadata(path).get("judge")
        if notes is None:
            raise io.FileError(f"{path}: holds no judge; tinygan.metrics.train_judge writes them")
        notes = json.loads(notes)
        network = Network(notes["channels"], notes["classes"])
        network.load_state_dict(io.load(path))
        return Judge(network, **notes)
