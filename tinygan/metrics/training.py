"""How the scores train their small classifiers: quickly, and without touching the run's own random
numbers.
"""

from contextlib import contextmanager

import numpy as np

from ..backend import manual_seed, random_state, restore_random_state
from ..data.resize import resize
from ..nn.functional import cross_entropy
from ..ops import tensor
from ..optim import Adam, CosineAnnealingLR


@contextmanager
def own_randomness(seed: int):
    """All random streams start from `seed`, and go on afterwards as if nothing had been drawn."""
    saved = random_state()
    try:
        manual_seed(seed)
        yield np.random.Generator(np.random.SFC64(seed))
    finally:
        restore_random_state(saved)


def train_classifier(network, x, labels, *, steps, batch_size, rng, lr=2e-3, change=None, log=None):
    """Adam with a cosine schedule on batches of (x, labels), NumPy arrays; `change(batch, rng)`
    varies the pictures. Leaves the network in eval mode.
    """
    optimizer = Adam(network.parameters(), lr=lr)
    schedule = CosineAnnealingLR(optimizer, steps)
    network.train()
    order = np.empty(0, np.int64)
    for step in range(steps):
        if len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(len(x))])
        chosen, order = order[:batch_size], order[batch_size:]
        batch = x[chosen] if change is None else change(x[chosen], rng)
        loss = cross_entropy(network(tensor(batch)), tensor(labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if log and (step % 100 == 99 or step == steps - 1):
            log(f"step {step + 1:5d}   loss {loss.item():.4f}")
    return network.eval()


def disturbed(x: np.ndarray, rng) -> np.ndarray:
    """A quarter of the pictures blurred, a quarter noisy, all moved by up to two pixels, so
    that a judge also knows what to make of a young generator's samples.
    """
    down, right = rng.integers(-2, 3, 2)
    x = np.roll(x, (down, right), (2, 3))
    quarter = len(x) // 4
    small = resize(x[:quarter], x.shape[2] // 2)
    noise = 0.3 * rng.standard_normal(x[quarter : 2 * quarter].shape, dtype=np.float32)
    noisy = np.clip(x[quarter : 2 * quarter] + noise, -1, 1)
    return np.concatenate([resize(small, x.shape[2]), noisy, x[2 * quarter :]])
