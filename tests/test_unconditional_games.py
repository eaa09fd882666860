"""Games without a condition: shapes, clipping, PyTorch's twins, going on; their examples."""

import importlib.util
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import tinygan as tg
from benchmarks.quality import points as gates
from tests.test_gan_family import batch, small, weights
from tests.twin import follow
from tinygan import metrics, nn
from tinygan.backend import random_state, restore_random_state
from tinygan.models import EBGAN, GAN, LSGAN, WGAN, WGANGP, HingeGAN, networks
from tinygan.train import checkpoint

SYSTEMS = [GAN, LSGAN, HingeGAN, WGAN, WGANGP, EBGAN]
every_system = pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.key)
both_nets = pytest.mark.parametrize("net", ["mlp", "dcgan"])
SHAPE = (1, 16, 16)


# -- shapes, and what a step leaves behind ---------------------------------------------------------


@every_system
@pytest.mark.parametrize("net, shape", [("mlp", (2,)), ("mlp", SHAPE), ("dcgan", SHAPE)])
def test_shapes(system, net, shape):
    game = small(system, net=net, shape=shape)
    made, x = game.sample(5), batch(shape, 8)["x"]
    assert made.shape == (5, *shape) and made.dtype == np.float32
    assert len(shape) == 1 or abs(made).max() <= 1
    assert game.opinion(x).shape == (8,)
    losses = game.step(batch(shape, 8))
    assert {v.shape for v in losses.values()} == {()}


@both_nets
@pytest.mark.parametrize("system", [HingeGAN, WGAN, WGANGP], ids=lambda s: s.key)
def test_a_critic_of_bounded_slope_judges_each_example_by_itself(system, net):
    game = small(system, net=net, shape=SHAPE)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in game.discriminator.modules())
    x = game.tensor(batch(SHAPE, 8)["x"])
    game.discriminator.eval()  # a spectral norm goes on by a step in each pass of training
    whole, part = game.discriminator(x).numpy(), game.discriminator(x[:3]).numpy()
    np.testing.assert_allclose(whole[:3], part, rtol=1e-5, atol=1e-6)


@both_nets
def test_no_step_leaves_a_weight_of_the_critic_outside_its_bounds(net):
    game, largest = small(WGAN, net=net, shape=SHAPE, clip=0.03, lr=0.05, n_critic=2), []
    for seed in range(4):
        game.step(batch(SHAPE, 8, seed))
        largest.append(max(abs(w).max() for w in weights(game.discriminator).values()))
    assert largest == [np.float32(0.03)] * 4


@both_nets
@every_system
def test_in_gs_step_d_gets_no_gradient_and_keeps_its_weights(system, net):
    game = small(system, net=net, shape=SHAPE)
    game.step(batch(SHAPE, 8))
    before = weights(game.discriminator)
    for p in game.discriminator.parameters():
        p.grad = None
    losses = {"generator": game.generator_loss(game.generate(game.noise(8)), None)}
    game._descend("generator", losses)
    assert all(p.grad is None for p in game.discriminator.parameters())
    after = weights(game.discriminator)
    assert all((before[key] == after[key]).all() for key in before)


def test_k_is_the_slope_of_the_hinge_games_discriminator():
    tg.manual_seed(0)
    steep = []
    for slope in (1.0, 5.0):
        game = small(HingeGAN, slope=slope, lr=5e-3, n_critic=10**9, width=32)
        some = batch((2,), 64)
        game.generate = lambda z, c=None, some=some: tg.tensor(some["x"] + np.float32([0.5, 0]))
        for _ in range(150):
            game.step(some)
        game.discriminator.eval()
        x = game.tensor(some["x"]).requires_grad_()
        (g,) = tg.grad(game.discriminator(x).sum(), x)
        steep.append(np.linalg.norm(g.numpy(), axis=1).max())
    assert steep[0] <= 1.05 < 1.5 < steep[1] <= 5.25


# -- PyTorch's twins -------------------------------------------------------------------------------


