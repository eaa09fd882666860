"""Points as a mixture reads them: checked once, then in chunks, from memory, a memory map or a GPU;
and k-means, from which a mixture starts.
"""

import numpy as np

from ..autograd import Tensor
from ..backend import portable
from ..backend.cpu import mixture as quick
from ..backend.device import array_module, is_array, to_numpy

__all__ = ["Points", "host", "nearest_centres"]

_SCAN = 1 << 18  # elements read at a time while checking: 2 MiB of float64
_LARGEST = 1e150  # squares of larger values overflow
_START_ROWS = 1 << 15  # a start is found on at most so many rows, drawn at random


class Points:
    """Points x (n, d) with weights, and what one reading of them tells.

    `centre` is their mean, `reach` the largest distance from it and `size` the largest absolute
    value, by column.
    """

    def __init__(self, x, weight=None, at_least=1):
        self.x = x = _as_points(x)
        (self.n, self.d), self.on_cpu = x.shape, isinstance(x, np.ndarray)
        self.xp, self.kernels = array_module(x), quick if self.on_cpu else portable
        if self.n < at_least:
            raise ValueError(
                f"Found array with {self.n} sample(s) (shape={x.shape}) while a minimum of "
                f"{at_least} is required by GaussianMixture."
            )
        self._scan()
        self.weight, self.total = (None, self.n) if weight is None else self._check_weight(weight)

    def _scan(self):
        """The range and mean of each column; NaN and infinity stop it here."""
        ends = []

        def look(start, stop):
            part = self.xp.ascontiguousarray(self.x[start:stop].T, dtype=np.float64)
            low, high = to_numpy(part.min(axis=1)), to_numpy(part.max(axis=1))
            if not (np.maximum(-low, high) < _LARGEST).all():
                self._complain(start, to_numpy(part))
            ends.append((low, high))
            return (part.sum(axis=1),)

        (total,) = self.kernels.add_up(look, self.n, max(1, _SCAN // self.d))
        low, high = np.min([a for a, _ in ends], 0), np.max([b for _, b in ends], 0)
        self.centre = to_numpy(total) / self.n
        self.reach = np.maximum(high - self.centre, self.centre - low)
        self.size = np.maximum(abs(high), abs(low))

    def _complain(self, start, part):
        bad = np.argwhere(~np.isfinite(part.T))
        if len(bad):
            row, column = bad[0]
            raise ValueError(
                f"GaussianMixture: X holds {part[column, row]} in row {start + row}, column "
                f"{column}: remove or fill in rows with missing or infinite values first"
            )
        raise ValueError(
            f"GaussianMixture: X holds values above {_LARGEST:.0e}, too large to square: scale it"
        )

    def _check_weight(self, weight):
        weight = np.asarray(host(weight), np.float64)
        if weight.shape != (self.n,):
            raise ValueError(
                f"GaussianMixture: sample_weight must have shape ({self.n},), one weight a row "
                f"of X, got {weight.shape}"
            )
        total = weight.sum()
        if not np.isfinite(total) or (weight < 0).any() or total == 0:
            raise ValueError(
                "GaussianMixture: sample_weight must be finite and ≥ 0, and not every weight zero"
            )
        return weight if self.on_cpu else self.xp.asarray(weight), float(total)

    def sample_of_rows(self, random):
        """At most `_START_ROWS` rows in NumPy's float64, and their weights."""
        weight = None if self.weight is None else to_numpy(self.weight)
        if self.n <= _START_ROWS:
            rows = np.arange(self.n)
            weight = np.ones(self.n) if weight is None else weight
        else:
            share = None if weight is None else weight / weight.sum()
            most = self.n if weight is None else np.count_nonzero(weight)
            rows = random.choice(self.n, min(_START_ROWS, most), replace=False, p=share)
            rows.sort()
            weight = np.ones(len(rows))
        x = self.x if len(rows) == self.n else self.x[self.xp.asarray(rows)]
        return to_numpy(x).astype(np.float64), weight


def host(value):
    """A tensor's or device array's values in NumPy; anything else as it is."""
    if isinstance(value, Tensor):
        value = value.array
    return to_numpy(value) if is_array(value) else value


def _as_points(x):
    """X as an array (n, d) of numbers, without a copy where it is one."""
    if isinstance(x, Tensor):
        x = x.array
    if not is_array(x):
        if hasattr(x, "toarray"):
            raise TypeError("GaussianMixture: X is sparse; pass X.toarray()")
        x = np.asarray(x)  # a memory map stays one
    if x.ndim != 2:
        hint = "Reshape your data: for points on a line pass X.reshape(-1, 1), for one point "
        hint = ": " + hint + "X.reshape(1, -1)" if x.ndim < 2 else ""
        raise ValueError(f"GaussianMixture: X must have shape (n, d), got {x.shape}{hint}")
    if x.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={x.shape}) while a minimum of 1 is required by "
            "GaussianMixture."
        )
    if x.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: GaussianMixture: X must hold real numbers, not {x.dtype}"
        )
    if x.dtype.kind == "O":
        try:
            x = np.asarray(x, np.float64)
        except (TypeError, ValueError) as error:
            raise type(error)(f"GaussianMixture: X must hold real numbers: {error}") from None
    if x.dtype.kind not in "fiub":
        raise ValueError(f"GaussianMixture: X must hold real numbers, not {x.dtype}")
    return x


# -- k-means ---------------------------------------------------------------------------------------


def nearest_centres(x, weight, k, steps, spread, random):
    """For each row of x the nearest of k centres, after at most `steps` of Lloyd's algorithm from
    rows of x: spread ones (k-means++), or any."""
    x = x - x.mean(axis=0)
    if spread:
        centres = _spread_seeds(x, weight, k, random)
    else:
        usable = np.flatnonzero(weight)
        centres = x[random.choice(usable, k, replace=len(usable) < k)]
    labels = _distances(x, centres).argmin(axis=1)
    for _ in range(steps):
        shares = np.eye(k)[labels] * weight[:, None]
        count = shares.sum(axis=0)
        filled = count > 0
        centres[filled] = (shares.T @ x)[filled] / count[filled, None]
        before, labels = labels, _distances(x, centres).argmin(axis=1)
        if (labels == before).all():
            break
    return labels


def _spread_seeds(x, weight, k, random):
    """Each next seed is drawn in proportion to its squared distance from the nearest so far; of
    several draws, the one that leaves the smallest sum of distances."""
    tries = 2 + int(np.log(k))
    seeds = [random.choice(len(x), p=weight / weight.sum())]
    nearest = _distances(x, x[seeds])[:, 0]
    while len(seeds) < k:
        mass = nearest * weight
        mass = mass if mass.sum() > 0 else weight  # fewer distinct points than seeds
        drawn = random.choice(len(x), tries, p=mass / mass.sum())
        left = np.minimum(nearest[:, None], _distances(x, x[drawn]))
        best = (left * weight[:, None]).sum(axis=0).argmin()
        seeds.append(drawn[best])
        nearest = left[:, best]
    return x[seeds]


def _distances(x, centres):
    """Squared distances (n, k); rounding never makes one negative."""
    squares = (x * x).sum(axis=1)[:, None] - 2 * x @ centres.T + (centres * centres).sum(axis=1)
    return np.maximum(squares, 0)
