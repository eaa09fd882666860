"""A system of which every process trains a copy, with its share of each batch."""

from itertools import accumulate

from ..autograd import Tensor
from ..backend.device import array_module
from ..backend.recording import noted
from ..nn import BatchNorm1d, BatchNorm2d

_BUCKET = 1 << 20  # numbers that are added up at a time


def distribute(modules: dict, optimizers: dict, group, synchronised: bool = False) -> None:
    """Let the networks have the first process's weights, and each step follow the mean gradient.

    BatchNorm sees a process's own share of the batch, or where it is `synchronised` all of it.
    """
    for module in modules.values():
        for tensor in [*module.parameters(), *module.buffers()]:
            same = array_module(tensor.array).array(tensor.array, order="C")
            group.follow(same)
            tensor.array[...] = same
        for layer in module.modules():
            if synchronised and isinstance(layer, BatchNorm1d | BatchNorm2d):
                layer.group = group
    for optimizer in optimizers.values():
        optimizer.before_step = lambda parameters: average_gradients(parameters, group)


def average_gradients(parameters, group) -> None:
    """Each gradient becomes its mean over all processes.

    They travel in a few long rows instead of many short ones, the last parameters first: these are
    the ones whose gradients `backward` has had for longest.
    """
    for bucket in _buckets([p for p in reversed(parameters) if p.grad is not None]):
        xp = array_module(bucket[0].grad.array)
        flat = xp.concatenate([p.grad.array.reshape(-1) for p in bucket])
        noted(group.add_up, flat)
        flat /= group.size
        stops = accumulate(p.grad.array.size for p in bucket)
        for p, stop in zip(bucket, stops):
            p.grad = Tensor(flat[stop - p.grad.array.size : stop].reshape(p.shape))


def _buckets(parameters):
    bucket, filled = [], 0
    for p in parameters:
        if bucket and (
            filled + p.grad.array.size > _BUCKET or p.grad.dtype != bucket[0].grad.dtype
        ):
            yield bucket
            bucket, filled = [], 0
        bucket.append(p)
        filled += p.grad.array.size
    if bucket:
        yield bucket
