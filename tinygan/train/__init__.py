"""Training: the loop and everything around it.

An example is four lines: a parser, the shared `options`, the system, `run`.

    parser = argparse.ArgumentParser(description="Train a DCGAN.")
    train.options(parser, steps=1000)
    settings = train.parse(parser)
    sys.exit(train.run(DCGAN, settings))
"""

from .beside import beside, learn
from .doctor import Doctor, Unhealthy
from .folder import RunError, RunFolder
from .loop import Callback, Trainer
from .options import (
    dataset,
    fraction,
    number,
    options,
    parse,
    positive,
    positive_number,
    some_text,
    whole,
    width,
)
from .score import scorer
from .start import run

__all__ = [
    "Callback", "Doctor", "RunError", "RunFolder", "Trainer", "Unhealthy", "beside", "dataset",
    "fraction", "learn", "number", "options", "parse", "positive", "positive_number", "run",
    "scorer", "some_text", "whole", "width",
]  # fmt: skip
