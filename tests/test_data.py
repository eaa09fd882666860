"""Data: the same numbers by seed, every file format, each bad file by its message, exact resume."""

import gzip
import hashlib
import http.server
import io
import json
import os
import re
import struct
import tarfile
import threading
import time

import numpy as np
import pytest
from PIL import Image

import tinygan as tg
from tinygan import data
from tinygan.backend.cpu import get_num_threads, set_num_threads
from tinygan.data import DataError, cache, captions, mixtures, web
from tinygan.data.resize import resize


@pytest.fixture(autouse=True, scope="module")
def cache_folder(tmp_path_factory):
    """One fresh cache for the whole file, so that nothing depends on what is on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def same(a, b):
    return set(a) == set(b) and all(np.array_equal(a[key], b[key]) for key in a)


# -- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", data.NAMES)
def test_every_drawn_set_is_deterministic_and_its_splits_differ(name, tmp_path, monkeypatch):
    first = data.open(name, seed=1, n=60)
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path))  # an empty cache: drawn again
    again, kept = data.open(name, seed=1, n=60), data.open(name, seed=1, n=60)
    assert len(first) == 60 and same(first.take(60), again.take(60))
    assert same(first.take(60), kept.take(60))
    x = first.take(60)["x"]
    assert x.dtype == np.float32 and x.shape == (60, *first.shape)
    for other in (data.open(name, "test", seed=1, n=60), data.open(name, seed=2, n=60)):
        assert not np.array_equal(other.take(60)["x"], x)
        seen = {row.tobytes() for row in x}
        assert not any(row.tobytes() in seen for row in other.take(60)["x"])
    if len(first.shape) == 3:
        assert x.min() >= -1 and x.max() <= 1 and x.std() > 0.1


def test_mixtures_are_what_the_literature_says():
    ring, grid = data.open("ring"), data.open("grid")
    assert np.allclose(np.linalg.norm(ring.modes, axis=1), 1) and ring.sigma == 0.01
    assert {tuple(m) for m in grid.modes} == {
        (a, b) for a in range(-4, 5, 2) for b in range(-4, 5, 2)
    }
    for points, modes in ((ring, 8), (grid, 25)):
        batch = points.take(50_000)
        assert points.classes == modes and batch["label"].dtype == np.int64
        noise = batch["x"] - points.modes[batch["label"]]
        assert abs(noise.std() / points.sigma - 1) < 0.02
        assert np.bincount(batch["label"]).min() > 0.9 * 50_000 / modes
    assert data.open("swissroll").modes is None and data.open("moons").classes == 2
    assert len(ring) == mixtures.LENGTHS["train"]


def test_digits_have_factors_that_describe_them():
    digits = data.open("digits", n=600)
    batch = digits.take(600)
    assert digits.shape == (1, 32, 32) and digits.classes == 10
    assert set(batch["label"]) == set(range(10)) and batch["factors"].shape == (600, 5)
    factors = dict(zip(digits.factor_names, batch["factors"].T))
    ink = (batch["x"] + 1).mean((1, 2, 3)) / 2
    assert np.corrcoef(ink, factors["stroke"] * factors["scale"] ** 2)[0, 1] > 0.7
    rows = (batch["x"][:, 0].max(2) > 0).sum(1) / 32
    assert np.corrcoef(rows, factors["scale"])[0, 1] > 0.7
    assert len(set(factors["font"])) == 17 and abs(factors["rotation"]).max() <= 20
    border = np.concatenate(
        [batch["x"][:, 0, [0, -1]].ravel(), batch["x"][:, 0, :, [0, -1]].ravel()]
    )
    assert (border > -1).mean() < 0.02  # nothing is cut off
    assert data.open("digits", size=28, n=10).shape == (1, 28, 28)


@pytest.mark.parametrize("split", ["train", "test", "heldout"])
def test_the_reader_of_shapes_is_exact(split):
    sprites = data.open("shapes", split, n=1500)
    batch = sprites.take(1500)
    found = data.read_factors(batch["x"])
    assert found["readable"].all()
    for name, factor in zip(sprites.factor_names, batch["factors"].T):
        np.testing.assert_array_equal(found[name], factor)
    noisy = np.clip(
        batch["x"] + 0.1 * np.random.default_rng(0).normal(size=batch["x"].shape), -1, 1
    )
    again = data.read_factors(noisy)
    assert np.mean([again[k] == found[k] for k in sprites.factor_names]) > 0.98


def test_the_reader_does_not_read_what_is_not_there():
    nothing = data.read_factors(np.full((3, 3, 32, 32), -1.0))
    assert not nothing["readable"].any() and (nothing["shape"] == -1).all()
    assert len(data.read_factors(np.zeros((0, 3, 32, 32)))["shape"]) == 0
    with pytest.raises(DataError, match=r"expected pictures \(N, 3, S, S\), got \(2, 1, 32, 32\)"):
        data.read_factors(np.zeros((2, 1, 32, 32)))


def test_held_out_combinations_are_held_out_and_words_are_not():
    pairs = {}
    for split in ("train", "test", "heldout"):
        factors = data.open("shapes", split, n=3000).take(3000)["factors"]
        pairs[split] = {tuple(row[:2]) for row in factors.tolist()}
        assert len(set(factors[:, 0].tolist())) == 6 and len(set(factors[:, 1].tolist())) == 4
    assert pairs["train"] == pairs["test"] and not pairs["train"] & pairs["heldout"]
    assert len(pairs["train"] | pairs["heldout"]) == 24


def test_captions_name_the_factors():
    sprites = data.open("shapes", n=300)
    batch, texts = sprites.take(300), sprites.captions(np.arange(300))
    np.testing.assert_array_equal(sprites.encode(texts), batch["caption"])
    assert batch["caption"].max() < len(sprites.vocabulary) and len(set(texts)) > 100
    for text, factors in zip(texts, batch["factors"]):
        for words, number in zip(sprites.factor_words.values(), factors):
            assert words[number] in text
    with pytest.raises(DataError, match="unknown word 'pink'; the words are a, and, blue"):
        sprites.encode(["a pink circle"])
    with pytest.raises(DataError, match="13 words, at most 12 fit"):
        sprites.encode(["a " * 13])
    assert captions.caption([1, 0, 0, 0], 1) == "top left : a green circle , small"


def test_pairs_are_shuffled_for_training_and_true_for_scoring():
    for name in ("digits-edge", "digits-negative", "shapes-tinted", "shapes-outline"):
        pair = data.open(name, n=80)
        batch, true = pair.batch(np.arange(80)), pair.pairs(np.arange(80))
        assert batch["x"].shape == batch["y"].shape == (80, *pair.shape)
        np.testing.assert_array_equal(batch["x"], true["x"])
        in_y = {row.tobytes() for row in batch["y"]}
        assert not any(row.tobytes() in in_y for row in true["y"])  # no picture in both domains
        if pair.translate:
            np.testing.assert_array_equal(pair.translate(true["x"]), true["y"])
        assert same(pair.domain("y").take(80), {"x": batch["y"], "label": batch["label_y"]})
    edge = data.open("digits-edge", n=80).pairs(np.arange(80))
    assert (edge["y"][edge["x"] == 1] == -1).all() and edge["y"].max() > 0.9
    outline = data.open("shapes-outline", n=300)
    found = data.read_factors(outline.pairs(np.arange(300))["y"], outline=True)
    np.testing.assert_array_equal(found["shape"], outline.pairs(np.arange(300))["label"])


def test_drawing_is_quick(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path))
    data.open("digits", n=1)
    start = time.process_time()
    data.open("digits", n=2000)
    assert time.process_time() - start < 3  # 0.2 s where this was written


# -- the cache -----------------------------------------------------------------------------------


def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path))
    fresh = data.open("digits", n=20).take(20)
    (path,) = tmp_path.iterdir()
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for trial in range(30):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 + int(rng.integers(255))
        path.write_bytes(damaged if trial % 2 else content[: rng.integers(len(content))])
        assert same(data.open("digits", n=20).take(20), fresh)
        assert path.read_bytes() == content  # and is whole again
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path))
    made = []
    for _ in range(2):
        out = cache.cached("x", lambda: made.append(1) or {"a": np.arange(3)})
        assert out["a"].tolist() == [0, 1, 2]
    assert made == [1]


def test_an_unwritable_cache_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path / "file" / "cache"))
    assert len(data.open("digits", n=5)) == 5

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr(cache.write_atomically.__globals__["os"], "fsync", full)
    assert len(data.open("digits", n=5)) == 5 and list((tmp_path / "full").iterdir()) == []


# -- the loader ----------------------------------------------------------------------------------


class Slow(data.ArrayDataset):
    """Numbers that take a varying time to read, so that threads finish out of order."""

    def batch(self, indices):
        time.sleep(0.004 * (int(indices[0]) % 3))
        return super().batch(indices)


def numbers(n=50, lazy=True):
    return Slow("numbers", np.arange(n, dtype=np.float32)[:, None], lazy=lazy)


def deliver(loader, count):
    return [loader.next()["x"].ravel().astype(int).tolist() for _ in range(count)]


@pytest.mark.parametrize("drop_last", [True, False])
def test_an_epoch_gives_every_item_once(drop_last):
    loader = data.Loader(numbers(), 8, drop_last=drop_last)
    batches = deliver(loader, loader.batches_per_epoch)
    items = [item for batch in batches for item in batch]
    assert len(set(items)) == len(items) == (48 if drop_last else 50) and items != sorted(items)
    assert (loader.epoch, loader.position) == (1, 0)
    assert deliver(loader, loader.batches_per_epoch) != batches
    assert deliver(data.Loader(numbers(), 8, shuffle=False), 2)[1] == list(range(8, 16))


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_resume_is_exact_at_every_position_whatever_was_read_ahead(prefetch):
    tg.manual_seed(3)
    loader, states, expected = data.Loader(numbers(), 7, prefetch=prefetch), [], []
    for _ in range(23):  # over three epochs
        states.append(json.loads(json.dumps(loader.state())))
        expected += deliver(loader, 1)
    loader.close()
    for at in range(0, 23, 2):
        tg.manual_seed(99)  # nothing of the first run is left but the state
        fresh = data.Loader(numbers(), 7, prefetch=2)
        fresh.next()
        fresh.restore(states[at])
        assert fresh.state() == states[at]
        assert deliver(fresh, min(3, 23 - at)) == expected[at : at + 3]
        fresh.close()


def test_threads_change_neither_the_order_nor_any_random_stream():
    runs = []
    for prefetch in (0, 3):
        tg.manual_seed(5)
        with data.Loader(numbers(), 8, prefetch=prefetch) as loader:
            runs.append((deliver(loader, 13), tg.random_state()))
    assert runs[0] == runs[1]


def test_the_order_comes_from_the_stream_of_the_data():
    orders = []
    for seed in (1, 1, 2):
        tg.manual_seed(seed)
        tg.stream("noise").normal((seed,))
        orders.append(deliver(data.Loader(numbers(), 8), 2))
    assert orders[0] == orders[1] != orders[2]
    streams = [deliver(data.Loader(numbers(), 8, generator=tg.Stream(seed=9)), 2) for _ in range(2)]
    assert streams[0] == streams[1]


def test_a_loader_gives_the_rest_of_its_epoch():
    loader = data.Loader(numbers(), 8, drop_last=False)
    assert len(loader) == len(list(loader.rest_of_epoch())) and loader.epoch == 1
    loader.next()
    rest = list(loader.rest_of_epoch())
    assert len(rest) == len(loader) - 1 and (loader.epoch, loader.position) == (2, 0)


def test_a_closed_loader_goes_on_where_it_was():
    loader = data.Loader(numbers(), 8, generator=tg.Stream(seed=1))
    whole = deliver(data.Loader(numbers(), 8, generator=tg.Stream(seed=1), prefetch=0), 6)
    first = deliver(loader, 3)
    loader.close()
    assert first + deliver(loader, 3) == whole
    loader.close()


def test_mistakes_with_the_loader_are_explained():
    with pytest.raises(DataError, match="numbers has 5 items, fewer than one batch of 8; use a sm"):
        data.Loader(numbers(5), 8)
    assert len(data.Loader(numbers(5), 8, drop_last=False).next()["x"]) == 5
    with pytest.raises(DataError, match="batch_size must be at least 1, got 0"):
        data.Loader(numbers(), 0)
    saved = data.Loader(numbers(), 8).state()
    with pytest.raises(DataError, match="of 50 items, but numbers has 40; resume with the data"):
        data.Loader(numbers(40), 8).restore(saved)


def test_bookkeeping_costs_next_to_nothing():
    loader = data.Loader(data.open("digits", n=2000), 64)
    loader.next()
    times = []
    for _ in range(60):
        start = time.thread_time()
        loader.next()
        times.append(time.thread_time() - start)
    assert np.median(times) < 0.9e-3  # 3% of a step of 30 ms; 0.1 ms where this was written


# -- files: IDX and CIFAR ------------------------------------------------------------------------


def idx_bytes(array):
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


@pytest.fixture
def mnist(tmp_path):
    """A small MNIST: training images plain, test images gzipped."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (50, 28, 28), dtype=np.uint8)
    y = np.arange(50, dtype=np.uint8) % 10
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(x[:40]))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(y[:40]))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(x[40:])))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(y[40:])))
    return folder, x, y


