"""Tensors, the graph that operations record, and walking it backwards."""

from .anomaly import AnomalyError, detect_anomaly
from .backward import backward, grad
from .draw import draw
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .mode import enable_grad, is_grad_enabled, no_grad
from .op import Node, Op
from .tensor import Tensor, tensor

__all__ = [
    "AnomalyError", "GradcheckError", "Node", "Op", "Tensor", "backward", "detect_anomaly", "draw", "enable_grad", "grad",
    "gradcheck", "gradgradcheck", "is_grad_enabled", "no_grad", "tensor",
]  # fmt: skip
