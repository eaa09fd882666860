"""What goes in comes out, nothing is left half-written, a bad file is refused with its reason."""

import json
import os
import re
import socket
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

import tinygan as tg
from tinygan import io, nn, optim

DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_shape_comes_back(tmp_path, dtype):
    arrays = {
        "matrix": np.arange(6).reshape(2, 3),
        "scalar": np.array(1),
        "empty": np.zeros((0, 4)),
    }
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    io.save({name: tg.Tensor(array) for name, array in arrays.items()}, tmp_path / "x.safetensors")
    for read in (
        io.load(tmp_path / "x.safetensors"),
        safetensors.numpy.load_file(tmp_path / "x.safetensors"),
    ):
        assert set(read) == set(arrays)
        for name, array in arrays.items():
            found = np.asarray(read[name])
            assert found.dtype == array.dtype and found.shape == array.shape
            np.testing.assert_array_equal(found, array)


def test_layout_in_memory_does_not_matter(tmp_path):
    x = tg.randn(2, 3, 4, 5)
    nhwc = tg.Tensor(np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    assert not nhwc.numpy().flags.c_contiguous
    io.save({"x": x, "nhwc": nhwc, "part": x[:, ::2]}, tmp_path / "x.safetensors")
    read = safetensors.numpy.load_file(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(read["nhwc"], x.numpy())
    np.testing.assert_array_equal(read["part"], x.numpy()[:, ::2])


def test_what_is_loaded_can_be_changed(tmp_path):
    io.save({"x": tg.zeros(3)}, tmp_path / "x.safetensors")
    x = io.load(tmp_path / "x.safetensors", device="cpu")["x"]
    assert x.fill_(2).tolist() == [2, 2, 2]


def test_a_checkpoint_keeps_its_structure(tmp_path):
    tg.manual_seed(1)
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    opt = optim.Adam(net.parameters(), lr=0.1, betas=(0.5, 0.9))
    net(tg.randn(4, 2)).sum().backward()
    opt.step()
    checkpoint = {
        "net": net.state_dict(),
        "opt": opt.state_dict(),
        "random": tg.random_state(),
        "log": [1, 2.5, None, True, "text", [tg.ones(2)], {}],
        "tiny": 0.1 + 0.2,
    }
    io.save(checkpoint, tmp_path / "c.safetensors", metadata={"note": "hello"})
    read = io.load(tmp_path / "c.safetensors")
    assert list(read) == list(checkpoint)
    assert read["random"] == tg.random_state() and read["tiny"] == 0.1 + 0.2
    assert read["log"][:5] == checkpoint["log"][:5] and read["log"][6] == {}
    assert read["log"][5][0].tolist() == [1, 1]
    assert list(read["net"]) == list(net.state_dict())
    assert "net.0.weight" in safetensors.numpy.load_file(tmp_path / "c.safetensors")
    assert io.load_metadata(tmp_path / "c.safetensors") == {"note": "hello"}
    again = optim.Adam(net.parameters())
    again.load_state_dict(read["opt"])
    assert again.param_groups[0]["betas"] == (0.5, 0.9) and again.param_groups[0]["lr"] == 0.1
    for p in net.parameters():
        for key in ("exp_avg", "exp_avg_sq"):
            np.testing.assert_array_equal(again.state[p][key].numpy(), opt.state[p][key].numpy())


def test_a_flat_dict_is_a_plain_file(tmp_path):
    io.save({"a.b": tg.ones(1)}, tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    assert list(json.loads(content[8 : 8 + length])) == ["a.b"]
    io.save({}, tmp_path / "empty.safetensors")
    assert io.load(tmp_path / "empty.safetensors") == {}


@pytest.mark.parametrize(
    ("obj", "error", "message"),
    [
        (tg.ones(1), TypeError, r"expected a dict, got Tensor; put it into one: save\(\{'value'"),
        (
            {"a": {"b": object()}},
            TypeError,
            "save: a.b is a object; expected tensors, numbers, strings",
        ),
        (
            {"a": {"b": tg.ones(1)}, "a.b": tg.ones(1)},
            ValueError,
            "two tensors would be called 'a.b'",
        ),
        ({"a": {1: 1, "1": 2}}, ValueError, "a has a number and a string that read the same"),
        ({"a": {1.5: 1}}, TypeError, "keys must be strings or whole numbers, got 1.5 in a"),
        ({"a": "tensor:b"}, ValueError, "begins like a reference to a tensor"),
    ],
)
def test_what_cannot_be_saved_is_explained(tmp_path, obj, error, message):
    with pytest.raises(error, match=message):
        io.save(obj, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_metadata_must_be_strings(tmp_path):
    with pytest.raises(TypeError, match="metadata must map strings to strings, got 'step': 3"):
        io.save({}, tmp_path / "x.safetensors", metadata={"step": 3})


# -- files that are not what they should be
# ----------------------------------------------------------


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors: there is no such file"):
        io.load(tmp_path / "nothing.safetensors")
    with pytest.raises(io.FileError, match="cannot be read"):
        io.load(tmp_path)
    with pytest.raises(OSError, match=r"could not write .*x\.safetensors: there is no such folder"):
        io.save({}, tmp_path / "no" / "x.safetensors")


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    io.save({"x": tg.arange(10), "y": tg.ones(3)}, path, metadata={"a": "b"})
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(
            io.FileError, match=r"x\.safetensors: is truncated: .* (bytes, this one|the file has) "
        ):
            io.load(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"PK\x03\x04" + b"\0" * 26 + b"x/data.pkl",
            r"a pickle, as torch.save.*convert it: python",
        ),
        (b"\x80\x04\x95" + b"0" * 100, r"a pickle, .* can run code .* s.save_file\(torch.load\("),
        (b"PK\x03\x04" + b"0" * 100, "NumPy's or another zip; tinygan.data.open reads data"),
        (b"\x93NUMPY" + b"0" * 100, r"NumPy's or .* for weights: tinygan.save\(\{name: "),
        (b"\x89HDF\r\n\x1a\n" + b"0" * 100, r"begins with 89 48 44 46 0d 0a 1a 0a \(HDF5\)"),
        (b"hello, this is some text, and long enough", "its header is not JSON"),
        (struct.pack("<Q", 20) + b"{" * 20, "is damaged: its header is not valid JSON"),
        (struct.pack("<Q", 2) + b"{}" + b"too much", "need 0 bytes, the file has 8 for them"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, reason):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(io.FileError, match=f"x.pt: .*{reason}"):
        io.load(path)


@pytest.mark.torch
def test_what_torch_saves_is_recognised(tmp_path):
    torch = pytest.importorskip("torch")
    for zipped in (True, False):
        path = tmp_path / "x.pt"
        torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(io.FileError, match=r"x\.pt: .* a pickle, as torch.save writes them"):
            io.load(path)


def safetensors_bytes(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


DEEP = 100_000
CRAFTED = [
    ({"a": entry([2], 0, 8), "b": entry([1], 4, 8)}, 8, "puts 'b'.* at 4 to 8; expected 8 to 12"),
    ({"a": entry([1], 4, 8)}, 8, "puts 'a', F32 of shape [1], at 4 to 8; expected 0 to 4"),
    ({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, 12, "'b'.* at 8 to 12; expected 4 to 8"),
    ({"a": entry([3], 0, 8)}, 8, "at 0 to 8; expected 0 to 12"),
    ({"a": entry([10**12, 10**12], 0, 8)}, 8, "expected 0 to 4,000,000,000,000,000,000,000,000"),
    ({"a": entry([2**30, 2**30], 0, 2**62)}, 8, "truncated: its tensors need 4,611,686,018,427"),
    ({"a": entry([2**62, 0], 0, 0)}, 0, "'a' of shape [4611686018427387904, 0]: "),
    ({"a": entry([2**62] * 60, 0, 4)}, 4, "at 0 to 4; expected 0 to "),
    ({"a": entry([2**63, 0], 0, 0)}, 0, "its header says of 'a'"),
    ({"a": entry([1] * 65, 0, 4)}, 4, "its header says of 'a'"),
    ({"a": entry([-1, -2], 0, 8)}, 8, "its header says of 'a' {'dtype'"),
    ({"a": entry([2], -8, 0)}, 8, "its header says of 'a'"),
    ({"a": entry([2], 8, 0)}, 8, "at 8 to 0; expected 0 to 8"),
    ({"a": entry([True], 0, 4)}, 4, "its header says of 'a'"),
    ({"a": entry([1.0], 0, 4)}, 4, "its header says of 'a'"),
    ({"a": entry("2", 0, 8)}, 8, "its header says of 'a'"),
    ({"a": entry([2], 0, 8, ["F32"])}, 8, "its header says of 'a'"),
    ({"a": entry([8], 0, 8, "F8_E5M2")}, 8, "'a' is stored as 'F8_E5M2', which tinygan does"),
    ({"a": {**entry([2], 0, 8), "more": 1}}, 8, "its header says of 'a'"),
    ({"a": {"dtype": "F32", "shape": [2]}}, 8, "its header says of 'a' {'dtype': 'F32', 'shape'"),
    ({"a": [1, 2]}, 8, "its header says of 'a' [1, 2]"),
    ({"__metadata__": {"a": 1}}, 0, "its metadata is no dict of strings"),
    ({"__metadata__": "a"}, 0, "its metadata is no dict of strings"),
    (b'{"a": {}, "a": {}}', 0, "'a' stands in it twice"),
    (b'{"a": {"dtype": "F32", "dtype": "F64"}}', 0, "'dtype' stands in it twice"),
    (b'{"a": ' * DEEP + b"1" + b"}" * DEEP, 0, "nested too deeply"),
    (b'{"a": ' + b"[" * DEEP + b"]" * DEEP + b"}", 0, "nested too deeply"),
    (b'{"a\xff": 1}', 0, "its header is not valid JSON ('utf-8'"),
    (b'{"a": ' + b"1" * 5000 + b"}", 0, "its header is not valid JSON (Exceeds the limit"),
    ({"a": entry([2], 0, 8), "__metadata__": {"tinygan.structure": "1"}}, 8, "it is no dict"),
    (
        {"a": entry([2], 0, 8), "__metadata__": {"tinygan.structure": '{"b": "tensor:c"}'}}, 8,
        "its structure does not fit its tensors ('c')",
    ),
    (
        {"a": entry([2], 0, 8), "__metadata__": {"tinygan.structure": '["tensor:a"]'}}, 8,
        "it is no dict",
    ),
    (
        {"a": entry([2], 0, 8), "__metadata__": {"tinygan.structure": '{"b": 1, "b": "tensor:a"}'}},
        8, "'b' stands in it twice",
    ),
    ({"a": entry([2], 0, 8), "__metadata__": {"tinygan.structure": "{}"}}, 8, "no place for ['a']"),
    ({"a": entry([2**62] * 10**5, 0, 4)}, 4, "its header says of 'a'"),
    ({"a" * 10**5: [1]}, 0, "its header says of 'aaa"),
    ({"__metadata__": {"tinygan.structure": '{"a": ' * DEEP + "1" + "}" * DEEP}}, 0, "structure"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "size", "reason"), CRAFTED)
def test_a_crafted_header_is_refused(tmp_path, header, size, reason):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes(header, bytes(size)))
    with pytest.raises(io.FileError) as caught:
        io.load(path)
    assert "x.safetensors: " in str(caught.value) and len(str(caught.value)) < 2500
    assert re.search(re.sub(r"([\[\](){}])", r"\\\1", reason), str(caught.value))


def test_the_order_in_the_header_does_not_matter(tmp_path):
    header = {"b": entry([1], 4, 8), "none": entry([0, 5], 4, 4), "a": entry([1], 0, 4)}
    content = np.array([1, 2], np.float32).tobytes()
    (tmp_path / "x").write_bytes(safetensors_bytes(json.dumps(header).encode() + b"  ", content))
    read = io.load(tmp_path / "x")
    assert read["a"].tolist() == [1] and read["b"].tolist() == [2] and read["none"].shape == (0, 5)


def test_numbers_that_are_not_finite_are_weights_too(tmp_path):
    io.save({"x": tg.Tensor([np.nan, np.inf])}, tmp_path / "x")
    np.testing.assert_array_equal(io.load(tmp_path / "x")["x"].numpy(), [np.nan, np.inf])


def test_what_is_no_file_is_never_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's name must be short
        server.bind("socket")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path / "socket", "a socket"),
                       (tmp_path, "a folder"), ("/dev/zero", "a device")):  # fmt: skip
        with pytest.raises(io.FileError, match=rf"cannot be read \(it is {kind}, not a file\)"):
            io.load(path)


def test_nothing_is_reserved_that_the_file_does_not_bear_out(tmp_path):
    """A sparse file is as long as it says, but never read as a whole where it is foreign."""
    path = tmp_path / "x"
    headers = [
        safetensors_bytes({"a": entry([2**40], 0, 2**42)}),
        struct.pack("<Q", 2**40) + b"{",
        b"PK\x03\x04" + bytes(60),
        bytes(100),
    ]
    for start in headers:
        with open(path, "wb") as file:
            file.write(start)
            file.truncate(2**41)
        tracemalloc.start()
        with pytest.raises(io.FileError):
            io.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1e6
        tracemalloc.stop()


def test_metadata_are_read_without_the_tensors(tmp_path):
    io.save({"x": tg.zeros(1_000_000)}, tmp_path / "x", metadata={"a": "b"})
    tracemalloc.start()
    assert io.load_metadata(tmp_path / "x") == {"a": "b"}
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_nothing_is_ever_unpickled(tmp_path):
    import pickle

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    (tmp_path / "x").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(io.FileError, match="pickle"):
        io.load(tmp_path / "x")
    assert not (tmp_path / "sprung").exists()


def test_random_damage_gives_our_error_or_other_numbers(tmp_path):
    path = tmp_path / "x.safetensors"
    io.save({"x": tg.arange(10), "nest": {"y": tg.ones(3)}}, path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            io.load(path)
        except io.FileError as error:
            refused += 1
            assert "x.safetensors" in str(error)
    assert refused > 50


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    io.save({"x": tg.ones(3)}, path)

    def full(*args):
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            with pytest.raises(
                OSError, match=r"could not write .*x\.safetensors: No space left on device"
            ):
                io.save({"x": tg.zeros(3)}, path)
        assert io.load(path)["x"].tolist() == [1, 1, 1]
        assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_file_is_renamed_only_after_it_is_on_the_disk(tmp_path, monkeypatch):
    events, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *a: (events.append("replace"), replace(*a))[1])
    io.save({"x": tg.ones(3)}, tmp_path / "x.safetensors")
    assert events[:2] == ["fsync", "replace"]
