"""`torch.utils.data.dataloader`."""

from tinygan.compat.dataloader import DataLoader, default_collate

__all__ = ["DataLoader", "default_collate"]
