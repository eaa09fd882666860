"""What the games with classes share on the command line: the options of their networks, what suits
points better than images, and what they draw when they are asked: a row for each class, and how
often it is right.
"""

import numpy as np

from . import codes
from .options import dataset, width
from .score import Line, judge_for

_ASKED = 2000  # samples


_POINTS = {
    "net": "mlp", "width": 128, "latent": 2, "batch_size": 256, "lr": 1e-3, "ema": 0.0,
    "size": None,
}  # fmt: skip


def model_options(parser):
    group = parser.add_argument_group("the model (for points an mlp of 128 units, z of 2 numbers)")
    group.add_argument("--net", choices=("mlp", "dcgan"), default="dcgan")
    group.add_argument(
        "--width", type=width, default=32,
        help="channels next to the image, or units of an mlp (default %(default)s)",
    )  # fmt: skip
    group.add_argument("--latent", type=width, default=16, help="length of z (default %(default)s)")
    return group


def suited(dataset) -> dict:
    """What suits points, for `train.run`."""
    return _POINTS if len(dataset.shape) == 1 else {}


def study(options):
    """The `study` of a conditional system, for `train.run`: how many samples are of the class that
    was asked for, and a picture with a row for each class.
    """

    def by_class(system, test):
        names = test.class_names or [str(k) for k in range(system.classes)]
        asked = np.arange(_ASKED) % system.classes
        made = system.sample(_ASKED, system.one_hot(asked))
        if len(system.shape) == 3:
            seen, best = _judged(made, test, dataset(options))
            picture = codes.table(_rows(system, 12), names)
            caption = "a row is one class, a column one z"
        else:
            seen, best = _nearest(made, test), 1.0
            picture = codes.scattered(made, asked, names, getattr(test, "modes", None))
            caption = "samples by the class that was asked for"
        lines = [] if seen is None else [_line(asked, seen, names, best)]
        return lines, {"classes": (caption, picture)}

    return by_class


def _line(asked, seen, names, best):
    right = np.array([(seen[asked == k] == k).mean() for k in range(len(names))])
    worst = f"worst: {names[right.argmin()]}, {right.min():.3g}"
    return Line("samples of the class asked for", float((seen == asked).mean()), best, note=worst)


def _judged(made, test, train_set):
    """The class that a judge sees in each sample, and how often it is right of real pictures."""
    judge = judge_for(train_set)
    if judge is None:
        return None, None
    held = test.take(_ASKED)
    return judge.labels(made), float((judge.labels(held["x"]) == held["label"]).mean())


def _nearest(made, test):
    """The mode that each point is nearest to."""
    modes = getattr(test, "modes", None)
    return None if modes is None else ((made[:, None] - modes) ** 2).sum(2).argmin(1)


def _rows(system, columns):
    """One z a column, one class a row: (classes, columns, C, H, W)."""
    z = system.noise(columns, "study").numpy()
    c = system.one_hot(np.repeat(np.arange(system.classes), columns))
    made = system.sample(np.tile(z, (system.classes, 1)), c)
    return made.reshape(system.classes, columns, *system.shape)
