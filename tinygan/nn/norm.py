"""Normalisation layers: y = γ·(x − μ)/√(σ² + ε) + β, over different axes.

The equations and their derivatives are in `tinygan.ops.norm`.
"""

import numpy as np

from .. import ops
from ..autograd import no_grad
from . import init
from .linear import empty_parameter
from .module import Module


class _Normalisation(Module):
    """Weight and bias of a normalisation: ones and zeros at the start, or absent."""

    def _affine(self, shape, weight, bias, device, dtype):
        self.weight = (
            init.ones_(empty_parameter(*shape, device=device, dtype=dtype)) if weight else None
        )
        self.bias = (
            init.zeros_(empty_parameter(*shape, device=device, dtype=dtype)) if bias else None
        )

    def reset_parameters(self):
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _WithStatistics(_Normalisation):
    """Per channel, with running statistics for evaluation.

    `forward` takes the slope of a LeakyReLU to apply to the result in the same pass over memory.
    """

    ranks: tuple  # how many axes the input may have

    def _build(self, num_features, eps, momentum, affine, track_running_stats, device, dtype, bias):
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._affine((num_features,), affine, affine and bias, device, dtype)
        tracked = track_running_stats
        kind = dtype or np.float32
        self.register_buffer(
            "running_mean", ops.zeros(num_features, device=device, dtype=kind) if tracked else None
        )
        self.register_buffer(
            "running_var", ops.ones(num_features, device=device, dtype=kind) if tracked else None
        )
        count = ops.zeros((), device=device, dtype=np.int64) if tracked else None
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self):
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def _check(self, x):
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            shapes = " or ".join(
                f"(N, {self.num_features}{', L' if n == 3 else ', H, W' if n == 4 else ''})"
                for n in self.ranks
            )
            raise ValueError(
                f"{type(self).__name__}: expected an input of shape {shapes}, got {x.shape}"
            )

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_WithStatistics):
    group = None  # of processes whose batches it normalises as one (`tinygan.parallel`)

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        self._build(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def _count_batch(self):
        """One more batch seen; how far its statistics move the running ones."""
        self.num_batches_tracked.array[...] += 1
        if self.momentum is None:  # a plain average over all batches
            return 1 / int(self.num_batches_tracked)
        return self.momentum

    def forward(self, x, slope=None):
        self._check(x)
        use_batch = self.training or self.running_mean is None
        momentum = self._count_batch() if self.training and self.track_running_stats else 0.0
        if use_batch and self.group is not None:
            return self._over_all(x, momentum, slope)
        return ops.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_batch,
            momentum,
            self.eps,
            slope=slope,
        )

    def _over_all(self, x, momentum, slope):
        """With mean and variance of the equal shares of all processes in the group."""
        dims, shape = (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
        mean = self.group.total(x.mean(dims, keepdims=True)) / self.group.size
        y = x - mean
        var = self.group.total((y * y).mean(dims, keepdims=True)) / self.group.size
        if momentum:
            n = x.numel() // x.shape[1] * self.group.size
            with no_grad():
                for running, now in ((self.running_mean, mean), (self.running_var, var)):
                    value = now.reshape(-1) * (1 if now is mean else n / max(n - 1, 1))
                    running += momentum * (value - running)
        y = y / (var + self.eps).sqrt()
        if self.weight is not None:
            y = y * self.weight.reshape(shape)
        if self.bias is not None:
            y = y + self.bias.reshape(shape)
        return y if slope is None else ops.leaky_relu(y, slope)


class BatchNorm1d(_BatchNorm):
    """Normalised per feature over the batch: (N, C) or (N, C, L).

    >>> BatchNorm1d(100)(ops.randn(20, 100)).shape
    (20, 100)
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalised per channel over the batch and all pixels: (N, C, H, W).

    In training with the batch's mean and (biased) variance, which also move the running ones
    (unbiased variance) by `momentum`; in evaluation with the running ones. `momentum=None` averages
    over all batches seen.

    >>> BatchNorm2d(100)(ops.randn(2, 100, 5, 5)).shape
    (2, 100, 5, 5)
    """

    ranks = (4,)


class _InstanceNorm(_WithStatistics):
    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        self._build(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, x, slope=None):
        self._check(x)
        if self.track_running_stats:
            if not self.training:
                return ops.batch_norm(
                    x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps,
                    slope=slope,
                )  # fmt: skip
            self._track(x)
        return ops.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps, slope=slope)

    @no_grad
    def _track(self, x):
        """Move the running statistics towards the average over the batch of each image's own."""
        pixels, momentum = tuple(range(2, x.ndim)), self.momentum or 0.0
        for running, batch in (
            (self.running_mean, x.mean(pixels)),
            (self.running_var, x.var(pixels)),
        ):
            running.add_((batch.mean(0) - running) * momentum)


class InstanceNorm1d(_InstanceNorm):
    """Normalised per sample and channel: (N, C, L)."""

    ranks = (3,)


class InstanceNorm2d(_InstanceNorm):
    """Normalised per image and channel over its pixels: (N, C, H, W).

    By default without γ and β, and without running statistics.

    >>> InstanceNorm2d(8)(ops.randn(2, 8, 5, 5)).shape
    (2, 8, 5, 5)
    """

    ranks = (4,)


class LayerNorm(_Normalisation):
    """Normalised per sample over its last axes, those of `normalized_shape`.

    >>> LayerNorm(10)(ops.randn(20, 5, 10)).shape
    (20, 5, 10)
    """

    def __init__(
        self,
        normalized_shape,
        eps=1e-5,
        elementwise_affine=True,
        bias=True,
        device=None,
        dtype=None,
    ):
        shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self._affine(shape, elementwise_affine, elementwise_affine and bias, device, dtype)

    def forward(self, x):
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Normalisation):
    """Normalised per sample over groups of channels: (N, C, …).

    >>> GroupNorm(3, 6)(ops.randn(20, 6, 10, 10)).shape
    (20, 6, 10, 10)
    """

    def __init__(
        self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True
    ):
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: {num_groups} groups do not divide {num_channels} channels"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = (
            num_groups,
            num_channels,
            eps,
            affine,
        )
        self._affine((num_channels,), affine, affine and bias, device, dtype)

    def forward(self, x):
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: expected an input (N, {self.num_channels}, ...), got {x.shape}"
            )
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class RMSNorm(_Normalisation):
    """γ·x/√(mean(x²) + eps) over the last axes; eps is the type's machine epsilon unless given."""

    def __init__(
        self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None
    ):
        shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self._affine(shape, elementwise_affine, False, device, dtype)

    def forward(self, x):
        return ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
