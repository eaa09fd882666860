"""Loops on several threads, and the BLAS beside them."""

import os
import threading
import time

import numpy as np
import pytest

from tests.test_cpu_conv import all_directions, operands
from tinygan.backend.cpu import threads


def test_parallel_for_covers_the_range_once(two_threads):
    for n, chunk in ((0, 1), (1, 5), (7, 3), (100, 7)):
        seen = np.zeros(n, int)
        threads.parallel_for(lambda i, j, seen=seen: np.add(seen[i:j], 1, out=seen[i:j]), n, chunk)
        assert (seen == 1).all()
    ends = []
    threads.parallel_for(lambda i, j: ends.append(j), 7, 3)
    assert sorted(ends) == [3, 6, 7]


def test_parallel_for_uses_more_than_one_thread(two_threads):
    meeting, places = threading.Barrier(2), []
    threads.parallel_for(lambda i, j: places.append(meeting.wait(10)), 2)  # each for the other
    assert sorted(places) == [0, 1]


def test_loop_inside_a_loop_is_serial(two_threads):
    names = []

    def outer(i, j):
        inner = []
        threads.parallel_for(lambda a, b: inner.append(threading.current_thread().name), 8)
        names.append(set(inner))

    threads.parallel_for(outer, 4)
    assert len(names) == 4
    assert all(len(inner) == 1 for inner in names)


def test_an_error_in_a_piece_reaches_the_caller(two_threads):
    def fail(i, j):
        raise KeyError(i)

    for _ in range(3):
        with pytest.raises(KeyError):
            threads.parallel_for(fail, 10)
    seen = []
    threads.parallel_for(lambda i, j: seen.append(i), 3)
    assert sorted(seen) == [0, 1, 2]


def test_the_workers_error_reaches_the_caller(two_threads):
    meeting = threading.Barrier(2)

    def fail(i, j):
        meeting.wait(10)  # one piece each
        if threading.current_thread() is not threading.main_thread():
            raise KeyError("of the worker")

    with pytest.raises(KeyError, match="of the worker"):
        threads.parallel_for(fail, 2)


def test_the_caller_waits_for_the_workers(two_threads):
    meeting, done = threading.Barrier(2), []

    def work(i, j):
        meeting.wait(10)
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.05)
        done.append(i)

    threads.parallel_for(work, 2)
    assert sorted(done) == [0, 1]


def test_a_later_loop_waits_for_what_it_needs(two_threads):
    for _ in range(20):
        made, seen = np.zeros(8), []
        first = threads.Loop(lambda i, j, made=made: np.add(made[i:j], 1, out=made[i:j]), 8, 3)

        def use(i, j, first=first, made=made, seen=seen):
            first.wait()
            seen.append(made.sum())

        threads.parallel_loops(first, threads.Loop(use, 5))
        assert seen == [8] * 5
    threads.parallel_loops(threads.Loop(None, 0), threads.Loop(lambda i, j: seen.append(i), 1))
    assert seen[-1] == 0


def test_an_error_in_the_first_loop_is_the_one_raised(two_threads):
    def fail(i, j):
        raise KeyError(i)

    first, reached = threads.Loop(fail, 2), []

    def use(i, j):
        first.wait()
        reached.append(i)

    with pytest.raises(KeyError):
        threads.parallel_loops(first, threads.Loop(use, 4))
    assert not reached


def test_a_loop_inside_leaves_its_thread_inside(two_threads):
    """After a nested loop the thread is still in the outer one: the next is serial as well."""
    names = []

    def outer(i, j):
        for _ in range(2):
            threads.parallel_for(lambda a, b: names.append((i, threading.get_ident())), 4)

    threads.parallel_for(outer, 2)
    for i in (0, 1):
        assert len({ident for piece, ident in names if piece == i}) == 1


def test_little_work_stays_with_the_caller(two_threads):
    assert threads.threads_for(1e6) == 1
    assert threads.threads_for(1e9) == 2


def test_thread_count_is_checked(monkeypatch):
    for bad in (0, -1, 2.0, None):
        with pytest.raises(ValueError, match="set_num_threads: expected a whole number above 0"):
            threads.set_num_threads(bad)
    monkeypatch.setenv("TINYGAN_THREADS", "3")
    assert threads._default_num_threads() == 3
    monkeypatch.setenv("TINYGAN_THREADS", "many")
    with pytest.raises(
        ValueError, match="TINYGAN_THREADS must be a whole number above 0, not 'many'"
    ):
        threads._default_num_threads()


def _switches():
    return [threads._switch(library) for library in threads.numpy_blas()]


def blas_threads():
    return [library.get_num_threads() for library in _switches()]


def test_blas_runs_on_one_thread_inside_and_as_before_outside(two_threads):
    libraries = _switches()
    if not libraries:
        pytest.skip("no BLAS whose threads can be set")
    before = blas_threads()
    try:
        for library in libraries:
            library.set_num_threads(2)
        outside, inside = blas_threads(), []
        threads.parallel_for(lambda i, j: inside.append(blas_threads()), 4)
        assert all(count == 1 for counts in inside for count in counts)
        assert blas_threads() == outside

        def with_a_loop(count):
            threads.parallel_for(lambda i, j: None, count)
            return blas_threads()

        assert threads.single_threaded_blas(with_a_loop, 4) == [1] * len(libraries)
        assert blas_threads() == outside
        with pytest.raises(ZeroDivisionError):
            threads.parallel_for(lambda i, j: 1 / 0, 4)
        assert blas_threads() == outside
    finally:
        for library, count in zip(libraries, before, strict=True):
            library.set_num_threads(count)


def test_blas_is_limited_whichever_thread_begins(two_threads):
    if not (libraries := _switches()):
        pytest.skip("no BLAS whose threads can be set")
    inside = []

    def use():
        inside.append(threads.single_threaded_blas(blas_threads))

    use()
    for _ in range(2):
        user = threading.Thread(target=use)
        user.start()
        user.join()
    use()
    assert inside == [[1] * len(libraries)] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_child_after_fork_has_a_working_pool(two_threads):
    problem = operands()
    expected = all_directions(*problem)
    child = os.fork()
    if child == 0:
        try:
            meeting = threading.Barrier(2)
            threads.parallel_for(lambda i, j: meeting.wait(10), 2)
            same = all(map(np.array_equal, all_directions(*problem), expected))
            os._exit(0 if same else 1)
        finally:
            os._exit(2)
    finished = threading.Event()
    watchdog = threading.Timer(20, lambda: finished.is_set() or os.kill(child, 9))
    watchdog.start()
    _, status = os.waitpid(child, 0)
    finished.set()
    watchdog.cancel()
    assert os.waitstatus_to_exitcode(status) == 0
