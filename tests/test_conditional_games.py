"""Games with a condition: who learns from what, as PyTorch's twins do, and what one can ask for."""

import argparse
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import tinygan as tg
from tests.test_gan_family import batch, log_sigmoid, small, weights
from tests.twin import follow
from tinygan import data, metrics, nn, train
from tinygan.__main__ import main as command
from tinygan.backend import random_state, restore_random_state
from tinygan.data import captions
from tinygan.models import ACGAN, CGAN, CGANHeads, InfoGAN, MSEAdversarial, TextToImage, networks
from tinygan.train import asked, checkpoint, pictures, sampling

SYSTEMS = [CGAN, CGANHeads, ACGAN, InfoGAN, TextToImage, MSEAdversarial]
every_system = pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.key)
both_nets = pytest.mark.parametrize("net", ["mlp", "dcgan"])
SHAPE = (1, 16, 16)


def game_and_batch(system, net, **config):
    return small(system, net=net, shape=SHAPE, **config), batch(SHAPE, 8)


def told(game, n):
    """A condition for n samples."""
    if game.asked_by == "class":
        return game.one_hot(np.arange(n) % game.classes)
    if game.asked_by == "code":
        return game.draw_codes(n)
    return captions.in_turn(n) if game.asked_by == "caption" else batch(SHAPE, n)["x"]


# -- shapes ----------------------------------------------------------------------------------------


@both_nets
@every_system
def test_shapes(system, net):
    game, some = game_and_batch(system, net)
    for c in (None, told(game, 5)):
        made = game.sample(5, c)
        assert made.shape == (5, *SHAPE) and made.dtype == np.float32 and abs(made).max() <= 1
    assert game.opinion(some["x"]).shape == (8,) if system is not TextToImage else True
    answers = {CGANHeads: [(8,), (8, 3)], ACGAN: [(8,), (8, 3)], InfoGAN: [(8,), (8, 3 + 2)]}
    if system in answers:
        assert [y.shape for y in game.discriminator(game.tensor(some["x"]))] == answers[system]


@both_nets
def test_one_z_and_other_conditions_give_other_samples_and_the_same_the_same(net):
    for system in SYSTEMS:
        game, _ = game_and_batch(system, net, width=16)
        z, c = game.noise(4).numpy(), told(game, 4)
        np.testing.assert_array_equal(game.sample(z, c), game.sample(z, c))
        assert (game.sample(z, c) != game.sample(z, np.roll(c, 1, 0))).any(), system.key


# -- who moves, and whose statistics ---------------------------------------------------------------


@both_nets
@every_system
def test_each_players_step_moves_its_own_networks_and_no_others(system, net):
    """Also of the step alone: the other player's weights and gradients stay as they are."""
    game, some = game_and_batch(system, net)
    descend, moved = game._descend, {}

    def watched(player, losses):
        before = {name: weights(module) for name, module in game.modules.items()}
        grads = {
            name: [None if p.grad is None else p.grad.numpy().copy() for p in m.parameters()]
            for name, m in game.modules.items()
        }  # fmt: skip
        descend(player, losses)
        for name, module in game.modules.items():
            after = weights(module)
            if any((before[name][k] != after[k]).any() for k in after):
                moved.setdefault(player, set()).add(name)
            else:
                now = [None if p.grad is None else p.grad.numpy() for p in module.parameters()]
                assert all(
                    a is b is None or np.array_equal(a, b) for a, b in zip(grads[name], now)
                ), name

    game._descend = watched
    game.step(some)
    encoder = {TextToImage: "discriminator", MSEAdversarial: "generator"}.get(system)
    for player in ("discriminator", "generator"):
        assert moved[player] == {player} | ({"encoder"} if encoder == player else set())


@every_system
def test_batchnorm_counts_every_batch_in_training_and_none_in_sampling(system):
    game, some = game_and_batch(system, "dcgan")
    game.step(some)
    game.sample(6, told(game, 6))
    if system is not TextToImage:
        game.opinion(some["x"])
    expected = {"generator": 1, "discriminator": 3, "encoder": 1}  # real, fake, again
    for name, module in game.modules.items():
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        assert all(m.num_batches_tracked.item() == expected[name] for m in norms), name
        assert norms or (name, system) in {("encoder", TextToImage), ("spread", MSEAdversarial)}
        assert module.training


# -- the losses ------------------------------------------------------------------------------------


