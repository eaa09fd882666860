"""What the scores share: samples as rows of numbers, and distances between rows."""

import numpy as np

_BLOCK = 1024


def rows(name: str, samples, least: int = 1) -> np.ndarray:
    """Samples (N, ...) as float64 (N, D), checked: at least `least` of them, all finite."""
    x = np.asarray(samples)
    if x.ndim < 2 or len(x) < least:
        raise ValueError(
            f"{name}: expected an array (N, ...) of at least {least} samples, got shape {x.shape}"
        )
    x = x.reshape(len(x), -1).astype(np.float64)
    bad = ~np.isfinite(x).all(1)
    if bad.any():
        raise ValueError(
            f"{name}: {bad.sum():,} of {len(x):,} samples hold NaN or infinity, the first at "
            f"index {bad.argmax()}; the model has diverged"
        )
    return x


def same_width(name: str, a: np.ndarray, b: np.ndarray) -> None:
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{name}: the two sets have {a.shape[1]} and {b.shape[1]} numbers a sample; compare "
            "samples of one kind"
        )


def squared_distances(a: np.ndarray, b: np.ndarray):
    """‖aᵢ − bⱼ‖² in blocks of rows of a: yields (slice, array (n, M))."""
    square = (b * b).sum(1)
    for start in range(0, len(a), _BLOCK):
        part = a[start : start + _BLOCK]
        out = part @ b.T
        out *= -2
        out += (part * part).sum(1)[:, None]
        out += square
        yield slice(start, start + len(part)), np.maximum(out, 0, out=out)
