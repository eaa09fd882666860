"""Spectral normalisation (Miyato et al. 2018): the weight's largest singular value is 1.

    W̄ = W/σ,   σ = uᵀ W v
    v ← Wᵀu/‖Wᵀu‖,   u ← Wv/‖Wv‖          one power iteration in each training step

u and v are constants to the derivative; σ is not, so the gradient of W̄ lacks the part along W:
that is what keeps the layer's Lipschitz constant at 1 during training.
"""

from .. import ops
from ..autograd import no_grad
from ..backend import stream
from .conv import ConvTranspose1d, ConvTranspose2d
from .module import Module
from .reparametrize import Reparametrization, remove


class _SpectralNorm(Reparametrization):
    parts = ("orig", "u", "v")

    def __init__(self, name, n_power_iterations, eps, dim):
        super().__init__(name)
        self.n_power_iterations, self.eps, self.dim = n_power_iterations, eps, dim

    def __repr__(self):
        return "spectral_norm"

    def matrix(self, weight):
        """The weight as a matrix with one row per output."""
        if self.dim:
            order = (self.dim, *(d for d in range(weight.ndim) if d != self.dim))
            weight = weight.permute(order)
        return weight.reshape(weight.shape[0], -1)

    def unit(self, x):
        return x / x.norm().clamp(min=self.eps)

    def iterate(self, matrix, u, v, count):
        for _ in range(count):
            v = self.unit(matrix.T @ u)
            u = self.unit(matrix @ v)
        return u, v

    def weight(self, module, training):
        weight, u_buffer, v_buffer = (self.part(module, part) for part in self.parts)
        with no_grad():
            u, v = u_buffer.clone(), v_buffer.clone()
            if training:
                u, v = self.iterate(self.matrix(weight.detach()), u, v, self.n_power_iterations)
                u_buffer.copy_(u)
                v_buffer.copy_(v)
        sigma = (u * (self.matrix(weight) @ v)).sum()
        return weight / sigma


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim=None
) -> Module:
    """Normalise a layer's weight by its largest singular value, in place; gives the layer back.

    The parameter becomes `weight_orig`; `weight_u` and `weight_v` are buffers, as in
    `torch.nn.utils.spectral_norm`.

    >>> from tinygan.nn import Linear
    >>> layer = spectral_norm(Linear(20, 40))
    >>> [key for key in layer.state_dict()]
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d) else 0
    norm = _SpectralNorm(name, n_power_iterations, eps, dim)
    weight = norm.take(module)
    if weight.ndim < 2:
        setattr(module, name, weight)
        raise ValueError(
            f"spectral_norm: expected a weight with at least 2 axes, got shape {weight.shape}"
        )
    with no_grad():
        matrix = norm.matrix(weight.detach())
        kind = {"dtype": weight.dtype, "device": weight.device, "generator": stream("init")}
        u, v = (norm.unit(ops.randn(n, **kind)) for n in matrix.shape)
        u, v = norm.iterate(matrix, u, v, 15)
    module.register_parameter(f"{name}_orig", weight)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    return norm.attach(module, weight)


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a parameter again, with the values it has now."""
    return remove(_SpectralNorm, module, name)
