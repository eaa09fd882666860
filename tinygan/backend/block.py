"""With blocks whose end cannot be missed.

Python looks for Ctrl-C whenever a function begins, and `__exit__` is one: an interrupt just then
leaves the block without anything having been put back. But a with statement holds the function that
will end it, and gives it up however it is left. So here each statement is handed one of its own
that nothing else holds, and a generator in it, which Python closes when it goes, ends the block
where that has not been done.
"""

import threading
from functools import partial


class _Open(threading.local):
    blocks = ()  # (the block, the value outside it), the innermost last


_open = _Open()


class _End:
    """`__exit__`, made anew whenever a with statement asks for it, which is before it enters."""

    def __get__(self, block, kind=None):
        if block is None:  # contextlib.ExitStack asks the class
            return kind._leave
        end = partial(block._leave)
        end.guard = _guard(block, _open.blocks)
        next(end.guard)
        return end


class Block:
    """A block in which one attribute of a thread's own state has another value: `state.name`
    is `self.inside(its value outside)`."""

    state: threading.local
    name: str

    def inside(self, outside):
        raise NotImplementedError

    def __enter__(self):
        outside = getattr(self.state, self.name)
        _open.blocks += ((self, outside),)
        setattr(self.state, self.name, self.inside(outside))
        return self

    def _leave(self, *error):
        """Put back what was outside when this thread last entered this block."""
        blocks = _open.blocks
        last = len(blocks) - 1
        while blocks[last][0] is not self:  # others were entered since, in a generator
            last -= 1
        setattr(self.state, self.name, blocks[last][1])
        _open.blocks = blocks[:last] + blocks[last + 1 :]

    __exit__ = _End()


def _guard(block, before):
    try:
        yield
    finally:
        if _open.blocks != before:  # the usual end makes no call, so that nothing can disturb it
            while _times(block, _open.blocks) > _times(block, before):
                block._leave()


def _times(block, blocks):
    return sum(each is block for each, _ in blocks)
