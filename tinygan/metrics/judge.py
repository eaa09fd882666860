"""The judge: a small convolutional classifier, whose last hidden layer serves as features.

Trained by tinygan itself on real data (`python -m tinygan.metrics.train_judge`), it stands where
the literature has Inception: a Fréchet distance on its features sees what matters for its data.
"""

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np

from .. import io
from ..autograd import no_grad
from ..data.cache import folder
from ..data.resize import resize
from ..ops import softmax, tensor
from .network import Network
from .training import disturbed, own_randomness, train_classifier

_SHIPPED = Path(__file__).parent / "judges"
_BATCH = 250
_ENOUGH = 20_000  # items to train on and to test on
_VERSION = 1  # of the network and its training: raise it when they change


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

    # -- where judges come from --------------------------------------------------------------------

    @staticmethod
    def train(train, test, steps=1200, seed=0, log=None) -> "Judge":
        """A judge of a data set with classes; its accuracy is measured on `test`."""
        if not train.classes:
            raise ValueError(f"{train.name} has no classes, so that no judge can be trained on it")
        batch = train.take(_ENOUGH)
        x = resize(batch["x"], Judge.size)
        with own_randomness(seed) as rng:
            network = Network(x.shape[1], train.classes)
            train_classifier(
                network, x, batch["label"], steps=steps, batch_size=min(100, len(x)), rng=rng,
                change=disturbed, log=log,
            )  # fmt: skip
        judge = Judge(network, train.name, x.shape[1], train.classes)
        held = test.take(_ENOUGH)
        judge.accuracy = float((judge.labels(held["x"]) == held["label"]).mean())
        return judge

    @staticmethod
    def of(train, test=None, log=None) -> "Judge":
        """The judge for a data set of pictures, whatever it is.

        One that comes with tinygan if it knows this data; else, for data with classes, one trained
        now (some seconds; kept in the cache), tested on `test` if given; else an untrained one,
        whose features still tell pictures apart but which has no labels (`classes` 0).
        """
        if train.judge:
            return Judge.load(train.judge)
        if not train.classes:
            with own_randomness(0):
                return Judge(Network(train.shape[0], 1), train.name, train.shape[0], classes=0)
        some = train.take(64)
        known = hashlib.sha256(some["x"].tobytes() + some["label"].tobytes())
        known.update(f"{len(train)} {train.classes} {_VERSION}".encode())
        path = folder() / f"judge-{known.hexdigest()[:16]}.safetensors"
        with contextlib.suppress(OSError, ValueError):
            return Judge.load(path)
        judge = Judge.train(train, test or train, steps=600, log=log)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            judge.save(path)
        return judge

    # -- judging -----------------------------------------------------------------------------------

    def features(self, x) -> np.ndarray:
        """float32 (N, 64)."""
        return self._batched(self.network.features, x)

    def probabilities(self, x) -> np.ndarray:
        """float32 (N, classes)."""
        self._must_know_classes()
        return self._batched(lambda part: softmax(self.network(part), dim=1), x)

    def labels(self, x) -> np.ndarray:
        """int64 (N,)."""
        self._must_know_classes()
        return self._batched(self.network, x).argmax(1)

    def _must_know_classes(self):
        if not self.classes:
            raise ValueError(
                f"the judge of {self.name!r} was never trained, since the data have no classes: it "
                "gives features, but no labels"
            )

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
            "name": self.name,
            "channels": self.channels,
            "classes": self.classes,
            "accuracy": self.accuracy,
        }
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
