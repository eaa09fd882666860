"""Gates of games without a condition on pictures."""

import tinygan
from tinygan import metrics
from tinygan.models import DCGAN, EBGAN
from tinygan.models.ebgan import pulling_away
from tinygan.train import learn

from .gate import Figure, gate
from .pictures import digits
from .points import played
from .twins import constant_noise, detached, intact

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


# -- energies --------------------------------------------------------------------------------------

# With a margin of 0.5, precision is 0.38; with 0.1, G leaves most of a class out.
EBGAN_RUN = {
    "net": "dcgan", "width": 32, "latent": 8, "lr": 2e-3, "margin": 0.25, "pull": 0.3, "batch": 32
}  # fmt: skip
EBGAN_RUNS = {"quick": EBGAN_RUN | {"steps": 2500}, "long": EBGAN_RUN | {"steps": 5000}}
EBGAN_BARS = {
    "frechet-share": 0.03, "smallest-class": 0.05, "transfer-share": 0.9, "diversity": 0.5,
    "sharpness-error": 0.2, "duplicates": 0.01, "copies": 0.02,
}  # fmt: skip
SHARP_ENERGY = {
    "quick": {"precision": 0.3, "confident": 0.55},  # chimeras have 0.11 and 0.51
    "long": {"precision": 0.4, "confident": 0.65},
}
# PT helps where networks are narrow and steps few (λ = 0.3 and 0.1 less than 1); codes of those
# above, and of these after 1,600 steps, lie apart without.
NARROW = {
    "net": "dcgan", "width": 8, "latent": 16, "lr": 1e-3, "margin": 0.5, "pull": 1.0, "batch": 64,
    "steps": 800,
}  # fmt: skip


@gate("ebgan")
def ebgan(seed, quick):
    """EBGAN on digits of 16 px. Are they good? Does PT, where networks are narrow, turn codes away
    from each other ("cosine", their mean squared one) and find all classes?
    """
    panel, length = digits(16, 1250), "quick" if quick else "long"

    def trained(run, share=1.0, breaking=intact, **changes):
        tinygan.manual_seed(seed)
        config = run | changes
        steps, batch = config.pop("steps"), config.pop("batch")
        system = breaking(EBGAN(shape=panel.training.shape, **config))
        return learn(system, panel.training, int(steps * share), batch, ema=0.99)

    def scores(*run, **changes):
        return panel.scores(trained(*run, **changes).sample(panel.n))

    def spread(*run, **changes):
        system = trained(*run, **changes)
        made = system.sample(panel.n)
        with tinygan.no_grad():  # by the statistics of these samples, as in training
            _, code = system.discriminator(system.tensor(made))
        share = metrics.label_histogram(panel.judge.labels(made), panel.judge.classes)
        return {"cosine": pulling_away(code).item(), "smallest-class": share.min()}

    run = EBGAN_RUNS[length]
    twins = {
        "detached target": scores(run, 0.3, detached), "m = 0": scores(run, 0.3, margin=0.0),
        "a tenth of the steps": scores(run, 0.1),
    }  # fmt: skip
    narrow = spread(NARROW)
    alike = {"λ = 0": spread(NARROW, pull=0.0), "a tenth of the steps": spread(NARROW, 0.1)}
    of = lambda name: {who: twin[name] for who, twin in alike.items()}
    found = {
        "samples": panel.gate(EBGAN_BARS | SHARP_ENERGY[length], scores(run), twins),
        "codes": [
            Figure("cosine", narrow["cosine"], 0.25, of("cosine"), least=False),
            Figure("smallest-class", narrow["smallest-class"], 0.02, of("smallest-class"),
                   ideal=panel.ideal["smallest-class"]),
        ],
    }  # fmt: skip
    return found if quick else found | played("ebgan", seed, quick)