def test_mnist_from_a_folder_or_a_file(mnist):
    folder, x, y = mnist
    file = folder / "train-images-idx3-ubyte"
    for path in (folder, file, folder.parent):
        train, test = data.open(path), data.open(str(path), "test")
        assert (len(train), len(test), train.shape, train.classes) == (40, 10, (1, 28, 28), 10)
        batch = train.batch(np.array([3, 1]))
        np.testing.assert_allclose(batch["x"][:, 0], x[[3, 1]] / 127.5 - 1, atol=1e-6)
        np.testing.assert_array_equal(test.take(10)["label"], y[40:])
    assert data.open(folder, size=32).take(2)["x"].shape == (2, 1, 32, 32)
    assert len(data.open(folder, n=7)) == 7


def test_one_idx_file_is_divided(mnist):
    folder, x, _ = mnist
    for file in folder.glob("t10k*"):
        file.unlink()
    train, test = data.open(folder), data.open(folder, "test")
    assert (len(train), len(test)) == (36, 4)
    rows = {row.tobytes() for d in (train, test) for row in d.take(99)["x"]}
    assert len(rows) == 40
    for file in folder.glob("*labels*"):
        file.unlink()
    assert data.open(folder).classes is None and "label" not in data.open(folder).take(2)
    odd = folder.parent / "odd"
    odd.mkdir()
    (odd / "anything").write_bytes(idx_bytes(x))
    assert len(data.open(odd / "anything")) == 45


