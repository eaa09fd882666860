"""WGAN: a critic whose loss says how far the samples are from the data.

    python examples/train_wgan.py                           a ring of eight Gaussians
    python examples/train_wgan.py --clip 1e9                what becomes of it without clipping
    python examples/train_wgan.py --data digits             images, by convolutional networks
    python examples/train_wgan.py --resume runs/wgan/ring-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and a picture: the critic's
loss beside the exact Wasserstein distance of 500 samples from 500 examples, with samples over time.
"""

import argparse
import sys

import numpy as np
from scipy.stats import spearmanr

from tinygan import metrics, tensor, train
from tinygan.models import WGAN
from tinygan.train import games
from tinygan.train.score import Line


class Distance(train.Callback):
    """The critic's gap, a mean since the last time, and the exact W₁, each `every` steps."""

    name = "distance"

    def __init__(self, options):
        self.options, self.real = options, None
        self.gap, self.seen, self.made = [], [], []  # since the last time; (step, gap, W₁); samples

    def start(self, run):
        self.real = train.dataset(self.options, "test").take(500)["x"]

    def after_step(self, run):
        self.gap.append(-float(run.losses["discriminator"]))
        if run.step % max(1, self.options.steps // 60) == 0:
            made = run.sample(run.system.noise(len(self.real), "distance").numpy())
            w1 = metrics.wasserstein(made, self.real)
            self.seen.append([run.step, float(np.mean(self.gap)), w1])
            self.gap, self.made = [], [*self.made, made[:300]]
            run.log.write({"step": run.step, "score": {"W1": w1}})

    def state(self):
        made = tensor(np.stack(self.made)) if self.made else None
        return {"gap": self.gap, "seen": self.seen, "made": made}

    def restore(self, state):
        self.gap, self.seen = list(state["gap"]), list(state["seen"])
        self.made = [] if state["made"] is None else list(state["made"].numpy())

    def study(self, system, test):
        step, gap, w1 = np.array(self.seen).T
        rho = spearmanr(gap, w1).statistic
        line = Line("rank correlation of the critic's gap with the exact W1", rho, 1.0)
        caption = "the critic's loss follows the distance, and samples get better as it falls"
        lines = {"critic's gap, E f(x) − E f(G(z))": gap, "exact W₁ of 500 samples": w1}
        picture = games.followed(
            step, lines, self.made, self.real, f"their rank correlation: {rho:.2f}"
        )
        return [line], {"distance": (caption, picture)}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="ring", steps=8000, batch_size=64, lr=2e-3, schedule="linear",
        sample_every=300, checkpoint_every=1500,
    )  # fmt: skip
    group = games.model_options(parser, n_critic=5)
    group.add_argument(
        "--clip", type=train.positive_number, default=0.1, metavar="C",
        help="weights of the critic stay in [-C, C] (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--alpha", type=train.fraction, default=0.9, help="of RMSprop (default %(default)s)"
    )
    settings = train.parse(parser, arguments)
    distance = Distance(settings.values)
    suited = games.suited(lr=5e-4, steps=6000)
    return train.run(WGAN, settings, distance.study, suited, [distance])


if __name__ == "__main__":
    sys.exit(main())
