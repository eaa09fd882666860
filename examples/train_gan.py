"""GAN: the original game, on points in the plane, where one can watch it.

    python examples/train_gan.py                    a ring of eight Gaussians
    python examples/train_gan.py --data digits      small images, fully connected networks: z has 32
                                                    numbers, and --lr 2e-3 --batch-size 64
                                                    --n-critic 1 --ema 0.99 are the defaults
    python examples/train_gan.py --data grid --n-critic 1 --batch-size 512 --steps 7500
                                                    twenty-five Gaussians

The pictures show the data, the samples over them, and what the discriminator takes for real.
"""

import argparse
import sys

from tinygan import train
from tinygan.models import GAN

IMAGES = {"latent": 32, "n_critic": 1, "lr": 2e-3, "batch_size": 64, "ema": 0.99}


def suited(dataset):
    """What suits small images better than points: a z of more numbers, small batches."""
    return IMAGES if len(dataset.shape) == 3 else {}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="ring", steps=6000, batch_size=256, lr=1e-3, schedule="linear",
        sample_every=250, checkpoint_every=1000, score_every=500,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument(
        "--width", type=train.width, default=256, help="hidden units (default %(default)s)"
    )
    model.add_argument(
        "--latent", type=train.width, default=2,
        help=f"length of z (default %(default)s; {IMAGES['latent']} for images)",
    )  # fmt: skip
    model.add_argument(
        "--n-critic", type=train.positive, default=2,
        help=f"steps of D for one of G (default %(default)s; {IMAGES['n_critic']} for images)",
    )  # fmt: skip
    model.add_argument(
        "--saturating", action="store_true", help="the minimax form of the generator's loss"
    )
    return train.run(GAN, train.parse(parser, arguments), suited=suited)


if __name__ == "__main__":
    sys.exit(main())
