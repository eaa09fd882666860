"""NumPy's own files, read with more care than `numpy.load` takes.

    .npy    "\\x93NUMPY" version length   the header, a Python dict as text   the numbers
    .npz    a zip of such files, each with a CRC-32 of its content

Numbers that are stored as they are stay on the disk, mapped into memory. A header must describe the
file to the byte, and a member of an archive that is asked for is read through once, so that its
CRC-32 is checked; the others are not unpacked. Whatever is wrong ends in a DataError.
"""

import io
import math
import os
import struct
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..io import open_file
from .dataset import DataError
from .limits import reserve

_LONGEST_HEADER = 2**16
_LONGEST_DIRECTORY = 2**24  # of a zip
_PIECE = 2**20


def read_npy(path: Path) -> np.ndarray:
    """The array of a `.npy` file, mapped into memory."""
    with _careful(path), open_file(path) as file:
        layout = _layout(path, file, os.fstat(file.fileno()).st_size)
        return _mapped(file, layout, 0)


def read_npz(path: Path, choose) -> dict[str, np.ndarray]:
    """Those arrays of an archive that `choose`, given all names, wants."""
    with _careful(path), open_file(path) as file:
        count = _count(path, file)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if len(names) != count or len(set(names)) < count:
                raise DataError(
                    f"{path}: is damaged: it lists {', '.join(names)}, expected {count} names, "
                    "each once"
                )
            for member in members:
                archive.open(member).close()  # compares its own name with that in the directory
            names = [name.removesuffix(".npy") for name in names if name.endswith(".npy")]
            return {name: _member(path, file, archive, name) for name in choose(names)}


@contextmanager
def _careful(path):
    """Damaged bytes can fail anywhere in the parsers of Python and NumPy, and with any exception:
    each becomes a DataError.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path}: is damaged or truncated ({reason})") from None


def _member(path, file, archive, name):
    """An array whose CRC-32 fits: mapped where it is stored as it is, else unpacked."""
    member, place = archive.getinfo(name + ".npy"), f"{path}: {name!r}"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{place}: is compressed in a way that NumPy does not know")
    with archive.open(member) as stream:
        layout = shape, dtype, order, _ = _layout(place, stream, member.file_size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            array = reserve(place, shape, dtype, order)
            _fill(place, stream, array.reshape(-1, order="A").view(np.uint8))
            return array
        while stream.read(_PIECE):  # to its end, where the checksum is compared
            pass
    file.seek(member.header_offset + 26)  # after 30 bytes come the name and an extra field
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    return _mapped(file, layout, member.header_offset + 30 + name_length + extra_length)


def _fill(place, stream, target):
    """Read a stream to its end, where its checksum is compared, into so many bytes."""
    filled = 0
    while filled < len(target) and (count := stream.readinto(target[filled : filled + _PIECE])):
        filled += count
    if filled < len(target) or stream.read(1):
        raise DataError(f"{place}: is damaged: it does not unpack to {len(target):,} bytes")


def _layout(place, stream, size):
    """The shape, dtype, order, and the beginning of the numbers, of a `.npy` file of `size` bytes,
    from its header.
    """
    start = stream.read(12)
    first = start[6:7] == b"\1"  # version 1 has two bytes for the length, later ones four
    length = int.from_bytes(start[8:10] if first else start[8:12], "little")
    begin = (10 if first else 12) + length
    if begin > _LONGEST_HEADER:
        raise DataError(f"{place}: is damaged: it claims a header of {length:,} bytes")
    text = io.BytesIO(start + stream.read(max(begin - 12, 0)))
    np.lib.format.read_magic(text)
    parse = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = parse(text)
    if dtype.hasobject:
        raise DataError(f"{place}: holds Python objects, which are not loaded")
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise DataError(f"{place}: is damaged: no array has the shape {str(shape)[:99]}")
    needed = begin + math.prod(shape) * dtype.itemsize
    if needed != size:
        raise DataError(
            f"{place}: is damaged or truncated: {dtype} of shape {shape} needs {needed:,} bytes, "
            f"there are {size:,}"
        )
    if not math.prod(shape):
        raise DataError(f"{place}: holds no items, its shape is {shape}")
    return shape, dtype, "F" if fortran else "C", begin


def _mapped(file, layout, offset):
    shape, dtype, order, begin = layout
    return np.memmap(file, dtype, "r", offset + begin, shape, order)


def _count(path, file):
    """How many members a zip's last record claims. That of a directory longer than any is refused,
    since it would be read whole.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 2**16 - 98, 0))  # the longest comment, and both kinds of last record
    tail = file.read()
    if (at := tail.rfind(b"PK\5\6")) < 0:
        raise DataError(f"{path}: is damaged or truncated: it ends before the list of its arrays")
    count, length = struct.unpack("<10xHL", tail[at : at + 16])
    if length == 2**32 - 1 or count == 2**16 - 1:
        at = tail.rfind(b"PK\6\6")
        count, length = struct.unpack("<32xQQ", tail[at : at + 48])
    if length > _LONGEST_DIRECTORY:
        raise DataError(f"{path}: is damaged: its list of arrays claims {length:,} bytes")
    return count
