"""`torch.nn.parallel`."""

from tinygan.compat.parallel import DataParallel

__all__ = ["DataParallel"]
