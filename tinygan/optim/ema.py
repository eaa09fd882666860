"""The exponential moving average of a model's weights, which samples better than the last ones.

    θ̄ ← d·θ̄ + (1 − d)·θ,     d = min(decay, (1 + t)/(10 + t))          after step t

The second term lets the average forget the initial weights quickly. Running statistics of BatchNorm
are averaged in the same way; counters are copied.
"""

from contextlib import contextmanager

from ..autograd import Tensor, no_grad
from ..autograd.tensor import as_array
from ..backend.device import array_module, kernels
from ..backend.recording import noted


class EMA:
    """A moving average of the parameters and buffers of `module`.

    >>> from tinygan import nn
    >>> net = nn.Linear(2, 1)
    >>> ema = EMA(net, decay=0.99)
    >>> ema.update()                     # after each step of the optimiser
    >>> with ema.applied(net):           # sample with the averaged weights
    ...     y = net(Tensor([[1.0, 2.0]]))
    """

    def __init__(self, module, decay: float = 0.999, warm_up: bool = True):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: expected a decay in [0, 1), got {decay}")
        self.module, self.decay, self.warm_up, self.updates = module, decay, warm_up, 0
        self.average = {name: tensor.detach().clone() for name, tensor in self._tensors(module)}

    @staticmethod
    def _tensors(module):
        return [*module.named_parameters(), *module.named_buffers()]

    @no_grad
    def update(self) -> None:
        """Take in the module's present weights."""
        tensors = self._tensors(self.module)
        averages = [self.average[name].mark_written("EMA.update") for name, _ in tensors]
        values = [tensor for _, tensor in tensors]
        noted(self._take_in, *averages, *values)  # the share is another one each time

    def _next_share(self):
        """1 − d of the next step."""
        self.updates += 1
        warm = (1 + self.updates) / (10 + self.updates)
        return 1 - (min(self.decay, warm) if self.warm_up else self.decay)

    def _take_in(self, *tensors):
        """The averages, and behind them the values."""
        share, moving, counting = self._next_share(), [], []
        half = len(tensors) // 2
        for average, value in zip(tensors[:half], tensors[half:]):
            rows = moving if value.dtype.kind == "f" else counting
            rows.append([average.array, value.array])

        def move(average, value, room, _):  # average + share·(value − average)
            array_module(average).subtract(value, average, out=room)
            room *= share
            average += room

        def copy(average, value, room, _):
            average[...] = value

        for equation, rows in ((move, moving), (copy, counting)):
            if rows:
                kernels(rows[0][0]).apply_to_many(equation, rows)

    @no_grad
    def copy_to(self, module) -> None:
        """Write the averaged weights into a module of the same architecture."""
        for name, tensor in self._matching(module):
            tensor.copy_(self.average[name])

    def _matching(self, module):
        tensors = self._tensors(module)
        shapes = {name: tensor.shape for name, tensor in tensors}
        if shapes != {name: average.shape for name, average in self.average.items()}:
            differing = sorted(
                set(shapes.items()) ^ {(k, v.shape) for k, v in self.average.items()}
            )
            names = ", ".join(dict.fromkeys(name for name, _ in differing))
            raise ValueError(
                f"EMA: the module is not the one that was averaged; these differ: {names}"
            )
        return tensors

    @contextmanager
    def applied(self, module=None):
        """In the block the module has the averaged weights; after it, its own again."""
        module = self.module if module is None else module
        own = [(tensor, tensor.detach().clone()) for _, tensor in self._matching(module)]
        try:
            self.copy_to(module)
            yield module
        finally:
            with no_grad():
                for tensor, value in own:
                    tensor.copy_(value)

    def state_dict(self) -> dict:
        return {"decay": self.decay, "updates": self.updates, "average": dict(self.average)}

    @no_grad
    def load_state_dict(self, state: dict) -> None:
        """Continue from a `state_dict()`; values are copied, if all of them fit."""
        saved = {name: as_array(value) for name, value in state["average"].items()}
        if {k: v.shape for k, v in saved.items()} != {k: v.shape for k, v in self.average.items()}:
            differing = sorted(set(saved) ^ set(self.average)) or [
                k for k in saved if saved[k].shape != self.average[k].shape
            ]
            raise ValueError(
                f"EMA.load_state_dict: names or shapes differ from this module's: "
                f"{', '.join(differing)}"
            )
        self.decay, self.updates = state["decay"], state["updates"]
        for name, array in saved.items():
            self.average[name].copy_(Tensor(array).to(self.average[name].device))
