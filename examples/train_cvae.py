"""CVAE: a VAE that is told something: the class, or some quadrants of the image to complete.

    python examples/train_cvae.py                           digits by their class, about two minutes
    python examples/train_cvae.py --given quadrants         complete a digit from a part of it
    python examples/train_cvae.py --resume runs/cvae/digits-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and pictures: one hand
writing all classes, or several completions of each image from one, two and three quadrants.
"""

import argparse
import sys

import numpy as np

from tinygan import train
from tinygan.models import CVAE
from tinygan.train import codes
from tinygan.train.score import Line, judge_for

SHOWN = {"one": (1, 0, 0, 0), "two": (1, 0, 1, 0), "three": (1, 1, 1, 0)}


def by_label(system, test, judge):
    """Each row one z, each column one class."""
    k, rows = system.classes, 8
    z = np.repeat(system.noise(rows, "study").numpy(), k, 0)
    sheet = system.sample(z, system.one_hot(np.tile(np.arange(k), rows)))
    batch = test.take(2000)
    c = system.one_hot(batch["label"])
    lines = [Line("−ELBO given the class, nats per image", -system.elbo(batch["x"], c).mean())]
    if judge is not None:
        asked = np.arange(2000) % k
        made = system.sample(2000, system.one_hot(asked))
        lines.append(Line("samples of the class asked for", (judge.labels(made) == asked).mean()))
    caption = "a row is one z, a column one class: z is what the class leaves open"
    return lines, {"classes": (caption, codes.panels({caption: (sheet, k)}, width=7))}


def by_quadrants(system, test, n=8, draws=5):
    """The image, what is shown of it, and several completions, from one, two, three quadrants."""
    batch = test.take(2000)
    x, drawn = batch["x"], codes.of_all_classes(batch, n)
    lines, sheets = [], {}
    for name, shown in SHOWN.items():
        all_c = system.hidden_image(x, np.tile(shown, (len(x), 1)))
        figure = f"−ELBO of the rest given {name} quadrant{'s' * (name != 'one')}, nats"
        lines.append(Line(figure, -system.elbo(x, all_c).mean()))
        c = all_c[drawn]
        z = system.noise(len(c) * draws, "study").numpy()
        made = system.sample(z, np.repeat(c, draws, 0)).reshape(-1, draws, *system.shape)
        mask = system.mask(c)
        seen = x[drawn] * mask - 0.4 * (1 - mask)
        sheet = np.concatenate([x[drawn, None], seen[:, None], made], 1)
        title = f"{name} shown: image, what is seen, {draws} completions (twice)"
        sheets[title] = (sheet.reshape(-1, *system.shape), 2 * (draws + 2))
    caption = "the same part of an image completed in several ways"
    return lines, {"completions": (caption, codes.panels(sheets, width=8))}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="digits", size=28, steps=5000, batch_size=128, lr=1e-3, schedule="linear",
        sample_every=200, checkpoint_every=1000,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument(
        "--given", choices=("label", "quadrants"), default="label", help="what it is told"
    )
    model.add_argument(
        "--hidden", type=train.width, nargs="+", default=[512, 256],
        help="widths of the encoder, and backwards of the decoder (default 512 256)",
    )  # fmt: skip
    model.add_argument(
        "--latent", type=train.width, default=8, help="length of the code (default 8)"
    )
    settings = train.parse(parser, arguments)

    def study(system, test):
        if system.given == "quadrants":
            return by_quadrants(system, test)
        return by_label(system, test, judge_for(train.dataset(settings.values)))

    return train.run(CVAE, settings, study)


if __name__ == "__main__":
    sys.exit(main())
