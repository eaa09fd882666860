"""Train a judge: python -m tinygan.metrics.train_judge --data digits --out digits.safetensors

On a test of the data set's own test split it prints the accuracy, which goes into the file. While
it trains, pictures are blurred or noisy now and then, so that the judge also knows what to make of
a young generator's samples.
"""

import argparse
import time

import numpy as np

from .. import data
from .judge import Judge, Network
from .resize import resize
from .training import own_randomness, train_classifier


def train_judge(train: data.Dataset, test: data.Dataset, steps=1500, seed=0, log=None) -> Judge:
    """A judge of a data set with classes, its accuracy measured on `test`."""
    if not train.classes:
        raise data.DataError(f"{train.name}: has no labels, so that no judge can be trained on it")
    batch = train.take(20_000)
    x = resize(batch["x"], Judge.size)
    with own_randomness(seed) as rng:
        network = Network(x.shape[1], train.classes)
        train_classifier(
            network, x, batch["label"], steps=steps, batch_size=min(100, len(x)), rng=rng,
            change=disturbed, log=log,
        )  # fmt: skip
    judge = Judge(network, train.name, x.shape[1], train.classes)
    held = test.take(10_000)
    judge.accuracy = float((judge.labels(held["x"]) == held["label"]).mean())
    return judge


def disturbed(x: np.ndarray, rng) -> np.ndarray:
    """A quarter of the pictures blurred, a quarter noisy, all moved by up to two pixels."""
    down, right = rng.integers(-2, 3, 2)
    x = np.roll(x, (down, right), (2, 3))
    quarter = len(x) // 4
    small = resize(x[:quarter], x.shape[2] // 2)
    noise = 0.3 * rng.standard_normal(x[quarter : 2 * quarter].shape, dtype=np.float32)
    noisy = np.clip(x[quarter : 2 * quarter] + noise, -1, 1)
    return np.concatenate([resize(small, x.shape[2]), noisy, x[2 * quarter :]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="tinygan.metrics.train_judge")
    parser.add_argument("--data", default="digits", help="a data set's name or path")
    parser.add_argument("--out", required=True, help="the file to write")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.time()
    splits = [data.open(options.data, split) for split in ("train", "test")]
    judge = train_judge(*splits, options.steps, options.seed, log=print)
    judge.save(options.out)
    print(f"accuracy {judge.accuracy:.2%}, {time.time() - start:.0f} s, wrote {options.out}")


if __name__ == "__main__":
    main()
