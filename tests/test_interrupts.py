"""Ctrl-C at every step: nothing stays locked, limited, waiting, switched over or alive.

A tracer raises KeyboardInterrupt in the main thread before the k-th bytecode of the watched files,
for some k, or hundreds (`-m slow`); that is stricter than Python, which looks for signals at calls
and jumps only. Then real signals come at random moments, in bursts."""

import contextlib
import dis
import gc
import random
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import tinygan as tg
from tests.test_cpu_conv import all_directions, operands
from tests.test_cpu_threads import blas_threads
from tinygan.autograd import mode
from tinygan.backend import block, default_device
from tinygan.backend.cpu import conv, product, threads, weights, workspace

WATCHED = {m.__file__ for m in (threads, workspace, weights, product, block, mode)}

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")


class Big:
    """Stands for the arrays that a loop's pieces use."""


def two_loops():
    """The second needs the first; the pieces last long enough for the worker to come."""
    arrays = Big()

    def piece(start, stop, used=arrays):
        time.sleep(2e-4)

    first = threads.Loop(piece, 3)

    def later(start, stop, used=arrays):
        first.wait()
        time.sleep(1e-4)

    alive.append(weakref.ref(arrays))
    threads.parallel_loops(first, threads.Loop(later, 3))


def convolution():
    x, w = np.ones((4, 16, 4, 4), np.float32), np.ones((8, 16, 4, 4), np.float32)
    with conv.use_path("winograd4"):
        y = conv.conv2d(x, w, (2, 2), (1, 1), (1, 1), 1)
        conv.conv2d_gradients(x, w, y, (2, 2), (1, 1), (1, 1), 1)


def products():
    a, b = np.ones((128, 64), np.float32), np.ones((64, 128), np.float32)
    product.matmul(a, b)
    product.linear_gradients(a, np.ones((96, 64), np.float32), np.ones((128, 96), np.float32))


def scratch_memory():
    workspace.clear_workspace()
    workspace.scratch("interrupted", (3000,), np.float32)
    array = np.ones(5)
    workspace.keep(array, "name", object(), 100)
    workspace.take(array, "name")
    workspace.keep(array, "name", object(), 100)


def blocks():
    with tg.no_grad(), tg.Device("cuda"):
        with tg.enable_grad(), conv.use_path("direct"), tg.profile():
            pass
        tg.no_grad(bool)()


ACTIONS = [blocks, two_loops, convolution, products, scratch_memory]
PROBLEM = operands()
alive = []
others = set()  # threads from before: those of other tests may end whenever they do


@pytest.fixture
def expected(two_threads):
    """What the kernels give undisturbed, BLAS set to two threads. Whatever hangs is ended."""
    switches = [threads._switch(library) for library in threads.numpy_blas()]
    before = [(switch, switch.get_num_threads()) for switch in switches]
    for switch, _ in before:
        switch.set_num_threads(2)

    def hangs(number, frame):
        raise AssertionError("it hangs")

    previous = signal.signal(signal.SIGALRM, hangs)
    values = all_directions(*PROBLEM)
    threads.parallel_for(lambda i, j: None, 2)
    others.clear()
    others.update(threading.enumerate())
    yield values
    signal.signal(signal.SIGALRM, previous)
    for switch, count in before:
        switch.set_num_threads(count)