def test_the_loss_of_a_cgan_is_gans_of_pairs():
    game, rng = small(CGAN), np.random.default_rng(1)
    real, false = 2 * rng.standard_normal((2, 16))
    answers = iter((real, false, false))
    game.discriminator = lambda pair: tg.tensor(next(answers))
    x = game.tensor(batch((2,))["x"])
    c = game.condition(batch((2,)))
    expected = -log_sigmoid(real).mean() - log_sigmoid(-false).mean()
    np.testing.assert_allclose(game.discriminator_loss(x, x, c).item(), expected, rtol=1e-12)
    expected = -log_sigmoid(false).mean()
    np.testing.assert_allclose(game.generator_loss(x, c).item(), expected, rtol=1e-12)


def test_an_example_is_as_real_as_under_the_class_that_suits_it_best():
    game = small(CGAN)
    suits = np.array([[0.0, 3.0, 1.0], [2.0, -1.0, -5.0], [-4.0, -3.0, -2.0]])  # example, class
    game.judge = lambda x, c: tg.tensor((suits * c.numpy()).sum(1))
    assert game.realness(tg.zeros(3, 2)).tolist() == [3.0, 2.0, -2.0]


@pytest.mark.parametrize("system", [CGAN, CGANHeads, ACGAN], ids=lambda s: s.key)
def test_classes_are_asked_for_as_often_as_the_data_have_them(system):
    game, some = game_and_batch(system, "mlp")
    asked_for = []
    game.generate = lambda z, c=None: (
        asked_for.append(c.numpy()) or game.generator(tg.ops.cat([z, c], 1))
    )
    game.step(some)
    np.testing.assert_array_equal(asked_for[0].argmax(1), some["label"])


def test_the_classes_come_in_turn_behind_z_where_none_is_asked_for():
    game = small(CGAN)
    game.generator = lambda inputs: inputs
    z = game.noise(7)
    told = game.generate(z).numpy()
    np.testing.assert_array_equal(told[:, : game.latent], z.numpy())
    np.testing.assert_array_equal(told[:, game.latent :].argmax(1), np.arange(7) % game.classes)


def test_codes_are_a_category_and_numbers_evenly_in_their_range():
    game = small(InfoGAN, classes=4, numbers=3)
    c = game.draw_codes(8000)
    assert c.shape == (8000, 7) and set(np.unique(c[:, :4])) == {0, 1}
    assert abs(c[:, :4].mean(0) - 0.25).max() < 0.02 and (c[:, :4].sum(1) == 1).all()
    counts = np.histogram(c[:, 4:], bins=10, range=(-1, 1))[0]
    assert counts.sum() == 24_000 and abs(counts / 2400 - 1).max() < 0.08
    np.testing.assert_allclose(game.entropy, np.log(4))
    np.testing.assert_array_equal(game.code([1], [[0.5, -1, 0]])[0], [0, 1, 0, 0, 0.5, -1, 0])


@pytest.mark.parametrize("numbers", [0, 1, 2])
def test_who_names_no_code_gets_all_of_them_evenly(numbers):
    """Else a score of samples would be one of codes in the middle."""
    game = small(InfoGAN, classes=4, numbers=numbers)
    c = game.even_codes(256)
    np.testing.assert_array_equal(c[:, :4].argmax(1), np.arange(256) % 4)
    for category in range(4):
        own = c[c[:, :4].argmax(1) == category, 4:]
        counts = [np.histogram(number, bins=4, range=(-1, 1))[0] for number in own.T]
        assert all(13 <= count <= 19 for each in counts for count in each)  # of 64 in four bins
    if numbers == 2:
        assert abs(np.corrcoef(c[:, 4], c[:, 5])[0, 1]) < 0.1
    game.generator.forward = lambda x: x
    told = game.generate(tg.zeros(256, game.latent)).numpy()
    np.testing.assert_array_equal(told[:, game.latent :], c)