def torch_networks(torch, game, monkeypatch):
    """Generator and discriminator of PyTorch's layers, with the game's weights."""
    with monkeypatch.context() as patch:
        patch.setattr(networks, "nn", torch.nn)  # the same text builds the twin
        G = networks.generator(game.net, game.shape, game.latent, game.width)
        if isinstance(game, EBGAN):
            D = torch.nn.Module()
            trunk = networks.trunk(game.net, game.shape, game.width)
            D.encode = torch.nn.Sequential(*trunk, torch.nn.Flatten())
            D.narrow = torch.nn.Linear(game.discriminator.narrow.in_features, game.code)
            D.decode = networks.generator(game.net, game.shape, game.code, game.width)
        else:
            norm = not isinstance(game, HingeGAN | WGAN | WGANGP)
            D = networks.discriminator(game.net, game.shape, game.width, norm=norm)
    if isinstance(game, HingeGAN):
        for m in D:
            if isinstance(m, torch.nn.Linear | torch.nn.Conv2d):
                torch.nn.utils.spectral_norm(m)
        scale = torch.nn.Identity()
        scale.register_forward_pre_hook(lambda m, x: (game.slope * x[0],))
        D = torch.nn.Sequential(scale, *D)
    for own, twin in ((game.generator, G), (game.discriminator, D)):
        follow(twin.double(), own)
    return G, D


