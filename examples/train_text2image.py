"""Text to image: a picture of what a caption says, also of what no caption in training said.

    python examples/train_text2image.py                     coloured shapes with captions, 20 px
    python examples/train_text2image.py --caption "a small red circle in the centre"
    python examples/train_text2image.py --resume runs/text2image/shapes-1

Leaves a folder with samples, a film, curves, checkpoints, report.html, and pictures over their
captions; a red frame marks combinations of colour and shape that were held out of training. More:
python -m tinygan sample runs/text2image/shapes-1 --caption "the centre has a large blue cross"
"""

import argparse
import sys

import numpy as np

from tinygan import data, metrics, train
from tinygan.data import captions
from tinygan.models import TextToImage
from tinygan.train import asked, codes
from tinygan.train.score import Line


def right(system, factors):
    """The share of samples in which the exact reader finds every factor of the caption."""
    made = system.sample(len(factors), captions.tokens(factors, np.arange(len(factors))))
    return metrics.all_match(data.read_factors(made), factors)


def study(system, test, own):
    """Exact matches for combinations seen and never seen; how well D tells matching pairs."""
    x, t, f = (test.take(2000)[key] for key in ("x", "caption", "factors"))
    wrong = (f != np.roll(f, 1, 0)).any(1)
    pairs = system.matching(x, t), system.matching(x, np.roll(t, 1, 0))[wrong]
    seen, unseen = (np.tile(captions.combinations(new), (10, 1)) for new in (False, True))
    lines = [
        Line("pictures as the caption says", right(system, seen), metrics.all_match(
            data.read_factors(x), f)),
        Line("of combinations never seen", right(system, unseen)),
        Line("D prefers the matching caption, AUC", metrics.auc(*pairs)),
    ]  # fmt: skip
    twelve = np.arange(12) * 77  # well mixed
    seen, unseen = (
        known[twelve % len(known)] for known in map(captions.combinations, (False, True))
    )
    texts = [captions.caption(each) for each in (*seen, *unseen)]
    new = [False] * len(seen) + [True] * len(unseen)
    mark = "red: this colour was never seen with this shape"
    figures = {"captions": (f"what captions say; {mark}", drawn(system, texts, new, mark))}
    if own:
        three = [text for text in own for _ in range(6)]
        figures["own"] = ("your captions", drawn(system, three, [False] * len(three), ""))
    return lines, figures


def drawn(system, texts, marked, mark):
    made = system.sample(system.noise(len(texts), "study").numpy(), captions.encode(texts))
    return codes.captioned(made, texts, marked, mark)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.options(
        parser, data="shapes", size=20, steps=4000, batch_size=32, lr=2e-3, schedule="late",
        ema=0.998, sample_every=200, checkpoint_every=1000,
    )  # fmt: skip
    model = parser.add_argument_group("the model")
    model.add_argument("--width", type=train.width, default=32, help="channels (default 32)")
    model.add_argument("--latent", type=train.width, default=32, help="length of z (default 32)")
    model.add_argument(
        "--caption", nargs="+", type=asked.caption, default=[], metavar="TEXT",
        help="draw this, too, at the end; each in quotes",
    )  # fmt: skip
    settings = train.parse(parser, arguments)
    learn = lambda system, test: study(system, test, settings.values.caption)
    return train.run(TextToImage, settings, learn)


if __name__ == "__main__":
    sys.exit(main())
