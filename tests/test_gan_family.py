"""The GAN family: each loss against the paper's formula in plain NumPy, and who moves when."""

import numpy as np
import pytest

import tinygan as tg
from tinygan.models import GAN, LSGAN, WGAN, WGANGP, HingeGAN

FAMILY = [GAN, LSGAN, HingeGAN, WGAN, WGANGP]


def points(n=16, seed=0):
    return {"x": np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)}


def pictures(n=8, seed=0):
    x = np.random.default_rng(seed).uniform(-1, 1, (n, 1, 16, 16))
    return {"x": x.astype(np.float32)}


def small(system, **config):
    return system(**{"shape": (2,), "latent": 3, "width": 8, "lr": 1e-3} | config)


# -- the formulas, on fixed logits -----------------------------------------------------------------


def log_sigmoid(y):
    return -np.logaddexp(0, -y)


FORMULAS = {  # D's loss by logits of real and generated examples, G's loss by those of generated
    GAN: (lambda r, f: -log_sigmoid(r).mean() - log_sigmoid(-f).mean(),
          lambda f: -log_sigmoid(f).mean()),
    LSGAN: (lambda r, f: 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean(),
            lambda f: 0.5 * ((f - 1) ** 2).mean()),
    HingeGAN: (lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
               lambda f: -f.mean()),
    WGAN: (lambda r, f: f.mean() - r.mean(), lambda f: -f.mean()),
}  # fmt: skip


@pytest.mark.parametrize("system", FORMULAS, ids=lambda s: s.key)
def test_the_losses_are_the_papers_formulas(system):
    game, rng = small(system), np.random.default_rng(1)
    logits = {"real": 2 * rng.standard_normal(16), "fake": 2 * rng.standard_normal(16)}
    values = iter([logits["real"], logits["fake"], logits["fake"]])
    game.discriminator = lambda x: tg.tensor(next(values))
    x = fake = game.tensor(points()["x"])
    of_d, of_g = FORMULAS[system]
    expected = of_d(logits["real"], logits["fake"]), of_g(logits["fake"])
    order = logits["fake"], logits["real"]  # WGAN asks for f(G(z)) first
    if system is WGAN:
        values = iter([*order, logits["fake"]])
    got = game.discriminator_loss(x, fake, None).item(), game.generator_loss(fake, None).item()
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_gradient_penalty_is_that_of_a_critic_whose_slope_is_known():
    game = small(WGANGP, penalty=7.0)
    x, fake = (game.tensor(points(seed=s)["x"]).double() for s in (1, 2))
    a = np.array([[2.0], [1.0]])
    game.discriminator = lambda x: ((x @ tg.tensor(a)) ** 2).reshape(-1) / 2  # ∇f = (a·x) a
    between = game.interpolated(x, fake)
    slopes = abs(between.numpy() @ a)[:, 0] * np.sqrt(5)
    np.testing.assert_allclose(game.slopes(between).numpy(), slopes, rtol=1e-12)
    game.interpolated = lambda x, fake: between
    f = lambda x: (x.numpy() @ a)[:, 0] ** 2 / 2
    expected = f(fake).mean() - f(x).mean() + 7 * ((slopes - 1) ** 2).mean()
    np.testing.assert_allclose(game.discriminator_loss(x, fake, None).item(), expected, rtol=1e-12)


def test_interpolated_points_lie_on_the_lines_and_all_over_them():
    game = small(WGANGP)
    x, fake = game.tensor(np.zeros((4000, 2), np.float32)), game.tensor(np.ones((4000, 2)))
    between = game.interpolated(x, fake.float()).numpy()
    assert (between[:, 0] == between[:, 1]).all()  # one ε an example, not one a coordinate
    counts = np.histogram(between[:, 0], bins=10, range=(0, 1))[0]
    assert counts.min() > 300


