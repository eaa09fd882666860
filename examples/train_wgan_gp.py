"""WGAN-GP: a critic that is asked for slope 1 between the data and the samples.

    python examples/train_wgan_gp.py                        a grid of twenty-five Gaussians
    python examples/train_wgan_gp.py --penalty 0            what becomes of it without the penalty
    python examples/train_wgan_gp.py --data ring --steps 3000
    python examples/train_wgan_gp.py --data digits          images, by convolutional networks
    python examples/train_wgan_gp.py --resume runs/wgan-gp/grid-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and a picture: the critic's
field, a landscape that G walks up, and the norms of its gradient, which the penalty wants to be 1.
"""

import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

from tinygan import train
from tinygan.models import WGANGP
from tinygan.train import games, pictures
from tinygan.train.score import Line


def slopes(system, test, batch=500):
    """‖∇f‖ on random points of the lines from data to samples."""
    x, made = system.tensor(test.take(batch)["x"]), system.tensor(system.sample(batch))
    n = batch - batch % system.pack
    return system.slopes(system.interpolated(x[:n], made[:n])).numpy()


def study(system, test):
    norms = slopes(system, test)
    figure = Figure(figsize=(6, 3), dpi=96, layout="constrained")
    axes = figure.add_subplot()
    axes.hist(norms, bins=np.linspace(0, max(2.0, np.quantile(norms, 0.99)), 50), color="C0")
    axes.axvline(1, color="0.2", linestyle="--")
    axes.set(xlabel="‖∇f‖ between data and samples; the penalty wants 1", ylabel="points")
    shown = {"slopes": ("how steep the critic is between data and samples", pictures.drawn(figure))}
    if system.shape == (2,):
        made = system.sample(system.noise(1000, "study").numpy())
        caption = "the critic's field: samples are pushed up its slopes, and stay on the data"
        shown["field"] = (caption, games.map_of(system.opinion, test, made, "critic f(x)"))
        steep = lambda points: system.slopes(system.tensor(points)).numpy()
        caption = "the norm of its gradient"
        shown["norms"] = (caption, games.map_of(steep, test, made, "‖∇f(x)‖"))
    return [Line("mean slope between data and samples", norms.mean(), 1.0)], shown


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="grid", steps=9000, batch_size=256, lr=6e-3, schedule="linear",
        sample_every=300, checkpoint_every=1500, score_every=1000,
    )  # fmt: skip
    group = games.model_options(parser, n_critic=2)
    group.add_argument(
        "--penalty", type=train.number, default=1.0, metavar="λ",
        help="weight of the gradient penalty (default %(default)s; 10 for images)",
    )  # fmt: skip
    settings = train.parse(parser, arguments)
    return train.run(WGANGP, settings, study, games.suited(lr=1e-3, penalty=10.0, steps=4000))


if __name__ == "__main__":
    sys.exit(main())
