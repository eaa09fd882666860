"""`torch.backends.cuda`: matrix products are always computed in the operands' own precision."""

from types import SimpleNamespace

matmul = SimpleNamespace(allow_tf32=False)
