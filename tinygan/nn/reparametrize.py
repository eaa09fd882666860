"""Weights that are computed from other parameters before each forward pass."""

from ..autograd import no_grad
from .module import Module
from .parameter import Parameter


class Reparametrization:
    """The hooks: the weight is computed before forward, and lets go of the graph after it.

    A kind of it names the `parts` that take the weight's place in the module, `weight_g` for "g",
    and says how to compute the weight from them.
    """

    parts: tuple[str, ...] = ()

    def __init__(self, name):
        self.name = name

    def part(self, module, part):
        return getattr(module, f"{self.name}_{part}")

    def weight(self, module, training):
        """The weight, as a tensor that leads back to the parts."""
        raise NotImplementedError

    def before(self, module, inputs):
        setattr(module, self.name, self.weight(module, module.training))

    def after(self, module, inputs, output):
        setattr(module, self.name, getattr(module, self.name).detach())

    def take(self, module) -> Parameter:
        """The parameter `name`, taken out of the module."""
        weight, kind = module.__dict__.get(self.name), type(module).__name__
        if not isinstance(weight, Parameter):
            if f"{self.name}_{self.parts[0]}" in module.__dict__:
                raise RuntimeError(f"{self}: {self.name!r} of {kind} is already normalised")
            raise ValueError(f"{self}: {kind} has no parameter {self.name!r}")
        delattr(module, self.name)
        return weight

    def attach(self, module, weight) -> Module:
        """Compute the weight at each forward from here on; `weight` is its present value."""
        setattr(module, self.name, weight.detach())
        module.register_forward_pre_hook(self.before)
        module.register_forward_hook(self.after)
        return module


def remove(kind: type, module: Module, name: str) -> Module:
    """Make a weight a parameter again, with the values it has now."""
    slots = ("_forward_pre_hooks", "_forward_hooks")
    owners = {getattr(h, "__self__", None) for slot in slots for h in getattr(module, slot)}
    norms = [owner for owner in owners if isinstance(owner, kind) and owner.name == name]
    if not norms:
        raise ValueError(f"{type(module).__name__}: its {name!r} is not normalised in this way")
    (norm,) = norms
    with no_grad():
        weight = Parameter(norm.weight(module, training=False).detach())
    for slot in slots:
        left = (h for h in getattr(module, slot) if getattr(h, "__self__", None) is not norm)
        module.__dict__[slot] = tuple(left)
    for part in norm.parts:
        delattr(module, f"{name}_{part}")
    buffers = {f"{name}_{part}" for part in norm.parts}
    module.__dict__["_buffers"] = {k: v for k, v in module._buffers.items() if k not in buffers}
    delattr(module, name)
    module.register_parameter(name, weight)
    return module
