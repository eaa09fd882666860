"""Tensors, the graph that operations record, and walking it backwards."""

from .backward import backward, grad
from .mode import enable_grad, is_grad_enabled, no_grad
from .op import Node, Op
from .tensor import Tensor, tensor

__all__ = ["Node", "Op", "Tensor", "backward", "enable_grad", "grad", "is_grad_enabled", "no_grad", "tensor"]
