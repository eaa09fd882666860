"""Captured steps: a training step recorded once, and replayed without Python.

A small step spends more time between its array operations than in them: calling functions, keeping
the graph, finding the next kernel. All of that gives the same answers every time. So

    step = tg.capture(step)

runs the function as it stands at first, then once under a recorder that notes every call that
computes something (`backend/cpu/traced.py`), and from then on does those calls alone
(`backend/cpu/program.py`), in memory whose use is planned.

It is right or not at all. Before a program is used, one call is made twice from the same state, by
the program and by the function, and both must leave the same bits in everything that they write.
Where they do not, or where the function does something that no program can do again (look at a
value, as in `if loss > 3`), it goes on being called as it is, and one line says why.

What may change between calls: all that lies in arrays (weights, buffers, the batch, which is copied
in), random streams, and the settings of optimisers, which are read anew each time. A program was
made for certain shapes of the arguments, for modules in training or in evaluation, for parameters
that are frozen or not, and for the numbers that the function finds in its own variables. When one
of these is another than it was, the function is recorded again.

What comes back are copies; `.grad` holds the program's own memory, which the next call overwrites.
"""

import functools
import gc
import warnings
from dataclasses import fields, is_dataclass
from types import FunctionType, ModuleType

import numpy as np

from .autograd import Tensor, is_grad_enabled, profile
from .autograd.mode import mode
from .backend.cpu import get_num_threads
from .backend.cpu.conv import forced_path
from .backend.cpu.recorder import Recorder
from .backend.cpu.traced import Traced
from .backend.cpu.views import root_address
from .backend.device import is_array
from .backend.random import all_streams
from .backend.recording import recording
from .nn import Module
from .optim.optimizer import Optimizer

_WARM_UP = 1  # calls before one is recorded: what is made in the first step must be there
_ATTEMPTS = 4  # recordings of one kind of call, and one more for each ten replays
_KINDS = 16
_SIMPLE = (bool, int, float, str, type(None), tuple)
_ELSEWHERE = (ModuleType, type, *_SIMPLE[:-1])  # where no tensors of a step are looked for


class CaptureWarning(UserWarning):
    """A step stays as it is, and why."""


def capture(function, tell=None):
    """The function, recorded in its second call, checked in its third, replayed from then on.

    It may take tensors, arrays, numbers and what holds them; so may what it returns. All else that
    it does to Python's world (a counter, a list that grows) happens only while it is not replayed.
    `tell` is given the line that says why a function stays as it is; without it that is a warning.

    >>> from tinygan import nn, optim, randn
    >>> net = nn.Linear(2, 1)
    >>> optimizer = optim.Adam(net.parameters())
    >>> def step(x):
    ...     optimizer.zero_grad()
    ...     loss = net(x).square().mean()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> step = capture(step)
    >>> losses = [step(randn(8, 2)).item() for _ in range(5)]
    >>> step.programs, step.problem
    (1, None)
    """
    return Captured(function, tell or _warn)


def _warn(text):
    warnings.warn(text, CaptureWarning, stacklevel=5)


class Captured:
    """A function and its programs, one for each kind of call. See `capture`."""

    def __init__(self, function, tell):
        self.function, self.tell, self.kinds, self._crowded = function, tell, {}, None
        functools.update_wrapper(self, function)

    @property
    def programs(self) -> int:
        """How many programs are in use."""
        return sum(kind.trusted for kind in self.kinds.values())

    @property
    def problem(self) -> str | None:
        """Why some kind of call stays as it is; None where there is none."""
        return next((k.problem for k in self.kinds.values() if k.problem), self._crowded)

    def __call__(self, *arguments, **keywords):
        profiled = all(isinstance(watcher, profile) for watcher in mode.watch)
        if recording.recorder is not None or not profiled:  # a search for NaNs
            return self.function(*arguments, **keywords)
        arrays = []
        form = _form((arguments, keywords), arrays)
        kind = self.kinds.get((form, is_grad_enabled(), get_num_threads(), forced_path()))
        if kind is None:
            if len(self.kinds) >= _KINDS:
                self._crowded = f"it was called in more than {_KINDS} different ways"
                return self.function(*arguments, **keywords)
            kind = _Kind(self.function, self.tell)
            self.kinds[form, is_grad_enabled(), get_num_threads(), forced_path()] = kind
        return kind((arguments, keywords), arrays)


