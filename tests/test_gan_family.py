"""The GAN family: each loss against the paper's formula in plain NumPy, and who moves when."""

from dataclasses import fields

import numpy as np
import pytest

import tinygan as tg
from tinygan import nn
from tinygan.data import captions
from tinygan.models import (
    ACGAN,
    CGAN,
    EBGAN,
    GAN,
    LSGAN,
    WGAN,
    WGANGP,
    CGANHeads,
    HingeGAN,
    InfoGAN,
    MSEAdversarial,
    TextToImage,
)
from tinygan.models.text2image import TextEncoder

FAMILY = [
    GAN, LSGAN, HingeGAN, WGAN, WGANGP, EBGAN, CGAN, CGANHeads, ACGAN, InfoGAN, MSEAdversarial,
    TextToImage,
]  # fmt: skip


def batch(shape, n=16, seed=0):
    random = np.random.default_rng(seed)
    factors = np.stack([random.integers(0, k, n) for k in (6, 4, 2, 5)], 1)
    return {
        "x": np.tanh(random.standard_normal((n, *shape))).astype(np.float32),
        "label": random.integers(0, 3, n),
        "caption": captions.tokens(factors, random.integers(0, 4, n)),
    }


def points(n=16, seed=0):
    return batch((2,), n, seed)


def pictures(n=8, seed=0):
    return batch((1, 16, 16), n, seed)


def small(system, **config):
    known = {field.name for field in fields(system)}
    extra = {"net": "mlp", "classes": 3}
    extra = {k: v for k, v in extra.items() if k in known}
    return system(**{"shape": (2,), "latent": 3, "width": 8, "lr": 1e-3} | extra | config)


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
    x, fake = (game.tensor(points()["x"]) for _ in range(2))
    game.discriminator = lambda asked: tg.tensor(logits["real" if asked is x else "fake"])
    of_d, of_g = FORMULAS[system]
    expected = of_d(logits["real"], logits["fake"]), of_g(logits["fake"])
    got = game.discriminator_loss(x, fake, None).item(), game.generator_loss(fake, None).item()
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_settings_are_the_papers():
    def rates(game):
        group = game.optimizers["discriminator"].param_groups[0]
        return type(game.optimizers["discriminator"]).__name__, group["lr"], group.get("betas")

    make = lambda system: system(shape=(2,), latent=3, width=8)
    assert rates(make(GAN)) == ("Adam", 2e-4, (0.5, 0.999)) and make(GAN).n_critic == 1
    assert rates(make(WGAN)) == ("RMSprop", 5e-5, None)
    assert (make(WGAN).n_critic, make(WGAN).clip) == (5, 0.01)
    assert rates(make(WGANGP)) == ("Adam", 1e-4, (0.0, 0.9))
    assert (make(WGANGP).n_critic, make(WGANGP).penalty) == (5, 10.0)
    for net, shape in (("mlp", (2,)), ("dcgan", (1, 32, 32))):
        game = GAN(shape=shape, width=8, net=net)
        activations = [m for m in game.discriminator.modules() if isinstance(m, nn.LeakyReLU)]
        assert len(activations) == 3 and {m.negative_slope for m in activations} == {0.2}


