"""Module: parameters, buffers and other modules under names, and a forward function.

A module is an ordinary Python object. Those of its attributes that are `Parameter`s are its
parameters, those that are `Module`s are its children, and tensors registered as buffers (running
statistics and the like) are saved with it but not learned. Names of everything below are joined by
dots: `generator.layers.0.weight`.
"""

import difflib
from types import MappingProxyType

import numpy as np

from ..autograd import Tensor
from ..ops.cast import destination
from .load import LoadReport, load
from .parameter import Parameter

_NONE = MappingProxyType({})


class Hook:
    """What registering a hook returns: `remove()` it, or call it, which does the same."""

    def __init__(self, module, slot, function):
        self._module, self._slot, self._function = module, slot, function
        module.__dict__[slot] = (*getattr(module, slot), function)

    def remove(self) -> None:
        hooks = getattr(self._module, self._slot)
        self._module.__dict__[self._slot] = tuple(h for h in hooks if h is not self._function)

    __call__ = remove


class Module:
    """The base of all layers and networks.

    >>> class Net(Module):
    ...     def __init__(self):
    ...         self.scale = Parameter([2.0])
    ...
    ...     def forward(self, x):
    ...         return self.scale * x
    >>> net = Net()
    >>> net(Tensor([3.0])).item()
    6.0
    >>> [name for name, _ in net.named_parameters()]
    ['scale']
    """

    training = True
    _buffers = _NONE  # name -> is it saved? The tensors themselves are attributes
    _forward_hooks = ()
    _forward_pre_hooks = ()

    def __call__(self, *inputs, **keywords):
        if self._forward_hooks or self._forward_pre_hooks:
            return self._call_with_hooks(inputs, keywords)
        return self.forward(*inputs, **keywords)

    def forward(self, *inputs, **keywords):
        name = type(self).__name__
        raise NotImplementedError(
            f"{name} has no forward: define `def forward(self, x): ...` in class {name}"
        )

    def _call_with_hooks(self, inputs, keywords):
        for hook in self._forward_pre_hooks:
            changed = hook(self, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        out = self.forward(*inputs, **keywords)
        for hook in self._forward_hooks:
            changed = hook(self, inputs, out)
            out = out if changed is None else changed
        return out

    def register_forward_pre_hook(self, hook) -> Hook:
        """Call `hook(module, inputs)` before forward; what it returns replaces the inputs."""
        return Hook(self, "_forward_pre_hooks", hook)

    def register_forward_hook(self, hook) -> Hook:
        """Call `hook(module, inputs, output)` after forward; its result replaces the output."""
        return Hook(self, "_forward_hooks", hook)

    # -- attributes ----------------------------------------------------------------------------

    def __setattr__(self, name, value):
        held = self.__dict__.get(name)
        if isinstance(held, Parameter) and not (value is None or isinstance(value, Parameter)):
            raise TypeError(
                f"{type(self).__name__}.{name} is a parameter and cannot become a "
                f"{type(value).__name__}: assign a "
                f"Parameter or None, or change its values with `with no_grad(): "
                f"module.{name}.copy_(...)`"
            )
        if name in self._buffers and not (value is None or isinstance(value, Tensor)):
            raise TypeError(
                f"{type(self).__name__}.{name} is a buffer and cannot become a "
                f"{type(value).__name__}: "
                "assign a tensor or None"
            )
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        if name.startswith("__"):  # asked for by Python itself: copy, pickle, NumPy
            raise AttributeError(name)
        known = [k for k in self.__dict__ if not k.startswith("_")]
        close = difflib.get_close_matches(name, [*known, *dir(type(self))], n=1)
        hint = (
            f"did you mean {close[0]!r}?"
            if close
            else f"it has {', '.join(known) or 'none of its own'}"
        )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}; {hint}", name=None)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """The same as `self.name = parameter`."""
        if not (parameter is None or isinstance(parameter, Parameter)):
            raise TypeError(
                f"register_parameter: expected a Parameter, got {type(parameter).__name__}"
            )
        self._check_name("register_parameter", name)
        setattr(self, name, parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Hold a tensor that moves with the module, is saved if `persistent`, is not learned."""
        if not (tensor is None or isinstance(tensor, Tensor)):
            raise TypeError(f"register_buffer: expected a tensor, got {type(tensor).__name__}")
        self._check_name("register_buffer", name)
        self.__dict__["_buffers"] = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    def add_module(self, name: str, module: "Module") -> None:
        """The same as `self.name = module`, for names made by a program."""
        if not isinstance(module, Module):
            raise TypeError(f"add_module: {name!r} should be a Module, got {type(module).__name__}")
        self._check_name("add_module", name)
        setattr(self, name, module)

    def _check_name(self, caller, name):
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{caller}: expected a name without dots, got {name!r}")
        if hasattr(type(self), name):
            raise ValueError(
                f"{caller}: {name!r} is taken by {type(self).__name__}.{name}; choose another name"
            )

    # -- walking the tree ----------------------------------------------------------------------

    def named_children(self):
        """Pairs (name, module) of the modules directly below, each module once."""
        seen = set()
        for name, value in self.__dict__.items():
            if isinstance(value, Module) and value not in seen:
                seen.add(value)
                yield name, value

    def children(self):
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True):
        """Pairs (dotted name, module): this one (under the name "") and all below."""
        return self._walk(prefix, set() if remove_duplicate else None)

    def _walk(self, prefix, seen):
        if seen is not None:
            if self in seen:
                return
            seen.add(self)
        yield prefix, self
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Module):
                yield from value._walk(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self):
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ):
        """Pairs (dotted name, parameter); a parameter shared by several modules comes once."""
        return self._named(lambda m: _parameters_of(m), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True):
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True):
        """Pairs (dotted name, buffer)."""
        return self._named(lambda m: _buffers_of(m), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True):
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _named(self, of, prefix, recurse, once):
        seen = set()
        for path, module in self.named_modules(prefix, once) if recurse else [(prefix, self)]:
            for name, tensor in of(module):
                if once and id(tensor) in seen:
                    continue
                seen.add(id(tensor))
                yield f"{path}.{name}" if path else name, tensor

    def get_submodule(self, path: str) -> "Module":
        """The module under a dotted name."""
        module = self
        for name in path.split(".") if path else ():
            module = getattr(module, name)
        return module

    # -- changing all of it --------------------------------------------------------------------

    def train(self, mode: bool = True) -> "Module":
        """Training behaviour (batch statistics, dropout) on or off, here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: expected True or False, got {mode!r}")
        for module in self.modules():
            module.__dict__["training"] = mode
        return self

    def eval(self) -> "Module":
        return self.train(False)

    def apply(self, function) -> "Module":
        """Call `function(module)` for all modules below, then for this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad = p.grad.detach().zeros_like()

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """Let gradients reach the parameters, or not (a frozen module)."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def to(self, *targets, device=None, dtype=None) -> "Module":
        """Move parameters and buffers to a device, the floating-point ones also to a dtype."""
        device, dtype = destination(targets, device, dtype)
        if dtype is not None and np.dtype(dtype).kind != "f":
            raise TypeError(f"Module.to: expected a floating-point dtype, got {np.dtype(dtype)}")
        for tensor in [*self.parameters(), *self.buffers()]:
            keeps = None if tensor.array.dtype.kind != "f" else dtype
            moved = tensor.detach().to(device=device, dtype=keeps)
            if moved.array is not tensor.array:
                tensor.data = moved
            if tensor.grad is not None:
                tensor.grad = tensor.grad.to(device=device, dtype=keeps)
        return self

    def float(self) -> "Module":
        return self.to(dtype=np.float32)

    def double(self) -> "Module":
        return self.to(dtype=np.float64)

    def half(self) -> "Module":
        return self.to(dtype=np.float16)

    def cpu(self) -> "Module":
        return self.to("cpu")

    def cuda(self, index: int = 0) -> "Module":
        return self.to(f"cuda:{index}")

    # -- saving and loading --------------------------------------------------------------------

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name, detached, sharing memory."""
        return {name: tensor.detach() for name, tensor in self._saved(prefix)}

    def _saved(self, prefix=""):
        for path, module in self.named_modules(prefix, remove_duplicate=False):
            lead = f"{path}." if path else ""
            for name, tensor in _parameters_of(module):
                yield lead + name, tensor
            for name, tensor in _buffers_of(module):
                if module._buffers[name]:
                    yield lead + name, tensor

    def load_state_dict(self, state, strict: bool = True) -> LoadReport:
        """Copy values into parameters and buffers. Nothing is changed unless everything fits.

        With `strict=False`, keys that are missing or unexpected are left out and reported; shapes
        must fit anyway. Values may be tensors, arrays, or PyTorch's tensors.
        """
        return load(self, dict(self._saved()), state, strict)

    # -- printing ------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the brackets of a layer's repr: override it."""
        return ""

    def num_parameters(self) -> int:
        """How many numbers this module learns, each counted once."""
        return sum(p.numel() for p in self.parameters())

    def __repr__(self):
        return self._lines("")

    def _lines(self, label):
        count = Module.num_parameters(self)  # PReLU has a number under this name, as in PyTorch
        head, body = f"{label}{type(self).__name__}(", ""
        children = [child._lines(f"({name}): ") for name, child in self.named_children()]
        if children:
            inner = [self.extra_repr()] if self.extra_repr() else []
            body = "\n" + "\n".join(inner + children)
            body = body.replace("\n", "\n  ") + "\n"
        else:
            body = self.extra_repr()
        return f"{head}{body})" + (f"  # {count:,} parameters" if count else "")


def _parameters_of(module):
    return [(k, v) for k, v in module.__dict__.items() if isinstance(v, Parameter)]


def _buffers_of(module):
    held = module.__dict__
    return [(name, held[name]) for name in module._buffers if held.get(name) is not None]
