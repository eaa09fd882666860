"""How near the GPU's kernels that only move numbers come to what its memory can do.

    python -m benchmarks.bandwidth

For images of DCGAN's sizes: microseconds, and the bytes that have to be moved in that time, beside
CuPy's copy of an array. The images of a row are several, taken in turn, so that they do not wait in
the cache.
"""

from importlib import import_module

import numpy as np

from tinygan.backend.device import device, kernels

SIZES = [(128, 64, 32, 32), (128, 128, 16, 16), (128, 256, 8, 8), (128, 512, 4, 4)]
TURNS, BATCH, CACHE = 60, (0, 2, 3), 200 << 20  # bytes, more than a cache holds


def calls(cuda, x, g, y, weight):
    """Name: what to do, and how many times the images' bytes it has to move at least."""
    mean, rstd = 0 * weight, 0 * weight + 1
    needed = [0, 1, 2]
    return {
        "copy": (lambda: g.transpose(0, 2, 3, 1).copy(), 2),
        "sum per channel": (lambda: cuda.sum_over(x, BATCH), 1),
        "leaky_relu": (lambda: cuda.leaky_relu(x, 0.2), 2),
        "its gradient": (lambda: cuda.leaky_relu_gradient(g, y, 0.2), 3),
        "norm": (lambda: cuda.standardize(x, weight, mean, BATCH, 1e-5, 0.2), 3),
        "gradient of the norm": (
            lambda: cuda.standardize_gradient(g, x, weight, mean, rstd, BATCH, needed, y, 0.2),
            7,
        ),
    }


def milliseconds(cupy, functions):
    """The time of one of them, when they take turns in a CUDA graph: without Python's own time."""
    stream, start, stop = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event(), cupy.cuda.Event()

    def take_turns():
        for i in range(TURNS):
            functions[i % len(functions)]()

    with stream:
        take_turns()  # compiles, and finds the memory that the capture then takes again
        stream.begin_capture()
        take_turns()
        graph = stream.end_capture()
        graph.launch(stream)
        start.record()
        graph.launch(stream)
        stop.record()
    stop.synchronize()
    return cupy.cuda.get_elapsed_time(start, stop) / TURNS


def measure(cupy, shape):
    n, c, h, w = shape
    random, weight = cupy.random.default_rng(0), cupy.ones((1, c, 1, 1), np.float32)
    size, rows = 4 * n * c * h * w, []
    for _ in range(max(2, CACHE // (3 * size))):
        images = [random.standard_normal((n, h, w, c), dtype=np.float32) for _ in range(3)]
        images = [a.transpose(0, 3, 1, 2) for a in images]
        rows.append(calls(kernels(weight), *images, weight))
    cupy.cuda.get_current_stream().synchronize()
    print(f"{shape}, {size / 1e6:.1f} MB")
    for name, (_, times) in rows[0].items():
        took = milliseconds(cupy, [row[name][0] for row in rows])
        print(f"    {name:22} {1e3 * took:7.1f} µs  {times * size / took / 1e9:6.2f} TB/s")


def main():
    device("cuda")  # or say why not
    for shape in SIZES:
        measure(import_module("cupy"), shape)


if __name__ == "__main__":
    main()
