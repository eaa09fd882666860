"""`torch.utils.data.DataLoader`: batches of one epoch, each time it is iterated over.

`tinygan.data.Loader`, which runs without end and can be taken up again at any batch, is what the
training loop uses. This one is for loops that were written for PyTorch.
"""

import itertools
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from types import SimpleNamespace

import numpy as np

from ..autograd import Tensor
from ..autograd.tensor import as_array
from ..ops import stack
from .datasets import BatchSampler, IterableDataset, RandomSampler, SequentialSampler, TensorDataset

_worker = threading.local()


class DataLoader:
    """Batches of a data set, read ahead by threads where there are workers, in the same order.

    `dataset` is what has `__getitem__` and `__len__`, a stream (`IterableDataset`), or a data set
    of `tinygan.data`, of which a batch is the list of its columns. `generator` draws the order;
    without one it is the random stream "data". Arguments that concern processes and page-locked
    memory have no effect.

    >>> from tinygan import tensor
    >>> from tinygan.utils.data import TensorDataset
    >>> data = TensorDataset(tensor([[1.0], [2.0], [3.0]]), tensor([0, 1, 2]))
    >>> loader = DataLoader(data, batch_size=2)
    >>> len(loader)
    2
    >>> for x, y in loader:
    ...     print(x.tolist(), y)
    [[1.0], [2.0]] tensor([0, 1])
    [[3.0]] tensor([2])
    """

    def __init__(
        self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0,
        collate_fn=None, pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None,
        multiprocessing_context=None, generator=None, *, prefetch_factor=None,
        persistent_workers=False, pin_memory_device="", in_order=True,
    ):  # fmt: skip
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.batch_size, self.drop_last = batch_size, drop_last
        self.pin_memory, self.generator, self.worker_init_fn = pin_memory, generator, worker_init_fn
        self.prefetch_factor = 2 if prefetch_factor is None else prefetch_factor
        self._stream = isinstance(dataset, IterableDataset)
        self._check(shuffle, sampler, batch_sampler)
        if not self._stream and sampler is None:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle and len(dataset)
                else SequentialSampler(dataset)
            )
        if batch_sampler is not None:
            self.batch_size, self.drop_last = None, False
        elif batch_size is not None and not self._stream:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.sampler, self.batch_sampler = sampler, batch_sampler
        alone = batch_size is None and batch_sampler is None
        self._columns = collate_fn is None and isinstance(dataset, TensorDataset)
        self._named_columns = not hasattr(dataset, "__getitem__") and hasattr(dataset, "batch")
        self.collate_fn = collate_fn or (default_convert if alone else default_collate)

    def _check(self, shuffle, sampler, batch_sampler):
        if self.num_workers < 0 or self.timeout < 0:
            raise ValueError(
                f"DataLoader: expected num_workers and timeout >= 0, got {self.num_workers} and "
                f"{self.timeout}"
            )
        if self._stream and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: a stream comes in its own order; drop shuffle and samplers"
            )
        if self._stream and self.num_workers > 1:
            raise ValueError(
                "DataLoader: a stream can be read ahead by one thread only, so that each item "
                f"comes once; got num_workers={self.num_workers}"
            )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler and shuffle exclude each other")
        if batch_sampler is not None and (
            self.batch_size != 1 or shuffle or sampler is not None or self.drop_last
        ):
            raise ValueError(
                "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last"
            )
        if self.batch_size is None and self.drop_last:
            raise ValueError("DataLoader: batch_size=None, one item at a time, excludes drop_last")

    def __len__(self):
        """The batches of an epoch."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        items = len(self.dataset if self._stream else self.sampler)
        if self.batch_size is None:
            return items
        return items // self.batch_size + (items % self.batch_size > 0 and not self.drop_last)

    def __iter__(self):
        if self._stream:
            jobs, read = self._items(), self.collate_fn
        else:
            jobs = self.sampler if self.batch_sampler is None else self.batch_sampler
            read = self._read
        if not self.num_workers:
            return map(read, jobs)
        return self._ahead(read, iter(jobs))

    def _items(self):
        """Items of a stream, in lists where there is a batch size."""
        items = iter(self.dataset)
        if self.batch_size is None:
            yield from items
            return
        while batch := list(itertools.islice(items, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def _read(self, indices):
        """The batch of these indices; or the item of one index, without a batch size."""
        if self._columns:
            return list(self.dataset[indices])
        if self._named_columns:
            rows = self.dataset.batch(np.atleast_1d(indices)).values()
            return [Tensor(as_array(r if isinstance(indices, list) else r[0])) for r in rows]
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[indices])
        return self.collate_fn([self.dataset[i] for i in indices])

    def _ahead(self, read, jobs):
        """What `read` makes of the jobs, in their order, some of them done ahead by threads."""
        numbers = itertools.count()

        def start():
            _worker.info = SimpleNamespace(
                id=next(numbers), num_workers=self.num_workers, dataset=self.dataset
            )
            if self.worker_init_fn:
                self.worker_init_fn(_worker.info.id)

        pool = ThreadPoolExecutor(self.num_workers, "tinygan-dataloader", start)
        waiting = deque()
        try:
            while True:
                wanted = self.num_workers * self.prefetch_factor - len(waiting)
                waiting.extend(pool.submit(read, job) for job in itertools.islice(jobs, wanted))
                if not waiting:
                    return
                yield waiting.popleft().result(self.timeout or None)
        except NotInTime:
            raise RuntimeError(
                f"DataLoader: a batch took longer than timeout={self.timeout} seconds"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def get_worker_info():
    """In a worker: its `id`, `num_workers` and the `dataset`; elsewhere None."""
    return getattr(_worker, "info", None)


def default_convert(item):
    """An item with its arrays as tensors."""
    if isinstance(item, np.ndarray | np.generic) and item.dtype.kind in "fiub":
        return Tensor(np.asarray(item))
    if isinstance(item, Mapping):
        return {key: default_convert(value) for key, value in item.items()}
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return type(item)(*map(default_convert, item))
    if isinstance(item, list | tuple):
        return [default_convert(value) for value in item]
    return item


def default_collate(batch):
    """Items as one: tensors and arrays are stacked, numbers become a tensor, dicts and tuples are
    taken apart first.

    >>> default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=float64)]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch)
    if isinstance(first, np.ndarray | np.generic) and first.dtype.kind in "fiub":
        return Tensor(np.stack(batch))
    if isinstance(first, float):
        return Tensor(np.array(batch, np.float64))
    if isinstance(first, int):
        return Tensor(np.array(batch))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, list | tuple):
        if len({len(item) for item in batch}) != 1:
            raise RuntimeError(
                "default_collate: the items of a batch have different lengths, "
                f"{', '.join(str(len(item)) for item in batch)}; pass a collate_fn"
            )
        columns = [default_collate(list(column)) for column in zip(*batch)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        f"default_collate: items are {type(first).__name__}; expected tensors, arrays, numbers, "
        "strings, or dicts, lists and tuples of them. Pass a collate_fn"
    )


__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]
