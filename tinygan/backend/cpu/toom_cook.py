"""The small matrices of minimal filtering, F(m, r): m outputs of an r-tap filter from m + r - 1
multiplications.

Two polynomials of degree m - 1 and r - 1 are multiplied by evaluating both at m + r - 1 points,
multiplying the values, and interpolating. The same matrices, transposed, make the one-dimensional
filter (Winograd, 1980)

    y_k = sum_j d_{k + j} g_j           y = A^T [(G g) * (B^T d)],     k < m,  j < r

with points a_0, …, a_{n-2} and infinity, n = m + r - 1:

    A^T[k, i] = a_i^k                                        last column (0, …, 0, 1)
    G[i, j]   = a_i^j / prod_{l != i} (a_i - a_l)            last row    (0, …, 0, 1)
    B^T[i, :] = coefficients of prod_{l != i} (x - a_l)      last row    those of prod_l (x - a_l)

In two dimensions each matrix acts along rows and along columns. That is one product with its
Kronecker square, which a BLAS does faster than NumPy does the few additions that the zeros and ones
in these matrices would leave. The matrices' condition grows with m, and the rounding errors with
it: small points, small m."""

from functools import cache
from typing import NamedTuple

import numpy as np

__all__ = ["Transforms", "transforms"]

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)


class Transforms(NamedTuple):
    """The two-dimensional matrices of F(m x m, r x r), with n = m + r - 1."""

    A: np.ndarray  # (n², m²)
    B: np.ndarray  # (n², n²)
    G: np.ndarray  # (n², r²)


@cache
def transforms(m: int, r: int) -> Transforms:
    """A, B, G of F(m x m, r x r) in float32."""
    n = m + r - 1
    points = np.array(_POINTS[: n - 1])
    differences = points[:, None] - points
    np.fill_diagonal(differences, 1)
    scale = differences.prod(axis=1, keepdims=True)
    a = np.vstack([points[:, None] ** np.arange(m), np.eye(m)[-1:]])
    g = np.vstack([points[:, None] ** np.arange(r) / scale, np.eye(r)[-1:]])
    bt = np.zeros((n, n))
    for i in range(n - 1):
        bt[i, : n - 1] = np.poly(np.delete(points, i))[::-1]
    bt[-1] = np.poly(points)[::-1]
    return Transforms(*(np.kron(matrix, matrix).astype(np.float32) for matrix in (a, bt.T, g)))
