"""What a function finds around it: objects that it can reach, and the simple values among them."""

import gc
from dataclasses import fields, is_dataclass
from types import FunctionType, ModuleType

from ..nn import Module

_SIMPLE = (bool, int, float, str, type(None), tuple)
_ELSEWHERE = (ModuleType, type, *_SIMPLE[:-1])  # where no tensors of a step are looked for


def within_reach(*roots) -> list:
    """All that a function can get hold of: what it holds, what these hold, and so on. Objects of a
    class that stands `aside` are left out.
    """
    found, left = {}, list(roots)
    while left:
        x = left.pop()
        if id(x) in found or isinstance(x, _ELSEWHERE) or getattr(type(x), "aside", False):
            continue
        found[id(x)] = x
        if isinstance(x, FunctionType):  # of all the names of its module, only those that it uses
            left += [x.__closure__, x.__defaults__, x.__kwdefaults__, x.__dict__]
            left += [x.__globals__[name] for name in x.__code__.co_names if name in x.__globals__]
        else:
            left += gc.get_referents(x)
    return list(found.values())


def of_kind(kind, objects):
    return [x for x in objects if issubclass(type(x), kind)]


def modules_of(tensors, modules):
    """Those modules that hold one of the tensors, or a module that does, and all within them."""
    wanted = {id(t) for t in tensors}
    holding = {id(m) for m in modules if any(id(v) in wanted for v in m.__dict__.values())}
    found = {}
    for module in modules:
        within = list(module.modules())
        if any(id(m) in holding for m in within):
            found.update({id(m): m for m in within})
    return list(found.values())


class Settings:
    """The simple values among an object's attributes, or among the fields of a dataclass: numbers,
    flags, names.
    """

    def __init__(self, owner):
        self.name, self.owner = type(owner).__name__, owner
        keys = [f.name for f in fields(owner)] if is_dataclass(owner) else {**owner.__dict__}
        if isinstance(owner, Module):
            keys = [*keys, "training"]  # the class's own until it is set
        self.keys = [k for k in keys if isinstance(getattr(owner, k), _SIMPLE)]
        self.then = self.now()

    def now(self):
        return [getattr(self.owner, key, None) for key in self.keys]

    def difference(self):
        now = self.now()
        key, a, b = next((k, a, b) for k, a, b in zip(self.keys, self.then, now) if a != b)
        return f"{self.name}.{key} was {a!r} and is {b!r}"


class _Variable(Settings):
    """A variable that the function finds around it."""

    def __init__(self, name, read):
        self.name, self.read = name, read
        self.then = self.now()

    def now(self):
        value = self.read()
        return value if isinstance(value, _SIMPLE) else None

    def difference(self):
        return f"{self.name} was {self.then!r} and is {self.now()!r}"


def variables(function):
    """The simple variables that a function finds: in its object, around it, in its module."""
    found = []
    if hasattr(function, "__self__") and hasattr(function.__self__, "__dict__"):
        found.append(Settings(function.__self__))
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        return found
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        found.append(_Variable(name, lambda cell=cell: getattr(cell, "cell_contents", None)))
    for name in code.co_names:
        if isinstance(function.__globals__.get(name), _SIMPLE) and name in function.__globals__:
            found.append(_Variable(name, lambda name=name: function.__globals__.get(name)))
    return found