def break_file(path, change):
    content = path.read_bytes()
    path.write_bytes(change(content))


TRAIN, LABELS, TEST = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte.gz",
)  # fmt: skip
NONE = idx_bytes(np.zeros((0, 28, 28), np.uint8))
BAD_IDX = [
    (
        TRAIN,
        lambda c: c[:1000],
        "is too short: .* needs 31,360 bytes after the header, there are 984",
    ),
    (
        TRAIN,
        lambda c: c + b"x",
        "is too long: .* needs 31,360 bytes .*, there are 31,361 or more; c",
    ),
    (TEST, lambda c: gzip.compress(gzip.decompress(c) + bytes(9)), "is too long: .* 7,841 or more"),
    (TEST, lambda c: gzip.compress(gzip.decompress(c)[:-9]), "is too short: .* are 7,831"),
    (TRAIN, lambda c: c[:9], "ends within its header, after 9 bytes"),
    (TRAIN, lambda c: b"", "begins with nothing, but an IDX file of images"),
    (TRAIN, lambda c: b"\0\0\x0d\x03" + c[4:], "begins with 00 00 0d 03, but an IDX"),
    (TRAIN, lambda c: NONE, "holds no items"),
    (LABELS, lambda c: idx_bytes(np.zeros(7, np.uint8)), "holds 7 labels, but .* 40 images"),
    (LABELS, lambda c: c[:20], "is too short"),
    (TEST, lambda c: c[:500], "the gzip file is truncated"),
    (TEST, lambda c: c[:100] + b"abc" + c[103:], "the gzip file is damaged"),
]


@pytest.mark.parametrize(("name", "change", "message"), BAD_IDX)
def test_bad_idx_files_are_named(mnist, name, change, message):
    folder = mnist[0]
    break_file(folder / name, change)
    with pytest.raises(DataError, match=f"{re.escape(name)}: {message}"):
        data.open(folder, "test" if name.startswith("t10k") else "train")


def test_every_truncation_of_a_gzipped_file_is_refused(mnist):
    path = mnist[0] / "t10k-images-idx3-ubyte.gz"
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        for place in (path, mnist[0]):
            with pytest.raises(DataError, match="t10k-images"):
                data.open(place, "test")


