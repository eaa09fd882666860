"""An operation and its derivatives, side by side.

An `Op` is a forward function on raw arrays together with one derivative rule per differentiable
argument, named after it:

    multiply = Op(
        "multiply", lambda xp, x, y: xp.multiply(x, y), x=lambda g, y: g * y, y=lambda g, x: g * x
    )

reads: the gradient of x is g·y, that of y is g·x, where g is the gradient of the result. A rule
asks for what it needs by name: an input (`x`), its shape (`x_shape`), the result (`out`), or a
keyword of the forward (`dim`). Where the forward takes any number of arrays, their one rule may ask
for `i`, the number of the argument that it is called for, and for `shapes`, those of all of them.

Only what some rule asks for is kept alive until backward, and only for arguments whose gradient is
wanted. Rules are written in Tensors, so they can be differentiated in turn: that is all there is to
second derivatives.

Calling an Op on tensors that require gradients records a `Node` in the graph.
"""

from operator import itemgetter

import numpy as np

from ..backend.device import array_module, is_array
from .graph import Node
from .mode import mode
from .operands import ADAPTING, explained, harmonise
from .tensor import Tensor

_new = object.__new__


class Op:
    """A differentiable function. See the module's docstring for the form of rules.

    - forward: `forward(xp, *arrays, **keywords)` on raw arrays; `xp` is numpy or cupy.
    - elementwise: arguments broadcast against each other, and their gradients are summed back.
    - floating: a function of real numbers, such as exp: integers become float32 first.
    - quiet: infinities and NaNs come without NumPy's warnings; `detect_anomaly` finds them.
    - view: the result may share memory with the first argument.
    - saves: the forward returns `(result, {name: array})`; rules can ask for those names, too.
    - together: one rule for all arguments, `together(g, needed, ...)`, that returns a gradient
      (or None) for each; `needed` lists the positions of those that are wanted.
    - at_once: a kernel that takes the place of the rules where the gradients of all arguments are
      wanted, but no graph of them: `at_once(g, ...)` on raw arrays, an array for each.
    """

    def __init__(
        self, name, forward, *, elementwise=False, floating=False, quiet=False, view=False,
        saves=False, together=None, at_once=None, **rules,
    ):  # fmt: skip
        self.name = self.__name__ = name
        self.forward = _quiet(forward) if quiet else forward
        self.rules, self.together, self.at_once = rules, together, at_once
        self.elementwise, self.floating, self.view, self.saves = elementwise, floating, view, saves
        self.__doc__ = forward.__doc__
        code = forward.__code__
        self.inputs = code.co_varnames[1 : code.co_argcount]
        self.variadic = None
        if code.co_flags & 0x04:  # the forward takes *arrays
            self.variadic = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        self.defaults = forward.__kwdefaults__ or {}
        self._plans = {}

    def __repr__(self):
        return f"<op {self.name}>"

    def __get__(self, instance, owner=None):
        return self if instance is None else lambda *args, **kw: self(instance, *args, **kw)

    def __call__(self, *inputs, **keywords):
        arrays, first, mixed, wanted, bit = [], None, False, 0, 1
        for x in inputs:
            if isinstance(x, Tensor):
                if x.requires_grad:
                    wanted |= bit
                x = x.array
                if first is None:
                    first, dtype, mixed = x, x.dtype, mixed or len(arrays) > 0
                elif x.dtype is not dtype or type(x) is not type(first):
                    mixed = True
            elif first is None or type(x) not in ADAPTING or dtype.kind != "f":
                mixed = True
            arrays.append(x)
            bit <<= 1
        if mixed or (self.floating and dtype.kind != "f"):
            inputs, arrays = harmonise(self, inputs, first)
            first = next(a for a in arrays if is_array(a))
        xp = np if type(first) is np.ndarray else array_module(first)
        run = self.forward
        if mode.watch:
            for watcher in mode.watch:
                run = watcher.wrap_forward(self, run)
        try:
            result = run(xp, *arrays, **keywords) if keywords else run(xp, *arrays)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise explained(self, arrays, error) from error
        if self.saves:
            result, saved = result
            keywords |= saved
        if type(result) is not type(first) and not is_array(result):
            result = xp.asarray(result)  # NumPy returns 0-d results as scalars
        out = _new(Tensor)  # Tensor(result) without the checks that __init__ makes of users' data
        out.array = result
        if self.view:
            out._version = inputs[0].version
        if wanted and mode.grad:
            key = wanted if self.variadic is None else (wanted, len(inputs))
            plan = self._plans.get(key) or self._plan(key, wanted, len(inputs))
            if plan.positions:
                out._node = Node(self, plan, inputs, arrays, keywords, out)
                out.requires_grad = True
        return out

    def _plan(self, key, wanted, count):
        self._plans[key] = Plan(self, [i for i in range(count) if wanted >> i & 1], count)
        return self._plans[key]


