"""Modules that hold modules, or parameters: one after another, in a list, under names."""

from .activation import LeakyReLU, ReLU
from .module import Module
from .norm import BatchNorm2d, InstanceNorm2d
from .parameter import Parameter

_FUSING = {BatchNorm2d.forward, InstanceNorm2d.forward}  # shared by those of other ranks


class _Numbered(Module):
    """Modules under the names "0", "1", …; what a list and a chain have in common."""

    def __len__(self):
        return sum(1 for _ in self._all())

    def _all(self):
        return (value for value in self.__dict__.values() if isinstance(value, Module))

    def __iter__(self):
        return self._all()

    def _name(self, index):
        names = [name for name, value in self.__dict__.items() if isinstance(value, Module)]
        if not isinstance(index, int) or not -len(names) <= index < len(names):
            raise IndexError(
                f"{type(self).__name__}: index {index!r} is outside its {len(names)} modules"
            )
        return names[index]

    def __getitem__(self, index):
        if isinstance(index, slice):
            pairs = [(k, v) for k, v in self.__dict__.items() if isinstance(v, Module)][index]
            out = type(self)()
            for i, (name, module) in enumerate(pairs):
                out.add_module(str(i) if name.isdigit() else name, module)
            return out
        return self.__dict__[self._name(index)]

    def __setitem__(self, index, module):
        self.add_module(self._name(index), module)

    def __delitem__(self, index):
        pairs = [(k, v) for k, v in self.__dict__.items() if isinstance(v, Module)]
        names = [k for k, _ in pairs]
        gone = names[index] if isinstance(index, slice) else [self._name(index)]
        kept = [(k, v) for k, v in pairs if k not in gone]
        for name in names:
            delattr(self, name)
        for i, (name, module) in enumerate(kept):
            self.add_module(str(i) if name.isdigit() else name, module)

    def pop(self, index=-1) -> Module:
        """Take a module out."""
        module = self[index]
        del self[index]
        return module

    def __iadd__(self, modules):
        return self.extend(modules)

    def __add__(self, modules):
        return type(self)().extend(self).extend(modules)

    def append(self, module: Module):
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module):
        modules = list(self)
        modules.insert(index, module)
        for i, each in enumerate(modules):
            self.add_module(str(i), each)
        return self

    def extend(self, modules):
        for module in modules:
            self.append(module)
        return self


class Sequential(_Numbered):
    """Modules applied one after another. Takes modules, or one dict of name to module.

    >>> from tinygan.nn import Linear, ReLU
    >>> net = Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    >>> net
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)  # 9 parameters
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)  # 4 parameters
    )  # 13 parameters
    >>> len(net[:2])
    2
    """

    def __init__(self, *modules):
        if len(modules) == 1 and isinstance(modules[0], dict):
            named = modules[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(modules))
        for name, module in named:
            self.add_module(name, module)

    def forward(self, x):
        modules = self._all()
        module = next(modules, None)
        while module is not None:
            follower = next(modules, None)
            slope = _fused_slope(module, follower)
            if slope is None:
                x, module = module(x), follower
            else:
                x, module = module.forward(x, slope), next(modules, None)
        return x


def _fused_slope(norm, activation):
    """The slope of the ReLU or LeakyReLU that a norm can apply in its own pass over memory. None
    where the two are called one by one: other modules, hooks, a forward of the user's own.
    """
    if type(norm).forward not in _FUSING or activation is None:
        return None
    if any(m._forward_hooks or m._forward_pre_hooks for m in (norm, activation)):
        return None
    forward = type(activation).forward
    slope = 0.0 if forward is ReLU.forward else None
    if forward is LeakyReLU.forward and 0 <= activation.negative_slope <= 1:
        slope = activation.negative_slope
    return slope


class ModuleList(_Numbered):
    """A list of modules, whose parameters the owner has too."""

    def __init__(self, modules=()):
        self.extend(modules)


class _Named(Module):
    """Members of one kind under names of their own."""

    _kind, _word = Module, "module"

    def __init__(self, members=None):
        self.update(members or {})

    def update(self, members) -> None:
        for name, member in members.items() if hasattr(members, "items") else members:
            self[name] = member

    def _held(self):
        return {k: v for k, v in self.__dict__.items() if isinstance(v, self._kind)}

    def __getitem__(self, name):
        held = self._held()
        if name not in held:
            raise KeyError(
                f"{type(self).__name__} has no {self._word} {name!r}, only "
                f"{', '.join(held) or 'none'}"
            )
        return held[name]

    def __delitem__(self, name):
        self[name]
        delattr(self, name)

    def pop(self, name):
        """Take a member out."""
        member = self[name]
        del self[name]
        return member

    def clear(self) -> None:
        for name in self._held():
            delattr(self, name)

    def __len__(self):
        return len(self._held())

    def __iter__(self):
        return iter(self._held())

    def __contains__(self, name):
        return name in self._held()

    def keys(self):
        return self._held().keys()

    def values(self):
        return self._held().values()

    def items(self):
        return self._held().items()


class ModuleDict(_Named):
    """Modules under names."""

    def __setitem__(self, name, module):
        self.add_module(name, module)


class ParameterDict(_Named):
    """Parameters under names; other tensors become parameters."""

    _kind, _word = Parameter, "parameter"

    def __setitem__(self, name, tensor):
        self.register_parameter(name, _as_parameter(tensor))


class ParameterList(Module):
    """A list of parameters, which the owner has too; other tensors become parameters."""

    def __init__(self, values=()):
        self.extend(values)

    def _held(self):
        return [v for v in self.__dict__.values() if isinstance(v, Parameter)]

    def append(self, tensor):
        self.register_parameter(str(len(self)), _as_parameter(tensor))
        return self

    def extend(self, tensors):
        for tensor in tensors:
            self.append(tensor)
        return self

    def __getitem__(self, index):
        held = self._held()[index]
        return ParameterList(held) if isinstance(index, slice) else held

    def __setitem__(self, index, tensor):
        self.register_parameter(str(range(len(self))[index]), _as_parameter(tensor))

    def __len__(self):
        return len(self._held())

    def __iter__(self):
        return iter(self._held())


def _as_parameter(tensor):
    return tensor if isinstance(tensor, Parameter) else Parameter(tensor)
