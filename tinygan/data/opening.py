"""`open`: a data set from a name or a path; what a path holds is found out from its content."""

from . import mixtures, pairs
from .dataset import SPLITS, DataError, Dataset
from .digits import digits
from .shapes import shapes

NAMES = (*mixtures.NAMES, "digits", "shapes", *pairs.NAMES)


def open(spec, split="train", size=None, seed=0, **options) -> Dataset:
    if spec in mixtures.NAMES:
        return mixtures.points(spec, split, seed, **options)
    if spec == "digits":
        return digits(split, size, seed, **options)
    if spec == "shapes":
        return shapes(split, size, seed, **options)
    if spec in pairs.NAMES:
        return pairs.pair(spec, split, size, seed, **options)
    raise DataError(f"{spec}")
