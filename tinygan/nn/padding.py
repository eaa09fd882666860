"""Layers that add elements around signals (…, L) and images (…, H, W)."""

from .. import ops
from .module import Module


class _Pad(Module):
    """`padding` is one width for all sides, or (left, right) and, for images, (top, bottom)."""

    _mode, _axes = "constant", 2

    def __init__(self, padding):
        sides = 2 * self._axes
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides or not all(isinstance(n, int) for n in self.padding):
            wanted = "(left, right)" if self._axes == 1 else "(left, right, top, bottom)"
            raise ValueError(
                f"{type(self).__name__}: expected one width or {wanted}, got {padding!r}"
            )

    def forward(self, x):
        if x.ndim <= self._axes:
            wanted = "(N, C, L)" if self._axes == 1 else "(N, C, H, W)"
            raise ValueError(f"{type(self).__name__}: expected {wanted}, got shape {x.shape}")
        return ops.pad(x, self.padding, self._mode)

    def extra_repr(self):
        return str(self.padding)


class ReflectionPad1d(_Pad):
    """Ends mirrored, the last element itself not repeated."""

    _mode, _axes = "reflect", 1


class ReflectionPad2d(_Pad):
    """Borders mirrored, the edge itself not repeated.

    >>> ReflectionPad2d((1, 0, 0, 0))(ops.arange(3).reshape(1, 1, 1, 3)).tolist()
    [[[[1, 0, 1, 2]]]]
    """

    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """The last elements repeated."""

    _mode, _axes = "replicate", 1


class ReplicationPad2d(_Pad):
    """The edge repeated."""

    _mode = "replicate"


class CircularPad1d(_Pad):
    """What leaves at one end comes in at the other."""

    _mode, _axes = "circular", 1


class CircularPad2d(_Pad):
    """What leaves at one side comes in at the other."""

    _mode = "circular"


class ZeroPad1d(_Pad):
    """Zeros added at the ends."""

    _axes = 1


class ZeroPad2d(_Pad):
    """Zeros added around."""


class _ConstantPad(_Pad):
    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, x):
        return ops.pad(x, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """`value` added at the ends."""

    _axes = 1


class ConstantPad2d(_ConstantPad):
    """`value` added around."""
