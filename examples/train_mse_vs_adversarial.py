"""MSE against an adversarial loss: one decoder, taught in three ways to make images again.

    python examples/train_mse_vs_adversarial.py             drawn digits, 16 px
    python examples/train_mse_vs_adversarial.py --weight 0.1    more weight on convincing D
    python examples/train_mse_vs_adversarial.py --resume runs/mse-vs-adversarial/digits-1

The run itself learns by both losses; at the end two more are trained in the same way, by the
squared error alone and by the adversarial loss alone. Leaves a folder with samples, a film, curves,
checkpoints, report.html, and a picture of what the three make of the same held-out images.
"""

import argparse
import sys
from dataclasses import replace

import numpy as np

from tinygan import metrics, train
from tinygan.models import MSEAdversarial
from tinygan.train import codes
from tinygan.train.score import Line

NAMES = {"mse": "squared error alone", "adversarial": "adversarial alone", "both": "both"}


def study(system, test, options):
    """Error and sharpness of the three losses on the same held-out images."""
    three = {loss: replace(system, loss=loss) for loss in NAMES if loss != system.loss}
    for twin in three.values():
        train.beside(twin, options)
    three[system.loss] = system
    batch = test.take(2000)
    x, some = batch["x"], codes.of_all_classes(batch, 12)
    real, lines = metrics.laplacian_energy(x), []
    rows = {"images that none of them has seen": (x[some], 12)}
    for loss, name in NAMES.items():
        made = three[loss].reconstruct(x)
        error, sharpness = np.square(made - x).mean(), metrics.laplacian_energy(made) / real
        lines.append(Line(f"{name}: squared error of a pixel", error))
        lines.append(Line(f"{name}: sharpness", sharpness, 1.0))
        title = f"{name}: error {error:.3f}, sharpness {sharpness:.2f} of real"
        rows[title] = (made[some], 12)
    caption = "held-out images, made again by decoders that three losses taught"
    return lines, {"three": (caption, codes.panels(rows))}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="digits", size=16, steps=2000, batch_size=32, lr=2e-3, schedule="linear",
        ema=0.99, sample_every=200, checkpoint_every=1000, score=False,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument("--net", choices=("mlp", "dcgan"), default="dcgan")
    model.add_argument("--width", type=train.width, default=32, help="channels (default 32)")
    model.add_argument(
        "--latent", type=train.width, default=16, help="numbers of the code (default 16)"
    )
    model.add_argument(
        "--weight", type=train.number, default=0.02,
        help="λ, what the adversarial loss weighs beside the squared error (default 0.02)",
    )  # fmt: skip
    settings = train.parse(parser, arguments)
    learn = lambda system, test: study(system, test, settings.values)
    return train.run(MSEAdversarial, settings, learn)


if __name__ == "__main__":
    sys.exit(main())
