"""Gates of the games with a condition, and of the two losses of one decoder."""

import numpy as np

import tinygan
from tinygan import data, metrics
from tinygan.models import ACGAN, CGAN, CGANHeads, InfoGAN, MSEAdversarial, TextToImage
from tinygan.train import learn

from .fakes import FAKES
from .gate import Figure, gate
from .pictures import digits
from .twins import intact, misled

# -- classes: the same data, networks and steps for all that know of classes -----------------------

SIZE, N = 16, 1250  # of digits, how many are scored
STEPS, BATCH, DECAY = 2500, 32, 0.99  # of a quick run
RUN = {"net": "dcgan", "width": 32, "latent": 16, "lr": 2e-3}
BARS = {
    "diversity": 0.5, "frechet-share": 0.015, "smallest-class": 0.08, "transfer-share": 0.85,
    "precision": 0.4, "confident": 0.83, "sharpness-error": 0.25, "duplicates": 0.01,
    "copies": 0.02,
}  # fmt: skip
# What no label guides is worse. Chimeras have a Fréchet share of 0.06 and a precision of 0.11.
FOUND = {
    "diversity": 0.5, "frechet-share": 0.05, "smallest-class": 0.03, "transfer-share": 0.8,
    "precision": 0.12, "confident": 0.4, "sharpness-error": 0.2, "duplicates": 0.01, "copies": 0.02,
}  # fmt: skip


def learned(
    system, dataset, share=1.0, breaking=intact, seed=0, steps=None, batch=None,
    schedule="linear", **config,
):  # fmt: skip
    """`system` after a share of the steps: of a quick run's, unless it is told others."""
    tinygan.manual_seed(seed)
    made = breaking(system(shape=dataset.shape, **RUN | config))
    return learn(made, dataset, int((steps or STEPS) * share), batch or BATCH, schedule, DECAY)


@gate("cgan")
def cgan(seed, quick):
    return by_class(CGAN, seed, quick)


@gate("cgan-heads")
def cgan_heads(seed, quick):
    return by_class(CGANHeads, seed, quick)


@gate("acgan")
def acgan(seed, quick):
    return by_class(ACGAN, seed, quick)