def softmax(y):
    e = np.exp(y - y.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


class Answers:
    """A discriminator that says what it was given to say, in turn."""

    def __init__(self, *answers):
        self.answers = iter(answers)

    def __call__(self, *asked):
        answer = next(self.answers)
        return tuple(map(tg.tensor, answer)) if isinstance(answer, tuple) else tg.tensor(answer)


def two_heads(classes=3, n=16, seed=4):
    """What two heads say of real and of generated examples, and the classes that were asked for."""
    rng = np.random.default_rng(seed)
    c = np.eye(classes)[rng.integers(0, classes, n)]
    answer = lambda: (2 * rng.standard_normal(n), 2 * rng.standard_normal((n, classes)))
    return answer(), answer(), c


@pytest.mark.parametrize("system", [CGANHeads, ACGAN], ids=lambda s: s.key)
def test_the_losses_of_two_heads_are_the_papers_formulas(system):
    game, (real, false, c) = small(system), two_heads()
    of_real, of_false = ((softmax(y) * c).sum(1) for y in (real[1], false[1]))
    source = -log_sigmoid(real[0]).mean() - log_sigmoid(-false[0]).mean()
    if system is CGANHeads:  # D denies the class of what was generated
        expected = source - np.log(of_real).mean() - np.log(1 - of_false).mean()
    else:
        expected = source - np.log(of_real).mean() - np.log(of_false).mean()
    game.discriminator = Answers(real, false, false)
    np.testing.assert_allclose(
        game.discriminator_loss(None, None, tg.tensor(c)).item(), expected, rtol=1e-12
    )
    expected = -log_sigmoid(false[0]).mean() - np.log(of_false).mean()
    np.testing.assert_allclose(game.generator_loss(None, tg.tensor(c)).item(), expected, rtol=1e-12)


def test_a_sure_head_gives_finite_losses_and_gradients():
    """1 − p_c of a probability that rounds to 1."""
    game = small(CGANHeads)
    y = tg.tensor(np.array([[900.0, 0.0, -900.0]]), requires_grad=True)
    c = tg.tensor(np.eye(3)[:1])
    game.discriminator = lambda x: (tg.tensor(np.zeros(1)), y)
    loss = game.discriminator_loss(None, None, c)
    loss.backward()
    assert loss.item() == pytest.approx(900 + 2 * np.log(2))  # log(1 − p) = −900
    np.testing.assert_allclose(y.grad.numpy(), [[1.0, -1.0, 0.0]], atol=1e-12)


def test_the_discriminator_of_a_cgan_is_told_the_condition_with_each_example():
    game, told = small(CGAN, shape=(1, 4, 4), classes=2), []
    game.discriminator = lambda x: told.append(x.numpy()) or x.sum(1)
    x, fake = game.tensor(np.zeros((3, 1, 4, 4))), game.tensor(np.ones((3, 1, 4, 4)))
    c = game.tensor(game.one_hot([0, 1, 1]))
    game.discriminator_loss(x, fake, c)
    for seen, example in zip(told, (0, 1)):
        assert (seen[:, :16] == example).all() and (seen[:, 16:] == c.numpy()).all()
    game.net = "dcgan"
    game.discriminator_loss(x, fake, c)
    assert told[2].shape == (3, 3, 4, 4) and (told[2][:, 1:] == c.numpy()[:, :, None, None]).all()


def test_the_information_of_infogan_is_the_log_likelihood_of_its_code():
    game, (real, false, _) = small(InfoGAN, numbers=2, information=0.7, deviation=0.6), two_heads()
    rng = np.random.default_rng(5)
    guesses = [
        np.concatenate([y, 0.5 * rng.standard_normal((16, 2))], 1) for y in (real[1], false[1])
    ]
    c = np.concatenate([np.eye(3)[rng.integers(0, 3, 16)], rng.uniform(-1, 1, (16, 2))], 1)
    category = np.log((softmax(guesses[1][:, :3]) * c[:, :3]).sum(1))
    far = (c[:, 3:] - guesses[1][:, 3:]) / 0.6
    density = np.exp(-(far**2) / 2)  # of N(μ, 0.6²), up to a constant
    L_I = (category + np.log(density).sum(1)).mean()
    game.discriminator = Answers(
        (real[0], guesses[0]), (false[0], guesses[1]), (false[0], guesses[1])
    )
    source = -log_sigmoid(real[0]).mean() - log_sigmoid(-false[0]).mean()
    d, g = (
        game.discriminator_loss(None, None, tg.tensor(c)).item(),
        game.generator_loss(None, tg.tensor(c)).item(),
    )
    np.testing.assert_allclose(d, source - 0.7 * L_I, rtol=1e-10)
    np.testing.assert_allclose(g, -log_sigmoid(false[0]).mean() - 0.7 * L_I, rtol=1e-10)


def test_the_energies_of_ebgan():
    game, rng = small(EBGAN, margin=0.8, pull=0.3), np.random.default_rng(6)
    real, false = rng.uniform(0, 1, 16), rng.uniform(0, 2, 16)
    S = rng.standard_normal((16, 5))
    game.discriminator = Answers((real, S), (false, S), (false, S))
    expected = real.mean() + np.maximum(0, 0.8 - false).mean()
    np.testing.assert_allclose(game.discriminator_loss(None, None, None).item(), expected, 1e-12)
    cosines = [
        (S[i] @ S[j] / np.linalg.norm(S[i]) / np.linalg.norm(S[j])) ** 2
        for i in range(16) for j in range(16) if i != j
    ]  # fmt: skip
    expected = false.mean() + 0.3 * np.mean(cosines)
    np.testing.assert_allclose(game.generator_loss(None, None).item(), expected, rtol=1e-12)


def test_the_energys_gradient_flows_through_both_places_of_the_example():
    game = small(EBGAN)
    game.discriminator.eval()
    D, x = game.discriminator, game.tensor(points()["x"]).requires_grad_()
    energy, code = D(x)
    rebuilt = D.decode(code)
    np.testing.assert_allclose(
        energy.numpy(), np.sqrt(((rebuilt - x).numpy() ** 2).mean(1)), rtol=1e-5
    )
    (whole,) = tg.grad(energy.sum(), x)
    cut = tg.ops.square(D.decode(D.narrow(D.encode(x))) - x.detach()).mean(1).sqrt()
    (half,) = tg.grad(cut.sum(), x)
    direct = (x - rebuilt).numpy() / (2 * energy.numpy()[:, None])
    np.testing.assert_allclose(whole.numpy() - half.numpy(), direct, atol=1e-5)
    assert abs(direct).max() > 0.1


def test_what_is_real_has_a_low_energy():
    game = small(EBGAN)
    game.discriminator = lambda x: (x.sum(1), None)
    np.testing.assert_array_equal(game.realness(tg.tensor([[1.0, 2.0]])).numpy(), [-3.0])


def test_a_caption_is_its_words_added_up():
    encoder = TextEncoder(9, 5)
    t = np.array([[3, 8, 0, 0], [1, 1, 2, 5]])
    words = encoder.words.weight.numpy()
    assert not words[0].any()
    np.testing.assert_allclose(encoder(tg.tensor(t)).numpy(), words[t].sum(1) / 2, rtol=1e-6)


class Told:
    """A D of text to image that answers as it is told, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers, self.pairs = Answers(*answers), []

    def trunk(self, x):
        return f"seen {x}"

    def compared(self, seen, phi):
        self.pairs.append((seen, phi.numpy()))
        return self.answers()

    def __call__(self, x, phi):
        return self.compared(self.trunk(x), phi)


@pytest.mark.parametrize("others", [0, 1, 3, 99])
def test_the_three_kinds_of_pair(others):
    game, rng = small(TextToImage, others=others), np.random.default_rng(7)
    t = points()["caption"]
    n = min(others, len(t) - 1)  # no more than there are
    own, false, *wrong = 2 * rng.standard_normal((2 + n, 16))
    D = game.discriminator = Told(false, own, *wrong)
    got = game.discriminator_loss("x", "fake", tg.tensor(t)).item()
    expected = -log_sigmoid(own) - log_sigmoid(-false)
    if others:
        believed = np.max(wrong, 0)
        expected = -log_sigmoid(own) - (log_sigmoid(-believed) + log_sigmoid(-false)) / 2
    np.testing.assert_allclose(got, expected.mean(), rtol=1e-12)
    phi = game.encoder(tg.tensor(t)).numpy()
    asked = [("fake", 0), ("x", 0)] + [("x", k + 1) for k in range(n)]
    assert [seen for seen, _ in D.pairs] == [f"seen {x}" for x, _ in asked]
    for (_, told), (_, k) in zip(D.pairs, asked, strict=True):
        np.testing.assert_array_equal(told, np.roll(phi, k, 0))
    game.discriminator = Told(false)
    got = game.generator_loss("fake", tg.tensor(t)).item()
    np.testing.assert_allclose(got, -log_sigmoid(false).mean(), rtol=1e-12)


@pytest.mark.parametrize("loss", ["mse", "adversarial", "both"])
def test_three_ways_to_teach_a_decoder(loss):
    game, rng = small(MSEAdversarial, loss=loss, weight=0.1), np.random.default_rng(8)
    y, x, fake = rng.standard_normal(16), rng.standard_normal((16, 2)), rng.standard_normal((16, 2))
    game.discriminator = Answers(y)
    mse, convinced = ((fake - x) ** 2).mean(), -log_sigmoid(y).mean()
    expected = {"mse": mse, "adversarial": convinced, "both": mse + 0.1 * convinced}[loss]
    got = game.generator_loss(tg.tensor(fake), tg.tensor(x)).item()
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
    whose = {"encoder": {TextToImage: 1, MSEAdversarial: 2}.get(system)}
    whose |= {"discriminator": 1, "generator": 2, "spread": 2}  # 1 moves in D's turns, 2 in G's
    for turn in (1, 2):
        before = {name: weights(module) for name, module in game.modules.items()}
        losses = game.step(batch)
        for name, module in game.modules.items():
            own = {k for k in before[name] if "weight" in k and "norm" not in k}
            changed = moved(before[name], weights(module))
            if whose[name] and (
                whose[name] == 1 or turn == 2
            ):  # a critic's own bias cancels: it may stay
                assert own <= changed, name
            else:
                assert not changed, name
        assert set(losses) == {"discriminator"} | ({"generator"} if turn == 2 else set())
        assert all(np.isfinite(v.item()) for v in losses.values())
    c = batch["caption"][:5] if system is TextToImage else None
    assert game.sample(5, c).shape == (5, *game.shape)


@pytest.mark.parametrize("system", [s for s in FAMILY if s.packs], ids=lambda s: s.key)
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


@pytest.mark.parametrize("system", FAMILY[:-1], ids=lambda s: s.key)
def test_the_field_of_a_picture_lies_between_0_and_1_and_rises_with_the_opinion(system):
    game, x = small(system), points(50)["x"]
    field, opinion = game.field(x), game.opinion(x)
    assert field.shape == (50,) and field.min() >= 0 and field.max() <= 1
    assert (np.argsort(field, kind="stable") == np.argsort(opinion, kind="stable")).all()


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [CGAN, CGANHeads, ACGAN], ids=lambda s: s.key)
def test_conditional_games_say_what_data_they_need(system):
    with pytest.raises(ValueError, match=r"no classes: choose --data digits, shapes, ring"):
        small(system, classes=None)
    with pytest.raises(ValueError, match=r"classes are 0 … 2, got 1 … 3"):
        small(system).one_hot([1, 3])


@pytest.mark.parametrize("system", [s for s in FAMILY if not s.packs], ids=lambda s: s.key)
def test_no_pack_where_each_example_is_judged_by_itself(system):
    with pytest.raises(ValueError, match="leave pack at 1"):
        small(system, pack=2)


def test_text_to_image_needs_captions_and_known_losses_are_listed():
    with pytest.raises(ValueError, match="these data have no captions: choose --data shapes"):
        small(TextToImage, words=0)
    with pytest.raises(ValueError, match="expected 'mse', 'adversarial', 'both'"):
        small(MSEAdversarial, loss="l1")
