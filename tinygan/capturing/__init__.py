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

On a GPU the program is CUDA graphs, and calls between them (`backend/cuda/recorder.py`). Nothing is
computed while a step leaves its launches in a graph. So the call that is recorded, the third there,
is checked at once: the function runs twice in it, for the graph and to be compared. All that a
step is to do to Python's world it should leave to its caller.

What comes back are copies; `.grad` holds the program's own memory, which the next call overwrites.
"""

from .captured import Captured, CaptureWarning, capture

__all__ = ["CaptureWarning", "Captured", "capture"]
