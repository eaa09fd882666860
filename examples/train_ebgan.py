"""EBGAN: the discriminator is an autoencoder, its error an energy; codes are pulled apart.

    python examples/train_ebgan.py                          a ring of eight Gaussians
    python examples/train_ebgan.py --pull 0                 without the pulling-away term
    python examples/train_ebgan.py --data digits            images, by convolutional networks
    python examples/train_ebgan.py --resume runs/ebgan/ring-1

At the end the same game is trained without the pulling-away term. Leaves a folder with samples, a
film, curves, checkpoints, report.html, and two pictures: the energies of real and of generated
examples beside the margin, and the cosines between the codes of samples with and without the term.
"""

import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

from tinygan import no_grad, train
from tinygan.models import EBGAN, build, evaluating
from tinygan.models.ebgan import pulling_away
from tinygan.train import games, pictures
from tinygan.train.score import Line


@no_grad
def judged(system, x):
    """The energies (N,) and the codes of examples."""
    with evaluating(system.discriminator):
        return system.discriminator(system.tensor(x))


def energies(system, x, made):
    figure = Figure(figsize=(7, 3), dpi=96, layout="constrained")
    axes = figure.add_subplot()
    for name, each in {"real": x, "generated": made}.items():
        axes.hist(judged(system, each)[0].numpy(), bins=50, alpha=0.6, label=name)
    axes.axvline(system.margin, color="0.2", linestyle="--", label="margin m")
    axes.set(xlabel="energy: the error of D's autoencoder", ylabel="examples")
    axes.legend()
    return pictures.drawn(figure)


def study(system, test, options):
    """Energies, and the same game without the term."""
    twin = train.beside(build(system.config | {"pull": 0.0}), options)
    both = {f"with PT (λ = {system.pull:g})": system, "without it (λ = 0)": twin}
    lines, figure = [], Figure(figsize=(8, 4), dpi=96, layout="constrained")
    for axes, (name, each) in zip(figure.subplots(1, 2), both.items()):
        _, code = judged(each, each.sample(300))
        alike = pulling_away(code).item()
        lines.append(Line(f"mean cos² of codes, {name}", alike))
        unit = code.numpy() / np.linalg.norm(code.numpy(), axis=1, keepdims=True)
        order = np.argsort(np.arctan2(*(unit - unit.mean(0))[:, :2].T))  # like beside like
        cosines = unit[order] @ unit[order].T
        shown = axes.imshow(cosines, vmin=-1, vmax=1, cmap="RdBu_r")
        axes.set(title=f"{name}: mean square {alike:.2f}", xlabel="sample", ylabel="sample")
    figure.colorbar(shown, label="cosine between codes")
    x, made = test.take(1000)["x"], system.sample(1000)
    caption = "the energies of real and of generated examples"
    return lines, {
        "energies": (caption, energies(system, x, made)),
        "codes": ("cosines between the codes of 300 samples", pictures.drawn(figure)),
        "with-and-without": ("samples with the term, and without", games.side_by_side(both, test)),
    }


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="ring", steps=3000, batch_size=64, lr=1e-3, schedule="linear",
        sample_every=250, checkpoint_every=1000, score_every=500,
    )  # fmt: skip
    group = games.model_options(parser, n_critic=1)
    group.add_argument(
        "--margin", type=train.positive_number, default=1.0, metavar="M",
        help="the energy up to which generated examples are rebuilt badly (for images 0.25)",
    )  # fmt: skip
    group.add_argument("--pull", type=train.number, default=1.0, metavar="λ", help="weight of PT")
    group.add_argument("--code", type=train.width, default=8, help="numbers of a code")
    settings = train.parse(parser, arguments)
    learn = lambda system, test: study(system, test, settings.values)
    return train.run(EBGAN, settings, learn, games.suited(margin=0.25, pull=0.1, code=32))


if __name__ == "__main__":
    sys.exit(main())
