"""`torch.utils`."""

from tinygan.compat.faces import answering
from tinygan.utils import data

__all__ = ["data"]

__getattr__ = answering("tinygan.utils")
