"""Weight normalisation (Salimans & Kingma 2016): direction and length of a weight learned apart.

    w = g·v/‖v‖

with one length g for each output: the norm runs over all axes but `dim`.
"""

from ..autograd import no_grad
from .module import Module
from .parameter import Parameter
from .reparametrize import Reparametrization, remove


class _WeightNorm(Reparametrization):
    parts = ("g", "v")

    def __init__(self, name, dim):
        super().__init__(name)
        self.dim = dim

    def __repr__(self):
        return "weight_norm"

    def length(self, v):
        axes = tuple(d for d in range(v.ndim) if self.dim is None or d != self.dim % v.ndim)
        return (v * v).sum(axes, keepdim=self.dim is not None).sqrt()

    def weight(self, module, training):
        v = self.part(module, "v")
        return v * (self.part(module, "g") / self.length(v))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn the length and the direction of a layer's weight apart, in place; gives the layer back.

    The parameter becomes `weight_g` and `weight_v`, as in `torch.nn.utils.weight_norm`. With
    `dim=None` there is one length for the whole weight.

    >>> from tinygan.nn import Linear
    >>> layer = weight_norm(Linear(20, 40))
    >>> {key: value.shape for key, value in layer.state_dict().items()}
    {'bias': (40,), 'weight_g': (40, 1), 'weight_v': (40, 20)}
    """
    norm = _WeightNorm(name, dim)
    weight = norm.take(module)
    with no_grad():
        module.register_parameter(f"{name}_g", Parameter(norm.length(weight.detach())))
    module.register_parameter(f"{name}_v", weight)
    return norm.attach(module, weight)


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a parameter again, with the values it has now."""
    return remove(_WeightNorm, module, name)
