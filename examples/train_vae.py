"""VAE: an autoencoder that is a density, trained on a bound of the likelihood.

    python examples/train_vae.py                            drawn digits, 28 px, about two minutes
    python examples/train_vae.py --net conv --latent 32     convolutional
    python examples/train_vae.py --data path/to/mnist       the files of MNIST, or any images
    python examples/train_vae.py --beta 4 --no-lesson       a heavier KL; train no broken twins
    python examples/train_vae.py --resume runs/vae/digits-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and pictures: images made
again, how much each unit of the code tells, and the lesson: what becomes of the same networks
without the KL, and with fifty times too much of it.
"""

import argparse
import sys

from tinygan import train
from tinygan.models import VAE, build
from tinygan.train import codes
from tinygan.train.score import Line


def study(system, test):
    """ELBO and likelihood of held-out images, and pictures."""
    batch = test.take(2000)
    x = batch["x"]
    kl, few = system.kl(x), x[:: max(1, len(x) // 100)]
    lines = [
        Line("−ELBO of held-out images, nats per image", -system.elbo(x).mean()),
        Line(
            "NLL by 500 weighted draws, nats",
            system.nll(few, k=500).mean(),
            note=f"of {len(few)} image{'s' * (len(few) > 1)}",
        ),
        Line("KL, nats per image", kl.sum()),
        Line("active units of the code", system.active_units(x), note=f"of {system.latent}"),
    ]
    shown = {"units": ("how much each unit of the code tells", codes.units({"VAE": kl}))}
    if len(system.shape) == 3:
        caption = "held-out images, and what is made of their codes"
        some = x[codes.of_all_classes(batch, 12)]
        shown["reconstructions"] = (caption, codes.reconstructions(system, some))
    return lines, shown


def lesson(system, test, options):
    """The same networks, trained without the KL, and with fifty times too much of it."""
    systems, batch = {"β = 1: a bound of the likelihood": system}, test.take(500)
    x = batch["x"][codes.of_all_classes(batch, 16)]
    for name, beta in (("β = 0: no KL", 0.0), ("β = 50: too much KL", 50.0)):
        twin = build({**system.config, "beta": beta})
        systems[name] = train.beside(twin, options, steps=min(options.steps, 1000))
    z = system.noise(16, "lesson").numpy()
    sheets = {}
    for name, each in systems.items():
        sheets[f"{name} — images made again"] = (each.reconstruct(x), 16)
        sheets[f"{name} — new ones, from noise"] = (each.sample(z), 16)
    caption = (
        "without the KL, images are made again sharply, but noise decodes to nothing: the codes "
        "lie elsewhere; with too much of it, all codes are alike, and so are all images"
    )
    return {"lesson": (caption, codes.panels(sheets))}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="digits", size=28, steps=4000, batch_size=128, lr=1e-3, schedule="linear",
        sample_every=200, checkpoint_every=1000,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument("--net", choices=("linear", "mlp", "conv"), default="mlp")
    model.add_argument(
        "--hidden", type=train.width, nargs="+", default=[400],
        help="widths of an mlp (default 400)",
    )  # fmt: skip
    model.add_argument(
        "--width", type=train.width, default=32, help="channels of a conv net (default 32)"
    )
    model.add_argument(
        "--latent", type=train.width, default=20, help="length of the code (default 20)"
    )
    model.add_argument(
        "--likelihood", choices=("bernoulli", "gaussian"), default="bernoulli",
        help="of a pixel (default bernoulli)",
    )  # fmt: skip
    model.add_argument(
        "--beta", type=train.number, default=1.0, help="weight of the KL (default 1)"
    )
    model.add_argument(
        "--free-bits", type=train.number, default=0.0, metavar="NATS",
        help="that each unit may carry at no cost (default 0)",
    )  # fmt: skip
    model.add_argument(
        "--lesson", action=argparse.BooleanOptionalAction, default=True,
        help="train two broken twins at the end, to compare",
    )  # fmt: skip
    settings = train.parse(parser, arguments)
    o = settings.values

    def studied(system, test):
        lines, shown = study(system, test)
        if o.lesson and len(system.shape) == 3:
            shown |= lesson(system, test, o)
        return lines, shown

    return train.run(VAE, settings, studied)


if __name__ == "__main__":
    sys.exit(main())
