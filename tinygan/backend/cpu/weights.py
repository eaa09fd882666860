"""The transformed weight of a minimal-filtering convolution, U = G g, kept while the weight stays
as it is.

A training step uses each weight several times before the optimiser changes it: forward, backward,
once more for the next batch. Reading a weight takes a tenth of the time that transforming it takes,
so U is kept together with a copy of the weight that it was made from. Whatever happens to a weight,
and whoever writes to it, U is used again only for those slabs that are bit for bit the same. A very
large U, which only large batches are worth, is made anew each time.

A recorded program cannot compare and choose. But its recorder knows when a weight is written to,
and so U is made once for all uses between two writes.
"""

from contextlib import contextmanager

import numpy as np

from ..recording import recording
from .gemm import matmul_wide
from .layout import slab_length
from .threads import Loop
from .workspace import keep, scratch_matrix, take

__all__ = ["transformed_weight"]

_SLAB_BYTES = 2 << 20  # of U, made at a time
_LARGEST = 24 << 20  # bytes of a U that is kept
_SMALL = 1 << 18  # numbers in a U that is made before another thread has woken up


@contextmanager
def transformed_weight(weight, tiles, threads: int, transposed: bool):
    """U of weight (O, k, k, C) as (n², O, s² C), or transposed (n², s² C, O); and the loop that
    brings it up to date.

    It is laid aside for the next caller when the block ends.
    """
    if tiles.n**2 * tiles.s**2 * weight.shape[0] * weight.shape[3] * 4 > _LARGEST:
        passing = _Transformed(weight, tiles, transposed)
        yield passing.u, passing.loop(weight, threads)
        return
    name = (weight.__array_interface__["data"][0], weight.shape, tiles.m, tiles.s, transposed)
    recorder = recording.recorder
    if recorder is not None:
        made = recorder.recall(weight, name)
        made_now = made or _Transformed(weight, tiles, transposed, own=True)
        yield made_now.u, Loop(None, 0) if made else made_now.loop(weight, threads)
        recorder.remember(weight, name, made_now)
        return
    owner = weight if weight.base is None else weight.base
    kept = take(owner, name) or _Transformed(weight, tiles, transposed, own=True, compared=True)
    yield kept.u, kept.loop(weight, threads)
    kept.fresh = False
    keep(owner, name, kept, kept.flat.nbytes + kept.seen.nbytes)


class _Transformed:
    """U of one weight, in memory of its `own` or in scratch memory; and, if it is to be `compared`,
    the weight that it was made from."""

    def __init__(self, weight, tiles, transposed: bool, own=False, compared=False):
        self.tiles, self.transposed, self.fresh = tiles, transposed, True
        O, C = weight.shape[0], weight.shape[3]
        K, indices = tiles.s**2 * C, tiles.n**2
        if own:  # with rows as in `scratch_matrix`
            self.flat = np.empty((indices, O * K + 16), np.float32, like=weight)[:, : O * K]
        else:
            self.flat = scratch_matrix("U", indices, O * K)
        self.u = self.flat.reshape(-1, K, O) if transposed else self.flat.reshape(-1, O, K)
        self.seen = np.empty(self._taps(weight).shape, np.float32) if compared else None

    def _taps(self, weight):
        """The weight as (O, r, s, r, s, C): tap, phase, tap, phase."""
        r, s = self.tiles.r, self.tiles.s
        return weight.reshape(weight.shape[0], r, s, r, s, weight.shape[3])

    def loop(self, weight, threads: int) -> Loop:
        taps = self._taps(weight)
        O, C = taps.shape[0], taps.shape[5]
        if self.u.size <= _SMALL:
            if not self._changed(taps, ...):
                return Loop(None, 0)
            threads, self.fresh = 1, True  # every slab is transformed
        length, across = (self.tiles.s**2 * C, O) if self.transposed else (O, self.tiles.s**2 * C)
        chunk = slab_length(length, self.tiles.n**2 * across * 4, _SLAB_BYTES, threads)
        update = self._inputs if self.transposed else self._outputs
        return Loop(lambda start, stop: update(taps, start, stop), length, chunk)

    def _changed(self, taps, here) -> bool:
        """Note these numbers of the weight; are they others than last time?"""
        if self.seen is None:
            return True
        now, before = taps[here], self.seen[here]
        if not self.fresh and np.array_equal(now.view(np.int32), before.view(np.int32)):
            return False
        before[...] = now
        return True

    def _outputs(self, taps, start: int, stop: int) -> None:
        """Rows [start, stop) of every O x s² C matrix."""
        if not self._changed(taps, np.s_[start:stop]):
            return
        r, K = self.tiles.r, taps[0].size // self.tiles.r**2
        g = scratch_matrix("taps", r * r, (stop - start) * K)
        part = taps[start:stop].transpose(1, 3, 0, 2, 4, 5)
        g.reshape(part.shape)[...] = part
        matmul_wide(self.tiles.G, g, self.flat[:, start * K : stop * K])

    def _inputs(self, taps, start: int, stop: int) -> None:
        """Rows [start, stop) of every s² C x O matrix: channels of all phases in a row, each phase
        by itself."""
        r, s, (O, C) = self.tiles.r, self.tiles.s, (taps.shape[0], taps.shape[5])
        while start < stop:
            phase, c0 = divmod(start, C)
            c1 = min(C, c0 + stop - start)
            here = np.s_[:, :, phase // s, :, phase % s, c0:c1]
            if self._changed(taps, here):
                rows = scratch_matrix("weight_rows", O, r * r * (c1 - c0))
                rows.reshape(O, r, r, c1 - c0)[...] = taps[here]
                g = scratch_matrix("taps", r * r, (c1 - c0) * O)
                g.reshape(r * r, c1 - c0, O)[...] = rows.T.reshape(r * r, c1 - c0, O)
                matmul_wide(self.tiles.G, g, self.flat[:, start * O : (start + c1 - c0) * O])
            start += c1 - c0
