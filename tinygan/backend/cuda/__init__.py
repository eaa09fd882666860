"""GPU kernels: the portable ones, and faster ones of our own."""

from ..portable import *  # noqa: F403
from .activation import (
    bce_with_logits,
    leaky_relu,
    leaky_relu_gradient,
    sigmoid,
    softplus,
    tanh_gradient,
)
from .blas import contract, linear_gradients, matmul
from .clipping import norm_and_factor, scale_all
from .conv import (
    conv2d,
    conv2d_gradients,
    conv2d_input_grad,
    conv2d_weight_grad,
    conv_transpose2d_gradients,
)
from .norm import move_statistics, standardize, standardize_given, standardize_gradient
from .optim import apply_to_many
from .precision import float32_as, float32_precision, set_float32_precision, tensor_cores
from .scatter import add_at
from .sums import sum_over

__all__ = [
    "add_at", "apply_to_many", "bce_with_logits", "contract", "conv2d", "conv2d_gradients",
    "conv2d_input_grad", "conv2d_weight_grad", "conv_transpose2d_gradients", "float32_as",
    "float32_precision", "leaky_relu", "leaky_relu_gradient", "linear_gradients", "matmul",
    "move_statistics", "norm_and_factor", "scale_all", "set_float32_precision", "sigmoid",
    "softplus", "standardize", "standardize_given", "standardize_gradient", "sum_over",
    "tanh_gradient", "tensor_cores",
]  # fmt: skip
