"""Words on the screen, whatever screen it is."""

import sys
from io import TextIOWrapper


def never_fail_to_print() -> None:
    """A terminal or a file that cannot show a character (its encoding lacks it, or the name of a
    file holds bytes that are no text) gets it escaped, as `\\u03c3`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
