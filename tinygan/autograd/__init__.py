"""Tensors, the graph that operations record, and walking it backwards.

Six files are the core, some 550 lines of code: `tensor`, `op`, `graph`, `backward`, `operands` and
`mode`. Three fifths of them are what any engine of this kind needs: an array that knows what made
it, an operation with its rules, a walk from the newest node to the oldest. The rest is what one
meets on the first day of using it, and what small engines leave out:

- errors that name the operation, what they saw and what to do: a line in ten;
- operands of any kind, dtype and device together, as in PyTorch (`operands`): one in eight;
- plans, so that only what a wanted derivative asks for is kept (the end of `op`): one in nine;
- versions, which refuse a backward through values written over; hooks; retained gradients.

`interop`, `draw`, `gradcheck`, `anomaly` and `profiler` stand beside the core, and need not be read
to understand it.
"""

from .anomaly import AnomalyError, detect_anomaly
from .backward import backward, grad
from .draw import draw
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .graph import Node
from .mode import enable_grad, is_grad_enabled, no_grad
from .op import Op
from .profiler import profile
from .tensor import Tensor

__all__ = [
    "AnomalyError", "GradcheckError", "Node", "Op", "Tensor", "backward", "detect_anomaly",
    "draw", "enable_grad", "grad", "gradcheck", "gradgradcheck", "is_grad_enabled", "no_grad",
    "profile",
]  # fmt: skip
