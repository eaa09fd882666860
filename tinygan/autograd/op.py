"""An operation and its derivatives, side by side; and the graph that recorded operations form.

An `Op` is a forward function on raw arrays together with one derivative rule per differentiable argument, named after it:

    multiply = Op("multiply", lambda xp, x, y: xp.multiply(x, y), x=lambda g, y: g * y, y=lambda g, x: g * x)

reads: the gradient of x is g·y, that of y is g·x, where g is the gradient of the result. A rule asks for what it needs by
name: an input (`x`), its shape (`x_shape`), the result (`out`), or a keyword of the forward (`dim`). Only what some rule
asks for is kept alive until backward, and only for arguments whose gradient is wanted. Rules are written in Tensors, so they can be
differentiated in turn: that is all there is to second derivatives.

Calling an Op on tensors that require gradients records a `Node`; nodes point to the nodes (or leaf tensors) that made
their inputs, never the other way, so a graph is freed with the last result that refers to it.
"""

import numpy as np

from ..backend.device import array_module, device_of, is_array
from .mode import mode
from .tensor import Tensor, Version, clock

_ADAPTING = {float, int, bool, type(None)}  # operands that take on the dtype of their partner


class Op:
    """A differentiable function. See the module's docstring for the form of rules.

    Parameters
    ----------
    forward: `forward(xp, *arrays, **keywords)`; `xp` is numpy or cupy. May return `(result, saved)` with a dict of
        arrays that rules can ask for by name, when `saves=True`.
    elementwise: arguments broadcast against each other, and gradients are summed back to the arguments' shapes.
    floating: a function of real numbers, such as exp: integer arguments are converted to float32 first.
    quiet: infinities and NaNs (log 0, log −1) come without NumPy's warnings; `detect_anomaly` finds them.
    view: the result may share memory with the first argument.
    together: one rule for all arguments, `together(g, needed, ...)`, which returns a gradient (or None) for each.
    """

    def __init__(
        self, name, forward, *, elementwise=False, floating=False, quiet=False, view=False, saves=False, together=None, doc=None,
        **rules,
    ):  # fmt: skip
        self.name = self.__name__ = name
        self.forward, self.rules, self.together = _quiet(forward) if quiet else forward, rules, together
        self.elementwise, self.floating, self.view, self.saves = elementwise, floating, view, saves
        self.__doc__ = doc or forward.__doc__
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
            elif first is None or type(x) not in _ADAPTING or dtype.kind != "f":
                mixed = True
            arrays.append(x)
            bit <<= 1
        if mixed or (self.floating and dtype.kind != "f"):
            inputs, arrays = _harmonise(self, inputs, first)
            first = next(a for a in arrays if is_array(a))
        xp = np if type(first) is np.ndarray else array_module(first)
        run = self.forward
        if mode.watch:
            for watcher in mode.watch:
                run = watcher.wrap_forward(self, run)
        try:
            result = run(xp, *arrays, **keywords)
        except (ValueError, TypeError, IndexError) as error:
            raise _explained(self, arrays, error) from error
        if self.saves:
            result, saved = result
            keywords |= saved
        if type(result) is not type(first):
            result = xp.asarray(result)  # NumPy returns 0-d results as scalars
        out = Tensor(result)
        if self.view:
            out._version = inputs[0].version
        if wanted and mode.grad and (self.rules or self.together):
            plan = self._plans.get((wanted, len(inputs))) or self._plan(wanted, len(inputs))
            if plan.positions:
                out._node = Node(self, plan, inputs, arrays, keywords, out)
                out.requires_grad = True
        return out

    def _plan(self, wanted, count):
        plan = Plan(self, [i for i in range(count) if wanted >> i & 1], count)
        self._plans[wanted, count] = plan
        return plan


def _quiet(forward):
    def silenced(*arguments, **keywords):
        with np.errstate(all="ignore"):
            return forward(*arguments, **keywords)

    return silenced


class Plan:
    """What to keep for one combination of differentiable arguments, and how to call their rules."""

    def __init__(self, op, wanted, count):
        names = op.inputs if not op.variadic else op.inputs + (op.variadic,) * (count - len(op.inputs))
        self.positions = [i for i in wanted if op.together or op.rules.get(names[i])]
        rules = [op.together] if op.together else [op.rules[names[i]] for i in self.positions]
        asked = [rule.__code__.co_varnames[1 : rule.__code__.co_argcount] for rule in rules]
        every = {name for names_ in asked for name in names_}
        kept = [names[i] in every for i in range(count)]
        self.keep = "all" if all(kept) else kept if any(kept) else "none"
        self.keep_out = "out" in every
        self.keep_shapes = any(n == "shapes" or n.endswith("_shape") for n in every)
        self.rules = [
            (rule, [self._getter(op, names, name, i) for name in asked_])
            for rule, asked_, i in zip(rules, asked, self.positions)
        ]

    def _getter(self, op, names, name, position):
        """A function of the node that fetches what a rule calls `name`."""
        if name == "out":
            return Node.output
        if name == "i":
            return lambda node: position
        if name == "needed":
            return lambda node: self.positions
        if name == "shapes":
            return lambda node: node.shapes
        if name == op.variadic:
            return lambda node: node.kept
        if name in names:
            index = names.index(name)
            return lambda node: node.kept[index]
        if name.removesuffix("_shape") in names:
            index = names.index(name.removesuffix("_shape"))
            return lambda node: node.shapes[index]
        if name in op.defaults:
            default = op.defaults[name]
            return lambda node: node.keywords.get(name, default)
        return lambda node: node.keywords[name]