def _quiet(forward):
    def silenced(*arguments, **keywords):
        with np.errstate(all="ignore"):
            return forward(*arguments, **keywords)

    return silenced


class Plan:
    """What to keep for one combination of differentiable arguments, and how to call their rules."""

    def __init__(self, op, wanted, count):
        names = (
            op.inputs if not op.variadic else op.inputs + (op.variadic,) * (count - len(op.inputs))
        )
        self.positions = [i for i in wanted if op.together or op.rules.get(names[i])]
        rules = [op.together] if op.together else [op.rules[names[i]] for i in self.positions]
        first = 2 if op.together else 1  # after g, and after `needed` where there is one
        asked = [_asked(rule, first) for rule in rules]
        every = {name for names_ in asked for name in names_}
        self.keep = [i for i in range(count) if names[i] in every]
        self.keep_all = len(self.keep) == count
        self.pick = _picker(self.keep)
        self.keep_out = "out" in every
        self.keep_shapes = any(n == "shapes" or n.endswith("_shape") for n in every)
        self.rules = [
            _bound(rule, [self._getter(op, names, name, i) for name in names_])
            for rule, names_, i in zip(rules, asked, self.positions)
        ]
        self.kernel = None  # `op.at_once`, as a function of (node, g)
        if op.at_once and len(self.positions) == len(op.inputs):
            getters = [self._getter(op, names, name, None) for name in _asked(op.at_once, 1)]
            self.kernel = _bound(_on_arrays(op.at_once), getters)

    def _getter(self, op, names, name, position):
        """A function of the node that fetches what a rule calls `name`."""
        if name == "out":
            return Node.output
        if name == "i":
            return lambda node: position
        if name == "shapes":
            return lambda node: node.shapes
        if name == op.variadic:
            return lambda node: node.kept
        if name in names:
            index = self.keep.index(names.index(name))
            return lambda node: node.kept[index]
        if name.removesuffix("_shape") in names:
            index = names.index(name.removesuffix("_shape"))
            return lambda node: node.shapes[index]
        if name in op.defaults:
            default = op.defaults[name]
            return lambda node: node.keywords.get(name, default)
        return lambda node: node.keywords[name]


def _asked(rule, first):
    """The names of a rule's arguments from number `first` on."""
    return rule.__code__.co_varnames[first : rule.__code__.co_argcount]


def _bound(rule, getters):
    """The rule as a function of (node, g, …) that fetches the rest of what it asks for."""
    if not getters:
        return lambda node, *given: rule(*given)
    if len(getters) == 1:
        (get,) = getters
        return lambda node, *given: rule(*given, get(node))
    return lambda node, *given: rule(*given, *[get(node) for get in getters])


def _picker(positions):
    """A function that takes the items at these positions out of a tuple, as a tuple."""
    if len(positions) > 1:
        return itemgetter(*positions)
    start, stop = (positions[0], positions[0] + 1) if positions else (0, 0)
    return itemgetter(slice(start, stop))


def _on_arrays(kernel):
    """The kernel as a function of tensors."""
    return lambda *given: kernel(*[x.array if isinstance(x, Tensor) else x for x in given])
