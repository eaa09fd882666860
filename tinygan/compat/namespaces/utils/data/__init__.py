"""`torch.utils.data`: data sets by item, samplers, and the loader of one epoch after the other."""

from tinygan.compat.dataloader import *  # noqa: F403
from tinygan.compat.datasets import *  # noqa: F403
from tinygan.compat.faces import answering

__getattr__ = answering("tinygan.utils.data")
