"""Dropout: in training, elements or channels are zeroed at random, the rest scaled up."""

from .. import ops
from ..ops.inplace import in_place
from .module import Module


class _Dropout(Module):
    _drop = None

    def __init__(self, p=0.5, inplace=False):
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: expected a probability in [0, 1], got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, x):
        if self.inplace and self.training:
            return in_place(type(self).__name__, self._drop, x, self.p)
        return self._drop(x, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}" + (", inplace=True" if self.inplace else "")


class Dropout(_Dropout):
    """In training, elements are zeroed with probability `p`, the rest scaled by 1/(1 − p)."""

    _drop = staticmethod(ops.dropout)


class Dropout1d(_Dropout):
    """Dropout of whole channels: x (N, C, L)."""

    _drop = staticmethod(ops.dropout1d)


class Dropout2d(_Dropout):
    """Dropout of whole channels: x (N, C, H, W)."""

    _drop = staticmethod(ops.dropout2d)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean 0 and variance 1, for networks of SELU."""

    _drop = staticmethod(ops.alpha_dropout)
