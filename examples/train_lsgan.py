"""LSGAN: squares in the place of logarithms, beside the original game on the same data.

    python examples/train_lsgan.py                          a ring of eight Gaussians
    python examples/train_lsgan.py --data grid --steps 5000     twenty-five
    python examples/train_lsgan.py --data digits            images, by convolutional networks
    python examples/train_lsgan.py --data digits --net mlp --width 256 --latent 32
    python examples/train_lsgan.py --resume runs/lsgan/ring-1

At the end a GAN is trained in the same way. Leaves a folder with samples, a film, curves,
checkpoints, report.html, and the two games side by side: what D says far from the edge of its
decision stays flat for GAN's logarithms, but not for squares, which pull samples to the data.
"""

import argparse
import sys

from tinygan import train
from tinygan.models import GAN, LSGAN, build
from tinygan.train import games


def study(system, test, options):
    """A GAN with the same networks and settings, beside this system."""
    twin = train.beside(build(system.config | {"system": GAN.key, "saturating": False}), options)
    picture = games.side_by_side({"LSGAN": system, "GAN": twin}, test)
    return [], {"beside-gan": ("LSGAN, and GAN trained in the same way", picture)}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="ring", steps=3000, batch_size=256, lr=1e-3, schedule="linear",
        sample_every=250, checkpoint_every=1000, score_every=500,
    )  # fmt: skip
    games.model_options(parser, n_critic=1)
    settings = train.parse(parser, arguments)
    learn = lambda system, test: study(system, test, settings.values)
    return train.run(LSGAN, settings, learn, games.suited())


if __name__ == "__main__":
    sys.exit(main())