def cifar_bytes(n, rng):
    records = rng.integers(0, 256, (n, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    return records


def test_cifar_from_a_folder_or_a_file(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    parts = [cifar_bytes(12, rng) for _ in range(3)]
    for name, part in zip(("data_batch_1", "data_batch_2", "test_batch"), parts):
        (folder / f"{name}.bin").write_bytes(part.tobytes())
    for place in (folder, tmp_path):
        train, test = data.open(place), data.open(place, "test")
        assert (len(train), len(test), train.shape, train.classes) == (24, 12, (3, 32, 32), 10)
        x = train.batch([13])
        np.testing.assert_allclose(x["x"].ravel(), parts[1][1, 1:] / 127.5 - 1, atol=1e-6)
        assert x["label"] == parts[1][1, 0] and train.class_names[3] == "cat"
    assert len(data.open(folder / "data_batch_1.bin")) == 12
    (folder / "data_batch_1.bin").write_bytes(parts[0].tobytes()[:-5])
    with pytest.raises(DataError, match=r"data_batch_1\.bin: has 36,871 bytes, .* records of 3073"):
        data.open(folder)
    (folder / "data_batch_1.bin").write_bytes(b"\xff" * 3073)
    with pytest.raises(DataError, match="holds a class 255, but CIFAR-10 has 0…9"):
        data.open(folder)


# -- files: arrays -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
def test_arrays_of_every_layout(tmp_path, kind):
    rng = np.random.default_rng(0)
    bytes_ = rng.integers(0, 256, (40, 3, 10, 10), dtype=np.uint8)
    wanted = bytes_[:, :, :, :].astype(np.float64) / 127.5 - 1
    layouts = {
        "nchw": bytes_, "nhwc": bytes_.transpose(0, 2, 3, 1), "unit": bytes_ / 255.0,
        "signed": wanted.astype(np.float32), "fortran": np.asfortranarray(bytes_),
    }  # fmt: skip
    for name, array in layouts.items():
        path = tmp_path / f"{name}.{'npy' if kind == 'npy' else 'npz'}"
        if kind == "npy":
            np.save(path, array)
        else:
            {"npz": np.savez, "compressed": np.savez_compressed}[kind](
                path, x=array, y=np.arange(40) % 4
            )
        train, test = data.open(path), data.open(path, "test")
        assert (len(train), len(test), train.shape) == (36, 4, (3, 10, 10))
        assert train.lazy == (kind != "compressed")  # mapped, not read
        rows = [data.dataset.held_out(40, split) for split in ("train", "test")]
        np.testing.assert_allclose(train.take(36)["x"], wanted[rows[0]], atol=1e-5)
        np.testing.assert_allclose(test.take(4)["x"], wanted[rows[1]], atol=1e-5)
        assert train.classes == (None if kind == "npy" else 4)


def test_other_arrays(tmp_path):
    np.save(tmp_path / "grey.npy", np.zeros((30, 12, 16), np.uint8))
    assert data.open(tmp_path / "grey.npy").shape == (1, 12, 16)
    assert data.open(tmp_path / "grey.npy", size=8).take(2)["x"].shape == (2, 1, 8, 8)
    np.save(tmp_path / "points.npy", 5 * np.ones((30, 2)))
    assert (data.open(tmp_path / "points.npy").take(3)["x"] == 5).all()
    np.savez(
        tmp_path / "keras.npz", x_train=np.zeros((6, 8, 8), np.uint8), y_train=np.arange(6),
        x_test=np.ones((3, 8, 8), np.uint8), y_test=np.arange(3),
    )  # fmt: skip
    test = data.open(tmp_path / "keras.npz", "test")
    assert len(test) == 3 and test.take(3)["label"].tolist() == [0, 1, 2]


def test_an_array_larger_than_what_is_read_stays_on_the_disk(tmp_path):
    path = tmp_path / "large.npy"
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (400_000, 3, 64, 64))  # 4.9 GB, sparse
    array[123_456] = 255
    del array
    large = data.open(path)
    import tracemalloc

    tracemalloc.start()
    loader = data.Loader(large, 16)
    for _ in range(3):
        assert loader.next()["x"].shape == (16, 3, 64, 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    loader.close()
    assert peak < 60e6
    row = np.searchsorted(data.dataset.held_out(400_000, "train"), 123_456)
    assert data.dataset.held_out(400_000, "train")[row] == 123_456
    assert (large.batch(np.array([row]))["x"] == 1).all()


BAD_ARRAYS = [
    (np.zeros((30, 5)), r"shape \(30, 5\) is neither images"),
    (np.zeros((30, 5, 8, 8), np.uint8), r"shape \(30, 5, 8, 8\) is neither .* 1 or 3 channels"),
    (np.zeros((30, 8, 8), np.int64), r"expected bytes \(uint8\) or floats, got int64"),
    (np.zeros((0, 8, 8), np.uint8), r"holds no items, its shape is \(0, 8, 8\)"),
    (np.array(3, np.uint8), r"shape \(\) is neither images"),
    (255 * np.ones((30, 8, 8)), r"must lie in \[0, 1\] or \[-1, 1\], these reach from 255 to 255"),
    (np.linspace(-1, 1.1, 30 * 64).reshape(30, 8, 8), "these reach from -1 to 1.1; divide them"),
    (np.full((30, 8, 8), np.nan), r"NaN or infinity in 27 of the items, number 0, 1, .*, …; mend"),
    (np.where(np.arange(60).reshape(30, 2) == 20, np.inf, 0), "in 1 of the items, number 10; mend"),
    (np.full((30, 2), 1e39), "NaN or infinity in 27 of"),  # float32 cannot hold it
    (np.array([None, 1] * 9), "Python objects, which are not loaded"),
]  # fmt: skip


@pytest.mark.parametrize(("array", "message"), BAD_ARRAYS)
def test_bad_arrays_are_explained(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=rf"a\.npy: .*{message}"):
        data.open(tmp_path / "a.npy")


def test_items_that_are_not_finite_are_left_out(tmp_path, monkeypatch):
    points = np.arange(120.0).reshape(60, 2)
    points[[3, 40], [0, 1]] = np.nan, np.inf
    pictures_ = np.linspace(0, 1, 60 * 64).reshape(60, 8, 8)
    pictures_[[3, 40], 5, 5] = np.nan
    np.save(tmp_path / "points.npy", points)
    np.save(tmp_path / "pictures.npy", pictures_)
    np.savez_compressed(tmp_path / "both.npz", x=points, y=np.arange(60))
    for name in ("points.npy", "pictures.npy", "both.npz"):
        for small in (2**28, 0):  # looked through at once, or as it is read
            monkeypatch.setattr(data.dataset, "_SMALL", small)
            skipped = 0
            for split in ("train", "test"):
                left = data.open(tmp_path / name, split, skip_damaged=True)
                rows = np.setdiff1d(data.dataset.held_out(60, split), [3, 40])
                batch = left.take(60)
                if name == "pictures.npy":
                    np.testing.assert_allclose(batch["x"][:, 0], pictures_[rows] * 2 - 1, atol=1e-6)
                else:
                    np.testing.assert_array_equal(batch["x"], points[rows])
                assert batch.get("label", rows).tolist() == rows.tolist()
                skipped += len(left.skipped)
                assert all("holds NaN or infinity" in line for line in left.skipped)
            assert skipped == 2
            with pytest.raises(DataError, match=f"{name}: NaN or infinity in . of the items"):
                for split in ("train", "test"):
                    data.open(tmp_path / name, split).take(60)
    monkeypatch.setattr(data.dataset, "_SMALL", 0)
    large = data.open(tmp_path / "points.npy")  # what is bad is noticed in the batch that has it
    where = int(np.flatnonzero(np.isin(large._rows, [3, 40]))[0])
    large.batch(np.array([where + 1]))
    with pytest.raises(DataError, match=f"in 1 of the items, number {large._rows[where]};"):
        large.batch(np.array([where, where + 1]))
    np.save(tmp_path / "points.npy", points[[3, 40]])
    with pytest.raises(DataError, match="all of its 2 items hold NaN"):
        data.open(tmp_path / "points.npy", skip_damaged=True)


def test_the_range_of_pictures_is_that_of_the_whole_file(tmp_path, monkeypatch):
    x = np.full((3000, 2, 2), 0.5)
    x[1002] = -0.5  # only one, and the splits must not differ
    np.save(tmp_path / "a.npy", x)
    for split in ("train", "test"):
        assert data.open(tmp_path / "a.npy", split).take(5)["x"].mean() == 0.5
    monkeypatch.setattr(data.dataset, "_SMALL", 0)
    large = data.open(tmp_path / "a.npy")
    assert large.take(5)["x"].mean() == 0  # believed to be in [0, 1], until it is not
    with pytest.raises(DataError, match=r"in \[0, 1\], as those did .* first; these begin at -0.5"):
        large.batch(np.searchsorted(large._rows, [1002]))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.eye(30, dtype=int),
            r"one for each item, not of shape \(30, 30\); of one-hot rows take",
        ),
        (np.array(3), r"one for each item, not of shape \(\)"),
        (np.full(30, 10**18), "from 0 to 999,999, these reach from 1000000000000000"),
        (np.full(30, 2**64 - 1, np.uint64), "these reach from 18446744073709551615"),
        (np.arange(30) - 1, "these reach from -1 to 28"),
        (np.zeros(30, bool), "they are bool"),
    ],
)
def test_labels_that_are_none(tmp_path, y, message):
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 8, 8), np.uint8), y=y)
    with pytest.raises(DataError, match=f"a.npz: labels must be whole numbers.*{message}"):
        data.open(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 8, 8), np.uint8), y=np.arange(30)[:, None])
    assert data.open(tmp_path / "a.npz").take(3)["label"].shape == (3,)


def test_damaged_records_are_left_out(tmp_path):
    records = cifar_bytes(40, np.random.default_rng(0))
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(records.tobytes())
    whole = {split: data.open(path, split) for split in ("train", "test")}
    records[[7, 11], 0] = 10, 255
    path.write_bytes(records.tobytes()[:-5])
    with pytest.raises(DataError, match=r"data_batch_1\.bin: has 122,915 bytes, which is no mult"):
        data.open(path)
    left = data.open(path, skip_damaged=True)
    assert left.skipped[0].endswith("something else")
    path.write_bytes(records.tobytes())
    with pytest.raises(
        DataError, match=r"holds a class 10, but CIFAR-10 has 0…9, in record 7 and 1"
    ):
        data.open(path)
    lines = []
    for split, before in whole.items():
        left = data.open(path, split, skip_damaged=True)
        kept = ~np.isin(before._rows, [7, 11])
        np.testing.assert_array_equal(left.take(40)["x"], before.take(40)["x"][kept])
        np.testing.assert_array_equal(left.take(40)["label"], before.take(40)["label"][kept])
        lines += left.skipped
    assert sorted(line.split(": ")[1] for line in lines) == [
        "record 11 is of no class", "record 7 is of no class",
    ]  # fmt: skip


def test_damaged_arrays_and_archives(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "b.npz", x=x)
    np.savez_compressed(tmp_path / "c.npz", x=x)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        for length in range(8, len(content), 211):
            path.write_bytes(content[:length])
            with pytest.raises(DataError, match=rf"{path.name}: is damaged or truncated"):
                data.open(path)
    np.savez_compressed(tmp_path / "g.npz", x=np.array([None, 1]))
    with pytest.raises(DataError, match=r"g\.npz: 'x': holds Python objects, which are not loaded"):
        data.open(tmp_path / "g.npz")
    np.savez(tmp_path / "d.npz", first=x, second=x)
    with pytest.raises(DataError, match=r"d\.npz: holds first, second; call the images 'x'"):
        data.open(tmp_path / "d.npz")
    np.savez(tmp_path / "e.npz", x=x, y=np.linspace(0, 1, 30))
    with pytest.raises(DataError, match="labels must be whole numbers from 0, they are float64"):
        data.open(tmp_path / "e.npz")
    np.savez(tmp_path / "f.npz", x=x, y=np.zeros(29, int))
    with pytest.raises(DataError, match="30 items, but 29 rows of 'label'"):
        data.open(tmp_path / "f.npz")


# -- files: pictures -----------------------------------------------------------------------------


def picture(path, size=(24, 20), mode="RGB", colour=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.name.encode()))  # every file another picture
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    image = image.convert(mode) if colour is None else Image.new(mode, size, colour)
    image.save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    for i, suffix in enumerate(["png", "jpg", "bmp", "webp", "tiff", "ppm", "gif", "PNG"] * 4):
        picture(tmp_path / "faces" / f"{i:02d}.{suffix}")
    (tmp_path / "faces" / "notes.txt").write_text("not a picture")
    (tmp_path / "faces" / ".hidden.png").write_text("not a picture")
    return tmp_path / "faces"


def test_a_folder_of_pictures(folder):
    train, test = data.open(folder), data.open(folder, "test")
    assert (len(train), len(test), train.shape, train.classes) == (29, 3, (3, 20, 24), None)
    x = train.take(5)["x"]
    assert x.dtype == np.float32 and -1 <= x.min() < x.max() <= 1
    small = data.open(folder, size=16, crop=18)
    assert small.take(3)["x"].shape == (3, 3, 16, 16) and small.lazy
    grey = data.open(folder, size=16, channels=1).take(3)["x"]
    assert grey.shape == (3, 1, 16, 16)