def by_class(system, seed, quick):
    """Is what comes of the class that was asked for, and as various as real pictures of it?

    A fifth of the steps shows well enough that shuffled labels teach nothing. The last twin is the
    model itself, which hears nine wishes of ten.
    """
    panel, length = digits(SIZE, N), 1 if quick else 2
    asked = np.arange(panel.n) % 10
    bars = {"label-accuracy": 0.92 if quick else 0.95} | BARS

    def samples(share=1.0, breaking=intact):
        made = learned(system, panel.training, length * share, breaking, seed)
        return made.sample(panel.n, made.one_hot(asked))

    model = samples()
    misheard = np.where(np.arange(panel.n) // 10 % 10 == 0, (asked + 1) % 10, asked)
    twins = {
        "shuffled labels": panel.scores(samples(0.2, misled("label")), asked),
        "a tenth of the steps": panel.scores(samples(0.1), asked),
        "a tenth misheard": panel.scores(model, misheard),
    }
    return {"samples": panel.gate(bars, panel.scores(model, asked), twins)}


# -- codes that nobody named -----------------------------------------------------------------------

INFOGAN = {  # in a short training, much noise could say what the code is to say
    "quick": {"latent": 2, "information": 0.5},
    "long": {
        "latent": 4, "information": 0.1, "deviation": 0.09, "lr": 1e-3, "steps": 10_000,
        "batch": 64, "schedule": "late",
    },
}  # fmt: skip
STARTS, START = 4, 4000  # what the categories become is settled early, and by chance
READ = {"read": 1.8, "numbers-read": 0.9}
# What the code should come to mean. With so few noise numbers the categories of a game that is not
# told to inform (λ=0) may become classes, too (1.8, 1.9, 1.1 nats), but Q reads nothing.
MEANT = {
    "quick": {"category-accuracy": 0.3},  # by chance: 0.13
    "long": {"category-accuracy": 0.85, "information": 1.8, "number": 0.7},
}
LONG = {"frechet-share": 0.01, "precision": 0.5, "confident": 0.85}
FOUND_BARS = {"quick": FOUND, "long": FOUND | LONG}


@gate("infogan")
def infogan(seed, quick):
    """Can the code be read off the pictures? Has the category become the digit, and a number
    something that can be measured?

    "read" is Q's bound on I(c; x) for the category, in nats, and "numbers-read" how its guess goes
    with the number that it reads worse. "information" is I(category; class) in nats, by the judge,
    who never saw a code; "number" is the largest correlation of one of the numbers with a moment of
    the picture, within categories.
    """
    panel, length = digits(SIZE, N), "quick" if quick else "long"
    rng = np.random.default_rng(seed)
    category, numbers = np.arange(panel.n) % 10, rng.uniform(-1, 1, (panel.n, 2))

    def trained(share, **config):
        return learned(InfoGAN, panel.training, share, intact, seed, **INFOGAN[length] | config)

    def scores(system):
        made = system.sample(panel.n, system.code(category, numbers))
        seen, moments = panel.judge.labels(made), metrics.moments(made)
        rho = [
            abs(metrics.correlation_within(values, code, category))
            for values in moments.values() for code in numbers.T
        ]  # fmt: skip
        p, mu = system.guess(made)
        told = np.maximum(p[np.arange(panel.n), category], 1e-12)
        return panel.scores(made) | {
            "read": np.log(told).mean() + system.entropy,
            "numbers-read": min(np.corrcoef(a, b)[0, 1] for a, b in zip(mu.T, numbers.T)),
            "category-accuracy": metrics.matched_accuracy(category, seen),
            "information": metrics.mutual_information(category, seen),
            "number": max(rho),
        }

    model = scores(trained(1.0) if quick else found(panel, seed, **INFOGAN[length]))
    early, twin = scores(trained(0.1)), scores(trained(0.5, information=0.0))
    ideal = {"read": np.log(10), "information": np.log(10)}
    return {
        "codes": [
            Figure(k, model[k], bar, {"λ=0": twin[k]}, ideal=ideal.get(k, 1.0))
            for k, bar in (READ | MEANT[length]).items()
        ],
        "samples": panel.gate(FOUND_BARS[length], model, {"a tenth of the steps": early}),
    }  # fmt: skip


def found(panel, seed, steps, batch, schedule, **config):
    """InfoGAN after several starts, at rates that do not fall, and the rest of the way from the one
    into whose categories real digits fall most clearly. No label is needed for that.
    """
    begun = [
        learned(
            InfoGAN, panel.training, 1.0, intact, STARTS * seed + i, START, batch, "constant",
            **config,
        )
        for i in range(STARTS)
    ]  # fmt: skip
    best = max(begun, key=lambda system: system.clarity(panel.known["x"][:4000]))
    best.information *= 2  # it fixes what there is: less of it before there are classes
    return learn(best, panel.training, steps, batch, schedule, DECAY)


# -- fakes of pictures that each should be a certain one -------------------------------------------

ALIKE = ("chimeras", "few pixels", "blurred", "noisy", "noise alone", "dropped pixels")


def changed(x, names=ALIKE):
    """Fakes of pictures x by name: as many pictures, and which of x each of them should be."""
    made = {}
    for name in names:  # what a fake calls the labels are here the pictures' own numbers
        rng = np.random.Generator(np.random.SFC64(0))
        made[name] = FAKES[name](x, np.arange(len(x)), rng, len(x))
    return made


# -- captions --------------------------------------------------------------------------------------

TEXT = {"size": 20, "batch": 32, "latent": 32, "width": 32, "lr": 2e-3, "decay": 0.998, "n": 1200}
TEXT_STEPS = {"quick": 2000, "long": 4000}
# In few steps colour, size and place come out as asked; small shapes are at times others.
# Pictures of one caption are more alike than the data's: a diversity of 0.2 with 8 numbers in z and
# captions twice as loud, 0.4 so.
TEXT_BARS = {
    "quick": {"exact-seen": 0.70, "exact-unseen": 0.65, "auc": 0.9, "sharpness-error": 0.25},
    "long": {
        "exact-seen": 0.85, "exact-unseen": 0.70, "auc": 0.9, "sharpness-error": 0.25,
        "diversity": 0.35,
    },
}  # fmt: skip
SPLITS = {"test": "exact-seen", "heldout": "exact-unseen"}


@gate("text2image")
def text2image(seed, quick):
    """Do pictures show what their caption says, also what none in training said, and does s know
    which caption belongs to a picture?
    """
    length = "quick" if quick else "long"
    known, *tests = (
        data.open("shapes", split, size=TEXT["size"], seed=0) for split in ("train", *SPLITS)
    )
    tests = {split: test.take(TEXT["n"]) for split, test in zip(SPLITS, tests)}
    real = metrics.laplacian_energy(tests["test"]["x"])
    x, t, factors = (tests["test"][key] for key in ("x", "caption", "factors"))
    wrong = (factors != np.roll(factors, 1, 0)).any(1)

    def various(x, of):
        """The mean distance of two pictures of one combination."""
        number = np.ravel_multi_index(factors[of].T, (6, 4, 2, 5))
        return metrics.within_class_diversity(x, number)

    def shown(made):
        """Figures of pictures, and which of the tests' each should be, by split."""
        out = {
            name: metrics.all_match(data.read_factors(made[split][0]),
                                    tests[split]["factors"][made[split][1]])
            for split, name in SPLITS.items()
        }  # fmt: skip
        pictures, of = made["test"]
        return out | {
            "diversity": various(pictures, of) / various(x, np.arange(len(x))),
            "sharpness-error": abs(metrics.laplacian_energy(pictures) / real - 1),
        }

    def scores(share=1.0, breaking=intact, **config):
        tinygan.manual_seed(seed)
        options = {k: TEXT[k] for k in ("latent", "width", "lr")} | config
        system = breaking(TextToImage(shape=known.shape, **options))
        steps = int(TEXT_STEPS[length] * share)
        learn(system, known, steps, TEXT["batch"], "late", TEXT["decay"])
        made = {
            split: (system.sample(TEXT["n"], test["caption"]), np.arange(TEXT["n"]))
            for split, test in tests.items()
        }  # fmt: skip
        own, other = system.matching(x, t), system.matching(x, np.roll(t, 1, 0))[wrong]
        return shown(made) | {"auc": metrics.auc(own, other)}

    model = scores()
    twins = {
        "no wrong captions": scores(0.5, others=0),
        "shuffled captions": scores(0.2, misled("caption")),
        "a tenth of the steps": scores(0.1),
    }
    names = ALIKE if quick else (*ALIKE, "200 pictures")  # which are much alike
    fakes = {split: changed(test["x"], names) for split, test in tests.items()}
    for name in names:  # whose reader is the model's, and not at fault
        twins[name] = shown({k: fakes[k][name] for k in SPLITS}) | {"auc": model["auc"]}
    ideal = {"sharpness-error": 0.0}
    return {
        "captions": [
            Figure(k, model[k], bar, {who: twin[k] for who, twin in twins.items()},
                   least=k != "sharpness-error", ideal=ideal.get(k, 1.0))
            for k, bar in TEXT_BARS[length].items()
        ]
    }  # fmt: skip


# -- two losses of one decoder ---------------------------------------------------------------------

DECODER = {"net": "dcgan", "width": 32, "latent": 16, "lr": 2e-3}
DECODER_BARS = {"error": 0.055, "sharpness-error": 0.1, "label-kept": 0.98}


@gate("mse-vs-adversarial")
def mse_vs_adversarial(seed, quick):
    """Of images that are held out: how far what is made of their codes is from them, how sharp it
    is, and whether it shows the same digit. Each loss alone is a twin: one blurs, one invents.
    """
    panel = digits(SIZE, N)
    x, label = (panel.pool[key][: panel.n] for key in ("x", "label"))
    real = metrics.laplacian_energy(x)

    def shown(made, of):
        return {
            "error": np.square(made - x[of]).mean(),
            "sharpness-error": abs(metrics.laplacian_energy(made) / real - 1),
            "label-kept": (panel.judge.labels(made) == label[of]).mean(),
        }

    def scores(loss, share=0.5):
        tinygan.manual_seed(seed)
        system = MSEAdversarial(shape=panel.training.shape, loss=loss, **DECODER)
        learn(system, panel.training, int(STEPS * share), BATCH, ema=DECAY)
        return shown(system.reconstruct(x), np.arange(len(x)))

    model = scores("both")
    twins = {
        "squared error alone": scores("mse"), "adversarial alone": scores("adversarial"),
        "a tenth of the steps": scores("both", 0.05),
    }  # fmt: skip
    twins |= {name: shown(*fake) for name, fake in changed(x).items()}
    twins["others of the class"] = shown(x, others(label))
    return {
        "images": [
            Figure(k, model[k], bar, {who: twin[k] for who, twin in twins.items()},
                   least=k == "label-kept", ideal=float(k == "label-kept"))
            for k, bar in DECODER_BARS.items()
        ]
    }  # fmt: skip


def others(label):
    """For each item the next one of its class.

    >>> others(np.array([0, 1, 0, 1, 0])).tolist()
    [4, 3, 0, 1, 2]
    """
    of = np.empty(len(label), int)
    for k in np.unique(label):
        own = np.flatnonzero(label == k)
        of[own] = np.roll(own, 1)
    return of
