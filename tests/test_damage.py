"""Damaged, crafted and oversized files: the exact content, or one error that names the file.

Every kind of file that is read has a row in `KINDS`. Bits are flipped, bytes replaced, files cut
and lengthened. Where a format has a check (a checksum, a length), what loads must be what was
saved. Where it has none, such as the pixels of raw IDX, nobody can notice a changed byte, and
`unchecked` says where.
"""

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinygan as tg
from tinygan import data, io
from tinygan.data import DataError
from tinygan.train import checkpoint

HOME = Path(__file__).parent.parent
N = 6  # items of each file


def idx_bytes(array):
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def rng():
    return np.random.default_rng(0)


def pixels(*shape):
    """Smooth pictures: what compresses well has long runs that one bit can change."""
    ramp = np.arange(np.prod(shape)).reshape(shape) // 3 % 256
    return ramp.astype(np.uint8)


def make_idx(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(pixels(N, 4, 5)))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(N, dtype=np.uint8)))
    return folder / "train-images-idx3-ubyte"


def make_idx_labels(folder):
    return make_idx(folder).with_name("train-labels-idx1-ubyte")


def make_idx_gz(folder):
    images = make_idx(folder)
    images.unlink()
    packed = images.with_name(images.name + ".gz")
    packed.write_bytes(gzip.compress(idx_bytes(pixels(N, 4, 5)), mtime=0))
    return packed


def make_cifar(folder):
    records = rng().integers(0, 256, (2, 3073), dtype=np.uint8)
    records[:, 0] = 3, 7
    (folder / "data_batch_1.bin").write_bytes(records.tobytes())
    return folder / "data_batch_1.bin"


def make_npy(folder):
    np.save(folder / "a.npy", np.linspace(0, 1, N * 20, dtype=np.float32).reshape(N, 4, 5))
    return folder / "a.npy"


def make_npz(folder):
    np.savez(folder / "a.npz", x=pixels(N, 4, 5), y=np.arange(N), more=np.ones(3))
    return folder / "a.npz"


def make_npz_compressed(folder):
    np.savez_compressed(folder / "a.npz", x=pixels(N, 4, 5), y=np.arange(N), more=np.ones(3))
    return folder / "a.npz"


def picture(suffix):
    def make(folder):
        for i in range(2):
            Image.fromarray(pixels(12, 12, 3) + np.uint8(i)).save(folder / f"{i}.{suffix}")
        return folder / f"1.{suffix}"

    return make


def make_weights(folder):
    tensors = {"weight": tg.Tensor(pixels(3, 4)), "bias": tg.Tensor(np.ones(3, np.float32))}
    io.save({"net": tensors, "steps": 7}, folder / "w.safetensors")
    return folder / "w.safetensors"


def make_checkpoint(folder):
    state = {part: kind() for part, kind in checkpoint._PARTS.items()}
    state |= {"step": 5, "system": {"net": {"weight": tg.randn(3, 4), "bias": tg.ones(3)}}}
    state |= {"options": {"lr": 0.1}, "random": {"key": [1, 2**60]}}
    notes = {"format": checkpoint.FORMAT, "checksum": str(checkpoint.checksum(state))}
    io.save(state, folder / "step-0000005.safetensors", notes)
    return folder / "step-0000005.safetensors"


def items(path):
    """All that a data set delivers."""
    found = data.open(path if path.suffix.startswith(".np") else path.parent)
    return {"shape": found.shape, "classes": found.classes, **found.take(99)}


def is_same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


@dataclass
class Kind:
    """How such a file is made and read, and the bytes for which its format has no check."""

    make: callable
    read: callable = items
    unchecked: callable = lambda content: range(0)
    error: type = DataError


def after(start):
    return lambda content: range(start, len(content))


def numbers_of_npy(content):
    """The numbers, and in the header what says how to read them: the byte order."""
    order = content.index(b"'descr': '") + 10
    return [order, *range(content.index(b"\n") + 1, len(content))]


def all_but_places(content):
    """Names, types and numbers: only shapes and places check each other."""
    (length,) = struct.unpack("<Q", content[:8])
    places = re.finditer(rb'"shape":\[[^]]*\],"data_offsets":\[[^]]*\]', content[: 8 + length])
    checked = {*range(8), *(i for place in places for i in range(*place.span()))}
    return [i for i in range(len(content)) if i not in checked]


