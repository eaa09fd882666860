"""AE: an autoencoder, and why its codes are full of holes: beside it a VAE of the same networks.

    python examples/train_ae.py                             drawn digits, 28 px, about two minutes
    python examples/train_ae.py --net conv                  convolutional
    python examples/train_ae.py --net linear                principal component analysis, learned
    python examples/train_ae.py --resume runs/ae/digits-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and pictures: images made
again; decoding along the line between two codes, AE and VAE side by side; and the plane of codes of
both, trained once more with a code of two numbers.
"""

import argparse
import sys

import numpy as np

from tinygan import train
from tinygan.models import AE, VAE
from tinygan.train import codes
from tinygan.train.score import Line


def beside(system, options, kind=VAE, latent=None):
    """A VAE, or another AE, of the same networks, trained on the same images."""
    if kind is VAE:
        config = {"likelihood": "bernoulli" if system.loss == "bce" else "gaussian"}
    else:
        config = {"loss": system.loss}
    twin = kind(
        shape=system.shape, latent=latent or system.latent, net=system.net, hidden=system.hidden,
        width=system.width, lr=system.lr, **config,
    )  # fmt: skip
    return train.beside(twin, options)


def pca_error(train_x, test_x, k):
    """The mean squared error of a pixel, projected on the k leading principal components."""
    flat, test = (x.reshape(len(x), -1).astype(np.float64) for x in (train_x, test_x))
    mean = flat.mean(0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2][:k].T
    centred = test - mean
    return np.square(centred - centred @ axes @ axes.T).mean()


def study(system, test, options):
    batch, known = test.take(3000), train.dataset(options)
    x = batch["x"]
    pca = pca_error(known.take(2000)["x"], x, system.latent)
    error = Line("squared error of a pixel, held out", system.error(x), note=f"PCA's {pca:.4g}")
    if len(system.shape) != 3:
        return [error], {}
    both = {"AE": system, "VAE": beside(system, options)}
    some = x[codes.of_all_classes(batch, 12)]
    pairs = max(1, min(5, len(some) // 2))
    rows = {
        f"{name}: along the line between the codes of two images": (
            codes.way(each, some[:pairs], some[-pairs:]), 12
        )
        for name, each in both.items()
    }  # fmt: skip
    shown = {
        "reconstructions": (
            "held-out images, and what is made of their codes",
            codes.reconstructions(system, some),
        ),
        "ways": ("the AE has never been between two codes; the VAE has", codes.panels(rows)),
    }  # fmt: skip
    if "label" in batch:
        if system.latent != 2:
            both = {kind.__name__: beside(system, options, kind, 2) for kind in (AE, VAE)}
        caption = "the codes of held-out images by class, and what the plane between them holds"
        shown["plane"] = (caption, codes.plane(both, x, batch["label"], test.class_names))
    return [error], shown


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="digits", size=28, steps=1500, batch_size=128, lr=1e-3,
        sample_every=200, checkpoint_every=1000,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument("--net", choices=("linear", "mlp", "conv"), default="mlp")
    model.add_argument(
        "--hidden", type=train.width, nargs="+", default=[512, 256],
        help="of an mlp (default 512 256)",
    )  # fmt: skip
    model.add_argument(
        "--width", type=train.width, default=32, help="channels of a conv net (default 32)"
    )
    model.add_argument(
        "--latent", type=train.width, default=16, help="length of the code (default 16)"
    )
    model.add_argument(
        "--loss", choices=("mse", "bce"), default="bce",
        help="squared error, or cross-entropy of pixels in [0, 1] (default bce)",
    )  # fmt: skip
    settings = train.parse(parser, arguments)
    return train.run(AE, settings, lambda system, test: study(system, test, settings.values))


if __name__ == "__main__":
    sys.exit(main())