def run_until_bytecode(k, action):
    """Run the action; raise KeyboardInterrupt before bytecode k. How many there were, and what came
    out."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if event == "call":
            if frame.f_code.co_filename not in WATCHED or frame.f_code is block._guard.__code__:
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            count += 1
            if count == k:
                raise KeyboardInterrupt
        return trace

    signal.alarm(20)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
        return count, None
    except KeyboardInterrupt as error:
        return count, error
    finally:
        sys.settrace(before)
        signal.alarm(0)


def check_health(expected):
    """The next kernels are right and use both threads; nothing is left over."""
    signal.alarm(20)
    limits = blas_threads()
    assert limits == [2] * len(limits), "BLAS stays limited"
    assert tg.is_grad_enabled(), "no_grad stayed on"
    assert default_device().type == "cpu" and conv._forced.path is None and not mode.mode.watch
    assert not block._open.blocks
    meeting = threading.Barrier(2)
    threads.parallel_for(lambda i, j: meeting.wait(10), 2)
    other = threading.Thread(target=lambda: [products(), scratch_memory()], daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive(), "another thread waits for a lock"
    for value, right in zip(all_directions(*PROBLEM), expected, strict=True):
        np.testing.assert_array_equal(value, right)
    assert blas_threads() == limits and not threads._blas_limit.wanted_by
    deadline = time.monotonic() + 5
    while any(ref() is not None for ref in alive) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(1e-3)
    assert not any(ref() is not None for ref in alive), "a worker still holds a loop's arrays"
    alive.clear()
    assert len(set(threading.enumerate()) - others) < 4, "workers pile up"
    signal.alarm(0)


def interrupt_at(moments, action, expected):
    for k in moments:
        count, error = run_until_bytecode(k, action)
        assert error or count < k, f"bytecode {k}: the interrupt was swallowed"
        del error  # its traceback holds the loops
        try:
            check_health(expected)
        except AssertionError as error:
            raise AssertionError(f"after an interrupt at bytecode {k}: {error}") from error


@pytest.mark.parametrize("action", ACTIONS)
def test_an_interrupt_at_chosen_bytecodes_leaves_nothing_behind(action, expected):
    action()
    steps, _ = run_until_bytecode(-1, action)
    assert steps > 100
    interrupt_at(range(1, steps, max(1, steps // 40)), action, expected)


def bursts_of_signals(count, action, expected):
    """Signals at random moments, several close together: the next while the last is dealt with."""
    main, rng, done, taken = threading.main_thread().ident, random.Random(0), threading.Event(), 0

    def handler(number, frame):
        nonlocal taken
        while frame is not None:  # only inside the action
            if frame.f_code is action.__code__:
                taken += 1
                raise KeyboardInterrupt
            frame = frame.f_back

    def send():
        while not done.wait(rng.uniform(0, 4e-3)):
            for _ in range(rng.randrange(1, 5)):
                signal.pthread_kill(main, signal.SIGINT)
                time.sleep(rng.uniform(0, 2e-4))

    previous = signal.signal(signal.SIGINT, handler)
    sender = threading.Thread(target=send)
    sender.start()
    signal.alarm(300)
    try:
        while taken < count:
            with contextlib.suppress(KeyboardInterrupt):
                action()
    finally:
        done.set()
        sender.join()
        signal.alarm(0)
        signal.signal(signal.SIGINT, previous)
    threads.parallel_for(lambda i, j: None, 2)  # may have to heal what is left of a double one
    check_health(expected)


@pytest.mark.parametrize("action", ACTIONS)
def test_signals_at_random_moments_leave_nothing_behind(action, expected):
    bursts_of_signals(50, action, expected)


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_many_signals_at_random_moments_leave_nothing_behind(action, expected):
    bursts_of_signals(2000, action, expected)


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_an_interrupt_at_hundreds_of_bytecodes_leaves_nothing_behind(action, expected):
    action()
    steps, _ = run_until_bytecode(-1, action)
    assert steps > 100
    interrupt_at(range(1, steps + 1, 1 + steps // 800), action, expected)


def test_blocks_end_though_the_traceback_is_kept(expected):
    """As notebooks keep it: what the frames hold does not go with the block."""
    steps, _ = run_until_bytecode(-1, blocks)
    for k in range(1, steps + 1):
        _, kept = run_until_bytecode(k, blocks)
        assert kept is not None
        assert tg.is_grad_enabled() and default_device().type == "cpu" and not block._open.blocks, k


def test_the_guard_of_a_block_makes_no_call_at_the_usual_end():
    """Python looks for signals at calls, at jumps back and at the beginning of functions."""
    steps = [step.opname for step in dis.get_instructions(block._guard)]
    end = steps.index("COMPARE_OP")
    assert not any("CALL" in step for step in steps[steps.index("YIELD_VALUE") : end])


def test_a_block_in_a_generator_may_end_after_one_that_began_later():
    def generator():
        with tg.no_grad():
            yield tg.is_grad_enabled()

    first = generator()
    assert not next(first)
    with tg.Device("cuda"):
        assert next(first, None) is None
        assert tg.is_grad_enabled() and default_device().type == "cuda"
    assert default_device().type == "cpu" and not block._open.blocks


def test_blocks_work_in_an_exit_stack_and_by_hand():
    with contextlib.ExitStack() as stack:
        stack.enter_context(tg.no_grad())
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()
    by_hand = tg.no_grad()
    by_hand.__enter__()
    assert not tg.is_grad_enabled()
    by_hand.__exit__(None, None, None)
    assert tg.is_grad_enabled()
