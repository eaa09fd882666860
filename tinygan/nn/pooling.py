"""Layers that pool: the largest or the mean of windows or cells; (N, C, L) or (N, C, H, W)."""

from functools import partial

from .. import ops
from .layer import REQUIRED, layer
from .module import Module


class _Pool(Module):
    _pool = None

    def _build(self, kernel_size, stride, **settings):
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        for name, value in settings.items():
            setattr(self, name, value)
        self._settings = ("kernel_size", "stride", *settings)

    def forward(self, x):
        return self._pool(x, **{name: getattr(self, name) for name in self._settings})

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Pool):
    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False,
        ceil_mode=False,
    ):  # fmt: skip
        self._build(
            kernel_size, stride, padding=padding, dilation=dilation,
            return_indices=return_indices, ceil_mode=ceil_mode,
        )  # fmt: skip


class MaxPool1d(_MaxPool):
    """The largest element of each window of a signal; see MaxPool2d."""

    _pool = staticmethod(ops.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window; the stride is the window's size unless given.

    With `ceil_mode` a last window may reach over the edge; with `return_indices` comes also where
    in the image each of them was.

    >>> MaxPool2d(3, stride=2)(ops.randn(2, 16, 50, 32)).shape
    (2, 16, 24, 15)
    """

    _pool = staticmethod(ops.max_pool2d)


class AvgPool1d(_Pool):
    """The mean of each window of a signal; see AvgPool2d."""

    _pool = staticmethod(ops.avg_pool1d)

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
    ):
        self._build(
            kernel_size,
            stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class AvgPool2d(_Pool):
    """The mean of each window; the stride is the window's size unless given.

    `divisor_override` takes the place of the number of elements; without `count_include_pad` the
    padding is not among them.
    """

    _pool = staticmethod(ops.avg_pool2d)

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
        divisor_override=None,
    ):  # fmt: skip
        self._build(
            kernel_size, stride, padding=padding, ceil_mode=ceil_mode,
            count_include_pad=count_include_pad, divisor_override=divisor_override,
        )  # fmt: skip


_cells = partial(layer, __name__, output_size=REQUIRED)
AdaptiveAvgPool1d = _cells(
    "AdaptiveAvgPool1d", ops.adaptive_avg_pool1d, "The mean of each of `output_size` pieces."
)
AdaptiveAvgPool2d = _cells(
    "AdaptiveAvgPool2d",
    ops.adaptive_avg_pool2d,
    "The mean over a grid of `output_size` cells, for images of any size.",
)
AdaptiveMaxPool1d = _cells(
    "AdaptiveMaxPool1d",
    ops.adaptive_max_pool1d,
    "The largest of each of `output_size` pieces.",
    return_indices=False,
)
AdaptiveMaxPool2d = _cells(
    "AdaptiveMaxPool2d",
    ops.adaptive_max_pool2d,
    "The largest element of each cell of a grid of `output_size`.",
    return_indices=False,
)