def torch_losses(torch, game, D, epsilon):
    """D's loss by x and fake, G's by fake: the papers' formulas once more."""
    F = torch.nn.functional
    if isinstance(game, GAN):
        ce = F.binary_cross_entropy_with_logits
        said = lambda y, real: ce(y, torch.full_like(y, float(real)))
        return (lambda x, f: said(D(x), True) + said(D(f), False),
                lambda f: -said(D(f), False) if game.saturating else said(D(f), True))  # fmt: skip
    if isinstance(game, LSGAN):
        return (lambda x, f: 0.5 * ((D(x) - 1) ** 2).mean() + 0.5 * (D(f) ** 2).mean(),
                lambda f: 0.5 * ((D(f) - 1) ** 2).mean())  # fmt: skip
    if isinstance(game, HingeGAN):
        return (lambda x, f: F.relu(1 - D(x)).mean() + F.relu(1 + D(f)).mean(),
                lambda f: -D(f).mean())  # fmt: skip
    if isinstance(game, WGAN):
        return lambda x, f: D(f).mean() - D(x).mean(), lambda f: -D(f).mean()
    if isinstance(game, WGANGP):

        def penalised(x, f):
            between = (epsilon * x + (1 - epsilon) * f).requires_grad_()
            (g,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
            penalty = ((g.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
            return D(f).mean() - D(x).mean() + game.penalty * penalty

        return penalised, lambda f: -D(f).mean()

    def energy(x):
        code = D.narrow(D.encode(x))
        return ((D.decode(code) - x) ** 2).flatten(1).mean(1).sqrt(), code

    def pulled(f):
        e, code = energy(f)
        cosines = F.cosine_similarity(code[:, None], code[None], dim=2)
        apart = cosines[~torch.eye(len(f), dtype=bool)]
        return e.mean() + game.pull * (apart**2).mean()

    return lambda x, f: energy(x)[0].mean() + F.relu(game.margin - energy(f)[0]).mean(), pulled


@pytest.mark.torch
@both_nets
@pytest.mark.parametrize(
    "system, config", [*((s, {}) for s in SYSTEMS), (GAN, {"saturating": True}),
                       (HingeGAN, {"slope": 3.0}), (WGAN, {"alpha": 0.9})],
    ids=lambda v: getattr(v, "key", None) or str(v),
)  # fmt: skip
def test_ten_steps_equal_pytorchs(system, config, net, monkeypatch):
    """Five of a critic's go with one of G, so that G moves twice; else ten times."""
    torch = pytest.importorskip("torch")
    game = small(system, net=net, shape=SHAPE, **config)
    for module in game.modules.values():
        module.double()
    G, D = torch_networks(torch, game, monkeypatch)
    adam = lambda beta2: lambda p: torch.optim.Adam(p, lr=game.lr, betas=(game.beta1, beta2))
    kind = {WGAN: lambda p: torch.optim.RMSprop(p, lr=game.lr, alpha=game.alpha), WGANGP: adam(0.9)}
    kind = kind.get(system, adam(0.999))
    of_g, of_d = kind(G.parameters()), kind(D.parameters())
    for step in range(10):
        some, z = batch(SHAPE, 8, seed=step), game.noise(8)
        epsilon = np.random.default_rng(step).random((8, 1, 1, 1))
        monkeypatch.setattr(game, "noise", lambda n, z=z: z)
        monkeypatch.setattr(
            game, "interpolated",
            lambda x, f, e=tg.tensor(epsilon): e * x + (1 - e) * f, raising=False,
        )  # fmt: skip
        ours = game.step(some)
        x, z = torch.from_numpy(some["x"]).double(), torch.from_numpy(z.numpy())
        d_loss, g_loss = torch_losses(torch, game, D, torch.from_numpy(epsilon))
        fake, theirs = G(z), {}
        theirs["discriminator"] = d_loss(x, fake.detach())
        of_d.zero_grad()
        theirs["discriminator"].backward()
        of_d.step()
        if system is WGAN:
            with torch.no_grad():
                for p in D.parameters():
                    p.clamp_(-game.clip, game.clip)
        if (step + 1) % game.n_critic == 0:
            theirs["generator"] = g_loss(fake)
            of_g.zero_grad()
            theirs["generator"].backward()
            of_g.step()
        assert set(ours) == set(theirs)
        for player, loss in theirs.items():
            np.testing.assert_allclose(ours[player].item(), loss.item(), rtol=1e-8)
    for own, twin in ((game.generator, G), (game.discriminator, D)):
        state = own.state_dict()
        for key, value in twin.state_dict().items():
            np.testing.assert_allclose(state[key].numpy(), value.numpy(), rtol=1e-6, atol=1e-9)


# -- going on --------------------------------------------------------------------------------------


@both_nets
@every_system
def test_a_game_goes_on_bit_for_bit(system, net):
    game = small(system, net=net, shape=SHAPE, n_critic=2)
    steps = [batch(SHAPE, 8, seed=s) for s in range(6)]
    for each in steps[:3]:  # in the middle of a turn: D has moved, G not yet
        game.step(each)
    state, random = checkpoint.clone(game.state_dict()), random_state()
    losses = [game.step(each) for each in steps[3:]]
    again = small(system, net=net, shape=SHAPE, n_critic=2)
    again.load_state_dict(state)
    restore_random_state(random)
    for each, expected in zip(steps[3:], losses):
        got = again.step(each)
        assert {k: v.item() for k, v in got.items()} == {k: v.item() for k, v in expected.items()}
    for name, module in game.modules.items():
        for key, value in module.state_dict().items():
            np.testing.assert_array_equal(
                value.numpy(), again.modules[name].state_dict()[key].numpy()
            )


# -- what their gates measure with -----------------------------------------------------------------


def test_the_wasserstein_distance_is_exact():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    y = rng.exponential(size=(200, 1))
    in_order = abs(np.sort(x, 0) - np.sort(y, 0)).mean()  # optimal in one dimension
    assert metrics.wasserstein(x, y) == pytest.approx(in_order, rel=1e-12)
    x = rng.normal(size=(100, 2))
    assert metrics.wasserstein(x, rng.permutation(x)) == 0
    assert metrics.wasserstein(x, x + [3, 4]) == pytest.approx(5)
    with pytest.raises(ValueError, match="equal size, got 2 and 3; cut one short"):
        metrics.wasserstein(x[:2], x[:3])


def test_a_correlation_is_of_windows_and_nothing_correlates_with_a_constant():
    dataset = tg.data.open("ring", n=100)
    real = tg.data.open("ring", "test").take(500)["x"]
    moved = [(-(d**3), real + np.float32([d, 0])) for d in (5.0, 4.0, 3.0, 2.0, 2.5)]
    assert gates.beside_w1(None, dataset, moved)["w1-correlation"] == pytest.approx(1, abs=1e-6)
    wrong = [(-loss, made) for loss, made in moved]
    assert gates.beside_w1(None, dataset, wrong)["w1-correlation"] == pytest.approx(-1, abs=1e-6)
    flat = [(0.0, made) for _, made in moved]
    assert gates.beside_w1(None, dataset, flat)["w1-correlation"] == 0
    burst = [(math.nan, made) for _, made in moved]
    assert gates.beside_w1(None, dataset, burst)["w1-correlation"] == 0


def test_a_detached_target_gives_ebgans_g_another_gradient_of_the_same_loss():
    game = small(EBGAN)
    z = game.noise(16)

    def gradient():
        game.generator.zero_grad()
        loss = game.generator_loss(game.generator(z), None)
        loss.backward(inputs=list(game.generator.parameters()))
        return loss.item(), np.concatenate(
            [p.grad.numpy().ravel() for p in game.generator.parameters()]
        )

    whole, cut = gradient(), (gates.detached(game), gradient())[1]
    assert whole[0] == pytest.approx(cut[0], rel=1e-6)
    assert np.linalg.norm(whole[1] - cut[1]) > 0.1 * np.linalg.norm(whole[1])


def test_a_play_is_scored_and_so_are_its_twins(monkeypatch):
    monkeypatch.setattr(gates, "_WINDOWS", 3)
    play = gates.PLAYS["wgan"]["ring"]
    short = replace(play, steps=10, batch=16, config=play.config | {"width": 8})
    figures = short.figures(0)
    assert [f.metric for f in figures] == ["ring-modes", "ring-kl", "w1-correlation"]
    assert all(set(f.controls) == set(play.twins) for f in figures)
    assert figures[0].ideal == 8 and figures[2].ideal == 1


def test_twins_of_quick_runs_get_half_the_steps_unless_told_otherwise(monkeypatch):
    asked = []

    def scores(play, seed, **twin):
        asked.append(twin.get("share", 1.0))
        return dict.fromkeys(play.bars, 1.0)

    monkeypatch.setattr(gates.Play, "scores", scores)
    for quick, half in ((True, 0.5), (False, 1.0)):
        asked.clear()
        gates.played("wgan", 0, quick)  # itself; no clipping, c = 1e-5, a tenth of the steps
        assert asked == [1.0, half, half, 0.1]


@pytest.mark.parametrize("model", gates.PLAYS)
def test_the_settings_of_plays_are_their_systems(model):
    for play in gates.PLAYS[model].values():
        known = {field.name for field in fields(play.system)}
        assert set(play.config) <= known and model in (play.system.key, "mode-coverage")
        for twin in play.twins.values():
            assert set(twin) - {"breaking", "share"} <= known


# -- the examples ----------------------------------------------------------------------------------

EXAMPLES = ("gan", "lsgan", "hinge", "wgan", "wgan_gp", "ebgan")


def example(name):
    path = Path(__file__).parent.parent / "examples" / f"train_{name}.py"
    spec = importlib.util.spec_from_file_location(f"train_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize(
    "arguments",
    [["--data", "ring"], ["--data", "digits", "--size", "16"],
     ["--data", "digits", "--size", "16", "--net", "mlp"]],
    ids=["ring", "digits-dcgan", "digits-mlp"],
)  # fmt: skip
def test_each_example_runs_with_points_and_pictures(name, arguments, tmp_path):
    few = ["--steps", "6", "--batch-size", "16", "--width", "8", "--no-score", "--device", "cpu"]
    out = tmp_path / "run"
    if name == "gan" and "--net" in arguments:
        pytest.skip("train_gan.py has the fully connected networks only")
    assert example(name).main([*arguments, *few, "--out", str(out)]) == 0
    assert (out / "report.html").exists()
    assert name == "gan" or list((out / "figures").glob("*.png"))


@pytest.mark.parametrize("name", EXAMPLES[1:])
def test_each_example_explains_itself_and_refuses_what_it_cannot_use(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        example(name).main(["--help"])
    assert end.value.code == 0 and f"examples/train_{name}.py" in capsys.readouterr().out
    nowhere = str(tmp_path / "nowhere")
    assert example(name).main(["--data", nowhere, "--out", str(tmp_path / "run")]) == 1
    assert "nowhere" in capsys.readouterr().err
