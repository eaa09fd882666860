"""System: a generative model together with everything that trains it.

A system holds its networks, their optimisers, one training step and one way to sample; the loop in
`tinygan.train` needs to know no more. Its fields (it is a dataclass) are its configuration: what a
checkpoint has to keep in order to build the same system again.
"""

from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from .. import ops
from ..autograd import Tensor, no_grad
from ..autograd.tensor import as_array
from ..backend import stream
from ..backend.device import sent
from ..backend.recording import changing
from ..capturing import capture
from ..nn import Module
from ..optim.optimizer import Optimizer
from ..parallel import ALONE

SYSTEMS: dict[str, type["System"]] = {}  # the key in configurations -> the class


@dataclass(eq=False, kw_only=True)
class System:
    """The base of all systems: define `networks`, `build_optimizers`, `learn` and `generate`."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one example: (C, H, W) or (2,)
    latent: int = 100

    key: ClassVar[str]  # the name in configurations and of the folder of runs
    sampled: ClassVar[tuple[str, ...]] = ()  # the networks that make samples: EMA averages them
    asked_by: ClassVar[str | None] = None  # how one asks for a sample: "class", "code", "caption"
    share: ClassVar[tuple[int, int]] = (0, 1)  # of each batch: which of how many processes' shares
    won_below: ClassVar[dict[str, float]] = {}  # a loss that low for long: one side has won

    def __init_subclass__(cls):
        if "key" in cls.__dict__:
            SYSTEMS[cls.key] = cls

    def __post_init__(self):
        self.shape, self._updates = tuple(self.shape), 0
        self.modules: dict[str, Module] = self.networks()
        for name, module in self.modules.items():
            setattr(self, name, module)
        self.optimizers: dict[str, Optimizer] = self.build_optimizers()

    # -- what a system defines ---------------------------------------------------------------------

    def networks(self) -> dict[str, Module]:
        """The networks by name; each also becomes an attribute."""
        raise NotImplementedError(f"{type(self).__name__} has no networks()")

    def build_optimizers(self) -> dict[str, Optimizer]:
        """The optimisers by name."""
        raise NotImplementedError(f"{type(self).__name__} has no build_optimizers()")

    def learn(self, x: Tensor, c, turn) -> dict[str, Tensor]:
        """One step with x (N, *shape) and its condition; gives the losses by name.

        All that changes from step to step is in tensors and random streams, so that it can be
        captured. Of whom a step is where they take turns, `turn` says.
        """
        raise NotImplementedError(f"{type(self).__name__} has no learn(x, c, turn)")

    def generate(self, z: Tensor, c=None) -> Tensor:
        """z (N, latent), and a condition where the system has one → samples (N, *shape)."""
        raise NotImplementedError(f"{type(self).__name__} has no generate(z)")

    def condition(self, batch: dict):
        """What the networks are told about the batch, as a tensor; None where they are told
        nothing.
        """
        return None

    @property
    def turn(self):
        """What the next `learn` is told of whose turn it is."""
        return None

    # -- what all share ----------------------------------------------------------------------------

    def capture(self, tell=None, group=ALONE) -> "System":
        """Let steps be captured (`tinygan.capture`): the same bits, sooner."""
        self.learn = capture(self.learn, tell, group)
        return self

    @property
    def updates(self) -> int:
        """How many steps were made."""
        changing("the number of the step, read")
        return self._updates

    @updates.setter
    def updates(self, count):
        self._updates = count

    def step(self, batch: dict) -> dict[str, Tensor]:
        """Learn from a batch {"x": (N, *shape), "label": (N,), …}; gives the losses by name."""
        self.updates += 1
        return self.learn(self.tensor(batch["x"]), self.condition(batch), self.turn)

    @property
    def dtype(self):
        return next(next(iter(self.modules.values())).parameters()).dtype

    @property
    def device(self):
        return next(next(iter(self.modules.values())).parameters()).device

    def tensor(self, array) -> Tensor:
        """An array of a batch as a tensor, where the networks are."""
        if self.device.type == "cpu":
            tensor = ops.tensor(array)
        else:
            tensor = Tensor(sent(as_array(array), self.device))
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def noise(self, n: int, purpose: str = "noise") -> Tensor:
        """z (n, latent) ~ N(0, 1), from the random stream of that purpose.

        Processes that train together draw alike, each for all, and take their share.
        """
        which, of = self.share if purpose == "noise" else (0, 1)
        z = ops.randn(
            (n * of, self.latent), dtype=self.dtype, device=self.device, generator=stream(purpose)
        )
        return z if of == 1 else z[n * which : n * (which + 1)]

    def sample(self, z, c=None, chunk: int = 256) -> np.ndarray:
        """Samples for noise z (N, latent), or as many as a whole number says: (N, *shape).

        The networks are in evaluation mode meanwhile: BatchNorm uses its running statistics, so
        that a sample depends on its own z alone.
        """
        z = self.noise(int(z), "sample") if isinstance(z, int | np.integer) else self.tensor(z)
        parts = range(0, len(z), chunk)
        with no_grad(), evaluating(*(self.modules[name] for name in self.sampled)):
            made = [
                self.generate(z[i : i + chunk], None if c is None else c[i : i + chunk]).numpy()
                for i in parts
            ]
        return np.concatenate(made) if made else np.empty((0, *self.shape), self.dtype)

    def each(self, function, x, c=None, chunk: int = 256) -> np.ndarray:
        """function(x, c) of an array, a part at a time, without gradients: an array."""
        parts = []
        with no_grad(), evaluating(*self.modules.values()):
            for i in range(0, len(x), chunk):
                told = None if c is None else self.tensor(c[i : i + chunk])
                parts.append(function(self.tensor(x[i : i + chunk]), told).numpy())
        return np.concatenate(parts)

    @property
    def config(self) -> dict:
        """What `build` makes the same system from: plain numbers, strings and lists."""
        if SYSTEMS.get(getattr(self, "key", None)) is not type(self):
            raise TypeError(
                f"{type(self).__name__} has no key of its own, by which checkpoints name it: write "
                'key = "…" into the class'
            )
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"system": self.key} | {
            k: list(v) if isinstance(v, tuple) else v for k, v in values.items()
        }

    def state_dict(self) -> dict:
        """Weights, buffers, optimisers and counters: all that a step reads and changes."""
        return {
            "updates": self.updates,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }

    def load_state_dict(self, state: dict) -> None:
        for part, own in (("modules", self.modules), ("optimizers", self.optimizers)):
            if set(state[part]) != set(own):
                raise ValueError(
                    f"{type(self).__name__}.load_state_dict: the {part} saved are "
                    f"{', '.join(state[part])}, this system has {', '.join(own)}"
                )
            for name, saved in state[part].items():
                own[name].load_state_dict(saved)
        self.updates = state["updates"]


@contextmanager
def evaluating(*modules: Module):
    """In the block the modules are in evaluation mode; after it, in training mode again."""
    training = [module for module in modules if module.training]
    try:
        for module in training:
            module.eval()
        yield
    finally:
        for module in training:
            module.train()


def build(config: dict) -> System:
    """The system that `config` describes, with fresh weights.

    >>> build({"system": "gan", "shape": [2], "latent": 2}).sample(3).shape
    (3, 2)
    """
    options = dict(config)
    key = options.pop("system", None)
    if key not in SYSTEMS:
        raise ValueError(
            f"there is no system {key!r}; there are {', '.join(sorted(SYSTEMS))}, and one of your "
            "own once its file is imported, as tinygan/models/__init__.py does"
        )
    known = [field.name for field in fields(SYSTEMS[key])]
    if unknown := set(options) - set(known):
        raise ValueError(
            f"the system {key!r} has no setting {', '.join(sorted(unknown))}; it has "
            f"{', '.join(known)}"
        )
    return SYSTEMS[key](**options)
