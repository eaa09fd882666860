"""The options that the trainings share, what a resumed run may change of them, and the types of
options: each accepts what makes sense and names what it expected.
"""

import argparse
from dataclasses import dataclass, field

from .. import data
from .rates import SCHEDULES

CHANGEABLE = {
    "steps", "epochs", "lr", "device", "threads", "sample_every", "checkpoint_every", "keep",
    "score", "score_every", "tensorboard", "caption", "capture", "distributed",
}  # fmt: skip
_UNSET = object()


def options(parser: argparse.ArgumentParser, **defaults) -> argparse.ArgumentParser:
    """Add the shared options; `defaults` are this example's, by name: `steps=1000`."""
    known = _add(parser)
    if unknown := set(defaults) - known:
        raise TypeError(f"options: there is no option {', '.join(sorted(unknown))}")
    parser.set_defaults(**defaults)
    return parser


def _add(parser):
    before = {action.dest for action in parser._actions}
    for title, add in (("data", _data), ("training", _training), ("the run", _run)):
        add(parser.add_argument_group(title))
    return {action.dest for action in parser._actions} - before


def _data(group):
    group.add_argument(
        "--data", type=some_text, metavar="NAME|PATH", default="digits",
        help="a built-in set (ring, grid, digits, shapes, ...) or a path: MNIST's IDX files, "
        "CIFAR-10's, a folder of images, .npy or .npz (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--size", type=_accepting(int, lambda n: 8 <= n <= 4096, "pixels, from 8 to 4,096"),
        metavar="PX",
        help="side of the images; they are made or scaled so (default: the data's own)",
    )  # fmt: skip
    group.add_argument(
        "--channels", metavar="1|3", type=_accepting(int, lambda n: n in (1, 3), "1 or 3"),
        help="make all pictures of a folder grey (1) or coloured (3), where they are mixed",
    )  # fmt: skip
    group.add_argument(
        "--skip-damaged",
        action="store_true",
        help="leave out pictures that cannot be read or are unlike the others, and say how many",
    )


def _training(group):
    length = group.add_mutually_exclusive_group()
    length.add_argument(
        "--steps", type=positive, metavar="N", default=1000,
        help="training steps, one batch each (default %(default)s)",
    )  # fmt: skip
    length.add_argument("--epochs", type=positive_number, metavar="N", help="passes of the data")
    group.add_argument(
        "--batch-size", type=positive, metavar="N", default=64, help="(default %(default)s)"
    )
    group.add_argument(
        "--lr", type=positive_number, metavar="RATE", default=2e-4,
        help="learning rate of Adam (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--schedule", choices=SCHEDULES, default="constant",
        help="how the learning rate falls to 0 by the last step; late: in its second half "
        "(default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--ema", type=fraction, metavar="DECAY", default=0.0,
        help="sample with a moving average of the weights: 0.99 … 0.9999; 0 for none "
        "(default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=whole, metavar="N", default=0,
        help="of weights, order of the data and noise: the same seed gives the same run, bit for "
        "bit with the same number of threads, the same BLAS and the same kind of processor "
        "(default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--device", type=some_text, default="auto",
        help="cpu, cuda, cuda:1, or auto: the GPU where CuPy finds one (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--threads", type=_threads, metavar="N", help="on the CPU (default: all cores)"
    )
    group.add_argument(
        "--capture", choices=("auto", "off"), default="auto",
        help="record a step once and replay it without Python, where that gives the same bits; "
        "off: run every step as it is written (default %(default)s)",
    )  # fmt: skip

    group.add_argument(
        "--distributed", action="store_true",
        help="one of several processes that mpiexec starts: each trains on its share of every "
        "batch; GPUs take one process each (pip install mpi4py)",
    )  # fmt: skip
    group.add_argument(
        "--sync-batchnorm",
        action="store_true",
        help="BatchNorm over the whole batch, where each process has a share of it",
    )


def _run(group):
    group.add_argument(
        "--out", type=some_text, metavar="DIR",
        help="folder of the run (default runs/MODEL/DATA-NUMBER)",
    )  # fmt: skip
    group.add_argument(
        "--resume", type=some_text, metavar="RUN",
        help="go on with a run that was stopped or killed, exactly as if it had not been: its "
        "folder, or one of its checkpoints. Its settings count; more --steps make it longer. With "
        "other --threads, or on another machine, the last bits differ, which it says",
    )  # fmt: skip
    group.add_argument(
        "--sample-every", type=whole, metavar="N", default=100,
        help="a picture of samples each N steps; 0: only at the end (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--checkpoint-every", type=whole, metavar="N", default=250,
        help="a checkpoint each N steps; 0: only at the end (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--keep", type=positive, metavar="K", default=3,
        help="how many checkpoints stay, the newest (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--score", action=argparse.BooleanOptionalAction, default=True,
        help="score the samples at the end, where there is a score for the data",
    )  # fmt: skip
    group.add_argument(
        "--score-every", type=whole, metavar="N", default=0,
        help="also score each N steps, for the curve in the report; 0: only at the end "
        "(default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--tensorboard", action="store_true",
        help="write TensorBoard's event files too (pip install tensorboard)",
    )  # fmt: skip


@dataclass
class Settings:
    """What was asked for: all values by name, and which of them stood on the command line."""

    values: argparse.Namespace
    explicit: set[str] = field(default_factory=set)
    parser: argparse.ArgumentParser | None = None

    def flag(self, name: str) -> str:
        return "--" + name.replace("_", "-")


def parse(parser: argparse.ArgumentParser, arguments=None) -> Settings:
    """The command line, knowing which options were given and which are defaults."""
    values = parser.parse_args(arguments)
    probe = argparse.Namespace(**dict.fromkeys(vars(values), _UNSET))
    parser.parse_args(arguments, probe)
    explicit = {name for name, value in vars(probe).items() if value is not _UNSET}
    return Settings(values, explicit, parser)


def dataset(options, split: str = "train") -> data.Dataset:
    """The data that the command line names."""
    return data.open(
        options.data, split, size=options.size, channels=options.channels,
        skip_damaged=options.skip_damaged,
    )  # fmt: skip


# -- what an option may be -------------------------------------------------------------------------


def _accepting(kind, test, expected):
    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not test(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return convert


_MOST, _WIDEST = 10**9, 2**16

positive = _accepting(int, lambda n: 0 < n <= _MOST, f"a whole number from 1 to {_MOST:,}")
whole = _accepting(int, lambda n: 0 <= n <= _MOST, f"a whole number from 0 to {_MOST:,}")
width = _accepting(int, lambda n: 0 < n <= _WIDEST, f"a whole number from 1 to {_WIDEST:,}")
positive_number = _accepting(float, lambda x: 0 < x <= _MOST, "a number above 0, and not above 1e9")
number = _accepting(float, lambda x: 0 <= x <= _MOST, "a number from 0 to 1e9")
fraction = _accepting(float, lambda x: 0 <= x < 1, "a number in [0, 1)")
some_text = _accepting(str, str.strip, "a name or a path, not an empty one")
_threads = _accepting(int, lambda n: 0 < n <= 1024, "a whole number from 1 to 1024")
