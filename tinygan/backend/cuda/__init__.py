"""GPU kernels: the portable ones for now; faster ones take their names over one by one."""

from ..portable import *  # noqa: F403
from .blas import linear_gradients, matmul
from .clipping import norm_and_factor, scale_all
from .norm import standardize, standardize_given, standardize_gradient
from .optim import apply_to_many
from .precision import float32_precision, set_float32_precision, tensor_cores
from .sums import sum_over

__all__ = [
    "apply_to_many", "float32_precision", "linear_gradients", "matmul", "norm_and_factor",
    "scale_all", "set_float32_precision", "standardize", "standardize_given",
    "standardize_gradient", "sum_over", "tensor_cores",
]  # fmt: skip
