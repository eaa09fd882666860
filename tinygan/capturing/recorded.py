"""One recorded call: its program, what it was recorded under, and the proof that it is right."""

import os
from hashlib import blake2b

import numpy as np

from ..autograd import Tensor
from ..autograd.mode import mode
from ..backend.cpu.traced import Traced
from ..backend.device import is_array, on_device
from ..backend.random import all_streams
from ..backend.recording import recording
from ..nn import Module
from ..optim.ema import EMA
from ..optim.optimizer import Optimizer
from .forms import leaves, rebuilt
from .places import differ, place_for
from .surroundings import Settings, modules_of, of_kind, variables, within_reach

_PARTS = 64  # of an array whose bits are compared


class Recorded:
    """A recorded call: its program, and what it was recorded under."""

    def __init__(self, function):
        self.function, self.problem, self.process = function, None, os.getpid()

    # -- recording ---------------------------------------------------------------------------------

    def record(self, call, arrays):
        """Note what the call does. Gives its result; None where it was not computed: on a GPU it
        takes a replay.
        """
        objects = within_reach(self.function)
        place = self.place = place_for(arrays, of_kind(Tensor, objects))
        if place is None:
            self.problem = "its arguments are not where its tensors are"
            return self.function(*call[0], **call[1])
        inputs = [place.input(array) for array in arrays]
        self.inputs = [place.held(x) for x in inputs]
        arguments, keywords = rebuilt(call, iter(inputs))
        own = [(t, t.array) for t in of_kind(Tensor, objects) if place.owns(t.array)]
        grads = {t: t.grad for t, _ in own if t.requires_grad}
        recorder, result, outside = place.recorder, None, mode.watch
        try:
            with place.recording(own, grads, objects):
                recording.recorder, mode.watch = recorder, (recorder,)
                try:
                    result = self.function(*arguments, **keywords)
                finally:
                    recording.recorder, mode.watch = None, outside
        finally:
            if any(tensor.array is not array for tensor, array in own):
                recorder.note_problem("the memory of a tensor was replaced")
            place.settle(of_kind(Tensor, within_reach(self.function, result)))
        if recorder.problem is None or place.computes:
            self._keep(inputs, own, grads, result, objects)
        self.problem = self.problem or recorder.problem
        if place.computes:
            return self._result()
        for tensor, array in own:
            tensor.array = array
        for tensor, grad in grads.items():
            tensor.grad = grad
        return None if self.problem is None else self.function(*call[0], **call[1])

    def _keep(self, inputs, own, grads, result, objects):
        place = self.place
        self.program = place.program()
        if place.writes_into(inputs):
            self.problem = "it writes into its arguments"
        touched = [(t, a) for t, a in own if place.reads(a)]
        self.tensors = [(t, a, t.requires_grad) for t, a in touched]
        self.changed = [t for t, a in touched if place.writes(t, a)]
        self.written = place.memory(own)
        place.finish(self.program, touched)
        self.result = result
        self.leaves = [_array(x) for x in leaves(result)]
        self.grads = [(t, t.grad) for t, g in grads.items() if t.grad is not g]
        self.grads_before = [
            (t, g, g is not None and place.reads_gradient(t, g))
            for t, g in grads.items()
            if any(t is each for each, _ in touched)
        ]
        self.optimizers = [o for o in of_kind(Optimizer, objects) if _moves(o, touched)]
        self.averages = of_kind(EMA, objects)
        modules = modules_of([t for t, _ in touched], of_kind(Module, objects))
        self.settings = [Settings(m) for m in modules] + variables(self.function)
        for tensor, _ in touched:
            if tensor._hooks or any(map(_is_of_users, tensor._ready_hooks)):
                self.problem = f"a hook watches a tensor of shape {tensor.shape}"
        for module in modules:
            if any(map(_is_of_users, module._forward_hooks + module._forward_pre_hooks)):
                self.problem = f"a hook watches a {type(module).__name__}"
        for x in leaves(result):
            if isinstance(x, Tensor) and x._node is not None and x._node.plan is not None:
                self.problem = "it returns a tensor that backward could go on from: detach() it"
            if on_device(_array(x)) is place.computes:
                self.problem = "its result is not where it was computed"

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
            same = used and self.place.computes  # else it is copied in, if it is another one
            if (tensor.grad is not grad) if same else ((tensor.grad is None) != (grad is None)):
                return "gradients were there before the call or not, other than in the recording"
        for settings in self.settings:
            if settings.now() != settings.then:
                return settings.difference()
        return None

    def replay(self, arrays):
        for held, array in zip(self.inputs, arrays):
            held[...] = array
        for tensor, grad, used in self.grads_before:
            if used and tensor.grad is not grad:
                grad.array[...] = tensor.grad.array
                tensor.grad = grad
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

    def state(self, of_array, of_gradient=lambda array: None):
        """All that a call writes to, with `of_array` of each array: memory, states of optimisers,
        random streams, counts of averages; and gradients, which it may replace and does not change.
        """
        kept = [values.items() for o in self.optimizers for values in o.state.values()]
        return (
            [of_array(root) for root in self.written],
            [{k: of_array(v.array) if isinstance(v, Tensor) else v for k, v in c} for c in kept],
            [(stream, stream.state()) for stream in all_streams()],
            [
                (t, t.grad, None if t.grad is None else of_gradient(t.grad.array))
                for t, _ in self.grads
            ],
            [(ema, ema.updates) for ema in self.averages],
        )

    def put_back(self, state):
        memory, states, streams, grads, averages = state
        for root, copy in zip(self.written, memory):
            root[...] = copy
        own = [values for o in self.optimizers for values in o.state.values()]
        for values, saved in zip(own, states):
            for name, value in saved.items():
                if is_array(value):
                    values[name].array[...] = value
                else:
                    values[name] = value
        for stream, saved in streams:
            stream.restore(saved)
        for tensor, grad, _ in grads:
            tensor.grad = grad
        for ema, updates in averages:
            ema.updates = updates

    def difference(self, replayed, its_result, eager, result):
        """What a replay did otherwise than the function, given the `bits` of both states; None
        where all are the same.
        """
        for root, a, b in zip(self.written, replayed[0], eager[0]):
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

    def spoilt(self, arrays):
        """After a replay: what is wrong with the arguments; None where they are as they were."""
        return self.place.spoilt(self.inputs, arrays)


def bits(array):
    """What tells two arrays apart if any bit of theirs differs: a digest, or a copy on the GPU."""
    if on_device(array):
        return _OnDevice(array)
    digest = blake2b()
    # In parts: a copy of all of it would take as much memory again.
    for part in [array] if array.flags.c_contiguous else np.array_split(array, _PARTS):
        digest.update(np.ascontiguousarray(part))
    return array.shape, array.dtype, digest.digest()


class _OnDevice:
    """The bits of an array now. They stay where they are: only the answer to == is read."""

    def __init__(self, array):
        self.copy = array.copy(order="K")

    def __eq__(self, other):
        a, b = self.copy, other.copy
        return (a.shape, a.dtype) == (b.shape, b.dtype) and not differ(a, b)


def _is_of_users(hook):
    """The engine's own hooks, such as spectral norm's, only compute."""
    hook = getattr(hook, "func", hook)  # of a partial
    return not getattr(hook, "__module__", "").startswith(("tinygan.nn.", "tinygan.parallel."))


def _array(x):
    array = x.array if isinstance(x, Tensor) else x
    return array.view(np.ndarray) if type(array) is Traced else array


def _moves(optimizer, touched):
    """Is it the optimiser of one of these tensors?"""
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return any(id(t) in own for t, _ in touched)
