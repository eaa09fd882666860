"""What the games with classes give for the same data, networks, batches and steps, and what a step
of each costs.

    python -m benchmarks.quality --models cgan,cgan-heads,acgan,infogan --quick --json FILE
    python -m benchmarks.quality.costs FILE ...     writes benchmarks/results/conditional.json

Seconds are the processor's, on one thread, and the least of several turns; the games take turns.
"""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import tinygan
from tinygan import data
from tinygan.backend.cpu import set_num_threads
from tinygan.models import ACGAN, CGAN, GAN, CGANHeads, InfoGAN

from ..machine import machine
from ..report import COMPARED, HOME
from .conditional import BATCH, RUN, SIZE, STEPS


def costs(turns: int = 5, steps: int = 20) -> dict[str, float]:
    """Milliseconds of a step, by the key of the game; GAN, who is told nothing, among them."""
    tinygan.manual_seed(0)
    batch = data.open("digits", size=SIZE).take(BATCH)
    shape = batch["x"].shape[1:]
    systems = GAN, CGAN, CGANHeads, ACGAN, InfoGAN
    games = [system(shape=shape, **RUN).capture() for system in systems]  # as all trainings do
    least = {}
    for _ in range(turns):
        for game in games:
            game.step(batch)
            begun = time.process_time()
            for _ in range(steps):
                game.step(batch)
            spent = 1e3 * (time.process_time() - begun) / steps
            least[game.key] = min(spent, least.get(game.key, spent))
    return {key: round(ms, 2) for key, ms in least.items()}


def compared(files) -> list[dict]:
    """The figures that the table shows, of the rows in files of gates."""
    shown = {name for names in COMPARED.values() for name in names}
    rows = [row for file in files for row in json.loads(Path(file).read_text())["rows"]]
    names = ("model", "metric", "seed", "value")
    return [{name: row[name] for name in names} for row in rows if row["metric"] in shown]


if __name__ == "__main__":
    set_num_threads(1)
    table = {
        "machine": machine(SimpleNamespace(threads=1, device="cpu")),
        "batch": BATCH, "size": SIZE, "steps": STEPS, "ms": costs(), "rows": compared(sys.argv[1:]),
    }  # fmt: skip
    path = HOME / "benchmarks" / "results" / "conditional.json"
    path.write_text(json.dumps(table, indent=1) + "\n")
    print(table["ms"])
