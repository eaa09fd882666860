"""CPU kernels: the portable ones, and faster ones where plain NumPy leaves time on the table."""

from ..portable import *  # noqa: F403 (what follows takes the place of some of it)
from .activation import (
    bce_with_logits,
    leaky_relu,
    leaky_relu_gradient,
    relu,
    sigmoid,
    softplus,
    tanh,
    tanh_gradient,
)
from .conv import (
    conv2d,
    conv2d_gradients,
    conv2d_input_grad,
    conv2d_weight_grad,
    conv_transpose2d_gradients,
)
from .memory import keep_freed_memory
from .norm import standardize, standardize_given, standardize_gradient
from .optim import apply_to_many
from .product import linear_gradients, matmul
from .threads import get_num_threads, set_num_threads
from .workspace import clear_workspace, set_workspace_limit, workspace_bytes, workspace_limit

__all__ = [
    "apply_to_many", "bce_with_logits", "clear_workspace", "conv2d", "conv2d_gradients",
    "conv2d_input_grad", "conv2d_weight_grad", "conv_transpose2d_gradients", "get_num_threads",
    "keep_freed_memory", "leaky_relu", "leaky_relu_gradient", "linear_gradients", "matmul", "relu",
    "set_num_threads", "set_workspace_limit", "sigmoid", "softplus", "standardize",
    "standardize_given", "standardize_gradient", "tanh", "tanh_gradient", "workspace_bytes",
    "workspace_limit",
]  # fmt: skip

keep_freed_memory()