def test_the_penalty_teaches_the_critic_its_slope():
    """With nothing to tell apart, f has no reason to be steep, but the penalty wants slope 1."""
    tg.manual_seed(0)
    game = small(WGANGP, width=16, lr=3e-3, n_critic=10**9)
    x = points(64)
    before = game.slopes(game.tensor(x["x"])).numpy().mean()
    for _ in range(150):
        game.generate = lambda z, c=None: game.tensor(x["x"])
        game.step(x)
    after = game.slopes(game.tensor(x["x"])).numpy().mean()
    assert abs(after - 1) < 0.15 < abs(before - 1)


# -- who moves when --------------------------------------------------------------------------------


def weights(network):
    return {k: v.numpy().copy() for k, v in network.named_parameters()}


def moved(before, after):
    return {k for k in before if (before[k] != after[k]).any()}


@pytest.mark.parametrize("net, batch", [("mlp", points()), ("dcgan", pictures())])
@pytest.mark.parametrize("system", FAMILY, ids=lambda s: s.key)
def test_each_step_moves_its_player_whole_and_the_other_not_at_all(system, net, batch):
    game = small(system, net=net, shape=batch["x"].shape[1:], n_critic=2, width=8)
    G, D = game.generator, game.discriminator
    for turn in (1, 2):
        g, d = weights(G), weights(D)
        losses = game.step(batch)
        # A critic's own bias cancels between real and generated: biases may stay.
        assert {k for k in d if "weight" in k} <= moved(d, weights(D))
        assert moved(g, weights(G)) == (set(g) if turn == 2 else set())
        assert set(losses) == {"discriminator"} | ({"generator"} if turn == 2 else set())
        assert all(np.isfinite(v.item()) for v in losses.values())
    assert game.sample(5).shape == (5, *game.shape)


@pytest.mark.parametrize("system", FAMILY, ids=lambda s: s.key)
def test_a_pack_is_judged_as_one(system):
    game = small(system, pack=4)
    x = game.tensor(points()["x"])
    assert game.discriminator(x).shape == (4,)
    game.step(points())
    assert game.opinion(points()["x"]).shape == (64 // 4,)
    with pytest.raises(ValueError, match="batch of 10 cannot be divided into packs of 4"):
        game.step(points(10))


def test_the_critics_weights_are_clipped_after_each_of_its_steps():
    game = small(WGAN, clip=0.02, lr=0.1, n_critic=3)
    for _ in range(4):
        game.step(points())
        largest = max(abs(p.numpy()).max() for p in game.discriminator.parameters())
        assert largest == np.float32(0.02)
    assert max(abs(p.numpy()).max() for p in game.generator.parameters()) > 0.02


@pytest.mark.parametrize("system, steepest", [(HingeGAN, (0.3, 1.05)), (GAN, (1.5, np.inf))])
def test_the_hinge_games_discriminator_has_slope_one_at_most(system, steepest):
    """Against a generator that stands still beside the data; GAN's D gets steeper and steeper."""
    tg.manual_seed(1)
    game, batch = small(system, width=32, lr=5e-3, n_critic=10**9), points(64)
    game.generate = lambda z, c=None: game.tensor(batch["x"] + np.float32([3, 0]))
    for _ in range(150):
        game.step(batch)
    game.discriminator.eval()
    x = game.tensor(batch["x"] + np.float32([1.5, 0])).requires_grad_()
    (g,) = tg.grad(game.discriminator(x).sum(), x)
    assert steepest[0] < np.linalg.norm(g.numpy(), axis=1).max() < steepest[1]


@pytest.mark.parametrize("system", FAMILY, ids=lambda s: s.key)
def test_the_field_of_a_picture_lies_between_0_and_1_and_rises_with_the_opinion(system):
    game, x = small(system), points(50)["x"]
    field, opinion = game.field(x), game.opinion(x)
    assert field.shape == (50,) and field.min() >= 0 and field.max() <= 1
    assert (np.argsort(field, kind="stable") == np.argsort(opinion, kind="stable")).all()
