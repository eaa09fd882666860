"""Layers that pool, enlarge, rearrange or pad images (N, C, H, W)."""

from .. import ops
from .module import Module


class MaxPool2d(Module):
    """The largest element of each window; the stride is the window's size unless given.

    >>> MaxPool2d(3, stride=2)(ops.randn(2, 16, 50, 32)).shape
    (2, 16, 24, 15)
    """

    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size, self.stride, self.padding = (
            kernel_size,
            kernel_size if stride is None else stride,
            padding,
        )

    def forward(self, x):
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window; the stride is the window's size unless given."""

    def __init__(self, kernel_size, stride=None, padding=0, *, count_include_pad=True):
        self.kernel_size, self.stride, self.padding = (
            kernel_size,
            kernel_size if stride is None else stride,
            padding,
        )
        self.count_include_pad = count_include_pad

    def forward(self, x):
        return ops.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding,
            count_include_pad=self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean over a grid of `output_size` cells, for images of any size."""

    def __init__(self, output_size):
        self.output_size = output_size

    def forward(self, x):
        return ops.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class Upsample(Module):
    """Enlarged to `size` or by `scale_factor`; mode "nearest" or "bilinear".

    >>> Upsample(scale_factor=2)(ops.randn(1, 3, 4, 4)).shape
    (1, 3, 8, 8)
    """

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None):
        self.size, self.scale_factor, self.mode, self.align_corners = (
            size,
            scale_factor,
            mode,
            align_corners,
        )

    def forward(self, x):
        return ops.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self):
        by = (
            f"size={self.size}"
            if self.scale_factor is None
            else f"scale_factor={self.scale_factor}"
        )
        return f"{by}, mode={self.mode!r}"


class PixelShuffle(Module):
    """(N, C·r², H, W) → (N, C, H·r, W·r): channels become pixels."""

    def __init__(self, upscale_factor):
        self.upscale_factor = upscale_factor

    def forward(self, x):
        return ops.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self):
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(N, C, H·r, W·r) → (N, C·r², H, W): pixels become channels."""

    def __init__(self, downscale_factor):
        self.downscale_factor = downscale_factor

    def forward(self, x):
        return ops.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self):
        return f"downscale_factor={self.downscale_factor}"


class _Pad2d(Module):
    """`padding` is one width for all sides, or (left, right, top, bottom)."""

    mode: str

    def __init__(self, padding):
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 4 or not all(isinstance(n, int) for n in self.padding):
            raise ValueError(
                f"{type(self).__name__}: expected one width or (left, right, top, bottom), got "
                f"{padding!r}"
            )

    def forward(self, x):
        if x.ndim < 3:
            raise ValueError(f"{type(self).__name__}: expected (N, C, H, W), got shape {x.shape}")
        return ops.pad(x, self.padding, self.mode)

    def extra_repr(self):
        return str(self.padding)


class ReflectionPad2d(_Pad2d):
    """Borders mirrored, the edge itself not repeated.

    >>> ReflectionPad2d((1, 0, 0, 0))(ops.arange(3).reshape(1, 1, 1, 3)).tolist()
    [[[[1, 0, 1, 2]]]]
    """

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """The edge repeated."""

    mode = "replicate"


class ZeroPad2d(_Pad2d):
    """Zeros added around."""

    mode = "constant"
