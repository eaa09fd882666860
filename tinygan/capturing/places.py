"""Where a call is recorded: what differs between the CPU and a GPU.

On the CPU the call computes while it is recorded, and the recorder sees which memory it reads and
writes. On a GPU it only leaves its launches, and of memory nothing is seen: all that the function
can get hold of is taken for read and written.
"""

import gc
from contextlib import contextmanager

import numpy as np

from ..autograd import Tensor
from ..backend.cpu.recorder import Recorder as CpuRecorder
from ..backend.cpu.traced import Traced
from ..backend.cpu.views import root_address
from ..backend.cuda.recorder import Recorder as GpuRecorder
from ..backend.device import on_device
from ..backend.random import all_streams
from ..optim.optimizer import Optimizer
from .surroundings import of_kind


def place_for(arrays, tensors):
    """The place where a call with these arrays is recorded; None where they lie on both sides."""
    sides = {on_device(array) for array in arrays}
    if len(sides) > 1 or (sides == {False} and any(t.requires_grad for t in _there(tensors))):
        return None
    there = True in sides or (not sides and any(True for _ in _there(tensors)))
    return Gpu() if there else Cpu()


def _there(tensors):
    return (t for t in tensors if on_device(t.array))


class Cpu:
    """The recorder sees each call, because arrays tell it (`Traced`)."""

    computes = True  # while it records

    def __init__(self):
        self.recorder = CpuRecorder()
        self.input, self.held, self.program = (
            self.recorder.like, self.recorder.plain, self.recorder.program
        )  # fmt: skip

    @staticmethod
    def owns(array):
        return type(array) is np.ndarray

    @contextmanager
    def recording(self, own, grads, objects):
        """In the block the tensors are traced."""
        views = [array.view(Traced) for _, array in own]
        for (tensor, _), view in zip(own, views):
            tensor.array = view
        try:
            yield
        finally:
            for (tensor, array), view in zip(own, views):
                if tensor.array is view:
                    tensor.array = array

    def settle(self, tensors):
        """What was made meanwhile lies where the program leaves it."""
        for tensor in tensors:
            if type(tensor.array) is Traced:
                tensor.array = self.recorder.plain(tensor.array)

    def reads(self, array):
        return root_address(array) in self.recorder.seen

    def reads_gradient(self, tensor, grad):
        return self.reads(grad.array)

    def writes(self, tensor, array):
        return root_address(array) in self.recorder.written

    def writes_into(self, inputs):
        return bool(self.recorder.changed & {root_address(x) for x in inputs})

    def memory(self, own):
        """All that a call writes to."""
        return list(self.recorder.written.values())

    def finish(self, program, touched):
        program.divide({root_address(array) for _, array in touched})

    def spoilt(self, inputs, arrays):
        return None


class Gpu:
    """The driver notes what is launched (`cuda/recorder.py`)."""

    computes = False

    def __init__(self):
        self.recorder = GpuRecorder()
        self.program = self.recorder.program

    @staticmethod
    def input(array):
        return array.copy(order="K")  # not from the program's pool: it is written to from outside

    @staticmethod
    def held(x):
        return x

    owns = staticmethod(on_device)

    @contextmanager
    def recording(self, own, grads, objects):
        """In the block nothing is computed; after it Python's side is as it was before, too."""
        self.loose = [x for x in objects if on_device(x)]
        self.versions = {id(t): t.version.written for t, _ in own}
        self.seen_gradients = {t: _Seen(g) for t, g in grads.items() if g is not None}
        optimizers = [
            (o, {p: dict(kept) for p, kept in o.state.items()}) for o in of_kind(Optimizer, objects)
        ]
        streams = [(s, s.state()) for s in all_streams()]
        for tensor, seen in self.seen_gradients.items():
            tensor.grad = seen
        gc.collect()  # what is destroyed during a capture might break it off
        try:
            with self.recorder.capturing():
                yield
        finally:
            for tensor, seen in self.seen_gradients.items():
                if tensor.grad is seen:
                    tensor.grad = grads[tensor]
            for optimizer, states in optimizers:
                if optimizer.state.keys() != states.keys():
                    self.recorder.note_problem("what an optimiser keeps, made in the step,")
                    optimizer.state = states
            for stream, state in streams:
                stream.restore(state)

    def settle(self, tensors):
        """Everything lies where the program leaves it."""

    def reads(self, array):
        """Perhaps: all but the gradients that the call forgets first."""
        return not any(array is s.array_ for s in self._unseen())

    def _unseen(self):
        return [s for s in self.seen_gradients.values() if not s.looked_at]

    def reads_gradient(self, tensor, grad):
        return self.seen_gradients[tensor].looked_at

    def writes(self, tensor, array):
        return tensor.version.written > self.versions[id(tensor)]

    def writes_into(self, inputs):
        return False  # shows when it has run: see `spoilt`

    def memory(self, own):
        unseen = {id(s.array_) for s in self._unseen()}
        arrays = [a for a in (*(a for _, a in own), *self.loose) if id(a) not in unseen]
        return list({(a.data.ptr, a.shape, a.strides, a.dtype): a for a in arrays}.values())

    def finish(self, program, touched):
        """The program needs nothing more."""

    def spoilt(self, inputs, arrays):
        if any(differ(held, array) for held, array in zip(inputs, arrays)):
            return "it writes into its arguments"
        return None


class _Seen(Tensor):
    """A gradient from before the call, which knows whether the call looks at it."""

    def __init__(self, grad):
        self.looked_at, self.array_ = False, grad.array
        self._version = grad.version

    @property
    def array(self):
        self.looked_at = True
        return self.array_

    @array.setter
    def array(self, array):
        self.looked_at, self.array_ = True, array


def differ(a, b) -> bool:
    """Do two arrays on a GPU differ in any bit?"""
    whole = f"u{a.itemsize}" if a.itemsize in (1, 2, 4, 8) else a.dtype
    return bool((a.view(whole) != b.view(whole)).any())
