"""`torch.nn.utils`."""

from tinygan import optim
from tinygan.compat.faces import answering
from tinygan.compat.vectors import parameters_to_vector, vector_to_parameters
from tinygan.nn import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

clip_grad_norm_ = clip_grad_norm = optim.clip_grad_norm_
clip_grad_value_ = optim.clip_grad_value_

__getattr__ = answering("tinygan.nn.utils")
__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "parameters_to_vector",
    "remove_spectral_norm", "remove_weight_norm", "spectral_norm", "vector_to_parameters",
    "weight_norm",
]  # fmt: skip