def test_pictures_are_decoded_exactly(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    for i in range(3):
        (tmp_path / "p").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "p" / f"{i}.png")
    x = data.open(tmp_path / "p").batch([1])["x"][0]
    np.testing.assert_allclose(x, pixels.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


def test_modes_transparency_and_orientation(tmp_path):
    clear = tmp_path / "clear"
    picture(clear / "a.png", mode="RGBA", colour=(255, 0, 0, 0))
    assert (data.open(clear).take(1)["x"] == 1).all()  # transparent: white
    for mode in ("L", "1", "LA", "I;16"):
        grey = tmp_path / mode.replace(";", "")
        picture(grey / "a.png", mode=mode, colour={"LA": (0, 255)}.get(mode, 0))
        assert data.open(grey).shape[0] == 1 and (data.open(grey).take(1)["x"] == -1).all()
        assert data.open(grey, channels=3).shape[0] == 3
    palette = tmp_path / "palette"
    picture(palette / "a.png", mode="P")
    assert data.open(palette).shape[0] == 3
    turned = tmp_path / "turned"
    turned.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    Image.new("RGB", (24, 20)).save(turned / "a.jpg", exif=exif)
    assert data.open(turned).shape == (3, 24, 20)


def test_folders_name_classes_and_splits(tmp_path):
    for kind in ("cat", "dog"):
        for i in range(3):
            picture(tmp_path / "a" / kind / f"{i}.png")
            picture(tmp_path / "b" / "train" / kind / f"{i}.png")
        picture(tmp_path / "b" / "val" / kind / "9.png")
        picture(tmp_path / "c" / "all" / f"{kind}.png")
    animals = data.open(tmp_path / "a")
    assert animals.class_names == ("cat", "dog")
    assert animals.take(6)["label"].tolist() == [0, 0, 0, 1, 1, 1]
    train, test = data.open(tmp_path / "b"), data.open(tmp_path / "b", "test")
    assert (len(train), len(test), test.classes) == (6, 2, 2)
    assert data.open(tmp_path / "c").classes is None


@pytest.fixture
def twelve(tmp_path):
    """Twelve pictures, of which a test may damage 05.png; fewer than twenty are not divided."""
    for i in range(12):
        picture(tmp_path / "twelve" / f"{i:02d}.png")
    return tmp_path / "twelve"


def damage(path, what):
    if what == "size":
        picture(path, (32, 32))
    elif what == "grey":
        picture(path, mode="L")
    else:
        path.write_bytes({
            "text": b"hello", "truncated": path.read_bytes()[:300], "empty": b"",
            "binary": b"\x01\x02\x03\x04" * 9,
        }[what])  # fmt: skip


BAD_PICTURES = [
    ("text", "is not a picture of a known format .*: it holds text"),
    ("truncated", "is a damaged picture"),
    ("empty", "is empty"),
    ("binary", "is not a picture .* it begins with 01 02 03 04"),
    ("size", "is 32×32 in colour.* 24×20 in colour"),
    ("grey", "is 24×20 grey.* 24×20 in colour"),
]


@pytest.mark.parametrize("name", ["00.png", "05.png", "11.png"])
@pytest.mark.parametrize(("what", "message"), BAD_PICTURES)
def test_damaged_pictures_are_named_or_left_out_and_counted(twelve, name, what, message):
    whole = data.open(twelve).take(12)["x"]
    damage(twelve / name, what)
    if (name, what) in (("00.png", "size"), ("00.png", "grey")):  # then the second is odd
        name, message = "01.png", "but 00.png is"
    with pytest.raises(DataError, match=rf"{name}: .*{message}"):
        data.open(twelve).take(12)
    left = data.open(twelve, skip_damaged=True)
    (line,) = left.skipped
    assert len(left) == 11 and "11 of (3, 20, 24), 1 damaged left out>" in repr(left)
    if name != "01.png":
        assert re.search(rf"{name}: {message}", line)
    kept = [i for i in range(12) if f"{i:02d}.png:" not in line]
    np.testing.assert_array_equal(left.take(11)["x"], whole[kept])


def test_what_to_do_about_pictures_that_differ_is_said(twelve):
    damage(twelve / "05.png", "size")
    with pytest.raises(
        DataError, match=r"say size=64 or so \(--size\) to crop and resize all, or skip"
    ):
        data.open(twelve)
    assert data.open(twelve, size=16).shape == (3, 16, 16)
    damage(twelve / "05.png", "grey")
    with pytest.raises(DataError, match=r"channels=1 \(--channels\) to make all alike, or skip_"):
        data.open(twelve)
    for channels in (1, 3):
        alike = data.open(twelve, channels=channels)
        assert alike.take(12)["x"].shape == (12, channels, 20, 24) and not alike.skipped


def test_labels_and_splits_stay_as_they_were_where_pictures_are_left_out(tmp_path):
    for i in range(60):
        picture(tmp_path / "pets" / ("cat", "dog", "emu")[i % 3] / f"{i:02d}.png")
    whole = {split: data.open(tmp_path / "pets", split) for split in ("train", "test")}
    for i in (4, 7, 8, 30, 31):
        damage(tmp_path / "pets" / ("cat", "dog", "emu")[i % 3] / f"{i:02d}.png", "truncated")
    skipped = 0
    for split, before in whole.items():
        after = data.open(tmp_path / "pets", split, skip_damaged=True)
        kept = [
            i for i, file in enumerate(before.files)
            if not any(str(file) in line for line in after.skipped)
        ]  # fmt: skip
        assert after.class_names == before.class_names == ("cat", "dog", "emu")
        assert [after.files[i] for i in range(len(after))] == [before.files[i] for i in kept]
        np.testing.assert_array_equal(after._labels, before._labels[kept])
        skipped += len(after.skipped)
    assert skipped == 5


def test_a_class_that_a_split_lacks_does_not_renumber_the_others(tmp_path):
    for kind in ("a", "b", "c"):
        picture(tmp_path / "p" / "train" / kind / "0.png")
    picture(tmp_path / "p" / "test" / "c" / "1.png")
    test = data.open(tmp_path / "p", "test")
    assert test.class_names == ("a", "b", "c") and test.take(1)["label"].tolist() == [2]


def test_leaving_out_depends_neither_on_threads_nor_on_a_resume(twelve):
    for name in ("03.png", "04.png", "11.png"):
        damage(twelve / name, "text")
    runs, threads = [], get_num_threads()
    for count in (1, 3):
        set_num_threads(count)
        loader = data.Loader(
            data.open(twelve, skip_damaged=True), 3, generator=tg.Stream(seed=4), prefetch=count - 1
        )
        with loader:
            runs.append([loader.next()["x"].tobytes() for _ in range(12)])
            if count == 1:
                saved = {**loader.state(), "position": 0, "epoch": 2}
    set_num_threads(threads)
    assert runs[0] == runs[1]
    with data.Loader(data.open(twelve, skip_damaged=True), 3) as loader:
        loader.restore(saved)
        assert [loader.next()["x"].tobytes() for _ in range(6)] == runs[0][6:]
    damage(twelve / "05.png", "text")
    with pytest.raises(DataError, match="of 9 items, but twelve has 8; resume with the data"):
        data.Loader(data.open(twelve, skip_damaged=True), 3).restore(saved)


def test_links_are_followed_once(tmp_path):
    for name in ("a/0.png", "a/1.png", "b/2.png"):
        picture(tmp_path / "p" / name)
    picture(tmp_path / "elsewhere" / "3.png")
    whole = data.open(tmp_path / "p")
    (tmp_path / "p" / "a" / "self").symlink_to(tmp_path / "p", target_is_directory=True)
    (tmp_path / "p" / "a" / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / "p" / "Alias").symlink_to(tmp_path / "p" / "b", target_is_directory=True)
    looped = data.open(tmp_path / "p")
    assert looped.files == whole.files and looped.class_names == ("a", "b")
    (tmp_path / "p" / "c").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "p" / "d").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    linked = data.open(tmp_path / "p")
    assert len(linked) == 4 and linked.class_names == ("a", "b", "c")


