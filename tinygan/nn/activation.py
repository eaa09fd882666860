"""Activations as layers, and dropout."""

from .. import ops
from .module import Module


def _plain(name, function, doc):
    """A layer without settings around a function of one tensor."""
    body = {"forward": lambda self, x: function(x), "__doc__": doc, "__module__": __name__}
    return type(name, (Module,), body)


Tanh = _plain("Tanh", ops.tanh, "tanh(x), in (−1, 1): the usual last layer of an image generator.")
Sigmoid = _plain("Sigmoid", ops.sigmoid, "1/(1 + e⁻ˣ), in (0, 1).")
Softplus = _plain("Softplus", ops.softplus, "log(1 + eˣ), a smooth max(x, 0).")


class _MayBeInPlace(Module):
    """Takes PyTorch's `inplace` and gives the same result either way: a new tensor."""

    def __init__(self, inplace=False):
        self.inplace = inplace

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class ReLU(_MayBeInPlace):
    """max(x, 0).

    >>> ReLU()(ops.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, x):
        return ops.relu(x)


class SiLU(_MayBeInPlace):
    """x·σ(x)."""

    def forward(self, x):
        return ops.silu(x)


class LeakyReLU(Module):
    """x where it is positive, negative_slope·x elsewhere.

    >>> LeakyReLU(0.25)(ops.tensor([-1.0, 2.0]))
    tensor([-0.25,  2.  ])
    """

    def __init__(self, negative_slope=0.01, inplace=False):
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, x):
        return ops.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """x where it is positive, alpha·(eˣ − 1) elsewhere."""

    def __init__(self, alpha=1.0, inplace=False):
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x):
        return ops.elu(x, self.alpha)

    def extra_repr(self):
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """x·Φ(x), Φ the normal distribution function."""

    def __init__(self, approximate="none"):
        self.approximate = approximate

    def forward(self, x):
        return ops.gelu(x, self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class _AlongAxis(Module):
    def __init__(self, dim=-1):
        self.dim = dim

    def extra_repr(self):
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """exp(x)/Σ exp(x) along `dim`."""

    def forward(self, x):
        return ops.softmax(x, self.dim)


class LogSoftmax(_AlongAxis):
    """log softmax(x) along `dim`."""

    def forward(self, x):
        return ops.log_softmax(x, self.dim)


class Dropout(Module):
    """In training, elements are zeroed with probability `p`, the rest scaled by 1/(1 − p)."""

    def __init__(self, p=0.5, inplace=False):
        if not 0 <= p < 1:
            raise ValueError(f"{type(self).__name__}: expected a probability in [0, 1), got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, x):
        return ops.dropout(x, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}" + (", inplace=True" if self.inplace else "")


class Dropout2d(Dropout):
    """Dropout of whole channels: x (N, C, H, W)."""

    def forward(self, x):
        if x.ndim != 4:
            raise ValueError(f"Dropout2d: expected (N, C, H, W), got shape {x.shape}")
        if not self.training or not self.p:
            return x
        channels = ops.ones(*x.shape[:2], 1, 1, dtype=x.dtype, device=x.device)
        return x * ops.dropout(channels, self.p)