def flat(path):
    def walk(name, value):
        if isinstance(value, dict):
            return {k: v for key in value for k, v in walk(f"{name}.{key}", value[key]).items()}
        return {name: value.numpy() if isinstance(value, tg.Tensor) else value}

    return walk("", io.load(path))


def state(path):
    return {"checksum": checkpoint.checksum(checkpoint.read(path))}


def whole(content):
    return range(len(content))


KINDS = {
    "idx": Kind(make_idx, unchecked=after(16)),
    "idx labels": Kind(make_idx_labels, unchecked=after(8)),
    "idx.gz": Kind(make_idx_gz),
    "cifar": Kind(make_cifar, unchecked=whole),
    "npy": Kind(make_npy, unchecked=numbers_of_npy),
    "npz": Kind(make_npz),
    "npz compressed": Kind(make_npz_compressed),
    "png": Kind(picture("png")),
    **{f: Kind(picture(f), unchecked=whole) for f in ("jpg", "gif", "bmp", "webp", "tiff", "ppm")},
    "weights": Kind(make_weights, flat, all_but_places, io.FileError),
    "checkpoint": Kind(make_checkpoint, state, error=io.FileError),
}


def outcome(kind, path, original, unchecked=False):
    """What becomes of a file; anything but our own error that names it comes through."""
    try:
        found = kind.read(path)
    except kind.error as error:
        assert re.search(rf"{re.escape(path.name)}: .{{8}}", str(error)), error
        return "refused"
    if is_same(found, original):
        return "whole"
    assert unchecked, "other numbers, in silence"
    return "other numbers"


def flips(content, every):
    """(position, changed content): every bit, one of each byte in long files, or one bit of every
    so many bytes.
    """
    chance = rng()
    for i in range(0, len(content), every or 1):
        for bit in range(8) if every is None and len(content) < 2000 else [chance.integers(8)]:
            changed = bytearray(content)
            changed[i] ^= 1 << int(bit)
            yield i, bytes(changed)
        if every is None:
            for value in {0, 255, int(chance.integers(256))} - {content[i]}:
                yield i, content[:i] + bytes([value]) + content[i + 1 :]


QUICK = 150  # bytes of a file in which a bit is flipped, in the quick version


