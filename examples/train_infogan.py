"""InfoGAN: codes that come to mean something by themselves. Nobody tells it a label.

    python examples/train_infogan.py                        drawn digits, 16 px
    python examples/train_infogan.py --information 0        the same without what makes it so
    python examples/train_infogan.py --data ring            points: the category finds the modes
    python examples/train_infogan.py --resume runs/infogan/digits-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and a picture for each
number of the code: a row a category, a column a value. Draw one code, a category and its numbers:
python -m tinygan sample runs/infogan/digits-1 --code 3,0.5,-1
"""

import argparse
import sys

import numpy as np

from tinygan import metrics, train
from tinygan.models import InfoGAN
from tinygan.train import classes, codes
from tinygan.train.score import Line, judge_for


def study(system, test, options):
    """What the category and the numbers came to mean; nothing of it was known in training."""
    n, k = 2000, system.classes
    c = system.draw_codes(n)
    category, numbers = c[:, :k].argmax(1), c[:, k:]
    made = system.sample(n, c)
    probability, _ = system.guess(made)
    told = np.log(np.maximum(probability[np.arange(n), category], 1e-12)).mean() + system.entropy
    most = f"at most {system.entropy:.3g}"
    clear = system.clarity(test.take(2000)["x"])
    lines = [
        Line("what Q reads of the category, nats", told, note=most),
        Line("what it reads of the data's, nats", clear, note=f"{most}; of some --seeds the best"),
    ]
    if len(system.shape) != 3:
        picture = codes.scattered(made, category, modes=getattr(test, "modes", None))
        return lines, {"categories": ("samples by their category", picture)}
    judge = judge_for(train.dataset(options))
    if judge is not None and judge.classes:
        seen = judge.labels(made)
        right = metrics.matched_accuracy(category, seen)
        nats = metrics.mutual_information(category, seen)
        lines.append(Line("samples of their category's class", right))
        lines.append(Line("I(category; class), nats", nats, note=most))
    if system.shape[0] == 1:
        for name, values in metrics.moments(made).items():
            rho = [metrics.correlation_within(values, each, category) for each in numbers.T]
            shown = ", ".join(f"{r:+.2f}" for r in rho)
            lines.append(Line(f"{name} goes with a number", max(map(abs, rho)), note=shown))
    return lines, {f"number-{i + 1}": grid(system, i) for i in range(system.numbers)}


def grid(system, i, columns=9):
    """A row a category, a column a value of the i-th number, the same z everywhere."""
    k, values = system.classes, np.linspace(-1, 1, columns)
    numbers = np.tile(values, k)[:, None] * np.eye(system.numbers)[i]
    z = np.repeat(system.noise(1, "study").numpy(), k * columns, 0)
    made = system.sample(z, system.code(np.repeat(np.arange(k), columns), numbers))
    made = made.reshape(k, columns, *system.shape)
    caption = f"a row is one category, a column one value of number {i + 1}"
    return caption, codes.table(made, list(range(k)), [f"{value:+.2g}" for value in values])


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="digits", size=16, steps=6000, batch_size=64, lr=1e-3, schedule="late",
        ema=0.99, sample_every=500, checkpoint_every=1000,
    )  # fmt: skip
    model = classes.model_options(parser)
    model.add_argument("--information", type=train.number, help="λ of L_I (default %(default)s)")
    model.add_argument(
        "--deviation", type=train.positive_number,
        help="σ of Q's normal distribution: the smaller, the more a number moves "
        "(default %(default)s)",
    )  # fmt: skip
    parser.set_defaults(latent=4, information=1.0, deviation=0.45)
    settings = train.parse(parser, arguments)
    learn = lambda system, test: study(system, test, settings.values)
    return train.run(InfoGAN, settings, learn, classes.suited)


if __name__ == "__main__":
    sys.exit(main())
