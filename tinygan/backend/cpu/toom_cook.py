"""The small matrices of minimal filtering, F(m, r): m outputs of an r-tap filter from m + r - 1 multiplications.

Two polynomials of degree m - 1 and r - 1 are multiplied by evaluating both at m + r - 1 points, multiplying the values,
and interpolating. The same matrices, transposed, make the one-dimensional filter (Winograd, 1980)

    y_k = sum_j d_{k + j} g_j           y = A^T [(G g) * (B^T d)],     k < m,  j < r

with points a_0, …, a_{n-2} and infinity, n = m + r - 1:

    A^T[k, i] = a_i^k                                        last column (0, …, 0, 1)
    G[i, j]   = a_i^j / prod_{l != i} (a_i - a_l)            last row    (0, …, 0, 1)
    B^T[i, :] = coefficients of prod_{l != i} (x - a_l)      last row    those of prod_l (x - a_l)

The matrices' condition grows with m, and the rounding errors with it: small points, small m. Most entries are 0 or ±1;
`Combination` multiplies by such a matrix in few steps.
"""

from functools import cache

import numpy as np

from .workspace import scratch

__all__ = ["Combination", "transforms"]

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)


class Combination:
    """Multiplication by a small matrix along a leading axis whose entries are whole arrays.

    Each row becomes a short list of steps. Terms with the same factor are added first and multiplied once:
    2 a - b - 2 c + d is computed as 2 (a - c) + (d - b).
    """

    def __init__(self, matrix: np.ndarray):
        self.shape = matrix.shape
        self.rows = [_groups(row) for row in matrix]

    def __call__(self, inputs, outputs) -> None:
        """outputs[i] = sum_j matrix[i, j] inputs[j]."""
        shape, dtype = outputs[0].shape, outputs[0].dtype
        total = scratch("combination_total", shape, dtype)
        group = scratch("combination_group", shape, dtype)
        for groups, output in zip(self.rows, outputs, strict=True):
            self._one_row(groups, inputs, output, total, group)

    @staticmethod
    def _one_row(groups, inputs, output, total, group) -> None:
        value = None
        for number, (factor, plus, minus) in enumerate(groups):
            last = number == len(groups) - 1
            steps = len(plus) + len(minus) - 1 + (factor != 1) + (value is not None)
            target = output if last and value is None else group if value is not None else total
            term = inputs[plus[0]]
            for sign, index in [(np.add, j) for j in plus[1:]] + [(np.subtract, j) for j in minus]:
                term = sign(term, inputs[index], out=target)
            if factor != 1:
                term = np.multiply(term, factor, out=target)
            if value is not None:
                term = np.add(value, term, out=output if last else total)
            elif steps == 0 and last:
                np.copyto(output, term)
            value = term


def _groups(row: np.ndarray) -> list[tuple[float, list[int], list[int]]]:
    """The nonzero entries as (factor, indices to add, indices to subtract), each with at least one to add.

    Groups that need a multiplication come first; a group of one sign only takes the sign into its factor.
    """
    groups = []
    for size in sorted({abs(float(c)) for c in row if c}, reverse=True):
        plus = [j for j, c in enumerate(row) if c == size]
        minus = [j for j, c in enumerate(row) if c == -size]
        groups.append((size, plus, minus) if plus else (-size, minus, plus))
    groups.sort(key=lambda group: group[0] == 1)
    return groups


@cache
def transforms(m: int, r: int) -> dict[str, Combination]:
    """The one-dimensional A, B, G of F(m, r) and their transposes At, Bt, Gt, each as a Combination."""
    points = np.array(_POINTS[: m + r - 2])
    differences = points[:, None] - points
    np.fill_diagonal(differences, 1)
    scale = differences.prod(axis=1, keepdims=True)
    a = np.vstack([points[:, None] ** np.arange(m), np.eye(m)[-1:]])
    g = np.vstack([points[:, None] ** np.arange(r) / scale, np.eye(r)[-1:]])
    bt = np.zeros((m + r - 1, m + r - 1))
    for i in range(m + r - 2):
        bt[i, : m + r - 2] = np.poly(np.delete(points, i))[::-1]
    bt[-1] = np.poly(points)[::-1]
    matrices = {"A": a, "At": a.T, "B": bt.T, "Bt": bt, "G": g, "Gt": g.T}
    return {name: Combination(matrix) for name, matrix in matrices.items()}
