"""Data sets and samplers as in `torch.utils.data`: items by number, and in which order."""

import bisect
import itertools

import numpy as np

from ..backend import stream


class Dataset:
    """What has `__getitem__(index)` and, for all but streams, `__len__()`."""

    def __getitem__(self, index):
        raise NotImplementedError(
            f"{type(self).__name__} has no items: define `def __getitem__(self, index)`"
        )

    def __add__(self, other):
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """A stream of items: what has `__iter__()`."""

    def __iter__(self):
        raise NotImplementedError(
            f"{type(self).__name__} has no items: define `def __iter__(self)`"
        )


class TensorDataset(Dataset):
    """Tensors of equal length; an item is the tuple of their rows.

    >>> from tinygan import tensor
    >>> data = TensorDataset(tensor([[1.0], [2.0]]), tensor([0, 1]))
    >>> len(data), data[1]
    (2, (tensor([2.]), tensor(1)))
    """

    def __init__(self, *tensors):
        if len({len(t) for t in tensors}) != 1:
            raise ValueError(
                "TensorDataset: expected tensors of equal length, got "
                f"{', '.join(str(t.shape) for t in tensors) or 'none'}"
            )
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(t[index] for t in self.tensors)

    def __len__(self):
        return len(self.tensors[0])


class Subset(Dataset):
    """Some items of a data set."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        return self.dataset[self.indices[index]]

    def __len__(self):
        return len(self.indices)


class ConcatDataset(Dataset):
    """The items of several data sets, one set after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set, got none")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: index {index} is outside its {len(self)} items")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - ([0, *self.cumulative_sizes][which])]

    def __len__(self):
        return self.cumulative_sizes[-1]


def random_split(dataset, lengths, generator=None) -> list[Subset]:
    """Divide a data set at random into parts of given lengths, or of shares that sum to 1."""
    n = len(dataset)
    if all(0 <= length <= 1 for length in lengths) and abs(sum(lengths) - 1) < 1e-9 and n != 1:
        lengths = [int(n * share) for share in lengths]
        for i in range(n - sum(lengths)):
            lengths[i % len(lengths)] += 1
    if sum(lengths) != n:
        raise ValueError(
            f"random_split: the lengths {list(lengths)} sum to {sum(lengths)}, the data set has "
            f"{n} items"
        )
    order = (generator or stream("data")).permutation(n).tolist()
    ends = list(itertools.accumulate(lengths))
    return [Subset(dataset, order[end - n : end]) for n, end in zip(lengths, ends)]


# -- samplers --------------------------------------------------------------------------------------


class Sampler:
    """What gives indices by `__iter__()`."""

    def __init__(self, data_source=None):
        self.data_source = data_source


class SequentialSampler(Sampler):
    def __iter__(self):
        return iter(range(len(self)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """All indices in a new order each time; or `num_samples` of them, or drawn with replacement."""

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        super().__init__(data_source)
        self.replacement, self.generator = replacement, generator
        self.num_samples = len(data_source) if num_samples is None else num_samples
        if self.num_samples < 1:
            raise ValueError(f"RandomSampler: expected num_samples >= 1, got {self.num_samples}")

    def __iter__(self):
        source, n = self.generator or stream("data"), len(self.data_source)
        if self.replacement:
            yield from source.integers(0, n, (self.num_samples,)).tolist()
            return
        for start in range(0, self.num_samples, n):
            yield from source.permutation(n)[: self.num_samples - start].tolist()

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in a new order each time."""

    def __init__(self, indices, generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self):
        order = (self.generator or stream("data")).permutation(len(self.indices))
        return (self.indices[i] for i in order.tolist())

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """`num_samples` indices, index i with a probability in proportion to weights[i]."""

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        self.weights = np.asarray(weights, np.float64)
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator
        if self.weights.ndim != 1 or not (self.weights >= 0).all() or not self.weights.sum():
            raise ValueError("WeightedRandomSampler: expected a row of weights >= 0, not all 0")
        if not replacement and num_samples > (self.weights > 0).sum():
            raise ValueError(
                f"WeightedRandomSampler: cannot draw {num_samples} without replacement from "
                f"{(self.weights > 0).sum()} of weight > 0"
            )

    def __iter__(self):
        draw = self.generator or stream("data")
        if self.replacement:  # by the distribution function
            steps = np.cumsum(self.weights)
            drawn = np.searchsorted(
                steps, draw.uniform((self.num_samples,), np.float64) * steps[-1], "right"
            )
            return iter(drawn.tolist())
        # the first arrivals of processes that run at the rates of the weights
        with np.errstate(divide="ignore"):
            arrivals = -np.log1p(-draw.uniform(self.weights.shape, np.float64)) / self.weights
        return iter(np.argsort(arrivals)[: self.num_samples].tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices from another sampler."""

    def __init__(self, sampler, batch_size, drop_last):
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size: expected a whole number >= 1, got {batch_size!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


__all__ = [
    "BatchSampler", "ConcatDataset", "Dataset", "IterableDataset", "RandomSampler", "Sampler",
    "SequentialSampler", "Subset", "SubsetRandomSampler", "TensorDataset",
    "WeightedRandomSampler", "random_split",
]  # fmt: skip