class _Kind:
    """Calls of one form: eager at first, then recorded, then checked, then replayed."""

    def __init__(self, function, tell):
        self.function, self.tell = function, tell
        self.calls, self.recordings, self.replays = 0, 0, 0
        self.step, self.trusted, self.problem = None, False, None

    def __call__(self, call, arrays):
        if self.step is not None:
            reason = self.step.out_of_date()
            if reason is None and self.trusted:
                self.replays += 1
                return self.step.replay(arrays)
            if mode.watch:  # what is new is not to be looked at
                return self.function(*call[0], **call[1])
            if reason is None:
                return self._check(call, arrays)
            self._drop(reason)
        self.calls += 1
        arguments, keywords = call
        if self.problem is not None or self.calls <= _WARM_UP or mode.watch:
            return self.function(*arguments, **keywords)
        self.recordings += 1
        step = _Recorded(self.function)
        result = step.record(call, arrays)
        if step.problem is None:
            self.step = step
        else:
            self._drop(step.problem, for_ever=True)
        return result

    def _check(self, call, arrays):
        """The call, made by the program and then again by the function."""
        arguments, keywords = call
        before = self.step.state()
        replayed = self.step.replay(arrays)
        after = self.step.state()
        self.step.put_back(before)
        result = self.function(*arguments, **keywords)
        difference = self.step.difference(after, replayed, self.step.state(), result)
        if difference is None:
            self.trusted = True
        else:
            self._drop(difference)
        return result

    def _drop(self, reason, for_ever=False):
        self.step, self.trusted = None, False
        if for_ever or self.recordings >= _ATTEMPTS + self.replays // 10:
            self.problem = reason
            name = getattr(self.function, "__qualname__", repr(self.function))
            self.tell(f"{name} is not captured, and runs as it is: {reason}")


class _Recorded:
    """A recorded call: its program, and what it was recorded under."""

    def __init__(self, function):
        self.function, self.problem = function, None

    # -- recording ---------------------------------------------------------------------------------

    def record(self, call, arrays):
        """Make the call, once, and note what it does. Gives its result."""
        if any(type(array) is not np.ndarray for array in arrays):
            self.problem = "its arguments are not in the CPU's memory"
            return self.function(*call[0], **call[1])
        recorder = Recorder()
        inputs = [recorder.like(array) for array in arrays]
        self.inputs = [recorder.plain(x) for x in inputs]
        arguments, keywords = _rebuilt(call, iter(inputs))
        objects = _within_reach(self.function)
        own = [(t, t.array) for t in _of(Tensor, objects) if type(t.array) is np.ndarray]
        views = [array.view(Traced) for _, array in own]
        grads = {t: t.grad for t, _ in own if t.requires_grad}
        for (tensor, _), view in zip(own, views):
            tensor.array = view
        recording.recorder, result, outside = recorder, None, mode.watch
        mode.watch = (recorder,)
        try:
            result = self.function(*arguments, **keywords)
        finally:
            recording.recorder, mode.watch = None, outside
            for (tensor, array), view in zip(own, views):
                if tensor.array is view:
                    tensor.array = array
                else:
                    recorder.note_problem(f"the memory of a tensor {array.shape} was replaced")
            for tensor in _of(Tensor, _within_reach(self.function, result)):
                if type(tensor.array) is Traced:
                    tensor.array = recorder.plain(tensor.array)
        self._keep(recorder, inputs, own, grads, result, objects)
        return self._result()

    def _keep(self, recorder, inputs, own, grads, result, objects):
        self.program, self.problem = recorder.program(), recorder.problem
        self.written = recorder.written
        if recorder.changed & {root_address(x) for x in inputs}:
            self.problem = "it writes into its arguments"
        touched = [(t, a) for t, a in own if root_address(a) in recorder.seen]
        self.tensors = [(t, a, t.requires_grad) for t, a in touched]
        self.changed = [t for t, a in touched if root_address(a) in recorder.written]
        self.program.divide({root_address(a) for _, a in touched})
        self.result = result
        self.leaves = [_array(x) for x in _leaves(result)]
        self.grads = [(t, t.grad) for t, g in grads.items() if t.grad is not g]
        self.grads_before = [
            (t, g, g is not None and root_address(g.array) in recorder.seen)
            for t, g in grads.items()
            if any(t is each for each, _ in touched)
        ]
        self.optimizers = [o for o in _of(Optimizer, objects) if _moves(o, touched)]
        modules = _modules_of([t for t, _ in touched], _of(Module, objects))
        self.settings = [_Settings(m) for m in modules] + _variables(self.function)
        for tensor, _ in touched:
            if tensor._hooks:
                self.problem = f"a hook watches a tensor of shape {tensor.shape}"
        for module in modules:
            if any(map(_is_of_users, module._forward_hooks + module._forward_pre_hooks)):
                self.problem = f"a hook watches a {type(module).__name__}"
        for x in _leaves(result):
            if isinstance(x, Tensor) and x._node is not None and x._node.plan is not None:
                self.problem = "it returns a tensor that backward could go on from: detach() it"
            if not isinstance(_array(x), np.ndarray):
                self.problem = "its result is not in the CPU's memory"

    # -- replaying ---------------------------------------------------------------------------------

    def out_of_date(self):
        """What is no longer as it was when the call was recorded; None where all is."""
        for tensor, array, requires_grad in self.tensors:
            if tensor.array is not array:
                return f"the memory of a tensor of shape {array.shape} was replaced"
            if tensor.requires_grad is not requires_grad:
                return f"a tensor of shape {array.shape} was frozen, or no longer is"
        for tensor, grad, used in self.grads_before:
            if (tensor.grad is not grad) if used else ((tensor.grad is None) != (grad is None)):
                return "gradients were there before the call or not, other than in the recording"
        for settings in self.settings:
            if settings.now() != settings.then:
                return settings.difference()
        return None

    def replay(self, arrays):
        for held, array in zip(self.inputs, arrays):
            np.copyto(held, array)
        self.program(watch=self._watch if mode.watch else None)
        for tensor, grad in self.grads:
            tensor.grad = grad
        for tensor in self.changed:
            tensor.mark_written("a captured step")
        return self._result()

    @staticmethod
    def _watch(note, arrays, start):
        for watcher in mode.watch:
            watcher.note(note.operation, start, arrays)

    def _result(self):
        """The result as it is now, in copies."""
        return _rebuilt(self.result, iter([array.copy(order="K") for array in self.leaves]))

    # -- checking ----------------------------------------------------------------------------------

    def state(self):
        """All that a call writes to: memory, states of optimisers, random streams, gradients."""
        return (
            [root.copy(order="K") for root in self.written.values()],
            [_copied(values) for o in self.optimizers for values in o.state.values()],
            [(stream, stream.state()) for stream in all_streams()],
            [(t, t.grad, None if t.grad is None else t.grad.numpy().copy()) for t, _ in self.grads],
        )

    def put_back(self, state):
        memory, states, streams, grads = state
        for root, copy in zip(self.written.values(), memory):
            np.copyto(root, copy)
        own = [values for o in self.optimizers for values in o.state.values()]
        for values, saved in zip(own, states):
            for name, value in saved.items():
                if isinstance(value, np.ndarray):
                    np.copyto(values[name].array, value)
                else:
                    values[name] = value
        for stream, saved in streams:
            stream.restore(saved)
        for tensor, grad, _ in grads:
            tensor.grad = grad

    def difference(self, replayed, its_result, eager, result):
        """What a replay did otherwise than the function; None where all bits are the same."""
        for root, a, b in zip(self.written.values(), replayed[0], eager[0]):
            if not _same_bits(a, b):
                return f"a replay left other values in an array of shape {root.shape}"
        for (tensor, _, a), (_, _, b) in zip(replayed[3], eager[3]):
            if not (a is b is None or _same_bits(a, b)):
                return f"a replay gave another gradient of a tensor of shape {tensor.shape}"
        for x, y in zip(_leaves(its_result), _leaves(result)):
            if not _same_bits(_array(x), _array(y)):
                return "a replay gave another result"
        for a, b in zip(replayed[1], eager[1]):
            if not all(_same_bits(a[name], b[name]) for name in b):
                return "a replay left the state of an optimiser otherwise"
        if replayed[2] != eager[2]:
            return "a replay drew other random numbers"
        return None