@both_nets
def test_q_guesses_in_probabilities_and_means(net):
    game, some = game_and_batch(InfoGAN, net, numbers=3)
    p, mu = game.guess(some["x"])
    assert p.shape == mu.shape == (8, 3)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    game.discriminator.eval()
    answer = game.discriminator(game.tensor(some["x"]))[1].numpy()
    e = np.exp(answer[:, :3])
    np.testing.assert_allclose(p, e / e.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(mu, answer[:, 3:], rtol=1e-5)


def test_clarity_is_what_the_category_tells_of_examples(monkeypatch):
    """All of log K where each example is surely of one of all; nothing where all are of one, or
    each might be of any; and between where half of them lie half way."""
    game, eye = small(InfoGAN, classes=4), np.eye(4)
    tables = {
        np.log(4): np.tile(eye, (5, 1)),
        0.0: np.tile(eye[2], (5, 1)),
        1e-12: np.full((5, 4), 0.25),
        np.log(4) - np.log(2) / 2: np.concatenate([eye, (eye + eye[::-1]) / 2]),
    }
    for expected, p in tables.items():
        monkeypatch.setattr(game, "guess", lambda x, p=p: (p, None))
        assert game.clarity(None) == pytest.approx(expected, abs=1e-9)


def test_noise_is_spread_as_codes_of_images_are():
    game, some = game_and_batch(MSEAdversarial, "mlp", latent=2)
    game.encoder = lambda x: tg.tensor(np.tile([[3.0, -1.0], [5.0, -1.0]], (4, 1))).float()
    for _ in range(300):
        game.generate(None, game.tensor(some["x"]))
    z = game.spread(game.noise(4000)).numpy()
    np.testing.assert_allclose(z.mean(0), [4, -1], atol=0.1)
    np.testing.assert_allclose(z.std(0), [1, 0], atol=0.05)


# -- PyTorch's twins -------------------------------------------------------------------------------


def torch_networks(torch, game, monkeypatch):
    """The game's networks of PyTorch's layers, with the same weights."""
    monkeypatch.setattr(networks, "nn", torch.nn)  # the same text builds the twin
    own = game.modules
    G = networks.generator(
        game.net,
        game.shape,
        own["generator"][0].in_features if game.net == "mlp" else own["generator"][1].in_channels,
        game.width,
    )
    parts = {"generator": G}

    def trunk():
        return torch.nn.Sequential(*networks.trunk(game.net, game.shape, game.width))

    def head(k):
        return networks.head(game.net, game.shape, game.width, k)

    class Heads(torch.nn.Module):
        def __init__(self, *outputs):
            super().__init__()
            self.trunk, self.heads = trunk(), torch.nn.ModuleList(map(head, outputs))

        def forward(self, x):
            features = self.trunk(x)
            first, second = (each(features) for each in self.heads)
            return first[:, 0], second

    class Matcher(torch.nn.Module):
        def __init__(self, planes, told):
            super().__init__()
            mlp = game.net == "mlp"
            mix = torch.nn.Linear(planes + told, planes) if mlp else (
                torch.nn.Conv2d(planes + told, planes, 1))  # fmt: skip
            self.trunk, self.head = trunk(), head(1)
            self.mix = torch.nn.Sequential(mix, torch.nn.LeakyReLU(0.2))

        def forward(self, x, phi):
            return self.compared(self.trunk(x), phi)

        def compared(self, y, phi):
            phi = phi.reshape(*phi.shape, *(1,) * (y.ndim - 2)).expand(-1, -1, *y.shape[2:])
            return self.head(self.mix(torch.cat([y, phi], 1)))[:, 0]

    class Reader(torch.nn.Module):
        def __init__(self, words, size):
            super().__init__()
            self.words = torch.nn.Embedding(words, size, padding_idx=0)

        def forward(self, t):
            return self.words(t).sum(1) / t.shape[1] ** 0.5

    if isinstance(game, CGANHeads | ACGAN):
        parts["discriminator"] = Heads(1, game.classes)
    elif isinstance(game, InfoGAN):
        parts["discriminator"] = Heads(1, game.classes + game.numbers)
    elif isinstance(game, TextToImage):
        planes = networks.features(game.net, game.shape, game.width)
        parts["discriminator"] = Matcher(planes, game.told)
        parts["encoder"] = Reader(game.words, game.told)
    else:
        shape = game.shape
        if isinstance(game, CGAN):
            flat = (int(np.prod(shape)),) if game.net == "mlp" else shape
            shape = (flat[0] + game.classes, *flat[1:])
        parts["discriminator"] = networks.discriminator(game.net, shape, game.width)
    if isinstance(game, MSEAdversarial):
        parts["encoder"] = torch.nn.Sequential(trunk(), head(game.latent))
        parts["encoder"] = torch.nn.Sequential(*parts["encoder"][0], parts["encoder"][1])
    monkeypatch.undo()
    for name, part in parts.items():
        follow(part.double(), own[name])
    return SimpleNamespace(**parts)


def torch_losses(torch, game, net, x, z, c):
    """fake, and functions that give the losses of D and G by the papers' formulas."""
    F = torch.nn.functional
    said = lambda y, real: F.binary_cross_entropy_with_logits(y, torch.full_like(y, float(real)))
    label = c.argmax(1) if isinstance(game, CGAN | CGANHeads | ACGAN) else None
    D, G = net.discriminator, net.generator
    if isinstance(game, MSEAdversarial):
        fake = G(net.encoder(x))

        def of_g(fake):
            if game.loss == "mse":
                return F.mse_loss(fake, x)
            convinced = said(D(fake), 1)
            both = F.mse_loss(fake, x) + game.weight * convinced
            return both if game.loss == "both" else convinced

        return fake, lambda fake: said(D(x), 1) + said(D(fake), 0), of_g
    if isinstance(game, TextToImage):
        fake = G(torch.cat([z, net.encoder(c).detach()], 1))

        def of_d(fake):
            phi = net.encoder(c)
            seen = D.trunk(x)
            others = [D.compared(seen, torch.roll(phi, k, 0)) for k in range(1, len(phi))]
            other = said(torch.stack(others).max(0).values, 0)
            return said(D.compared(seen, phi), 1) + 0.5 * (other + said(D(fake, phi), 0))

        return fake, of_d, lambda fake: said(D(fake, net.encoder(c).detach()), 1)
    fake = G(torch.cat([z, c], 1))
    if isinstance(game, CGAN):

        def pair(x):
            if game.net == "mlp":
                return torch.cat([x.flatten(1), c], 1)
            return torch.cat([x, c[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)

        return (
            fake, lambda fake: said(D(pair(x)), 1) + said(D(pair(fake)), 0),
            lambda fake: said(D(pair(fake)), 1),
        )  # fmt: skip
    if isinstance(game, InfoGAN):
        k = game.classes

        def information(guess):
            category = -F.cross_entropy(guess[:, :k], c[:, :k].argmax(1))
            normal = torch.distributions.Normal(guess[:, k:], game.deviation)
            numbers = normal.log_prob(c[:, k:]) + 0.5 * np.log(2 * np.pi * game.deviation**2)
            return category + numbers.sum(1).mean()

        def of_d(fake):
            (real, _), (false, guess) = D(x), D(fake)
            return said(real, 1) + said(false, 0) - game.information * information(guess)

        def of_g(fake):
            false, guess = D(fake)
            return said(false, 1) - game.information * information(guess)

        return fake, of_d, of_g

    def of_d(fake):
        (real, of_real), (false, of_false) = D(x), D(fake)
        p = torch.softmax(of_false, 1)[torch.arange(len(x)), label]
        denied = -torch.log(1 - p if isinstance(game, CGANHeads) else p).mean()
        return said(real, 1) + said(false, 0) + F.cross_entropy(of_real, label) + denied

    def of_g(fake):
        false, of_false = D(fake)
        return said(false, 1) + F.cross_entropy(of_false, label)

    return fake, of_d, of_g


@pytest.mark.torch
@both_nets
@pytest.mark.parametrize(
    "system, config",
    [*((s, {}) for s in SYSTEMS), (MSEAdversarial, {"loss": "mse"}),
     (MSEAdversarial, {"loss": "adversarial"})],
    ids=lambda v: getattr(v, "key", None) or str(v),
)  # fmt: skip
def test_ten_steps_equal_pytorchs(system, config, net, monkeypatch):
    torch = pytest.importorskip("torch")
    game = small(system, net=net, shape=SHAPE, **config)
    for module in game.modules.values():
        module.double()
    twin = torch_networks(torch, game, monkeypatch)
    encoder = {TextToImage: "discriminator", MSEAdversarial: "generator"}.get(system)
    adams = {}
    for player in ("discriminator", "generator"):
        own = [*getattr(twin, player).parameters()]
        own += twin.encoder.parameters() if encoder == player else []
        adams[player] = torch.optim.Adam(own, lr=game.lr, betas=(0.5, 0.999))
    for step in range(10):
        some = batch(SHAPE, 8, seed=step)
        z, c = game.noise(8), game.condition(some)
        monkeypatch.setattr(game, "noise", lambda n, z=z: z)
        monkeypatch.setattr(game, "condition", lambda batch, c=c: c)
        ours = game.step(some)
        monkeypatch.undo()
        x, z, c = (torch.from_numpy(np.array(a)) for a in (
            game.tensor(some["x"]).numpy(), z.numpy(), c.numpy()))  # fmt: skip
        fake, of_d, of_g = torch_losses(torch, game, twin, x, z, c)
        theirs = {}
        for player, loss in (("discriminator", of_d), ("generator", of_g)):
            adams[player].zero_grad()
            theirs[player] = loss(fake.detach() if player == "discriminator" else fake)
            theirs[player].backward()
            adams[player].step()
        for player, loss in theirs.items():
            np.testing.assert_allclose(ours[player].item(), loss.item(), rtol=1e-9)
    for name, part in vars(twin).items():
        own = game.modules[name].state_dict()
        for key, value in part.state_dict().items():
            np.testing.assert_allclose(own[key].numpy(), value.numpy(), rtol=1e-6, atol=1e-9)


# -- going on --------------------------------------------------------------------------------------


@both_nets
@every_system
def test_a_game_goes_on_bit_for_bit(system, net):
    game, _ = game_and_batch(system, net)
    steps = [batch(SHAPE, 8, seed=s) for s in range(5)]
    for each in steps[:2]:
        game.step(each)
    state, random = checkpoint.clone(game.state_dict()), random_state()
    losses = [game.step(each) for each in steps[2:]]
    again, _ = game_and_batch(system, net)
    again.load_state_dict(state)
    restore_random_state(random)
    for each, expected in zip(steps[2:], losses):
        got = again.step(each)
        assert {k: v.item() for k, v in got.items()} == {k: v.item() for k, v in expected.items()}
    for name, module in game.modules.items():
        for key, value in module.state_dict().items():
            np.testing.assert_array_equal(
                value.numpy(), again.modules[name].state_dict()[key].numpy()
            )


# -- asking ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of tiny runs, by the key of their system."""
    folder = tmp_path_factory.mktemp("asked")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "7"):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(6):
            image = Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8))
            image.save(folder / "data" / name / f"{i}.png")
    few = ["--steps", "2", "--batch-size", "4", "--device", "cpu", "--no-score"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "curves", lambda records: None)
        for system in (CGAN, InfoGAN, TextToImage, MSEAdversarial):
            place = "shapes" if system is TextToImage else folder / "data"
            settings = train.parse(
                train.options(argparse.ArgumentParser()),
                [*few, "--data", str(place), "--size", "16", "--out", str(folder / system.key)],
            )
            assert train.run(system, settings, width=4, latent=3) == 0
    return folder


