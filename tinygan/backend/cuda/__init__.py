"""GPU kernels: the portable ones for now; faster ones take their names over one by one."""

from ..portable import *  # noqa: F403
from .blas import linear_gradients, matmul
from .norm import standardize, standardize_given, standardize_gradient
from .precision import float32_precision, set_float32_precision, tensor_cores
from .sums import sum_over

__all__ = [
    "float32_precision", "linear_gradients", "matmul", "set_float32_precision", "standardize",
    "standardize_given", "standardize_gradient", "sum_over", "tensor_cores",
]  # fmt: skip
