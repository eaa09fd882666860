"""GPU kernels: the portable ones, and faster ones of our own."""

from ..portable import *  # noqa: F403
from .blas import linear_gradients, matmul
from .clipping import norm_and_factor, scale_all
from .conv import (
    conv2d,
    conv2d_gradients,
    conv2d_input_grad,
    conv2d_weight_grad,
    conv_transpose2d_gradients,
)
from .norm import standardize, standardize_given, standardize_gradient
from .optim import apply_to_many
from .precision import float32_precision, set_float32_precision, tensor_cores
from .sums import sum_over

__all__ = [
    "apply_to_many", "conv2d", "conv2d_gradients", "conv2d_input_grad", "conv2d_weight_grad",
    "conv_transpose2d_gradients", "float32_precision", "linear_gradients", "matmul",
    "norm_and_factor", "scale_all", "set_float32_precision", "standardize", "standardize_given",
    "standardize_gradient", "sum_over", "tensor_cores",
]  # fmt: skip
