"""Arrays and devices: which memory, which module, which kernels, which random numbers. Knows
nothing of gradients.
"""

from .device import Device, DeviceError, cuda_is_available, default_device, device
from .random import Stream, manual_seed, random_state, restore_random_state, stream

__all__ = [
    "Device", "DeviceError", "Stream", "cuda_is_available", "default_device", "device",
    "manual_seed", "random_state", "restore_random_state", "stream",
]  # fmt: skip
