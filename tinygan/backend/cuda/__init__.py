"""GPU kernels: the portable ones for now; faster ones take their names over one by one."""

from ..portable import *  # noqa: F403
