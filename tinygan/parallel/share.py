"""A system of which every process trains a copy, with its share of each batch."""

from functools import partial

from ..autograd import Tensor
from ..backend.device import array_module
from ..backend.recording import noted
from ..nn import BatchNorm1d, BatchNorm2d

_ROW = 1 << 20  # numbers that are added up at a time


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
        parameters = [p for each in optimizer.param_groups for p in each["params"]]
        optimizer.before_step = Means(parameters, group)


class Means:
    """The gradients of an optimiser's parameters on their way to their mean over all processes.

    They travel in a few long rows instead of many short ones, the last parameters first: these are
    the ones whose gradients `backward` has first. A row sets out as soon as it is complete, while
    `backward` goes on. To be called before the optimiser's step, for what has arrived; a row of
    which something was changed meanwhile, or is missing, is then sent for good.

    All processes do the same, and so send the same rows in the same order.
    """

    def __init__(self, parameters, group):
        self.group, self.rows = group, [_Row(some) for some in _cut([*reversed(parameters)])]
        for row in self.rows:
            for p in filter(lambda p: p.requires_grad, row.parameters):
                p.register_post_accumulate_grad_hook(partial(self._complete, row))

    def _complete(self, row, p):
        row.missing.discard(p)
        if not row.missing:
            row.missing = set(row.parameters)
            if row.sent is not None:  # in vain: this is another backward pass
                noted(self.group.wait)
            row.sent = row.packed(), row.gradients()
            noted(self.group.begin_to_add_up, row.sent[0])

    def __call__(self, parameters):
        noted(self.group.wait)
        known = {p for row in self.rows for p in row.parameters}
        added = [_Row(some) for some in _cut([p for p in parameters if p not in known])]
        for row in self.rows + added:
            (flat, then), row.sent = row.sent or (None, ()), None
            if flat is None or not all(map(_same, then, row.gradients())):
                if (flat := row.packed()) is None:
                    continue
                noted(self.group.add_up, flat)
            flat /= self.group.size
            row.unpack(flat)


class _Row:
    """Parameters whose gradients travel together."""

    def __init__(self, parameters):
        self.parameters, self.missing = parameters, set(parameters)
        self.sent = None  # what is under way, and the gradients that it was made from

    def gradients(self):
        """Those that there are, each with the time of its last change in place."""
        grads = [p.grad for p in self.parameters if p.grad is not None]
        return [(g, g.version.written) for g in grads]

    def packed(self):
        grads = [g.array for g, _ in self.gradients()]
        return array_module(grads[0]).concatenate([g.reshape(-1) for g in grads]) if grads else None

    def unpack(self, flat):
        stop = 0
        for p in self.parameters:
            if p.grad is not None:
                start, stop = stop, stop + p.grad.array.size
                p.grad = Tensor(flat[start:stop].reshape(p.shape))


def _same(then, now):
    return then[0] is now[0] and then[1] == now[1]


def _cut(parameters):
    """Rows of parameters of one dtype."""
    row, filled = [], 0
    for p in parameters:
        if row and (filled + p.array.size > _ROW or p.dtype != row[0].dtype):
            yield row
            row, filled = [], 0
        row.append(p)
        filled += p.array.size
    if row:
        yield row
