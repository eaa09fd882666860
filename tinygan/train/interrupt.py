"""Ctrl-C and SIGTERM, politely: the step that runs is finished first."""

import signal


class Interrupt:
    """In the block the first SIGINT or SIGTERM is only noted; the second acts as usual."""

    def __init__(self):
        self.asked: signal.Signals | None = None
        self._before = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:  # not in the main thread: whoever runs this decides
                break
        return self

    def _note(self, number, frame):
        self.asked = signal.Signals(number)
        self._restore()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *exc):
        self._restore()

    @property
    def exit_status(self) -> int:
        """What a shell reports of a program that this signal ended."""
        return 128 + int(self.asked)
