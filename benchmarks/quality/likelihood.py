"""Gates of the likelihood models."""

from functools import cache

import numpy as np

import tinygan
from tinygan import data, metrics
from tinygan.models import AE, CVAE, VAE, GaussianMixture
from tinygan.train import learn

from .gate import Figure, gate
from .pictures import Panel
from .twins import intact, untold

# Likelihoods are of black and white digits at 16 px, so that they are nats of a true density, and a
# seed takes some minutes at most. Samples are the likelier colour of each pixel.


@cache
def black_and_white() -> Panel:
    """Digits of 16 px, each pixel −1 or 1."""

    def digits(split, seed):
        x, label = (
            data.open("digits", split, size=16, seed=seed, n=20_000).take(20_000)[key]
            for key in ("x", "label")
        )
        return data.ArrayDataset("digits", likelier(x), label, split=split)

    return Panel(digits("train", 0), digits("test", 1), metrics.Judge.load("digits"))


def likelier(x):
    return np.where(x > 0, 1, -1).astype(np.float32)


@gate("ae")
def ae(seed, quick):
    """The linear AE beside PCA, which it equals at best; a deep one below it at equal code size.

    Its broken twin has a linear net, which cannot come below PCA.
    """
    train_set, test = data.open("digits", size=16, seed=0), data.open("digits", "test", size=16)
    x, known = test.take(2000)["x"], train_set.take(20_000)["x"].reshape(-1, 256)
    mean = known.mean(0, dtype=np.float64)
    axes = np.linalg.eigh(np.cov(known, rowvar=False))[1][:, -8:]
    centred = x.reshape(-1, 256) - mean
    pca = np.square(centred - centred @ axes @ axes.T).mean()

    def share(steps, lr=2e-3, **config):
        tinygan.manual_seed(seed)
        system = AE(shape=(1, 16, 16), latent=8, lr=lr, **config)
        return (learn(system, train_set, steps, 128) if steps else system).error(x) / pca

    linear = share(4000, lr=0.02, net="linear")
    deep = share(1000 if quick else 2000, hidden=(256, 128))
    untrained = share(0, net="linear")
    gates = {
        "linear": Figure("linear-of-pca", linear, 1.02, {"untrained": untrained}, False, ideal=1.0),
        "deep": Figure("deep-of-pca", deep, 0.65, {"linear": linear}, False),
    }
    return {name: [figure] for name, figure in gates.items()}