@pytest.mark.parametrize("all_of_them", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", KINDS)
def test_flipped_bits_are_noticed(tmp_path, name, all_of_them):
    kind = KINDS[name]
    path = kind.make(tmp_path)
    content, original = path.read_bytes(), kind.read(path)
    unchecked, seen = set(kind.unchecked(content)), Counter()
    for i, changed in flips(content, None if all_of_them else len(content) // QUICK + 1):
        path.write_bytes(changed)
        seen[outcome(kind, path, original, i in unchecked)] += 1
    assert seen["refused"] > 0
    assert bool(seen["other numbers"]) == bool(unchecked)  # nothing is called so without need


@pytest.mark.parametrize("all_of_them", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", KINDS)
def test_files_too_short_or_too_long_are_noticed(tmp_path, name, all_of_them):
    kind = KINDS[name]
    path = kind.make(tmp_path)
    content, original = path.read_bytes(), kind.read(path)
    lengths = range(0, len(content), 1 if all_of_them else len(content) // 30 + 1)
    for length in [*lengths, len(content) - 1]:
        path.write_bytes(content[:length])
        fewer = name == "cifar" and length % 3073 == 0  # no header says how many records there are
        loose = fewer or name in ("gif", "webp", "jpg", "ppm")
        found = outcome(kind, path, original, unchecked=loose)
        ends_early = ("png", "jpg", "gif", "webp", "tiff")  # what is missing is not of the picture
        assert found == "refused" or (fewer and length) or name in ends_early, length
    for more in (b"\0", b"x" * 99, content):
        path.write_bytes(content + more)
        outcome(kind, path, original, unchecked=name == "cifar" and len(more) % 3073 == 0)


def replaced(content, old, new):
    at = content.rindex(old)
    return content[:at] + new + content[at + len(old) :]


def comment(content):
    """A comment of the first name in the list of a zip, as long as what follows in the list."""
    at = content.index(b"PK\1\2")
    rest = content.index(b"PK\5\6") - content.index(b"PK\1\2", at + 4)
    return content[: at + 32] + struct.pack("<H", rest) + content[at + 34 :]


SLIPS = {
    "fewer rows than numbers": ("npy", lambda c: replaced(c, b"(6, 4, 5)", b"(4, 4, 5)")),
    "more rows than numbers": ("npy", lambda c: replaced(c, b"(6, 4, 5)", b"(7, 4, 5)")),
    "wider numbers": ("npy", lambda c: replaced(c, b"<f4", b"<f8")),
    "no shape": ("npy", lambda c: replaced(c, b"(6, 4, 5)", b"(-6,-4,5)")),
    "a header that is no dict": ("npy", lambda c: replaced(c, b"{'descr'", b"('descr'")),
    "a header that is not Python": ("npy", lambda c: replaced(c, b", }", b", '")),
    "more than one array": ("npy", lambda c: c + c),
    "a comment that hides labels": ("npz", comment),
    "a name twice": ("npz", lambda c: c.replace(b"y.npy", b"x.npy")),
    "a name that differs from its own": ("npz", lambda c: replaced(c, b"y.npy", b"z.npy")),
    "fewer images than bytes": ("idx", lambda c: replaced(c, b"\0\0\0\6", b"\0\0\0\4")),
    "other bytes than bytes": ("idx", lambda c: replaced(c, b"\0\0\x08", b"\0\0\x09")),
}


@pytest.mark.parametrize("name", SLIPS)
def test_slips_that_load_other_numbers_elsewhere_are_refused(tmp_path, name):
    kind, slip = SLIPS[name]
    path = KINDS[kind].make(tmp_path)
    path.write_bytes(slip(path.read_bytes()))
    with pytest.raises(DataError, match=rf"{path.name}: "):
        KINDS[kind].read(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_byte_anywhere_in_a_long_member_is_noticed(tmp_path, save):
    path, chance = tmp_path / "a.npz", rng()
    save(path, x=chance.integers(0, 256, (N, 100, 100), dtype=np.uint8), more=np.zeros(9))
    content, original = path.read_bytes(), items(path)
    for at in chance.integers(300, 60_000, 25):
        path.write_bytes(content[:at] + bytes([content[at] ^ 8]) + content[at + 1 :])
        with pytest.raises(DataError, match=r"a\.npz: "):
            data.open(path)
    path.write_bytes(content)
    assert is_same(items(path), original)


ONE_FILE = [name for name in KINDS if name != "idx labels"]


@pytest.mark.parametrize("name", ONE_FILE)
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_refused_without_waiting(tmp_path, name):
    kind = KINDS[name]
    path = kind.make(tmp_path)
    path.unlink()
    os.mkfifo(path)
    read = data.open if kind.error is DataError else kind.read
    with pytest.raises(kind.error, match=rf"{path.name}: .*it is a pipe, not a file"):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(kind.error, match=path.name):
        read(path)


def test_pipes_among_the_files_of_a_folder_are_refused_without_waiting(tmp_path):
    for name in ("idx labels", "png", "cifar"):
        folder = tmp_path / name
        folder.mkdir()
        path = KINDS[name].make(folder)
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(DataError, match=rf"{path.name}: .*(not a file|has 0 bytes)"):
            data.open(folder)
    assert len(data.open(tmp_path / "png", skip_damaged=True)) == 1


@pytest.mark.parametrize("name", KINDS)
def test_a_file_without_permission_is_named(tmp_path, name, monkeypatch):
    """Tests may run as root, who may read everything: so the refusal is simulated."""
    kind = KINDS[name]
    path = kind.make(tmp_path)

    def denied(file, *args):
        if Path(file) == path:
            raise PermissionError(13, "Permission denied", str(file))
        return open(file, *args)

    monkeypatch.setattr(io, "open", denied, raising=False)
    with pytest.raises(kind.error, match=rf"{path.name}: cannot be read \(Permission denied\)"):
        kind.read(path)


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        KINDS["png"].make(tmp_path / name)
    scan = os.scandir

    def denied(place):
        if os.fspath(place).endswith("b"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataError, match=r"/b: cannot be read \(Permission denied\)"):
        data.open(tmp_path)
    with pytest.raises(DataError, match=r"cannot be read \(.*too long"):
        data.open("x" * 5000)
    with pytest.raises(DataError, match="~nobody-here/x: cannot be read"):
        data.open("~nobody-here/x")


# -- bombs: files that ask for more than they are ------------------------------------------------


def packed(start):
    """Four megabytes of raw deflate that unfold to `start` and four gigabytes of zeros."""
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, wbits=-15)
    return first + (packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)) * 256


def npy(shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\1\0" + struct.pack("<H", 118) + text.ljust(117).encode() + b"\n"


def npz(path, **members):
    """An archive of members: (content as it is stored, its length when unpacked)."""
    body, directory = b"", b""
    for name, (content, length) in members.items():
        is_stored, place, file = len(content) == length, len(body), name.encode() + b".npy"
        common = struct.pack(
            "<HHHHHIIIHH", 20, 0, 0 if is_stored else 8, 0, 33,
            zlib.crc32(content) if is_stored else 0, len(content), length, len(file), 0,
        )  # fmt: skip
        body += b"PK\3\4" + common + file + content
        directory += b"PK\1\2\x14\0" + common + struct.pack("<6xII", 0, place) + file
    path.write_bytes(body + directory + end_of_zip(len(members), len(directory), len(body)))


def end_of_zip(count, length, place):
    return b"PK\5\6" + struct.pack("<4xHHIIH", count, count, length, place, 0)


def gz(path, count):
    head = b"\0\0\x08\x03" + struct.pack(">3I", count, 28, 28)
    path.write_bytes(b"\x1f\x8b\x08" + bytes(6) + b"\xff" + packed(head))


def sparse(path, start, length, end=b""):
    with open(path, "wb") as file:
        file.write(start)
        file.truncate(length)
        file.seek(length)
        file.write(end)


def tensor(path, length):
    """A sparse file of 512 GB with one tensor, which claims `length` bytes."""
    entry = {"dtype": "F32", "shape": [length // 4], "data_offsets": [0, length]}
    text = json.dumps({"a": entry}).encode()
    sparse(path, struct.pack("<Q", len(text)) + text, 8 + len(text) + 2**39)


SMALL = npy((N, 4, 5)) + bytes(N * 20)
BOMBS = {
    "large.gz": (
        lambda path: gz(path, 8_000_000),
        "would fill 6.27 GB of memory, more than the limit of 4 GB; if its size is right, set "
        "TINYGAN_MAX_GB=7",
    ),
    "long.gz": (lambda path: gz(path, 60_000), "is too long: (60000, 28, 28) needs 47,040,000 by"),
    "unasked.npz": (
        lambda path: npz(path, x=(SMALL, len(SMALL)), more=(packed(b""), 2**32 - 1)),
        "opened, 6 items",
    ),
    "asked.npz": (
        lambda path: npz(path, x=(packed(npy((2**32 - 129,))), 2**32 - 1)),
        "'x': would fill 4.29 GB of memory",
    ),
    "header.npy": (
        lambda path: sparse(path, b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1), 2**33),
        "is damaged: it claims a header of 4,294,967,295 bytes",
    ),
    "directory.npz": (
        lambda path: sparse(path, b"PK\3\4", 2**33, end_of_zip(1, 2**32 - 2, 0)),
        "is damaged: its list of arrays claims 4,294,967,294 bytes",
    ),
    "sparse-idx3": (
        lambda path: sparse(path, idx_bytes(np.zeros((1, 28, 28), np.uint8)), 2**40),
        "is too long",
    ),
    "data_batch_1.bin": (
        lambda path: sparse(path, b"", 3073 * 2**22), "would fill 12.9 GB of memory"
    ),
    "full.safetensors": (lambda path: tensor(path, 2**39), "Unable to allocate 512. GiB for an ar"),
    "over.safetensors": (lambda path: tensor(path, 2**62), "is truncated: its tensors need 4,611"),
    "wide/0.png": (
        lambda path: Image.new("1", (12_000, 12_000)).save(path),
        "is a picture of 12,000×12,000 pixels, more than the limit of 64 million; if its size is "
        "right, set TINYGAN_MAX_MEGAPIXELS=144",
    ),
    "long/0.webp": (
        lambda path: sparse(path, b"RIFF\xf0\xff\xff\xffWEBPVP8 ", 2**34),
        "has 17,179,869,184 bytes, more than any picture",
    ),
}  # fmt: skip
IN_LITTLE_MEMORY = """
import resource, signal, sys, warnings
from pathlib import Path
from tinygan import data, io

warnings.simplefilter("ignore")
paths = list(map(Path, sys.argv[1:]))
data.open(paths.pop(0).parent)  # imports Pillow
for line in open("/proc/self/status"):
    if line.startswith("VmSize"):
        limit = 1024 * int(line.split()[1]) + 400 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in paths:
    signal.alarm(20)  # a reader that hangs or reads to the end is killed
    place = path.parent if path.suffix in (".png", ".webp") else path
    try:
        opened = (io.load if path.suffix == ".safetensors" else data.open)(place)
        print(f"{path.name}: opened, {len(opened):,} items")
    except (data.DataError, io.FileError) as error:
        print(error)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is limited on Linux")
def test_bombs_are_refused_before_they_go_off(tmp_path):
    """Each of these would fill gigabytes; 400 MB are enough to refuse all of them."""
    paths = [tmp_path / "ready" / "0.png", *(tmp_path / name for name in BOMBS)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
    Image.new("L", (8, 8)).save(paths[0])
    for path, (make, _) in zip(paths[1:], BOMBS.values()):
        make(path)
    result = subprocess.run(
        [sys.executable, "-c", IN_LITTLE_MEMORY, *map(str, paths)], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    lines = result.stdout.splitlines()
    assert len(lines) == len(BOMBS), result.stdout + result.stderr
    for line, path, (_, message) in zip(lines, paths[1:], BOMBS.values()):
        assert f"{path.name}: " in line and message in line


def test_tables_and_lists_of_rows_are_held_to_the_limit_too(tmp_path, monkeypatch):
    """An array that is mapped from the disk takes no memory, but what is made of it does."""
    monkeypatch.setenv("TINYGAN_MAX_GB", "1e-6")
    np.save(tmp_path / "points.npy", np.zeros((126, 2), np.float32))
    (tmp_path / "long.csv").write_text("1.5,2.5\n" * 126)
    for read, name, size in (
        (data.open, "points.npy", "1.01e-06"),
        (data.table, "points.npy", "2.02e-06"),
        (data.table, "long.csv", "1.01e-06"),
    ):
        with pytest.raises(DataError, match=f"{name}: would fill {size} GB of memory, more than"):
            read(tmp_path / name)


def test_limits_can_be_raised_and_large_idx_stays_on_the_disk(tmp_path, monkeypatch):
    plain, zipped = make_idx(tmp_path), tmp_path / "a.gz"
    original = items(plain)
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    Image.new("L", (30, 20)).save(tmp_path / "0.png")
    monkeypatch.setenv("TINYGAN_MAX_GB", "1e-8")  # ten bytes
    with pytest.raises(DataError, match=r"a.gz: would fill 1.2e-07 GB .* set TINYGAN_MAX_GB=1 in"):
        data.open(zipped)
    mapped = data.open(plain)
    assert mapped.lazy and is_same(items(plain), original)
    monkeypatch.setenv("TINYGAN_MAX_GB", "1")
    assert len(data.open(zipped)) == N and not data.open(plain).lazy
    monkeypatch.setenv("TINYGAN_MAX_MEGAPIXELS", "0.0005")
    with pytest.raises(DataError, match=r"0.png: is a picture of 30×20 pixels, .*MEGAPIXELS=1 in"):
        data.FolderDataset(tmp_path)
    monkeypatch.setenv("TINYGAN_MAX_MEGAPIXELS", "many")
    with pytest.raises(DataError, match="TINYGAN_MAX_MEGAPIXELS='many': expected a number above 0"):
        data.FolderDataset(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's own limit
    monkeypatch.delenv("TINYGAN_MAX_MEGAPIXELS")
    with pytest.raises(DataError, match=r"0.png: .* set TINYGAN_MAX_MEGAPIXELS in the environment"):
        data.FolderDataset(tmp_path)
    monkeypatch.setenv("TINYGAN_MAX_MEGAPIXELS", "1")
    assert data.FolderDataset(tmp_path).shape == (1, 20, 30)
