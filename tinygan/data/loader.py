"""Batches without end, in a shuffled order that can be taken up again at any point.

The order of epoch e is a permutation drawn from (key, e), where the key is one number taken from
the loader's random stream when it is made. So (key, epoch, position) is the whole state: nothing
that threads read ahead can change it, and any epoch's order can be had without those before it.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..backend import stream
from .dataset import DataError, Dataset


class Loader:
    """Batches of a data set, epoch after epoch.

    `epoch` counts the passes that are complete, `position` the items delivered in the present one.
    `drop_last` leaves out the incomplete batch at an epoch's end. `prefetch` batches are read ahead
    by threads where the data set reads files.

    >>> from tinygan.data import open
    >>> loader = Loader(open("moons", n=10), batch_size=4)
    >>> loader.next()["x"].shape, loader.epoch, loader.position
    ((4, 2), 0, 4)
    >>> saved = loader.state()
    >>> x = loader.next()["x"]
    >>> loader.restore(saved)
    >>> bool((loader.next()["x"] == x).all())
    True
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        shuffle=True,
        generator=None,
        drop_last=True,
        prefetch=2,
    ):
        if batch_size < 1:
            raise DataError(f"Loader: batch_size must be at least 1, got {batch_size}")
        if drop_last and len(dataset) < batch_size:
            raise DataError(
                f"Loader: {dataset.name} has {len(dataset):,} items, fewer than one batch of "
                f"{batch_size}; use a smaller batch_size, or drop_last=False"
            )
        self.dataset, self.batch_size = dataset, batch_size
        self.shuffle, self.drop_last = shuffle, drop_last
        self._key = int((generator or stream("data")).integers(0, 2**62, ()))
        self._ahead = prefetch if dataset.lazy else 0
        self._pool = None
        self.share = (0, 1)  # of each batch: which of how many equal ones
        self._start(0, 0)

    @property
    def batches_per_epoch(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    # -- delivering --------------------------------------------------------------------------------

    def next(self) -> dict[str, np.ndarray]:
        """The next batch."""
        if self._ahead:
            batch, after = self._next_read_ahead()
        else:
            indices, after = self._plan()
            batch = self.dataset.batch(indices)
        self.epoch, self.position = after
        return batch

    __next__ = next

    def __iter__(self):
        return self

    def __len__(self):
        """The batches of an epoch."""
        return self.batches_per_epoch

    def rest_of_epoch(self):
        """The batches until the present epoch is complete: all of it, at its beginning."""
        epoch = self.epoch
        while self.epoch == epoch:
            yield self.next()

    def state(self) -> dict:
        """Where the loader is, counting what was delivered: plain numbers, fit for JSON."""
        return {
            "key": self._key,
            "epoch": self.epoch,
            "position": self.position,
            "length": len(self.dataset),
            "batch_size": self.batch_size,
        }

    def restore(self, state: dict) -> None:
        """Go on exactly where `state()` was taken; the data set must be as long as it was then."""
        if state["length"] != len(self.dataset):
            raise DataError(
                f"Loader: the saved position is in a data set of {state['length']:,} items, but "
                f"{self.dataset.name} has {len(self.dataset):,}; resume with the data it was "
                "trained on"
            )
        self.close()
        self._key = state["key"]
        self._start(state["epoch"], state["position"])

    def close(self) -> None:
        """Stop reading ahead. The loader can still be used: it starts again when asked."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._start(self.epoch, self.position)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # -- planning and reading ----------------------------------------------------------------------

    def _start(self, epoch, position):
        self.epoch, self.position = epoch, position
        self._planned = (epoch, position)
        self._order_of, self._order = None, None
        self._waiting = deque()

    def _plan(self):
        """The indices of the next batch to be read, and (epoch, position) once it is delivered."""
        epoch, position = self._planned
        n = len(self.dataset)
        if position + (self.batch_size if self.drop_last else 1) > n:
            epoch, position = epoch + 1, 0
        if self._order_of != epoch:
            self._order_of, self._order = epoch, self._permutation(epoch)
        indices = self._order[position : position + self.batch_size]
        position += len(indices)
        full = position + (self.batch_size if self.drop_last else 1) > n
        self._planned = (epoch + 1, 0) if full else (epoch, position)
        which, of = self.share
        own = slice(len(indices) * which // of, len(indices) * (which + 1) // of)
        return indices[own], self._planned

    def _permutation(self, epoch):
        n = len(self.dataset)
        if not self.shuffle:
            return np.arange(n)
        seed = np.random.SeedSequence([self._key, epoch])
        return np.random.Generator(np.random.SFC64(seed)).permutation(n)

    def _next_read_ahead(self):
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._ahead, thread_name_prefix="tinygan-data")
        while len(self._waiting) <= self._ahead:
            indices, after = self._plan()
            self._waiting.append((self._pool.submit(self.dataset.batch, indices), after))
        future, after = self._waiting.popleft()
        return future.result(), after
