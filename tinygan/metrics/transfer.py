"""What samples are worth as training data."""

import numpy as np

from .. import nn
from ..autograd import no_grad
from ..data.resize import resize
from ..ops import tensor
from .training import own_randomness, train_classifier

_SIZE = 16


def transfer_accuracy(train_x, train_labels, test_x, test_labels, steps=300, seed=0) -> float:
    """The accuracy on (test_x, test_labels) of a small classifier trained on (train_x, ...).

    Trained on a generator's samples and tested on real data, it says whether the samples hold what
    a classifier needs (classes missing, or confused, cost accuracy); compare it with the same
    classifier trained on as many real items. Pictures (N, C, H, W) are looked at in 16 × 16 pixels
    by one convolution and one hidden layer, anything else (N, ...) by two hidden layers.
    Deterministic.
    """
    train_x, test_x = _prepared(train_x), _prepared(test_x)
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    if len(train_x) != len(train_labels) or len(test_x) != len(test_labels):
        raise ValueError(
            f"transfer_accuracy: {len(train_x)} and {len(test_x)} samples, but "
            f"{len(train_labels)} and {len(test_labels)} labels"
        )
    classes = int(max(train_labels.max(), test_labels.max())) + 1
    with own_randomness(seed) as rng:
        network = _network(train_x.shape[1:], classes)
        train_classifier(
            network, train_x, train_labels, steps=steps, batch_size=min(128, len(train_x)), rng=rng
        )
        with no_grad():
            parts = [
                network(tensor(test_x[i : i + 500])).numpy().argmax(1)
                for i in range(0, len(test_x), 500)
            ]
    return float((np.concatenate(parts) == test_labels).mean())


def _prepared(x):
    x = np.asarray(x, np.float32)
    return resize(x, _SIZE) if x.ndim == 4 else x.reshape(len(x), -1)


def _network(shape, classes):
    if len(shape) == 1:
        return nn.Sequential(
            nn.Linear(shape[0], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
        )
    return nn.Sequential(
        nn.Conv2d(shape[0], 16, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(16 * (_SIZE // 2) ** 2, 64), nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip
