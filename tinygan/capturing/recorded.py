"""One recorded call: its program, what it was recorded under, and the proof that it is right."""

import os
from hashlib import blake2b

import numpy as np

from ..autograd import Tensor
from ..autograd.mode import mode
from ..backend.cpu.recorder import Recorder
from ..backend.cpu.traced import Traced
from ..backend.cpu.views import root_address
from ..backend.random import all_streams
from ..backend.recording import recording
from ..nn import Module
from ..optim.optimizer import Optimizer
from .forms import leaves, rebuilt
from .surroundings import Settings, modules_of, of_kind, variables, within_reach


class Recorded:
    """A recorded call: its program, and what it was recorded under."""

    def __init__(self, function):
        self.function, self.problem, self.process = function, None, os.getpid()

    # -- recording ---------------------------------------------------------------------------------

    def record(self, call, arrays):
        """Make the call, once, and note what it does. Gives its result."""
        if any(type(array) is not np.ndarray for array in arrays):
            self.problem = "its arguments are not in the CPU's memory"
            return self.function(*call[0], **call[1])
        recorder = Recorder()
        inputs = [recorder.like(array) for array in arrays]
        self.inputs = [recorder.plain(x) for x in inputs]
        arguments, keywords = rebuilt(call, iter(inputs))
        objects = within_reach(self.function)
        own = [(t, t.array) for t in of_kind(Tensor, objects) if type(t.array) is np.ndarray]
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
            for tensor in of_kind(Tensor, within_reach(self.function, result)):
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
        self.leaves = [_array(x) for x in leaves(result)]
        self.grads = [(t, t.grad) for t, g in grads.items() if t.grad is not g]
        self.grads_before = [
            (t, g, g is not None and root_address(g.array) in recorder.seen)
            for t, g in grads.items()
            if any(t is each for each, _ in touched)
        ]
        self.optimizers = [o for o in of_kind(Optimizer, objects) if _moves(o, touched)]
        modules = modules_of([t for t, _ in touched], of_kind(Module, objects))
        self.settings = [Settings(m) for m in modules] + variables(self.function)
        for tensor, _ in touched:
            if tensor._hooks:
                self.problem = f"a hook watches a tensor of shape {tensor.shape}"
        for module in modules:
            if any(map(_is_of_users, module._forward_hooks + module._forward_pre_hooks)):
                self.problem = f"a hook watches a {type(module).__name__}"
        for x in leaves(result):
            if isinstance(x, Tensor) and x._node is not None and x._node.plan is not None:
                self.problem = "it returns a tensor that backward could go on from: detach() it"
            if not isinstance(_array(x), np.ndarray):
                self.problem = "its result is not in the CPU's memory"

    # -- replaying ---------------------------------------------------------------------------------

    def out_of_date(self):
        """What is no longer as it was when the call was recorded; None where all is."""
        if os.getpid() != self.process:
            return "this is another process, a fork, which may not write to the program's memory"
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
        return rebuilt(self.result, iter([array.copy(order="K") for array in self.leaves]))

    # -- checking ----------------------------------------------------------------------------------

    def state(self, of_array):
        """All that a call writes to, with `of_array` of each array: memory, states of optimisers,
        random streams, gradients.
        """
        kept = [values.items() for o in self.optimizers for values in o.state.values()]
        return (
            [of_array(root) for root in self.written.values()],
            [{k: of_array(v.array) if isinstance(v, Tensor) else v for k, v in c} for c in kept],
            [(stream, stream.state()) for stream in all_streams()],
            [
                (t, t.grad, None if t.grad is None else of_array(t.grad.array))
                for t, _ in self.grads
            ],
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
        """What a replay did otherwise than the function, given the `bits` of both states; None
        where all are the same.
        """
        for root, a, b in zip(self.written.values(), replayed[0], eager[0]):
            if a != b:
                return f"a replay left other values in an array of shape {root.shape}"
        for (tensor, _, a), (_, _, b) in zip(replayed[3], eager[3]):
            if a != b:
                return f"a replay gave another gradient of a tensor of shape {tensor.shape}"
        if [bits(_array(x)) for x in leaves(its_result)] != [
            bits(_array(x)) for x in leaves(result)
        ]:
            return "a replay gave another result"
        if replayed[1] != eager[1]:
            return "a replay left the state of an optimiser otherwise"
        if replayed[2] != eager[2]:
            return "a replay drew other random numbers"
        return None


def bits(array):
    """What tells two arrays apart if any bit of theirs differs."""
    return array.shape, array.dtype, blake2b(np.ascontiguousarray(array)).digest()


def _is_of_users(hook):
    """The engine's own hooks, such as spectral norm's, only compute."""
    return not getattr(hook, "__module__", "").startswith("tinygan.nn.")


def _array(x):
    array = x.array if isinstance(x, Tensor) else x
    return array.view(np.ndarray) if type(array) is Traced else array


def _moves(optimizer, touched):
    """Is it the optimiser of one of these tensors?"""
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return any(id(t) in own for t, _ in touched)
