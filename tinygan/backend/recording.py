"""Recording what a computation does to arrays, so that it can be done again without Python.

A captured step (`tinygan.capture`) runs once under a recorder, which notes every call that computes
something. Calls of array functions are seen without anybody's help (see `cpu/traced.py`). What is
not such a call goes through one of the doors here, and is then an ordinary call while nothing is
recorded:

    noted(function, …)       work on raw arrays that must run as a whole: it looks at values, reads
                             settings that change from step to step, or leaves NumPy
    drawn(function)          an array that is made anew each time, such as random numbers
    changing(what)           a number of Python's is read that is another one each time
"""

import threading


class _Recording(threading.local):
    recorder = None  # of this thread


recording = _Recording()


def noted(function, *arguments):
    """The function's result. A replay calls it again, with the same arguments: it must leave what
    it computes in arrays that it is given.
    """
    recorder = recording.recorder
    return function(*arguments) if recorder is None else recorder.call(function, arguments)


def changing(what: str) -> None:
    """Refuse to record: a program would go on with the number that it was recorded with."""
    if recording.recorder is not None:
        recording.recorder.note_problem(what)


def drawn(function):
    """The array that the function makes. A replay calls it again."""
    recorder = recording.recorder
    return function() if recorder is None else recorder.make(function)
