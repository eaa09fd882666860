"""Hinge GAN: a margin, and a discriminator of bounded slope, beside GAN on the same data.

    python examples/train_hinge.py                          a ring of eight Gaussians
    python examples/train_hinge.py --slope 1                the bound too tight for points so near
    python examples/train_hinge.py --data grid --slope 4 --steps 5000
    python examples/train_hinge.py --data digits            images, by convolutional networks
    python examples/train_hinge.py --resume runs/hinge/ring-1

At the end a GAN is trained in the same way. Leaves a folder with samples, a film, curves,
checkpoints, report.html, and the two games side by side: GAN's D grows as steep as it likes, and
tells G nothing where it is sure; this one rises evenly towards the data from everywhere.
"""

import argparse
import sys

from tinygan import train
from tinygan.models import GAN, HingeGAN, build
from tinygan.train import games


def study(system, test, options):
    """A GAN with the same networks and settings, beside this system."""
    config = {k: v for k, v in system.config.items() if k != "slope"}
    twin = train.beside(build(config | {"system": GAN.key}), options)
    picture = games.side_by_side({"hinge, spectral norm": system, "GAN": twin}, test)
    return [], {"beside-gan": ("hinge, and GAN trained in the same way", picture)}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="ring", steps=3000, batch_size=256, lr=1e-3, schedule="linear",
        sample_every=250, checkpoint_every=1000, score_every=500,
    )  # fmt: skip
    group = games.model_options(parser, n_critic=1)
    group.add_argument(
        "--slope", type=train.positive_number, default=10.0, metavar="K",
        help="the Lipschitz constant of D (default %(default)s; 1 for images)",
    )  # fmt: skip
    group.add_argument(
        "--beta1", type=train.fraction, default=0.0, help="of Adam (default %(default)s)"
    )
    settings = train.parse(parser, arguments)
    learn = lambda system, test: study(system, test, settings.values)
    return train.run(HingeGAN, settings, learn, games.suited(slope=1.0))


if __name__ == "__main__":
    sys.exit(main())
