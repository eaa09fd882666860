"""How the scores train their small classifiers: quickly, and without touching the run's own random
numbers.
"""

from contextlib import contextmanager

import numpy as np

from ..backend import manual_seed, random_state, restore_random_state
from ..ops import tensor
from ..nn.functional import cross_entropy
from ..optim import Adam, CosineAnnealingLR


@contextmanager
def own_randomness(seed: int):
    """All random streams start from `seed`, and go on afterwards as if nothing had been drawn."""
    saved = random_state()
    manual_seed(seed)
    try:
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
