"""Activations as layers; the functions are in `tinygan.ops`."""

from functools import partial

from .. import ops
from ..ops.inplace import in_place
from .layer import REQUIRED, layer
from .linear import empty_parameter
from .module import Module

_activation = partial(layer, __name__)


class ReLU(Module):
    """max(x, 0).

    >>> ReLU()(ops.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, inplace=False):
        self.inplace = inplace

    def forward(self, x):
        return in_place("ReLU", ops.relu, x) if self.inplace else ops.relu(x)

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where it is positive, negative_slope·x elsewhere.

    >>> LeakyReLU(0.25)(ops.tensor([-1.0, 2.0]))
    tensor([-0.25,  2.  ])
    """

    def __init__(self, negative_slope=0.01, inplace=False):
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, x):
        if self.inplace:
            return in_place("LeakyReLU", ops.leaky_relu, x, self.negative_slope)
        return ops.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    """x where it is positive, weight·x elsewhere; the weight, one or one per channel, is learned.

    >>> PReLU()(ops.tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        self.num_parameters, self.init = num_parameters, init
        self.weight = empty_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self):
        self.weight.array[...] = self.init

    def forward(self, x):
        return ops.prelu(x, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"


Tanh = _activation(
    "Tanh", ops.tanh, "tanh(x), in (−1, 1): the usual last layer of an image generator."
)
Sigmoid = _activation("Sigmoid", ops.sigmoid, "1/(1 + e⁻ˣ), in (0, 1).")
LogSigmoid = _activation("LogSigmoid", ops.logsigmoid, "log σ(x).")
SiLU = _activation("SiLU", ops.silu, "x·σ(x).", inplace=False)
Mish = _activation("Mish", ops.mish, "x·tanh(softplus(x)).", inplace=False)
GELU = _activation(
    "GELU", ops.gelu, "x·Φ(x), Φ the normal distribution function.", approximate="none"
)
ELU = _activation(
    "ELU", ops.elu, "x where it is positive, alpha·(eˣ − 1) elsewhere.", alpha=1.0, inplace=False
)
CELU = _activation(
    "CELU",
    ops.celu,
    "x where it is positive, alpha·(e^(x/alpha) − 1) elsewhere.",
    alpha=1.0,
    inplace=False,
)
SELU = _activation(
    "SELU", ops.selu, "ELU with the constants that keep mean 0 and variance 1.", inplace=False
)
Hardtanh = _activation(
    "Hardtanh", ops.hardtanh, "x limited to [min_val, max_val].", min_val=-1.0, max_val=1.0,
    inplace=False,
)  # fmt: skip
ReLU6 = _activation("ReLU6", ops.relu6, "x limited to [0, 6].", inplace=False)
Hardsigmoid = _activation(
    "Hardsigmoid", ops.hardsigmoid, "x/6 + ½ limited to [0, 1].", inplace=False
)
Hardswish = _activation("Hardswish", ops.hardswish, "x·hardsigmoid(x).", inplace=False)
Hardshrink = _activation("Hardshrink", ops.hardshrink, "x, and 0 where |x| ≤ lambd.", lambd=0.5)
Softshrink = _activation("Softshrink", ops.softshrink, "x moved by lambd towards 0.", lambd=0.5)
Softsign = _activation("Softsign", ops.softsign, "x/(1 + |x|).")
Tanhshrink = _activation("Tanhshrink", ops.tanhshrink, "x − tanh(x).")
Threshold = _activation(
    "Threshold", ops.threshold, "x where it is above the threshold, `value` elsewhere.",
    threshold=REQUIRED, value=REQUIRED, inplace=False,
)  # fmt: skip
GLU = _activation("GLU", ops.glu, "a·σ(b), where a and b are the halves of x along `dim`.", dim=-1)


class Softplus(Module):
    """log(1 + e^(βx))/β, a smooth max(x, 0); x itself where βx is above the threshold."""

    def __init__(self, beta=1.0, threshold=20.0):
        self.beta, self.threshold = beta, threshold

    def forward(self, x):
        scaled = x if self.beta == 1 else x * self.beta
        out = ops.softplus(scaled) if self.beta == 1 else ops.softplus(scaled) / self.beta
        return out if self.threshold >= 20 else ops.where(scaled > self.threshold, x, out)

    def extra_repr(self):
        return f"beta={self.beta}, threshold={self.threshold}"


def _along(function):
    """The function with the axis that PyTorch takes where none is given: 0 of inputs with 0, 1 or
    3 axes, else 1.
    """
    return lambda x, dim: function(x, (0 if x.ndim in (0, 1, 3) else 1) if dim is None else dim)


Softmax = _activation(
    "Softmax",
    _along(ops.softmax),
    "exp(x)/Σ exp(x) along `dim`; without it, along axis 0 of inputs with 1 or 3 axes, else 1.",
    dim=None,
)
LogSoftmax = _activation(
    "LogSoftmax", _along(ops.log_softmax), "log softmax(x) along `dim`, as in Softmax.", dim=None
)
Softmin = _activation(
    "Softmin", _along(ops.softmin), "softmax(−x) along `dim`, as in Softmax.", dim=None
)
Softmax2d = _activation(
    "Softmax2d", lambda x: ops.softmax(x, -3), "softmax over the channels of (N, C, H, W)."
)
