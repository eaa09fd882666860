"""What a training run costs beyond its steps: the loader, average weights, schedules, progress,
logs, sample pictures and checkpoints of `examples/train_dcgan.py` with its own settings.

The row's ratio is the time in `DCGAN.step` ÷ the time between one step and the next: 33 is 3 %.
"""

import contextlib
import io
import tempfile
import time

from .process import Worker, answer_orders
from .report import result_row

ROWS = ("training-loop",)
_TURN = 100  # steps: pictures are drawn once in a turn


def measure(steps: int):
    """Seconds a step outside of and inside `DCGAN.step`, for turns of some steps each."""
    from examples import train_dcgan
    from tinygan.models import DCGAN

    marks, step = [], DCGAN.step

    def timed(self, batch):
        marks.append(time.perf_counter())
        losses = step(self, batch)
        marks.append(time.perf_counter())
        return losses

    DCGAN.step = timed
    silent = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(silent),
        contextlib.redirect_stderr(silent),
    ):
        train_dcgan.main(["--steps", str(steps), "--no-score", "--out", f"{folder}/run"])
    inside = [b - a for a, b in zip(marks[::2], marks[1::2])]
    between = [b - a for a, b in zip(marks[1::2], [*marks[2::2], marks[-1]])]
    return [
        (sum(between[i : i + _TURN]) / _TURN, sum(inside[i : i + _TURN]) / _TURN)
        for i in range(0, steps, _TURN)
    ]


def measure_row(options):
    with Worker("tinygan", options.threads, "benchmarks.loop") as worker:
        pairs = worker.measure(steps=2 * _TURN if options.quick else 6 * _TURN)
    row = result_row(ROWS[0], pairs, "its own step", f"{_TURN} steps a turn")
    return row | {"kind": "overhead", "bar": 33.0}


if __name__ == "__main__":
    answer_orders(measure)
