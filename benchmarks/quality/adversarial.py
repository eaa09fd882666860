"""The gate of DCGAN."""

from functools import cache

import tinygan
from tinygan import data, metrics
from tinygan.models import DCGAN

from .gate import gate
from .pictures import Panel
from .training import constant_noise, intact, train


@cache
def digits() -> Panel:
    """Drawn digits of 32 px."""
    held_out = data.open("digits", "test", seed=1, n=20_000)
    return Panel(data.open("digits", seed=0), held_out, metrics.Judge.load("digits"))


# As the example trains it, and long enough for good digits; what is asked for is DCGAN's own.
DCGAN_RUNS = {
    "quick": {"steps": 4000, "batch": 32, "lr": 3e-3, "width": 32, "latent": 16},
    "long": {"steps": 16_000, "batch": 32, "lr": 3e-3, "width": 32, "latent": 16},
}
DCGAN_BARS = {
    "frechet-share": 0.05, "smallest-class": 0.03, "transfer-share": 0.85,
    "sharpness-error": 0.2, "duplicates": 0.01, "copies": 0.02,
}  # fmt: skip
GOOD_DIGITS = {
    "quick": {"precision": 0.20, "confident": 0.60},  # chimeras have 0.08 and 0.56
    "long": {"precision": 0.55, "confident": 0.75},
}


@gate("dcgan")
def dcgan(seed, quick):
    """DCGAN on digits. One twin stops after a tenth of the steps; to the other every z is the same,
    which as many steps show well enough.
    """
    panel, length = digits(), "quick" if quick else "long"

    def scores(breaking, share):
        tinygan.manual_seed(seed)
        config = dict(DCGAN_RUNS[length])
        steps, batch = int(config.pop("steps") * share), config.pop("batch")
        system = breaking(DCGAN(shape=(1, 32, 32), **config))
        made = train(system, panel.training, steps, batch, decay=0.99).sample(panel.n)
        return panel.scores(made)

    twins = {
        "constant z": scores(constant_noise, 0.1), "a tenth of the steps": scores(intact, 0.1)
    }  # fmt: skip
    return {"samples": panel.gate(DCGAN_BARS | GOOD_DIGITS[length], scores(intact, 1), twins)}