def test_names_that_are_not_utf8_are_read_and_can_be_printed(tmp_path):
    home = os.fsencode(tmp_path) + b"/caf\xe9"
    for kind in (b"chat", b"\xe2ne"):
        os.makedirs(os.path.join(home, kind))
        for i in range(2):
            os.rename(picture(tmp_path / "one.png"), os.path.join(home, kind, b"%d.png" % i))
    found = data.open(os.fsdecode(home))
    assert len(found) == 4 and found.take(4)["label"].tolist() == [0, 0, 1, 1]
    texts = [found.name, *found.class_names, repr(found)]
    with open(os.path.join(home, b"chat", b"0.png"), "wb"):
        pass
    with pytest.raises(DataError, match=r"0\.png: is empty") as caught:
        data.open(os.fsdecode(home)).take(4)
    texts += [str(caught.value), *data.open(os.fsdecode(home), skip_damaged=True).skipped]
    assert len(texts) == 6 and all(text.encode() for text in texts) and "caf\\udce9" in texts[0]


def test_a_bad_file_far_down_is_found_when_it_is_read(folder):
    opened = data.open(folder)
    next(folder.glob("14.*")).write_text("hello")
    with pytest.raises(DataError, match=r"14\.gif: is not a picture"):
        opened.batch(np.arange(len(opened)))


