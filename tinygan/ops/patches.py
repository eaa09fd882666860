"""Windows of an image as columns, and back.

A convolution whose kernels are the unit vectors copies window after window: that is unfold. Its
transpose adds the columns up where they came from: that is fold. So each is the derivative of the
other, and the convolution's kernels do the work.
"""

from .conv import conv2d, conv_transpose2d, numbers
from .create import eye


def _unit_kernels(x, kernel):
    """One kernel for each place of the window: (kh·kw, 1, kh, kw)."""
    count = kernel[0] * kernel[1]
    return eye(count, dtype=x.dtype, device=x.device).reshape(count, 1, *kernel)


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """(N, C, H, W) → (N, C·kh·kw, windows): the pixels under each window as a column."""
    if x.ndim == 3:
        return unfold(x.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if x.ndim != 4 or not x.shape[1]:
        raise ValueError(f"unfold: expected (N, C, H, W) or (C, H, W), got shape {x.shape}")
    n, c, h, w = x.shape
    units = _unit_kernels(x, numbers("unfold kernel_size", kernel_size, 2, 1))
    windows = conv2d(x.reshape(n * c, 1, h, w), units, None, stride, padding, dilation)
    return windows.reshape(n, c * units.shape[0], windows.shape[2] * windows.shape[3])


def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """(N, C·kh·kw, windows) → (N, C, H, W): columns added up where `unfold` took them from."""
    if x.ndim == 2:
        return fold(x.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    size = numbers("fold output_size", output_size, 2, 1)
    kernel = numbers("fold kernel_size", kernel_size, 2, 1)
    dilation, padding, stride = (
        numbers(f"fold {name}", value, 2, least)
        for name, value, least in (
            ("dilation", dilation, 1),
            ("padding", padding, 0),
            ("stride", stride, 1),
        )
    )
    spans = [m + 2 * p - d * (k - 1) - 1 for m, p, d, k in zip(size, padding, dilation, kernel)]
    rows, columns = (span // s + 1 for span, s in zip(spans, stride))
    count = kernel[0] * kernel[1]
    if x.ndim != 3 or x.shape[1] % count or x.shape[2] != rows * columns:
        raise ValueError(
            f"fold: expected (N, C·{count}, {rows * columns}) for {rows}×{columns} windows, got "
            f"{x.shape}"
        )
    n, c = x.shape[0], x.shape[1] // count
    windows = x.reshape(n * c, count, rows, columns)
    extra = tuple(span % s for span, s in zip(spans, stride))
    units = _unit_kernels(x, kernel)
    return _added_up(windows, units, stride, padding, extra, dilation).reshape(n, c, *size)


def _added_up(windows, units, stride, padding, extra, dilation):
    return conv_transpose2d(windows, units, None, stride, padding, extra, 1, dilation)


__all__ = ["fold", "unfold"]
