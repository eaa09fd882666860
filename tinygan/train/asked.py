"""What samples are asked for on a command line, as the condition that their system takes.

    --class 3 7               classes, by name or number
    --code 3,0.5,-1           InfoGAN's category and its numbers; those left out are 0
    --caption "a red circle"  a sentence in words that the system has learned

Several may follow each other; the samples then serve them in turn.
"""

import argparse
import math

import numpy as np

from ..data import DataError, captions
from ..models import System
from .folder import RunError
from .options import some_text

_WORDS = {"class": "NAME", "code": "K[,NUMBER ...]", "caption": "TEXT"}


def caption(text: str) -> str:
    """The type of an option: a sentence whose words are known."""
    try:
        if captions.encode([text]).any():
            return text
    except DataError as error:
        raise argparse.ArgumentTypeError(f"expected words that the model knows: {error}") from None
    raise argparse.ArgumentTypeError("expected a sentence, got nothing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to draw, of models that can be asked")
    told = {
        "class": "classes by their names or numbers",
        "code": "codes of InfoGAN: a category, then numbers in [-1, 1]",
        "caption": "what the pictures show, each in quotes",
    }
    for name, what in told.items():
        group.add_argument(
            f"--{name}", nargs="+", metavar=_WORDS[name], default=[], help=what,
            type=caption if name == "caption" else some_text, dest=f"asked_{name}",
        )  # fmt: skip


def condition(system: System, state: dict, options) -> tuple[list[str], np.ndarray | None]:
    """What was asked for, in words, and c (n, …), which serves it in turn; [] and None of nothing.
    `state` is the run's, which knows the names of classes.
    """
    given = {name: getattr(options, f"asked_{name}") for name in _WORDS}
    given = {name: texts for name, texts in given.items() if texts}
    if not given:
        return [], None
    if wrong := set(given) - {system.asked_by}:
        instead = f"ask by --{system.asked_by}" if system.asked_by else "it takes no wishes"
        raise RunError(f"--{sorted(wrong)[0]} says nothing to a {system.key}: {instead}")
    if system.asked_by == "class":
        names, rows = _classes(system, state, given["class"])
    elif system.asked_by == "code":
        names, rows = _codes(system, given["code"])
    else:
        names, rows = given["caption"], captions.encode(given["caption"])
    turn = np.arange(options.n) // (8 if options.interpolate else 1)
    return names, rows[turn % len(rows)]


def rows(names: list[str], made: np.ndarray) -> dict:
    """The samples of each request under its words, for `codes.panels`."""
    k = len(names)
    across = min(16, math.ceil(len(made) / k))
    return {name: (made[i::k], across) for i, name in enumerate(names) if i < len(made)}


def _classes(system, state, texts):
    known = state["data"].get("class names") or [str(k) for k in range(system.classes)]
    numbers = [str(k) for k in range(system.classes)]
    labels = []
    for text in texts:
        if text not in known and text not in numbers:
            raise RunError(
                f"--class {text}: there is no such class; there are {', '.join(known)}"
                + ("" if known == numbers else f", or their numbers, 0 … {system.classes - 1}")
            )
        labels.append(known.index(text) if text in known else int(text))
    return [f"class {known[k]}" for k in labels], system.one_hot(labels)


def _codes(system, texts):
    expected = (
        f"expected a category, 0 … {system.classes - 1}, and up to {system.numbers} numbers in "
        f"[-1, 1], as --code 3{',0.5' * system.numbers}"
    )
    out = []
    for text in texts:
        try:
            category, *numbers = text.split(",")
            category, numbers = int(category), [float(number) for number in numbers]
        except ValueError:
            raise RunError(f"--code {text}: {expected}") from None
        inside = all(-1 <= number <= 1 for number in numbers)
        if not 0 <= category < system.classes or len(numbers) > system.numbers or not inside:
            raise RunError(f"--code {text}: {expected}")
        numbers += [0.0] * (system.numbers - len(numbers))
        out.append(system.code([category], [numbers]))
    return [f"code {text}" for text in texts], np.concatenate(out)