def test_folders_with_nothing_to_see(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="empty: holds no data: it is empty; expected a folder"):
        data.open(empty)
    (empty / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds no data: found notes\.txt; expected"):
        data.open(empty)
    np.save(empty / "a.npy", np.zeros((30, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"is a folder; give the file itself, as .*a\.npy"):
        data.open(empty)
    pickles = tmp_path / "pickles"
    pickles.mkdir()
    (pickles / "data_batch_1").write_bytes(b"\x80\x04")
    with pytest.raises(DataError, match="Python version, pickles, which are never loaded"):
        data.open(pickles)
    bad = tmp_path / "bad"
    bad.mkdir()
    for i in range(3):
        (bad / f"{i}.png").write_text("text")
    with pytest.raises(DataError, match=r"bad: none of 3 pictures can be read; .*holds text"):
        data.open(bad, skip_damaged=True)
    half = tmp_path / "half"
    picture(half / "train" / "a.png")
    (half / "test").mkdir()
    with pytest.raises(DataError, match=r"test: holds no pictures; looked for \.png"):
        data.open(half, "test")


def test_bad_requests_are_explained(tmp_path):
    one = picture(tmp_path / "one.png")
    (tmp_path / "x.txt").write_text("hello there")
    (tmp_path / "none").write_bytes(b"")
    (tmp_path / "labels").write_bytes(idx_bytes(np.zeros(9, np.uint8)))
    cases = [
        (("digit",), {}, "digit: no data set has this name, .* did you mean 'digits'"),
        (("no/such/place",), {}, "there is no such file or folder; names: ring, grid"),
        (("mnist",), {}, r"mnist: is not here yet.*d.download\('mnist'\).*train-images-idx3"),
        (("digits", "valid"), {}, "split must be one of train, test; got 'valid'"),
        (("digits", "heldout"), {}, "split must be one of train, test; got 'heldout'"),
        (("digits",), {"size": 3}, "size must be a whole number of at least 8, got 3"),
        (("digits",), {"n": 0}, "n must be at least 1, got 0"),
        (("digits",), {"channels": 3}, "'channels' is for files, but digits is drawn"),
        (("digits",), {"skip_damaged": True}, "'skip_damaged' is for files, but digits is drawn"),
        ((one,), {}, r"one\.png: is a single picture; give the folder with many of them"),
        ((tmp_path / "x.txt",), {}, "is of no known kind, it begins with 68 65 6c 6c"),
        ((tmp_path / "none",), {}, "none: is empty"),
        ((tmp_path / "labels",), {}, "is an IDX file, but not of images"),
        ((tmp_path,), {"channels": 2}, r"channels must be 1 \(grey\) or 3"),
        ((tmp_path,), {"crop": 9}, "crop=9 needs size as well"),
        ((tmp_path,), {"size": 8, "crop": 99}, "is 24×20, too small to crop 99×99 out of it"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(DataError, match=message):
            data.open(*arguments, **options)


def test_channels_of_every_kind_of_file(tmp_path, mnist):
    grey = data.open(mnist[0], channels=3).take(5)["x"]
    assert data.open(mnist[0], channels=3).shape == (3, 28, 28) == grey.shape[1:]
    np.testing.assert_array_equal(grey[:, 0], data.open(mnist[0]).take(5)["x"][:, 0])
    np.testing.assert_array_equal(grey[:, 0], grey[:, 2])
    colours = cifar_bytes(4, np.random.default_rng(0))
    (tmp_path / "data_batch_1.bin").write_bytes(colours.tobytes())
    rgb = colours[:, 1:].reshape(4, 3, 32, 32)
    np.save(tmp_path / "a.npy", rgb)
    np.savez(tmp_path / "b.npz", x=rgb / 255.0)
    (tmp_path / "f").mkdir()
    for i, one in enumerate(rgb):
        Image.fromarray(one.transpose(1, 2, 0)).save(tmp_path / "f" / f"{i}.png")
    for name in ("data_batch_1.bin", "a.npy", "b.npz", "f"):
        one = data.open(tmp_path / name, channels=1)
        expected = np.stack([Image.fromarray(p.transpose(1, 2, 0)).convert("L") for p in rgb])
        assert one.shape == (1, 32, 32)
        np.testing.assert_allclose(
            one.take(4)["x"][:, 0], expected / 127.5 - 1, atol=0.6 / 127.5, err_msg=name
        )
        assert data.open(tmp_path / name, size=16, channels=1).shape == (1, 16, 16)
    np.save(tmp_path / "points.npy", np.zeros((9, 2)))
    with pytest.raises(DataError, match=r"channels=3 is for pictures .* the shape \(9, 2\)"):
        data.open(tmp_path / "points.npy", channels=3)


# -- resizing and downloading --------------------------------------------------------------------


def test_resize_keeps_constants_and_means():
    x = np.random.default_rng(0).normal(size=(2, 3, 12, 12)).astype(np.float32)
    np.testing.assert_allclose(resize(np.full((1, 1, 7, 5), 0.5, np.float32), 32), 0.5, atol=1e-6)
    np.testing.assert_allclose(resize(x, 6).mean(), x.mean(), atol=0.02)
    assert resize(x, 12) is x and resize(x, 6).dtype == np.float32
    board = np.indices((24, 24)).sum(0) % 2 * 2.0 - 1  # finer than the new pixels: greys out
    assert abs(resize(board[None, None], 7)).max() < 0.1
    ramp = np.tile(np.arange(8.0), (1, 1, 8, 1))
    np.testing.assert_allclose(np.diff(resize(ramp, 16)[0, 0, 0, 1:-1]), 0.5, atol=1e-6)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this machine that can cut off, ignore ranges, and count requests."""
    files, behaviour, requests = {}, {"cut": None, "ranges": True}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = files.get(self.path.lstrip("/"))
            start, wanted = 0, self.headers.get("Range")
            requests.append((self.path, wanted))
            if content is None:
                return self.send_error(404)
            if wanted and behaviour["ranges"]:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut, behaviour["cut"] = behaviour["cut"], None
            self.wfile.write(content[start : cut or len(content)])

        def log_message(self, *args):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{running.server_port}/"

    def offer(name, **contents):
        files.update(contents)
        sums = {f: hashlib.md5(c).hexdigest() for f, c in contents.items()}
        monkeypatch.setitem(web.SOURCES, name, (address, sums))

    yield offer, files, behaviour, requests
    running.shutdown()
    running.server_close()


def test_download_checks_continues_and_opens(server, mnist, tmp_path):
    offer, _, behaviour, requests = server
    offer("mnist", **{p.name: p.read_bytes() for p in mnist[0].iterdir()})
    behaviour["cut"] = 30
    target = tmp_path / "fetched"
    with pytest.raises(
        DataError, match=r"cut off after 30 of .* call download again to continue; wi"
    ):
        data.download("mnist", target, log=lambda line: None)
    data.download("mnist", target, log=lambda line: None)
    assert any(wanted == "bytes=30-" for _, wanted in requests)
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {
        p.name: p.read_bytes() for p in mnist[0].iterdir()
    }
    assert len(data.open(target)) == 40
    before = len(requests)
    data.download("mnist", target, log=lambda line: None)
    assert len(requests) == before  # all there: nothing is fetched


def test_download_without_ranges_and_into_the_usual_place(server, tmp_path, monkeypatch):
    offer, _, behaviour, _ = server
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path / "cache"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("data_batch_1.bin", "test_batch.bin"):
            content = cifar_bytes(5, np.random.default_rng(0)).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    offer("cifar10", **{"cifar-10-binary.tar.gz": buffer.getvalue()})
    behaviour.update(cut=50, ranges=False)
    with pytest.raises(DataError, match="cut off after 50"):
        data.download("cifar10", log=lambda line: None)
    data.download("cifar10", log=lambda line: None)
    assert len(data.open("cifar10")) == 5


def test_a_bad_download_is_thrown_away(server, tmp_path):
    offer, files, _, _ = server
    offer("mnist", **{"train-images-idx3-ubyte.gz": b"right"})
    files["train-images-idx3-ubyte.gz"] = b"wrong"
    with pytest.raises(
        DataError, match=r"has the checksum .* and was thrown away; try again; witho"
    ):
        data.download("mnist", tmp_path / "x", log=lambda line: None)
    assert list((tmp_path / "x").iterdir()) == []
    files.clear()
    with pytest.raises(DataError, match=r"could not download .*Not Found.*put train-images-idx3"):
        data.download("mnist", tmp_path / "x", log=lambda line: None)
    with pytest.raises(DataError, match="unknown data set 'minst'; known: mnist, fashion-mnist"):
        data.download("minst")