@gate("vae")
def vae(seed, quick):
    """VAE on digits: likelihood in nats, the tighter bound, units in use; samples from the prior.

    Bars are of this short training. "tightened" is by how many nats 500 draws come nearer to the
    likelihood than the one of the ELBO does; nothing if no code is in use.
    """
    panel, steps = black_and_white(), 2000 if quick else 3000
    x = panel.test["x"]

    def scores(beta=1.0, steps=steps):
        tinygan.manual_seed(seed)
        system = VAE(shape=(1, 16, 16), hidden=(400, 200), latent=8, beta=beta, lr=2e-3)
        learn(system, panel.training, steps, 128)
        nll = system.nll(x[:100], k=500).mean()
        return panel.scores(likelier(system.sample(panel.n))) | {
            "nll": nll,
            "tightened": -np.mean([system.elbo(x[:100]).mean() for _ in range(10)]) - nll,
            "active-units": system.active_units(x[:1000]),
        }

    model = scores()
    twins = {
        "KL×50": scores(beta=50.0), "KL=0": scores(beta=0.0),
        "a tenth of the steps": scores(steps=steps // 10),
    }  # fmt: skip
    likelihood = {"nll": 43.0, "tightened": 0.9, "active-units": 6}
    samples = {
        "frechet-share": 0.05, "smallest-class": 0.03, "transfer-share": 0.9, "precision": 0.5,
        "confident": 0.45, "sharpness-error": 0.2, "duplicates": 0.01, "copies": 0.02,
    }  # fmt: skip
    return {
        "likelihood": [
            Figure(k, model[k], bar, {name: twin[k] for name, twin in twins.items()},
                   least=k != "nll")
            for k, bar in likelihood.items()
        ],
        "samples": panel.gate(samples, model, twins),
    }  # fmt: skip


QUADRANTS = {"one": (1, 0, 0, 0), "two": (1, 0, 1, 0), "three": (1, 1, 1, 0)}


@gate("cvae")
def cvae(seed, quick):
    """CVAE by label: samples of the class asked for. CVAE by quadrants: completions that use what
    is shown, and are likelier than a deterministic net's. Half the steps reach neither, so that a
    quick run is as long as any.
    """
    return {"label": by_label(seed), "quadrants": by_quadrants(seed)}


def by_label(seed):
    panel, steps = black_and_white(), 2000
    asked = np.arange(panel.n) % 10

    def scores(breaking=intact, steps=steps):
        tinygan.manual_seed(seed)
        system = breaking(CVAE(shape=(1, 16, 16), hidden=(256, 128), latent=8, lr=2e-3))
        made = learn(system, panel.training, steps, 128).sample(panel.n, system.one_hot(asked))
        return panel.scores(likelier(made), asked)

    twins = {
        "condition zeroed": scores(untold), "a tenth of the steps": scores(steps=steps // 10)
    }  # fmt: skip
    bars = {
        "label-accuracy": 0.95, "frechet-share": 0.01, "smallest-class": 0.05,
        "transfer-share": 0.9, "precision": 0.8, "confident": 0.9, "sharpness-error": 0.2,
        "duplicates": 0.01, "copies": 0.02,
    }  # fmt: skip
    return panel.gate(bars, scores(), twins)


def by_quadrants(seed):
    """worth-one: the nats an image that its own quadrant saves, compared with another image's; to
    who does not look, 0. gain: the nats saved over the same decoder without a code.
    """
    panel = black_and_white()
    x = panel.test["x"][:100]

    def nll(breaking=intact, latent=16):
        tinygan.manual_seed(seed)
        config = {"hidden": (200,), "latent": latent, "given": "quadrants"}
        system = breaking(CVAE(shape=(1, 16, 16), lr=2e-3, **config))
        learn(system, panel.training, 2000, 128)

        def given(name, seen):
            c = system.hidden_image(seen, np.tile(QUADRANTS[name], (len(x), 1)))
            return system.nll(x, c, k=100 if latent else 1).mean()

        out = {name: given(name, x) for name in QUADRANTS}
        return out | {"another's": given("one", np.roll(x, 1, axis=0))}

    model, twin, certain = nll(), nll(untold), nll(latent=0)
    worth = lambda scores: scores["another's"] - scores["one"]
    name = "condition zeroed"
    return [
        Figure("worth-one", worth(model), 4.5, {name: worth(twin)}),
        *(
            Figure(f"gain-{k}", certain[k] - model[k], bar, {name: certain[k] - twin[k]})
            for k, bar in {"two": 4.0, "three": 1.0}.items()
        ),
    ]


@gate("gmm")
def gmm(seed, quick):
    """The 25-grid recovered: a component at every mode, a density as good as the true one, and a
    likelihood that never falls on the way.

    Its broken twin stops before the first E step.
    """
    dataset = data.open("grid", seed=seed)
    x, test = dataset.take(5000)["x"], data.open("grid", "test", seed=seed).take(5000)["x"]

    def log_density(x):
        distance = ((x[:, None] - dataset.modes) ** 2).sum(2) / dataset.sigma**2
        normal = -0.5 * distance - np.log(2 * np.pi * dataset.sigma**2 * len(dataset.modes))
        return np.logaddexp.reduce(normal, axis=1).mean()

    def scores(**options):
        fitted = GaussianMixture(25, random_state=seed, tol=1e-6, **options).fit(x)
        distance = np.linalg.norm(fitted.means_[:, None] - dataset.modes, axis=2).min(0)
        return {
            "modes-found": (distance < dataset.sigma).sum(),
            "nats-from-truth": log_density(test) - fitted.score(test),
            "largest-fall": -min(0, *np.diff(fitted.history_), 0),
        }

    model = scores(n_init=10, max_iter=500)
    twin = scores(init_params="random_from_data", max_iter=0)
    bars = {"modes-found": 25, "nats-from-truth": 0.05, "largest-fall": 1e-9}
    ideal = {"modes-found": 25, "nats-from-truth": 0.0, "largest-fall": 0.0}
    return {
        "grid": [
            Figure(k, model[k], bar, {"no EM": twin[k]}, k == "modes-found", ideal[k])
            for k, bar in bars.items()
        ]
    }
