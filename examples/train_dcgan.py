"""DCGAN: two convolutional networks play, and one of them learns to draw.

    python examples/train_dcgan.py                         drawn digits, 32 px, two or three minutes
    python examples/train_dcgan.py --data path/to/mnist    the files of MNIST, or any images
    python examples/train_dcgan.py --resume runs/dcgan/digits-1

Shows the losses as it goes and leaves a folder with pictures, a film, curves, checkpoints and
report.html.
"""

import argparse
import sys

from tinygan import train
from tinygan.models import DCGAN


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="digits", steps=2500, batch_size=32, lr=3e-3, schedule="late", ema=0.998,
        sample_every=200, checkpoint_every=1000,
    )  # fmt: skip
    model = parser.add_argument_group("the model")  # G is wider than D, which wins between equals
    model.add_argument(
        "--width", type=train.width, default=48, help="G's channels next to the image (default 48)"
    )
    model.add_argument("--critic-width", type=train.width, default=32, help="D's (default 32)")
    model.add_argument("--latent", type=train.width, default=8, help="length of z (default 8)")
    return train.run(DCGAN, train.parse(parser, arguments))


if __name__ == "__main__":
    sys.exit(main())
