"""`torch.backends`: switches of PyTorch's libraries, which may be set and change nothing here."""

from tinygan.backends import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
