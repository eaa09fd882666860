"""Train a judge: python -m tinygan.metrics.train_judge --data digits --out digits.safetensors

Prints the accuracy on the data set's own test split, which also goes into the file.
"""

import argparse
import time

from .. import data
from .judge import Judge


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="tinygan.metrics.train_judge")
    parser.add_argument("--data", default="digits", help="a data set's name or path")
    parser.add_argument("--out", required=True, help="the file to write")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.time()
    splits = [data.open(options.data, split) for split in ("train", "test")]
    judge = Judge.train(*splits, options.steps, options.seed, log=print)
    judge.save(options.out)
    print(f"accuracy {judge.accuracy:.2%}, {time.time() - start:.0f} s, wrote {options.out}")


if __name__ == "__main__":
    main()
