"""The gate of DCGAN."""

import tinygan
from tinygan.models import DCGAN
from tinygan.train import learn

from .gate import gate
from .pictures import digits
from .twins import constant_noise, intact

# As the example trains it, and longer; what is asked for is DCGAN's own. G is wider than D: between
# equals D wins as the rate falls (its loss ends at 0.3 … 0.4, here at 0.9), and precision stays at
# 0.40, with batches of 16 and with other rates for G and D, too.
DCGAN_RUN = {
    "batch": 32, "lr": 3e-3, "width": 48, "critic_width": 32, "latent": 8, "decay": 0.998
}  # fmt: skip
DCGAN_RUNS = {"quick": DCGAN_RUN | {"steps": 2500}, "long": DCGAN_RUN | {"steps": 10_000}}
DCGAN_BARS = {
    "frechet-share": 0.05, "smallest-class": 0.03, "transfer-share": 0.85,
    "sharpness-error": 0.2, "duplicates": 0.01, "copies": 0.02,
}  # fmt: skip
GOOD_DIGITS = {
    "quick": {"precision": 0.40, "confident": 0.75},  # chimeras have 0.08 and 0.56
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
        steps, batch, decay = (config.pop(name) for name in ("steps", "batch", "decay"))
        system = breaking(DCGAN(shape=(1, 32, 32), **config))
        learn(system, panel.training, int(steps * share), batch, "late", decay)
        return panel.scores(system.sample(panel.n))

    twins = {
        "constant z": scores(constant_noise, 0.1), "a tenth of the steps": scores(intact, 0.1)
    }  # fmt: skip
    return {"samples": panel.gate(DCGAN_BARS | GOOD_DIGITS[length], scores(intact, 1), twins)}
