"""Modules that are imported when first needed, so that `import tinygan` stays quick."""

from importlib import import_module

import numpy as np


def special(xp):
    """The special functions that belong to an array module: `scipy.special`, or CuPy's."""
    return import_module("scipy.special" if xp is np else "cupyx.scipy.special")