class Node:
    """One recorded operation: where its inputs came from and what its rules will need."""

    __slots__ = (
        "op", "plan", "edges", "kept", "out", "keywords", "shapes", "shape", "order", "hooks", "where", "__weakref__",
    )  # fmt: skip

    def __init__(self, op, plan, inputs, arrays, keywords, out):
        self.op, self.plan, self.keywords = op, plan, keywords
        self.edges = [inputs[i]._node or inputs[i] for i in plan.positions]
        keep = plan.keep
        if keep == "all":
            self.kept = inputs
        else:
            self.kept = () if keep == "none" else [x if k else None for x, k in zip(inputs, keep)]
        self.shape, self.shapes, self.out = out.array.shape, None, None
        if plan.keep_shapes or (op.elementwise and _broadcast(arrays, plan.positions, self.shape)):
            self.shapes = [getattr(a, "shape", ()) for a in arrays]
        if plan.keep_out:
            self.out = Tensor(out.array)
            self.out._version = out.version
        self.order = clock()
        self.hooks = ()
        self.where = tuple(watcher.where() for watcher in mode.watch) if mode.watch else ()

    def output(self):
        """The result as a tensor; while a graph is being recorded, one that leads back to this node."""
        if not mode.grad:
            return self.out
        out = Tensor(self.out.array, requires_grad=True)
        out._node, out._version = self, self.out._version
        return out

    def gradients(self, g):
        """Apply the derivative rules: the gradient for each edge, given that of the result."""
        if self.plan is None:
            raise RuntimeError(
                f"backward: the graph behind {self.op.name!r} has been freed by an earlier backward. "
                "Pass retain_graph=True to that one, or compute the result again."
            )
        if Version.latest > self.order:
            self.check_unchanged()
        if self.op.together:
            rule, getters = self.plan.rules[0]
            results = rule(g, *[get(self) for get in getters])
            results = [results[i] for i in self.plan.positions]
        else:
            results = [rule(g, *[get(self) for get in getters]) for rule, getters in self.plan.rules]
        if self.op.elementwise and self.shapes is not None:
            for k, i in enumerate(self.plan.positions):
                results[k] = results[k].sum_to(self.shapes[i])
        return results

    def check_unchanged(self):
        """Refuse when something kept for backward has been written to since it was used."""
        for x in (*self.kept, self.out):
            version = getattr(x, "_version", None)
            if version is not None and version.written > self.order:
                raise RuntimeError(
                    f"backward: an array of shape {x.shape} that {self.op.name!r} needs for its derivative was changed "
                    f"in place by {version.writer!r} after it was used. Use the out-of-place form, or change it after "
                    "backward."
                )

    def release(self):
        """Free what was kept for backward."""
        self.plan = self.kept = self.out = self.keywords = self.shapes = None
        self.edges = ()


def _broadcast(arrays, positions, shape):
    """Was an operand whose gradient is wanted stretched to the result's shape?"""
    for i in positions:
        if arrays[i].shape != shape:
            return True
    return False


def _harmonise(op, inputs, first):
    """Bring mixed operands to one device and dtype: float beats integer, wider beats narrower, scalars adapt."""
    if first is None:
        inputs = [Tensor(inputs[0]), *inputs[1:]]
        first = inputs[0].array
    floats = [x.array.dtype for x in inputs if isinstance(x, Tensor) and x.array.dtype.kind == "f"]
    dtypes = floats or [x.array.dtype for x in inputs if isinstance(x, Tensor) and x.array.dtype.kind != "b"]
    fractional = op.floating or any(isinstance(x, float | np.floating) for x in inputs)
    if fractional and not floats:
        dtypes = [np.dtype(np.float32)]
    target = np.result_type(*dtypes) if dtypes else None
    converted = []
    for x in inputs:
        if isinstance(x, np.generic):
            x = x.item()
        elif isinstance(x, np.ndarray | list | tuple):
            x = Tensor(x)
            if type(first) is not np.ndarray:
                x = x.to(device_of(first))
        if isinstance(x, Tensor):
            if device_of(x.array) != device_of(first):
                places = " and ".join(str(t.device) for t in inputs if isinstance(t, Tensor))
                raise RuntimeError(
                    f"{op.name}: operands on different devices ({places}); move them together with .to(device)"
                )
            if target is not None and x.array.dtype is not target:
                keep = x.array.dtype.kind == "b" and not op.floating and not fractional
                x = x if keep or (x.array.dtype == target) else x.to(target)
        elif x is not None and not isinstance(x, int | float | bool):
            raise TypeError(f"{op.name}: expected a tensor or a number, got {type(x).__name__}: {x!r}"[:300])
        converted.append(x)
    return converted, [x.array if isinstance(x, Tensor) else x for x in converted]


def _explained(op, arrays, error):
    """The same kind of exception, with the operation and its operands named."""
    seen = ", ".join(f"{a.shape} {a.dtype}" if is_array(a) else repr(a) for a in arrays)
    reason = str(error)
    if "broadcast" in reason:
        reason = (
            "the shapes do not broadcast. Compared from the right, sizes must be equal, or one of them 1; "
            "reshape or unsqueeze one operand"
        )
    return type(error)(f"{op.name}({seen}): {reason}")

