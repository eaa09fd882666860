"""How the kernels that walk down the columns of a matrix are launched (see `columns.cuh`).

Images with their channels last are such matrices: B of them, with M pixels for rows and C channels
for columns.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..device import array_module
from .compiled import kernel

_THREADS, _UNDER_WAY, _FINISHERS = 256, 4, (8, 64)  # as in `columns.cuh`
_BLOCKS = 528  # four for each of an H100's 132 processors; all of them run at the same time


class Walk(NamedTuple):
    """A way through B matrices of M rows and C columns, in slabs of rows."""

    matrices: int
    rows: int
    columns: int
    vector: int  # columns that a thread takes side by side
    slab: int
    grid: tuple
    block: tuple

    def launch(self, file, name, arguments, **macros):
        """Launch a kernel over the whole of it."""
        kernel(file, name, VECTOR=self.vector, **macros)(self.grid, self.block, arguments)

    def finish(self, file, name, arguments):
        """Launch a kernel that puts together what the blocks of another have left."""
        grid = (-(-self.columns // _FINISHERS[0]), 1, self.matrices)
        kernel(file, name, VECTOR=self.vector)(grid, _FINISHERS, arguments)

    @property
    def slabs(self):
        return self.grid[1]

    def parts(self, xp, kinds):
        """Room for what each block leaves of each column."""
        return xp.empty((self.matrices, self.slabs, kinds, self.columns), np.float32)


@lru_cache(4096)
def _walk(matrices, rows, columns, vector):
    side_by_side = -(-columns // vector)
    across = min(32, 1 << (side_by_side - 1).bit_length())
    tiles, down = -(-side_by_side // across), _THREADS // across
    slabs, step = max(1, _BLOCKS // (tiles * matrices)), down * _UNDER_WAY
    slab = -(-rows // (slabs * step)) * step
    grid = (tiles, -(-rows // slab), matrices)
    return Walk(matrices, rows, columns, vector, slab, grid, (across, down))


def walk_over(matrices, rows, columns, *arrays):
    """A way through arrays that lie as B matrices; None where the kernels cannot count them."""
    if not rows or not 0 < matrices < 1 << 16 or not columns or rows >= 1 << 30:
        return None
    aligned = columns % 4 == 0 and all(a.data.ptr % 16 == 0 for a in arrays)
    return _walk(matrices, rows, columns, 4 if aligned else 1)


def channels_last(x):
    """(N, C, …) as an array (N, …, C), copied only if it lies otherwise."""
    last = x.transpose(0, *range(2, x.ndim), 1)
    return last if last.flags.c_contiguous else array_module(x).ascontiguousarray(last)


def channels_second(x):
    """(N, …, C) as a view (N, C, …)."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
