"""Convolution layers; the arithmetic and its derivatives are in `tinygan.ops.conv`."""

from .. import ops
from .linear import empty_parameter, initialise
from .module import Module


def _numbers(name, value, count, least):
    """`count` whole numbers from one number or a tuple."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(values) != count or any(not isinstance(n, int) or n < least for n in values):
        wanted = "a whole number" if count == 1 else f"a whole number or {count} of them"
        raise ValueError(f"{name}: expected {wanted} >= {least}, got {value!r}")
    return values


class _Conv(Module):
    """Geometry, weight and bias, over the last `dims` axes."""

    dims: int

    def _build(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        bias,
        device,
        dtype,
    ):
        name = type(self).__name__
        for channels in (in_channels, out_channels):
            if not isinstance(groups, int) or groups < 1 or channels % groups:
                raise ValueError(
                    f"{name}: groups={groups} does not divide both {in_channels} and "
                    f"{out_channels} channels"
                )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = _numbers(f"{name} kernel_size", kernel_size, self.dims, 1)
        self.stride = _numbers(f"{name} stride", stride, self.dims, 1)
        self.dilation = _numbers(f"{name} dilation", dilation, self.dims, 1)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"{name}: expected padding as numbers, 'same' or 'valid', got {padding!r}"
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{name}: padding='same' needs stride 1, got {self.stride}")
            self.padding = padding
        else:
            self.padding = _numbers(f"{name} padding", padding, self.dims, 0)
        o, i, *window = self._weight_shape()  # channels last in memory, as the kernels read them
        self.weight = empty_parameter(o, *window, i, device=device, dtype=dtype)
        self.weight.array = self.weight.array.transpose(0, -1, *range(1, self.dims + 1))
        self.bias = empty_parameter(out_channels, device=device, dtype=dtype) if bias else None
        self.reset_parameters()

    def _weight_shape(self):
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self):
        initialise(self.weight, self.bias)

    def extra_repr(self):
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        for name, usual in (
            ("padding", zeros),
            ("output_padding", zeros),
            ("dilation", ones),
            ("groups", 1),
        ):
            value = self.__dict__.get(name, usual)
            if value != usual:
                parts.append(f"{name}={value!r}")
        if self.bias is None:
            parts.append("bias=False")
        if self.__dict__.get("padding_mode", "zeros") != "zeros":
            parts.append(f"padding_mode={self.padding_mode!r}")
        return ", ".join(parts)


class _Forward(_Conv):
    """Conv1d and Conv2d, which differ in the number of axes."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"{type(self).__name__}: expected padding_mode 'zeros', 'reflect', 'replicate' or "
                f"'circular', got {padding_mode!r}"
            )
        self._build(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            device,
            dtype,
        )
        self.padding_mode = padding_mode
        sides = self._sides()
        even = all(before == after for before, after in sides)
        if padding_mode == "zeros" and even:  # the convolution itself pads
            self._pad_first, self._pad = None, tuple(before for before, _ in sides)
        else:
            self._pad_first = [width for pair in reversed(sides) for width in pair]
            self._pad = (0,) * self.dims

    def _sides(self):
        """(before, after) for each axis."""
        if self.padding == "valid":
            return [(0, 0)] * self.dims
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            return [(total // 2, total - total // 2) for total in totals]
        return [(p, p) for p in self.padding]

    def forward(self, x):
        if self._pad_first:
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x = ops.pad(x, self._pad_first, mode)
        return self._convolve(
            x, self.weight, self.bias, self.stride, self._pad, self.dilation, self.groups
        )


class Conv1d(_Forward):
    """(N, C, L) → (N, O, L′).

    >>> Conv1d(16, 33, 3, stride=2)(ops.randn(20, 16, 50)).shape
    (20, 33, 24)
    """

    dims, _convolve = 1, staticmethod(ops.conv1d)


class Conv2d(_Forward):
    """(N, C, H, W) → (N, O, H′, W′).

    H′ = ⌊(H + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1, and W′ likewise.

    >>> Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))(ops.randn(2, 16, 50, 20)).shape
    (2, 33, 28, 20)
    """

    dims, _convolve = 2, staticmethod(ops.conv2d)


class _Transposed(_Conv):
    """ConvTranspose1d and ConvTranspose2d, which differ in the number of axes."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        name = type(self).__name__
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError(
                f"{name}: padding is a number of pixels cut off, and padding_mode can only be "
                f"'zeros'; got padding={padding!r}, padding_mode={padding_mode!r}"
            )
        self.output_padding = _numbers(f"{name} output_padding", output_padding, self.dims, 0)
        self._build(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            device,
            dtype,
        )
        self.padding_mode = padding_mode

    def _weight_shape(self):
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def forward(self, x, output_size=None):
        """`output_size`, (H′, W′) or (L′,), chooses among the sizes that the stride leaves open."""
        extra = self.output_padding
        if output_size is not None:
            extra = self._extra(x, tuple(output_size)[-self.dims :])
        return self._convolve(
            x, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _extra(self, x, wanted):
        sizes = x.shape[-self.dims :]
        axes = list(zip(sizes, self.kernel_size, self.stride, self.padding, self.dilation))
        least = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in axes)
        most = tuple(n + s - 1 for n, s in zip(least, self.stride))
        if any(not a <= n <= b for a, n, b in zip(least, wanted, most)):
            raise ValueError(
                f"{type(self).__name__}: output_size {wanted} must lie between {least} and {most}"
            )
        return tuple(n - a for a, n in zip(least, wanted))


class ConvTranspose1d(_Transposed):
    """(N, C, L) → (N, O, L′), the transpose of Conv1d, which enlarges.

    >>> ConvTranspose1d(100, 64, 4, stride=2, padding=1)(ops.randn(2, 100, 8)).shape
    (2, 64, 16)
    """

    dims, _convolve = 1, staticmethod(ops.conv_transpose1d)


class ConvTranspose2d(_Transposed):
    """(N, C, H, W) → (N, O, H′, W′), the transpose of Conv2d, which enlarges.

    H′ = (H − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1.
    The usual generator layer is 4×4 with stride 2 and padding 1: H′ = 2H.

    >>> ConvTranspose2d(100, 64, 4, stride=2, padding=1)(ops.randn(2, 100, 8, 8)).shape
    (2, 64, 16, 16)
    """

    dims, _convolve = 2, staticmethod(ops.conv_transpose2d)
