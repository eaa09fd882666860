"""ACGAN: D is asked for the class, too, and helps to recognise it also in what was generated.

    python examples/train_acgan.py
        drawn digits, 16 px, a minute or two
    python examples/train_acgan.py --data ring
        points: each class is one mode of a ring
    python examples/train_acgan.py --data path/to/images
        a folder with a folder for each class
    python examples/train_acgan.py --resume runs/acgan/digits-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and a picture with a row for
each class. More of some classes: python -m tinygan sample runs/acgan/digits-1 --class 3 7
"""

import argparse
import sys

from tinygan import train
from tinygan.models import ACGAN
from tinygan.train import classes


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="digits", size=16, steps=3000, batch_size=32, lr=2e-3, schedule="linear",
        ema=0.99, sample_every=200, checkpoint_every=1000,
    )  # fmt: skip
    classes.model_options(parser)
    settings = train.parse(parser, arguments)
    return train.run(ACGAN, settings, classes.study(settings.values), classes.suited)


if __name__ == "__main__":
    sys.exit(main())
