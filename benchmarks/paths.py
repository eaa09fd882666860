"""How well `tinygan/backend/cpu/conv.py` chooses among its algorithms, on this machine.

    python -m benchmarks.paths [--threads N] [--quick]

For layers from small to large, convolution and transposed convolution: what a training step asks of
each way, in milliseconds (two forward passes and the gradients, with a weight that has changed),
and how much longer the one that is chosen takes than the fastest. Their mean is what there is to
gain from other figures in `_winograd_cost`. Medians of turns that the ways take one after another.
"""

import argparse
import statistics
from time import perf_counter

import numpy as np

from tinygan.backend.cpu import conv, get_num_threads, set_num_threads
from tinygan.train.machine import facts

WAYS = conv.PATHS[1:]
STRIDED = [
    (1, 32, 32), (3, 64, 64), (8, 32, 32), (16, 32, 32), (32, 8, 64), (32, 16, 64), (64, 8, 128),
    (64, 32, 128), (128, 8, 256), (128, 16, 256), (256, 8, 512),
]  # fmt: skip
PLAIN = [
    (3, 32, 32), (16, 16, 16), (16, 32, 16), (32, 16, 32), (64, 8, 64), (64, 16, 64), (64, 32, 64),
    (128, 16, 128), (256, 8, 256),
]  # fmt: skip
BATCHES, MOST = (1, 8, 16, 64), 3e9  # multiplications in the direct way


def layers(batches):
    """x's and the weight's shape, stride and padding: 4x4 with stride 2, and 3x3."""
    for n in batches:
        for (k, s), sizes in (((4, 2), STRIDED), ((3, 1), PLAIN)):
            for c, size, o in sizes:
                if n * o * c * (k * size / s) ** 2 < MOST:
                    yield (n, c, size, size), (o, c, k, k), (s, s), (1, 1)


def steps(x_shape, weight_shape, stride, padding):
    """Name: what a step does with the layer."""
    rng, rest = np.random.default_rng(0), (stride, padding, (1, 1), 1)
    n, c, height, width = x_shape
    x = rng.standard_normal((n, height, width, c), dtype=np.float32).transpose(0, 3, 1, 2)
    o, _, *kernel = weight_shape
    weight = rng.standard_normal((o, *kernel, c), dtype=np.float32).transpose(0, 3, 1, 2)
    y = conv.conv2d(x, weight, *rest)

    def convolution():
        weight[0, 0, 0, 0] += 1
        conv.conv2d(x, weight, *rest)
        conv.conv2d(x, weight, *rest)
        conv.conv2d_gradients(x, weight, y, *rest)

    def transposed():
        weight[0, 0, 0, 0] += 1
        conv.conv2d_input_grad(y, weight, (height, width), *rest)
        conv.conv2d_input_grad(y, weight, (height, width), *rest)
        conv.conv_transpose2d_gradients(y, weight, x, *rest)

    return {"convolution": convolution, "transposed": transposed}


def milliseconds(step, seconds) -> dict[str, float]:
    """Way → the median of its turns."""
    times, start = {way: [] for way in WAYS}, None
    while start is None or len(times["direct"]) < 3 or perf_counter() - start < seconds:
        for way in WAYS:
            with conv.use_path(way):
                before = perf_counter()
                step()
            times[way].append(1e3 * (perf_counter() - before))
        if start is None:  # the first turn was for warming up
            start, times = perf_counter(), {way: [] for way in WAYS}
    return {way: statistics.median(some) for way, some in times.items()}


def measure(seconds, batches=BATCHES):
    """Rows: the layer, the step, the chosen way, milliseconds of each way."""
    for layer in layers(batches):
        chosen = conv.chosen_path(*layer, (1, 1), 1, np.float32)
        for name, step in steps(*layer).items():
            yield layer, name, chosen, milliseconds(step, seconds)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paths",
        description="Does the CPU take the fastest of its ways to convolve?",
    )
    parser.add_argument("--threads", type=int, default=get_num_threads(), help="(default: all)")
    parser.add_argument("--quick", action="store_true", help="few turns, of small batches")
    options = parser.parse_args(arguments)
    set_num_threads(options.threads)
    print(", ".join(f"{name}: {value}" for name, value in facts().items()))
    print(f"{'x':>18} {'weight':>17} {'step':12}", *(f"{way:>10}" for way in WAYS), "chosen, by")
    longer, settings = [], (0.02, (1, 8)) if options.quick else (0.5,)
    for (x, weight, *_), name, chosen, times in measure(*settings):
        longer.append(times[chosen] / min(times.values()))
        cells = (f"{times[way]:10.2f}" for way in WAYS)
        print(f"{x!s:>18} {weight!s:>17} {name:12}", *cells, f"{chosen} {longer[-1]:.2f}")
    mean, most = statistics.mean(longer), max(longer)
    print(f"the chosen way takes {mean:.3f} times as long as the fastest, at most {most:.2f} times")


if __name__ == "__main__":
    main()
