"""The functions behind the layers, under PyTorch's name: `import tinygan.nn.functional as F`.

>>> from tinygan import tensor
>>> relu(tensor([-1.0, 1.0]))
tensor([0., 1.])
"""

from ..ops import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    conv1d,
    conv2d,
    conv_transpose2d,
    cross_entropy,
    dropout,
    elu,
    embedding,
    gelu,
    group_norm,
    hinge_loss,
    instance_norm,
    interpolate,
    l1_loss,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    max_pool2d,
    mse_loss,
    nll_loss,
    one_hot,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
    sigmoid,
    silu,
    smooth_l1_loss,
    softmax,
    softplus,
    tanh,
)

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv_transpose2d", "cross_entropy",
    "dropout", "elu", "embedding", "gelu", "group_norm", "hinge_loss", "instance_norm",
    "interpolate", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "max_pool2d",
    "mse_loss", "nll_loss", "one_hot", "pad", "pixel_shuffle", "pixel_unshuffle", "relu", "sigmoid",
    "silu", "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip
