"""Layers that enlarge or rearrange images (N, C, H, W)."""

from functools import partial

from .. import ops
from .layer import REQUIRED, layer
from .module import Module

_rearrange = partial(layer, __name__)


class Upsample(Module):
    """Enlarged to `size` or by `scale_factor`; modes as in `interpolate`.

    >>> Upsample(scale_factor=2)(ops.randn(1, 3, 4, 4)).shape
    (1, 3, 8, 8)
    """

    def __init__(
        self, size=None, scale_factor=None, mode="nearest", align_corners=None,
        recompute_scale_factor=None,
    ):  # fmt: skip
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, x):
        return ops.interpolate(
            x, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def extra_repr(self):
        by = (
            f"size={self.size}"
            if self.scale_factor is None
            else f"scale_factor={self.scale_factor}"
        )
        return f"{by}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Enlarged by copying pixels."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Enlarged by bilinear interpolation, the corners kept in place."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "bilinear", True)


PixelShuffle = _rearrange(
    "PixelShuffle",
    ops.pixel_shuffle,
    "(N, C·r², H, W) → (N, C, H·r, W·r): channels become pixels.",
    upscale_factor=REQUIRED,
)
PixelUnshuffle = _rearrange(
    "PixelUnshuffle",
    ops.pixel_unshuffle,
    "(N, C, H·r, W·r) → (N, C·r², H, W): pixels become channels.",
    downscale_factor=REQUIRED,
)
Unfold = _rearrange(
    "Unfold", ops.unfold, "(N, C, H, W) → (N, C·kernel, windows): each window as a column.",
    kernel_size=REQUIRED, dilation=1, padding=0, stride=1,
)  # fmt: skip
Fold = _rearrange(
    "Fold", ops.fold, "(N, C·kernel, windows) → (N, C, *output_size): the windows added up again.",
    output_size=REQUIRED, kernel_size=REQUIRED, dilation=1, padding=0, stride=1,
)  # fmt: skip
