"""The loader of `tinygan.utils.data`: epochs, orders, samplers, workers; like PyTorch's."""

import collections
import threading
import time

import numpy as np
import pytest
from tinygan.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
    random_split,
)

import tinygan as tg


class Squares(Dataset):
    def __init__(self, n):
        self.n, self.threads = n, set()

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if not 0 <= index < self.n:
            raise IndexError(index)
        self.threads.add(threading.current_thread().name)
        return tg.tensor([float(index)]), index**2


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def first_column(loader):
    return [x.reshape(-1).tolist() for x, *_ in loader]


def test_an_epoch_ends_and_the_next_begins():
    data = TensorDataset(tg.arange(10).float(), tg.arange(10) * 2)
    loader = DataLoader(data, batch_size=4)
    assert len(loader) == 3 and len(DataLoader(data, 4, drop_last=True)) == 2
    for _ in range(2):
        assert first_column(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    for x, y in DataLoader(data, 4, drop_last=True):
        assert x.shape == y.shape == (4,) and isinstance(x, tg.Tensor)
        assert (y == x * 2).all() and x.dtype == np.float32 and y.dtype == np.int64
    assert first_column(DataLoader(data, 5, num_workers=2)) == first_column(DataLoader(data, 5))


def test_shuffling_draws_from_the_stream_or_from_a_generator():
    data = TensorDataset(tg.arange(20))
    loader = DataLoader(data, 20, shuffle=True)
    tg.manual_seed(1)
    a, b = first_column(loader), first_column(loader)
    tg.manual_seed(1)
    assert a == first_column(loader) != b and sorted(a[0]) == list(range(20))
    one, other = (
        DataLoader(data, 20, shuffle=True, generator=tg.Generator().manual_seed(4)) for _ in "ab"
    )
    assert first_column(one) == first_column(other) != first_column(one)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_read_ahead_in_order(workers):
    data, numbers = Squares(23), []
    loader = DataLoader(data, 4, num_workers=workers, worker_init_fn=numbers.append)
    batches = list(loader)
    assert [x.reshape(-1).tolist() for x, _ in batches] == first_column(DataLoader(data, 4))
    assert torch_like(batches[2][1]) == [64, 81, 100, 121]
    assert set(numbers) <= set(range(workers)) and numbers
    assert any(name.startswith("tinygan-dataloader") for name in data.threads)
    assert get_worker_info() is None


def torch_like(x):
    assert isinstance(x, tg.Tensor) and x.dtype == np.int64
    return x.tolist()


def test_workers_know_themselves_and_errors_reach_the_loop():
    class Asking(Squares):
        def __getitem__(self, index):
            info = get_worker_info()
            if index == 6:
                raise KeyError("broken item")
            return info.num_workers, info.id, info.dataset.n

    seen = []
    with pytest.raises(KeyError, match="broken item"):
        for batch in DataLoader(Asking(8), 2, num_workers=2):
            seen.append([column.tolist() for column in batch])
    assert len(seen) == 3 and {tuple(workers) for workers, *_ in seen} == {(2, 2)}


def test_threads_end_with_the_loop_that_is_left():
    before = set(threading.enumerate())  # another test's thread may end meanwhile
    for _ in DataLoader(Squares(100), 1, num_workers=2):
        break
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


def test_a_batch_that_takes_too_long():
    class Slow(Squares):
        def __getitem__(self, index):
            time.sleep(0.3)

    with pytest.raises(RuntimeError, match=r"a batch took longer than timeout=0\.05 seconds"):
        list(DataLoader(Slow(2), num_workers=1, timeout=0.05))


def test_streams():
    assert [b.tolist() for b in DataLoader(Stream(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Stream(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert [b.tolist() for b in DataLoader(Stream(5), 2, num_workers=1)][2] == [4]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]


def test_items_one_at_a_time():
    items = list(DataLoader(Squares(2), batch_size=None))
    assert items[1][0].tolist() == [1.0] and items[1][1] == 1
    columns = list(DataLoader(TensorDataset(tg.arange(3), tg.arange(3)), batch_size=None))
    assert len(columns) == 3 and columns[2][1].shape == ()


def test_data_sets_of_tinygan_come_as_lists_of_columns():
    import tinygan.data

    data = tinygan.data.open("ring", n=50)
    batch = next(iter(DataLoader(data, 8, shuffle=True, num_workers=1)))
    assert batch[0].shape == (8, 2) and batch[0].dtype == np.float32
    assert all(isinstance(column, tg.Tensor) for column in batch)


def test_sets_of_sets():
    data = ConcatDataset([Squares(3), Subset(Squares(10), [9, 8])])
    assert [data[i][1] for i in range(-5, 5)] == [0, 1, 4, 81, 64] * 2
    assert len(Squares(3) + Squares(2)) == 5
    with pytest.raises(IndexError, match="index 5 is outside its 5 items"):
        data[5]
    parts = random_split(Squares(10), [0.75, 0.25])
    assert [len(p) for p in parts] == [8, 2]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    assert [len(p) for p in random_split(Squares(10), [7, 3])] == [7, 3]
    with pytest.raises(ValueError, match=r"the lengths \[7, 4\] sum to 11, the data set has 10"):
        random_split(Squares(10), [7, 4])


def test_samplers():
    data = Squares(6)
    assert sorted(SubsetRandomSampler([5, 3, 1])) == [1, 3, 5]
    assert len(list(RandomSampler(data, num_samples=15))) == 15
    drawn = list(RandomSampler(data, replacement=True, num_samples=600))
    assert min(collections.Counter(drawn).values()) > 60
    loader = DataLoader(data, batch_sampler=BatchSampler(range(6), 4, False))
    assert len(loader) == 2 and first_column(loader) == [[0, 1, 2, 3], [4, 5]]
    assert first_column(DataLoader(data, 2, sampler=[4, 0, 2])) == [[4, 0], [2]]


@pytest.mark.parametrize("replacement", [True, False])
def test_weighted_sampling(replacement):
    weights = [0.0, 1.0, 3.0]
    firsts = [next(iter(WeightedRandomSampler(weights, 2, replacement))) for _ in range(2000)]
    counts = collections.Counter(firsts)
    assert counts[0] == 0 and counts[2] / 2000 == pytest.approx(0.75, abs=0.04)
    if not replacement:
        assert sorted(WeightedRandomSampler(weights, 2, False)) == [1, 2]
        with pytest.raises(ValueError, match="cannot draw 3 without replacement from 2"):
            WeightedRandomSampler(weights, 3, False)


Point = collections.namedtuple("Point", "x y")
ITEMS = {
    "tensors": [tg.ones(2), tg.zeros(2)],
    "arrays": [np.ones((2, 2)), np.zeros((2, 2))],
    "numbers": [1, 2],
    "fractions": [1.0, 2.5],
    "truth": [True, False],
    "numpy": [np.float32(1), np.float32(2)],
    "words": ["a", "b"],
    "pairs": [(1, 2.0), (3, 4.0)],
    "dicts": [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}],
    "named": [Point(1, [2, 3]), Point(4, [5, 6])],
}


def plain(value, tensor):
    """Values with the kinds of their containers and dtypes, comparable between the libraries."""
    if isinstance(value, tensor):
        return str(value.dtype).removeprefix("torch."), value.tolist()
    if isinstance(value, dict):
        return {k: plain(v, tensor) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [plain(v, tensor) for v in value]
    return value


@pytest.mark.torch
@pytest.mark.parametrize("name", ITEMS)
def test_collating_as_in_pytorch(name):
    torch = pytest.importorskip("torch")
    items = [torch.tensor(i.numpy()) if isinstance(i, tg.Tensor) else i for i in ITEMS[name]]
    expected = plain(torch.utils.data.default_collate(items), torch.Tensor)
    assert plain(default_collate(ITEMS[name]), tg.Tensor) == expected


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [
        {}, {"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None},
        {"batch_size": 2, "sampler": [4, 0, 2]}, {"batch_sampler": [[1, 2], [0]]},
    ],
)  # fmt: skip
def test_batches_as_in_pytorch(options):
    torch = pytest.importorskip("torch")
    x = np.arange(14, dtype=np.float32).reshape(7, 2)
    loaders = [
        (kind(data(tensor(x), tensor(x[:, 0])), **options), tensor_kind)
        for kind, data, tensor, tensor_kind in (
            (DataLoader, TensorDataset, tg.tensor, tg.Tensor),
            (
                torch.utils.data.DataLoader, torch.utils.data.TensorDataset, torch.tensor,
                torch.Tensor,
            ),
        )
    ]  # fmt: skip
    (ours, a), (theirs, b) = loaders
    assert len(ours) == len(theirs)
    expected = [plain(list(batch), b) for batch in theirs]
    assert [plain(list(batch), a) for batch in ours] == expected


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DataLoader(Squares(3), 0), ValueError, "batch_size: expected a whole number >= 1"),
        (
            lambda: DataLoader(Squares(3), shuffle=True, sampler=[1]),
            ValueError,
            "sampler and shuffle exclude each other",
        ),
        (
            lambda: DataLoader(Squares(3), 2, batch_sampler=[[1]]),
            ValueError,
            "batch_sampler excludes batch_size, shuffle, sampler and drop_last",
        ),
        (lambda: DataLoader(Stream(3), shuffle=True), ValueError, "comes in its own order"),
        (lambda: DataLoader(Stream(3), num_workers=2), ValueError, "by one thread only"),
        (
            lambda: DataLoader(Squares(3), num_workers=-1),
            ValueError,
            "num_workers and timeout >= 0",
        ),
        (
            lambda: DataLoader(Squares(3), None, drop_last=True),
            ValueError,
            "batch_size=None, one item at a time, excludes drop_last",
        ),
        (
            lambda: TensorDataset(tg.ones(2), tg.ones(3)),
            ValueError,
            r"expected tensors of equal length, got \(2,\), \(3,\)",
        ),
        (lambda: Dataset()[0], NotImplementedError, "Dataset has no items: define `def __getitem"),
        (lambda: default_collate([(1,), (1, 2)]), RuntimeError, "have different lengths, 1, 2"),
        (lambda: default_collate([object()]), TypeError, "items are object; expected tensors"),
        (lambda: WeightedRandomSampler([-1], 1), ValueError, "a row of weights >= 0"),
    ],
)
def test_misuse_is_explained(make, error, message):
    with pytest.raises(error, match=message):
        make()
