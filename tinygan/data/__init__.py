"""Data sets that need no network, readers for the usual files, and the batch loader.

>>> import tinygan.data
>>> ring = tinygan.data.open("ring", n=1000)
>>> ring.shape, len(ring), ring.modes.shape
((2,), 1000, (8, 2))
>>> batch = tinygan.data.Loader(ring, batch_size=4).next()
>>> batch["x"].shape, str(batch["x"].dtype)
((4, 2), 'float32')
"""

from .dataset import ArrayDataset, DataError, Dataset
from .fingerprint import differences, fingerprint
from .folder import FolderDataset
from .loader import Loader
from .opening import NAMES, open
from .pairs import PairDataset
from .shapes import ShapesDataset, read_factors
from .table import table
from .web import download

__all__ = [
    "ArrayDataset", "DataError", "Dataset", "FolderDataset", "Loader", "NAMES", "PairDataset",
    "ShapesDataset", "differences", "download", "fingerprint", "open", "read_factors", "table",
]  # fmt: skip
