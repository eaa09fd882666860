"""Tensors, the graph that operations record, and walking it backwards."""

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
