"""GAN: the original game, on points in the plane, where one can watch it.

    python examples/train_gan.py                    a ring of eight Gaussians
    python examples/train_gan.py --data digits      small images, fully connected networks
    python examples/train_gan.py --data grid --n-critic 1 --batch-size 512 --steps 7500
                                                    twenty-five Gaussians

The pictures show the data, the samples over them, and what the discriminator takes for real.
"""

import argparse
import sys

from tinygan import train
from tinygan.models import GAN


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="ring", steps=6000, batch_size=256, lr=1e-3, schedule="linear",
        sample_every=250, checkpoint_every=1000, score_every=500,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument("--width", type=int, default=256, help="hidden units (default 256)")
    model.add_argument("--latent", type=int, default=2, help="length of z (default 2)")
    model.add_argument(
        "--n-critic", type=int, default=2, help="steps of D for one of G (default 2)"
    )
    model.add_argument(
        "--saturating", action="store_true", help="the minimax form of the generator's loss"
    )
    settings = train.parse(parser, arguments)
    o = settings.values
    return train.run(
        GAN, settings, width=o.width, latent=o.latent, lr=o.lr, n_critic=o.n_critic,
        saturating=o.saturating,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
