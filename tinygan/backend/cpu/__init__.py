"""CPU kernels: the portable ones, and faster ones where NumPy alone leaves time on the table."""

from ..portable import *  # noqa: F403
