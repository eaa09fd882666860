"""`nn.DataParallel`, on the one device that a module is on."""

from ..nn import Module


class DataParallel(Module):
    """The module behind a door, `.module`, as in PyTorch, so that names of saved weights are the
    same. Batches are not divided: tinygan uses one device.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError(
                f"DataParallel: tinygan computes on one device, got device_ids={device_ids}; leave "
                "it out"
            )
        self.module = module

    def forward(self, *inputs, **keywords):
        return self.module(*inputs, **keywords)
