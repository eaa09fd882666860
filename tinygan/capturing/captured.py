"""A captured function, and the kinds of calls that it knows."""

import functools
import threading
import warnings

from ..autograd import is_grad_enabled, profile
from ..autograd.mode import mode
from ..backend.cpu import clear_workspace, get_num_threads
from ..backend.cpu.conv import forced_path
from ..backend.cpu.memory import give_back_freed_memory
from ..backend.cuda import float32_precision
from ..backend.device import on_device
from ..backend.recording import recording
from ..parallel import ALONE
from .forms import form_of
from .picture import draw
from .recorded import Recorded, bits

_WARM_UP = 1  # calls before one is recorded: what is made in the first step must be there
_WARM_UP_ON_GPU = 2  # and kernels that are first loaded in a capture break it off
_ATTEMPTS = 4  # recordings of one kind of call, and one more for each ten replays
_KINDS = 16
_EAGER, _RECORD, _CHECK, _REPLAY = range(4)  # what is done with a call


class CaptureWarning(UserWarning):
    """A step stays as it is, and why."""


def capture(function, tell=None, group=ALONE):
    """The function, recorded in its second call, checked in its third, replayed from then on.

    It may take tensors, arrays, numbers and what holds them; so may what it returns. All else that
    it does to Python's world (a counter, a list that grows) happens only while it is not replayed.
    `tell` is given the line that says why a function stays as it is; without it that is a warning.
    All processes of a `group` must make the same calls: where one cannot replay, none does.

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
    if isinstance(function, Captured):  # anew
        function = function.function
    return Captured(function, tell or _warn, group)


def _warn(text):
    warnings.warn(text, CaptureWarning, stacklevel=5)


class Captured:
    """A function and its programs, one for each kind of call. See `capture`."""

    aside = True  # whom it tells of problems is not the function's business

    def __init__(self, function, tell, group=ALONE):
        self.function, self.tell, self.group = function, tell, group
        self.kinds, self._crowded = {}, None
        self._lock = threading.RLock()  # a program's memory is for one caller at a time
        functools.update_wrapper(self, function)

    @property
    def programs(self) -> int:
        """How many programs are in use."""
        return sum(kind.trusted for kind in self.kinds.values())

    @property
    def problem(self) -> str | None:
        """Why some kind of call stays as it is; None where there is none."""
        return next((k.problem for k in self.kinds.values() if k.problem), self._crowded)

    def draw(self, path) -> None:
        """Draw its first program: the calls in order, and the memory in use."""
        programs = [kind.step.program for kind in self.kinds.values() if kind.trusted]
        if not programs:
            raise RuntimeError(f"draw: there is no program yet; {self.problem or 'call it thrice'}")
        draw(programs[0], path)

    def __call__(self, *arguments, **keywords):
        profiled = all(isinstance(watcher, profile) for watcher in mode.watch)
        if recording.recorder is not None or not profiled:  # a search for NaNs
            return self.function(*arguments, **keywords)
        arrays = []
        form = form_of((arguments, keywords), arrays)
        known_as = (form, is_grad_enabled(), get_num_threads(), forced_path(), float32_precision())
        kind = self.kinds.get(known_as)
        if kind is None:
            if len(self.kinds) >= _KINDS:
                if self._crowded is None:
                    self._crowded = f"it was called in more than {_KINDS} different ways"
                    self.tell(_told(self.function, self._crowded))
                self.group.agree(_EAGER)
                return self.function(*arguments, **keywords)
            kind = self.kinds[known_as] = _Kind(self.function, self.tell, self.group)
        with self._lock:
            return kind((arguments, keywords), arrays)


class _Kind:
    """Calls of one form: eager at first, then recorded, then checked, then replayed."""

    def __init__(self, function, tell, group):
        self.function, self.tell, self.group = function, tell, group
        self.calls, self.recordings, self.replays = 0, 0, 0
        self.step, self.trusted, self.problem = None, False, None

    def __call__(self, call, arrays):
        stage = self._stage(arrays)
        if not self.group.agree(stage):
            stage = _EAGER
        if stage == _REPLAY:
            self.replays += 1
            return self.step.replay(arrays)
        if stage == _CHECK:
            return self._check(call, arrays)
        if stage == _RECORD:
            return self._record(call, arrays)
        return self.function(*call[0], **call[1])

    def _stage(self, arrays):
        """What there is to do with this call."""
        if self.step is not None:
            reason = self.step.out_of_date()
            if reason is None and self.trusted:
                return _REPLAY
            if mode.watch:  # what is new is not to be looked at
                return _EAGER
            if reason is None:
                return _CHECK
            self._drop(reason)
        self.calls += 1
        warm_up = _WARM_UP_ON_GPU if any(map(on_device, arrays)) else _WARM_UP
        new = self.problem is None and self.calls > warm_up and not mode.watch
        return _RECORD if new else _EAGER

    def _record(self, call, arrays):
        self.recordings += 1
        clear_workspace()  # what the eager calls used, and the program will not
        give_back_freed_memory()
        step = Recorded(self.function)
        result = step.record(call, arrays)
        if step.problem is None:
            self.step = step
        else:
            self._drop(step.problem, for_ever=True)
        if step.place is None or step.place.computes:
            return result
        together = self.group.agree(step.problem is None)
        if step.problem is not None:
            return result
        return self._check(call, arrays) if together else self.function(*call[0], **call[1])

    def _check(self, call, arrays):
        """The call, made by the program and then again by the function."""
        arguments, keywords = call
        before = self.step.state(lambda array: array.copy(order="K"))
        replayed = self.step.replay(arrays)
        after, difference = self.step.state(bits, bits), self.step.spoilt(arrays)
        self.step.put_back(before)
        del before
        self.step.program.forget()  # so that both ways together take no more than one
        result = self.function(*arguments, **keywords)
        difference = difference or self.step.difference(
            after, replayed, self.step.state(bits, bits), result
        )
        clear_workspace()
        give_back_freed_memory()
        if difference is None:
            self.trusted = True
        else:
            self._drop(difference)
        return result

    def _drop(self, reason, for_ever=False):
        self.step, self.trusted = None, False
        if for_ever or self.recordings >= _ATTEMPTS + self.replays // 10:
            self.problem = reason
            self.tell(_told(self.function, reason))


def _told(function, reason):
    name = getattr(function, "__qualname__", repr(function))
    return f"{name} is not captured, and runs as it is: {reason}"