def sampled(run, arguments, folder):
    """Samples of a run, and the picture's size."""
    out = ["--out", str(folder / "p.png"), "--npz", str(folder / "a.npz")]
    assert command(["sample", str(run), *arguments, *out]) == 0
    with np.load(folder / "a.npz") as saved, Image.open(folder / "p.png") as picture:
        return saved["samples"], saved["z"], picture.size


@pytest.mark.parametrize(
    "key, arguments, condition",
    [
        ("cgan", ["--class", "dog"], lambda s: s.one_hot([2] * 4)),
        ("cgan", ["--class", "7", "cat"], lambda s: s.one_hot([0, 1, 0, 1])),  # a name, first
        ("cgan", ["--class", "2"], lambda s: s.one_hot([2] * 4)),
        ("infogan", ["--code", "1,0.5,-1"], lambda s: s.code([1] * 4, [[0.5, -1]] * 4)),
        ("infogan", ["--code", "0", "2,.25"],
         lambda s: s.code([0, 2, 0, 2], [[0, 0], [0.25, 0]] * 2)),
        ("text2image", ["--caption", "a small red circle in the centre"],
         lambda s: captions.encode(["a small red circle in the centre"] * 4)),
    ],
)  # fmt: skip
def test_samples_of_what_was_asked_for(key, arguments, condition, runs, tmp_path, capsys):
    made, z, _ = sampled(runs / key, ["--n", "4", *arguments], tmp_path)
    system, _ = sampling.load(runs / key)
    np.testing.assert_allclose(made, system.sample(z, condition(system)), atol=1e-6)
    other, _, _ = sampled(runs / key, ["--n", "4"], tmp_path)
    assert (made != other).any()
    made, z, size = sampled(runs / key, ["--n", "16", "--interpolate", *arguments], tmp_path)
    assert len(made) == 16 and size == (8 * 66 + 2, 2 * 66 + 2)  # two rows of eight
    c = condition(system)[np.arange(16) // 8 % len(arguments[1:])]
    np.testing.assert_allclose(made, system.sample(z, c), atol=1e-6)


@pytest.mark.parametrize(
    "key, arguments, message",
    [
        (
            "cgan",
            ["--class", "cow"],
            "there are 7, cat, dog, or their numbers, 0 … 2",
        ),
        ("cgan", ["--class", "3"], "--class 3: there is no such class"),
        ("cgan", ["--code", "1"], "--code says nothing to a cgan: ask by --class"),
        ("cgan", ["--caption", "red"], "--caption says nothing to a cgan: ask by --class"),
        ("mse-vs-adversarial", ["--class", "1"], "it takes no wishes"),
        ("infogan", ["--code", "3"], "expected a category, 0 … 2, and up to 2 numbers"),
        ("infogan", ["--code", "1,2"], "in [-1, 1], as --code"),
        ("infogan", ["--code", "1,0,0,0"], "up to 2 numbers"),
        ("infogan", ["--code", "cat"], "expected a category"),
        ("infogan", ["--code", "1,nan"], "expected a category"),
        (
            "text2image",
            ["--caption", "a pink circle"],
            "word 'pink'; the words are a, ",
        ),
        ("text2image", ["--caption", " "], "expected a sentence"),
        ("text2image", ["--caption", "a " * 30], "at most 12 fit"),
    ],
)
def test_what_cannot_be_drawn_is_one_message(key, arguments, message, runs, capsys, tmp_path):
    try:
        status = command(["sample", str(runs / key), *arguments, "--out", str(tmp_path / "a.png")])
    except SystemExit as end:
        status = end.code
    error = capsys.readouterr().err
    assert status in (1, 2) and message in error and error.count("error: ") == 1


def test_a_sheet_for_each_wish():
    made = np.arange(5)[:, None, None, None] * np.ones((1, 1, 2, 2))
    sheets = asked.rows(["one", "other"], made)
    assert {k: (x[:, 0, 0, 0].tolist(), across) for k, (x, across) in sheets.items()} == {
        "one": ([0, 2, 4], 3), "other": ([1, 3], 3),
    }  # fmt: skip
    assert list(asked.rows(["a", "b", "c"], made[:2])) == ["a", "b"]


# -- what codes came to mean -----------------------------------------------------------------------


def test_categories_are_matched_by_the_best_naming():
    asked_for = np.repeat([0, 1, 2], 100)
    seen = np.array([7, 3, 5])[asked_for]
    assert metrics.matched_accuracy(asked_for, seen) == 1
    assert metrics.mutual_information(asked_for, seen) == pytest.approx(np.log(3))
    one = np.where(seen == 3, 7, seen)  # two categories show one class
    assert metrics.matched_accuracy(asked_for, one) == pytest.approx(2 / 3)
    p = np.array([2 / 3, 1 / 3])
    assert metrics.mutual_information(asked_for, one) == pytest.approx(-(p * np.log(p)).sum())
    noise = np.random.default_rng(0).integers(0, 10, 300)
    assert metrics.mutual_information(np.zeros(300, int), noise) == 0
    with pytest.raises(ValueError, match="as many classes as categories"):
        metrics.matched_accuracy([0, 1], [1])


def test_auc_and_all_match():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(300) + 1, rng.standard_normal(200)
    pairs = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
    assert metrics.auc(a, b) == pytest.approx(pairs) and metrics.auc(b, a) < 0.5
    shapes = data.open("shapes", "test", n=50).take(50)
    found = data.read_factors(shapes["x"])
    assert metrics.all_match(found, shapes["factors"]) == 1
    wrong = shapes["factors"].copy()
    wrong[:10, 2] = 1 - wrong[:10, 2]
    assert metrics.all_match(found, wrong) == pytest.approx(0.8)


def test_moments_see_what_was_done_to_a_picture():
    at = (np.arange(64) + 0.5) / 32 - 1

    def bar(width=0.2, height=0.6, slant=0.0, grey=1.0):
        inside = (abs(at - slant * at[:, None]) < width) & (abs(at[:, None]) < height)
        return (2 * grey * inside - 1)[None].astype(np.float32)

    plain = metrics.moments(bar()[None])
    for name, change in {"ink": {"grey": 0.5}, "slant": {"slant": 0.4}, "height": {"height": 0.3},
                         "width": {"width": 0.1}}.items():  # fmt: skip
        changed = metrics.moments(bar(**change)[None])
        expected = {"ink": 0.5 * plain["ink"], "slant": 0.4, "height": plain["height"] / 2,
                    "width": plain["width"] / 2}[name]  # fmt: skip
        np.testing.assert_allclose(changed[name], expected, rtol=0.12)
    assert abs(plain["slant"][0]) < 1e-9
    assert plain["height"][0] == pytest.approx(0.6 / 3**0.5, rel=0.03)
