"""Points from a file: a row each, as a mixture of Gaussians or a plot takes them.

    .npy    an array (n, d), or (n,) for points on a line
    .npz    the one array in it, or the one called x, X, data or arr_0
    .csv    lines of numbers, between commas, semicolons, tabs or spaces, after a line of names if
            there is one (.tsv and .txt are read alike)

A model of points cannot use a row with a gap in it, so gaps are named rather than filled.
"""

import csv
import io
from pathlib import Path

import numpy as np

from ..io import open_file
from . import limits
from .dataset import DataError
from .numpy_files import read_npy, read_npz

__all__ = ["table"]

_CALLED = ("x", "X", "data", "arr_0")
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}


def table(path) -> np.ndarray:
    """The points (n, d) of a file, as float64 or as they are stored."""
    path = Path(path).expanduser()
    try:
        with open_file(path) as file:
            start = file.read(4096)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if start.startswith(b"\x93NUMPY"):
        return _points(path, read_npy(path))
    if start.startswith(b"PK"):
        (values,) = read_npz(path, lambda names: _choice(path, names)).values()
        return _points(path, values)
    if not start:
        raise DataError(f"{path}: is empty")
    if b"\0" in start:
        raise DataError(f"{path}: is no table; expected a .npy, a .npz or a .csv file of numbers")
    return _from_text(path)


def _choice(path, names):
    found = list(names) if len(names) == 1 else [name for name in _CALLED if name in names][:1]
    if not found:
        raise DataError(
            f"{path}: holds arrays called {', '.join(names)}; the points should be called "
            f"{', '.join(_CALLED)}, or be the only array"
        )
    return found


def _points(path, values):
    if values.ndim == 1:
        values = values.reshape(-1, 1)
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise DataError(
            f"{path}: holds {values.dtype} of shape {values.shape}; expected numbers (n, d), a "
            "point a row"
        )
    limits.require_memory(path, 8 * values.size)  # a mixture reads all of it, as float64
    gaps = ~np.isfinite(values)
    if gaps.any():
        row, column = np.argwhere(gaps)[0]
        raise DataError(
            f"{path}: row {row}, column {column} (counted from 0) holds {values[row, column]}; "
            f"rows with missing or infinite values: {gaps.any(axis=1).sum():,} of "
            f"{len(values):,}; remove them, or fill them in"
        )
    return values


def _from_text(path):
    with open_file(path) as file:
        limits.require_memory(path, file.seek(0, io.SEEK_END))
        file.seek(0)
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DataError(f"{path}: is no text in UTF-8; expected a table of numbers") from None
    rows, names = [], None
    for number, cells in _lines(path, text):
        if names is None:
            numbers = all(map(_is_number, cells))
            names = [str(i + 1) if numbers else name.strip() for i, name in enumerate(cells)]
            if not numbers:
                continue
        rows.append(_row(f"{path}: line {number}", cells, names))
    if not rows:
        raise DataError(f"{path}: holds no rows of numbers")
    return np.array(rows)


def _lines(path, text):
    """The number of each line that is not empty, and its cells."""
    first = text.lstrip().partition("\n")[0]
    delimiter = next((mark for mark in "\t;," if mark in first), None)
    if delimiter is None and all(map(_is_number, first.split())):
        lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1))
    else:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or ",")
        lines = ((reader.line_num, cells) for cells in reader)
    try:
        yield from (line for line in lines if any(cell.strip() for cell in line[1]))
    except csv.Error as error:
        raise DataError(f"{path}: is no table ({error})") from None


def _is_number(cell):
    """A number, or the gap where one should be: a first line of such is not a line of names."""
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in _MISSING
    return True


def _row(place, cells, names):
    if len(cells) != len(names):
        raise DataError(f"{place} has {len(cells)} values, the first line has {len(names)}")
    row = []
    for name, cell in zip(names, cells):
        try:
            value = float(cell)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            text = cell.strip()
            if not text:
                what = "is empty: remove rows with missing values, or fill them in"
            elif text.lower() in _MISSING or "inf" in text.lower():
                what = f"holds {text!r}: remove rows with missing values, or fill them in"
            else:
                what = f"holds {text!r}, which is no number: leave such columns out"
            raise DataError(f"{place}, column {name!r} {what}")
        row.append(value)
    return row
