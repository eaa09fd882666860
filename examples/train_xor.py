"""The smallest thing that learns: exclusive or, four points that no straight line separates.

    python examples/train_xor.py [--steps 500] [--seed 0] [--graph graph.png]

Prints the loss as it falls and what the network says in the end; `--graph` also draws how the loss
was computed.
"""

import argparse
import sys

import tinygan as tg
from tinygan import nn, optim, train


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--steps", type=train.positive, default=500, help="optimiser steps (default 500)"
    )
    parser.add_argument(
        "--seed", type=train.whole, default=0, help="seed of the initial weights (default 0)"
    )
    parser.add_argument(
        "--graph", type=train.some_text, metavar="FILE", help="draw the graph of the loss there"
    )
    options = parser.parse_args(arguments)

    tg.manual_seed(options.seed)
    x = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = tg.tensor([[0.0], [1.0], [1.0], [0.0]])

    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.05)

    for step in range(options.steps):
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        if step == 0 and options.graph:
            try:
                tg.draw(loss, options.graph, names=model)
            except (OSError, ValueError) as error:
                parser.error(f"argument --graph: {error}")
            print(f"wrote {options.graph}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == options.steps - 1:
            print(f"step {step:4d}   loss {loss.item():.4f}")

    with tg.no_grad():
        for point, p in zip(x.tolist(), model(x).sigmoid().tolist()):
            print(f"{int(point[0])} xor {int(point[1])} = {round(p[0])}   (p = {p[0]:.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