class _Settings:
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


class _Variable(_Settings):
    """A variable that the function finds around it."""

    def __init__(self, name, read):
        self.name, self.read = name, read
        self.then = self.now()

    def now(self):
        value = self.read()
        return value if isinstance(value, _SIMPLE) else None

    def difference(self):
        return f"{self.name} was {self.then!r} and is {self.now()!r}"


def _is_of_users(hook):
    """The engine's own hooks, such as spectral norm's, only compute."""
    return not getattr(hook, "__module__", "").startswith("tinygan.nn.")


def _variables(function):
    """The simple variables that a function finds: in its object, around it, in its module."""
    found = []
    if hasattr(function, "__self__") and hasattr(function.__self__, "__dict__"):
        found.append(_Settings(function.__self__))
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


def _within_reach(*roots) -> list:
    """All that a function can get hold of: what it holds, what these hold, and so on."""
    found, left = {}, list(roots)
    while left:
        x = left.pop()
        if id(x) in found or isinstance(x, (*_ELSEWHERE, Captured)):
            continue
        found[id(x)] = x
        if isinstance(x, FunctionType):  # of all the names of its module, only those that it uses
            left += [x.__closure__, x.__defaults__, x.__kwdefaults__, x.__dict__]
            left += [x.__globals__[name] for name in x.__code__.co_names if name in x.__globals__]
        else:
            left += gc.get_referents(x)
    return list(found.values())


def _of(kind, objects):
    return [x for x in objects if issubclass(type(x), kind)]


def _modules_of(tensors, modules):
    """Those modules that hold one of the tensors, or a module that does, and all within them."""
    wanted = {id(t) for t in tensors}
    holding = {id(m) for m in modules if any(id(v) in wanted for v in m.__dict__.values())}
    found = {}
    for module in modules:
        within = list(module.modules())
        if any(id(m) in holding for m in within):
            found.update({id(m): m for m in within})
    return list(found.values())


def _form(value, arrays):
    """What a program depends on of its arguments; their arrays are added to `arrays`."""
    if isinstance(value, Tensor):
        arrays.append(value.array)
        rest = "Tensor", value.requires_grad
    elif is_array(value):
        arrays.append(value)
        rest = ("array",)
    elif isinstance(value, tuple | list):
        return type(value), *[_form(v, arrays) for v in value]
    elif isinstance(value, dict):
        return dict, *[(k, _form(v, arrays)) for k, v in value.items()]
    else:
        return type(value), value
    array = arrays[-1]
    return *rest, array.shape, array.strides, array.dtype


def _rebuilt(value, arrays):
    """The same, with other arrays in the places of its own."""
    if isinstance(value, Tensor):
        return Tensor(next(arrays))
    if isinstance(value, np.ndarray):
        return next(arrays)
    if isinstance(value, tuple | list):
        items = [_rebuilt(v, arrays) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {k: _rebuilt(v, arrays) for k, v in value.items()}
    return value


def _leaves(value):
    """The tensors and arrays within."""
    if isinstance(value, Tensor | np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple | list):
        return []
    return [x for part in value for x in _leaves(part)]


def _array(x):
    array = x.array if isinstance(x, Tensor) else x
    return array.view(np.ndarray) if type(array) is Traced else array


def _copied(values):
    """What an optimiser keeps for a parameter, as it is now."""
    return {k: v.array.copy(order="K") if isinstance(v, Tensor) else v for k, v in values.items()}


def _moves(optimizer, touched):
    """Is it the optimiser of one of these tensors?"""
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return any(id(t) in own for t, _ in touched)


def _same_bits(a, b):
    if not isinstance(a, np.ndarray):
        return a == b
    return (a.shape, a.dtype) == (b.shape, b.dtype) and a.tobytes() == b.tobytes()
