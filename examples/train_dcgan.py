"""DCGAN: two convolutional networks play, and one of them learns to draw.

    python examples/train_dcgan.py                          drawn digits, 32 px, a few minutes
    python examples/train_dcgan.py --data path/to/mnist     the files of MNIST, or any images
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
        parser, data="digits", steps=1600, batch_size=64, lr=5e-4, schedule="linear", ema=0.99,
        sample_every=100, checkpoint_every=500,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument(
        "--width", type=train.width, default=32, help="channels next to the image (default 32)"
    )
    model.add_argument("--latent", type=train.width, default=100, help="length of z (default 100)")
    return train.run(DCGAN, train.parse(parser, arguments))


if __name__ == "__main__":
    sys.exit(main())
