"""The gates of games that draw digits and are told nothing."""

import tinygan
from tinygan import ops
from tinygan.models import DCGAN, EBGAN
from tinygan.models.ebgan import pulling_away

from .gate import Figure, gate
from .pictures import digits
from .training import constant_noise, intact, train

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
        train(system, panel.training, int(steps * share), batch, decay, schedule="late")
        return panel.scores(system.sample(panel.n))

    twins = {
        "constant z": scores(constant_noise, 0.1), "a tenth of the steps": scores(intact, 0.1)
    }  # fmt: skip
    return {"samples": panel.gate(DCGAN_BARS | GOOD_DIGITS[length], scores(intact, 1), twins)}


EBGAN_RUN = {
    "net": "dcgan", "width": 16, "latent": 8, "lr": 2e-3, "margin": 0.5, "pull": 0.3
}  # fmt: skip
EBGAN_STEPS = 2500
EBGAN_BARS = {
    "frechet-share": 0.05, "smallest-class": 0.04, "transfer-share": 0.88, "precision": 0.15,
    "confident": 0.4, "diversity": 0.5, "sharpness-error": 0.25, "duplicates": 0.01, "copies": 0.02,
}  # fmt: skip


@gate("ebgan")
def ebgan(seed, quick):
    """EBGAN on digits of 16 px, whose codes have many directions.

    "cosine" is the mean squared cosine between the codes of samples, the pulling-away term itself:
    λ = 0 leaves it out, and a detached target lets G's gradient through half of E alone.
    """
    panel = digits(16, 1250)

    def learned(share=1.0, breaking=intact, **changes):
        tinygan.manual_seed(seed)
        system = breaking(EBGAN(shape=panel.training.shape, **EBGAN_RUN | changes))
        steps = int(EBGAN_STEPS * share)
        return train(system, panel.training, steps, 32, decay=0.99, schedule="late")

    def cosine(system):
        _, code = system.discriminator(system.tensor(system.sample(1000)))
        return pulling_away(code).item()

    def scores(system):
        return panel.scores(system.sample(panel.n))

    model, untied = learned(), learned(0.5, pull=0.0)
    twins = {
        "λ = 0": scores(untied), "detached target": scores(learned(0.5, detached)),
        "a tenth of the steps": scores(learned(0.1)),
    }  # fmt: skip
    alike = {"λ = 0": cosine(untied)}
    return {
        "codes": [Figure("cosine", cosine(model), 0.14, alike, least=False, ideal=0.0)],
        "samples": panel.gate(EBGAN_BARS, scores(model), twins),
    }


def detached(system):
    """G's gradient flows through one place of x in E(x) only: the target is a constant."""
    D = system.discriminator

    def generator_loss(fake, c):
        code = D.narrow(D.encode(fake))
        energy = ops.square(D.decode(code) - fake.detach()).flatten(1).mean(1).sqrt()
        return energy.mean() + system.pull * pulling_away(code)

    system.generator_loss = generator_loss
    return system
