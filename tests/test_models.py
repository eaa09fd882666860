"""The systems: their losses against the equations and PyTorch, their bookkeeping, their errors."""

import numpy as np
import pytest

import tinygan as tg
from tests.twin import apart, follow
from tinygan.models import DCGAN, GAN, SYSTEMS, Adversarial, System, build, networks


def points(n=16, seed=0):
    return {"x": np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)}


def test_the_losses_are_the_equations():
    system = GAN(shape=(2,), latent=2, width=8)
    x, fake = system.tensor(points()["x"]), system.tensor(points(seed=1)["x"])
    sigma = lambda t: 1 / (1 + np.exp(-system.discriminator(t).numpy().astype(np.float64)))
    real, false = sigma(x), sigma(fake)
    expected = -np.log(real).mean() - np.log(1 - false).mean()
    np.testing.assert_allclose(system.discriminator_loss(x, fake, None).item(), expected, 1e-5)
    np.testing.assert_allclose(
        system.generator_loss(fake, None).item(), -np.log(false).mean(), 1e-5
    )
    system.saturating = True
    np.testing.assert_allclose(
        system.generator_loss(fake, None).item(), np.log(1 - false).mean(), 1e-5
    )


def test_each_player_moves_only_in_its_own_turn_and_never_computes_the_others_gradients():
    system, seen = GAN(shape=(2,), latent=2, width=8, n_critic=3), []
    weights = lambda: [m.state_dict() for m in system.modules.values()]
    copies = lambda: [{k: v.numpy().copy() for k, v in state.items()} for state in weights()]
    for _ in range(6):
        before = copies()
        losses = system.step(points())
        moved = [
            any((a[k] != b[k]).any() for k in a) for a, b in zip(before, copies(), strict=True)
        ]
        seen.append((moved, sorted(losses)))
    both = ([True, True], ["discriminator", "generator"])
    alone = ([False, True], ["discriminator"])
    assert seen == [alone, alone, both, alone, alone, both]


def test_gradients_of_the_discriminator_are_not_computed_in_the_generators_turn():
    system, arrivals = GAN(shape=(2,), latent=2, width=8), {"generator": 0, "discriminator": 0}

    def count(name):
        def hook(gradient):
            arrivals[name] += 1

        return hook

    for name, module in system.modules.items():
        next(module.parameters()).register_hook(count(name))
    system.step(points())
    assert arrivals == {"generator": 1, "discriminator": 1}


def test_hooks_that_members_of_the_family_use():
    class Clipped(GAN):
        def condition(self, batch):
            return batch["label"]

        def generate(self, z, c=None):
            self.told = c
            return super().generate(z)

        def after_discriminator_step(self):
            for p in self.discriminator.parameters():
                p.data.clamp_(-0.01, 0.01)

    system = Clipped(shape=(2,), latent=2, width=8)
    system.step({**points(), "label": np.arange(16)})
    assert (system.told == np.arange(16)).all()
    assert max(abs(p.numpy()).max() for p in system.discriminator.parameters()) <= np.float32(0.01)


@pytest.mark.parametrize("side, start", [(28, 7), (32, 4), (64, 4), (16, 4), (20, 5)])
def test_dcgan_fits_the_image(side, start):
    system = DCGAN(shape=(3, side, side), width=4, latent=6)
    x = system.generate(system.noise(2))
    assert x.shape == (2, 3, side, side) and abs(x.numpy()).max() <= 1
    assert system.discriminator(x).shape == (2,)
    assert system.generator[1].kernel_size in (start, (start, start))


def test_a_critic_may_be_narrower_than_its_generator():
    alike, narrower = (
        DCGAN(shape=(1, 16, 16), width=8),
        DCGAN(shape=(1, 16, 16), width=8, critic_width=4),
    )
    first = [game.discriminator[0].weight.shape for game in (alike, narrower)]
    assert first == [(8, 1, 4, 4), (4, 1, 4, 4)]
    assert alike.generator.num_parameters() == narrower.generator.num_parameters()
    assert build(narrower.config).critic_width == 4


@pytest.mark.parametrize(
    "shape, way",
    [((1, 50, 50), "--size"), ((1, 32, 28), "--size"), ((2,), "--data"), ((1, 4, 4), "--size")],
)
def test_dcgan_says_which_sizes_it_takes(shape, way):
    with pytest.raises(ValueError, match=rf"expected square images .* choose {way}"):
        DCGAN(shape=shape)


def test_dcgan_is_built_as_the_paper_says():
    system = DCGAN(shape=(3, 64, 64), width=64)
    g, d = ([type(m).__name__ for m in system.modules[k]] for k in ("generator", "discriminator"))
    assert g == ["Unflatten"] + ["ConvTranspose2d", "BatchNorm2d", "ReLU"] * 4 + [
        "ConvTranspose2d", "Tanh",
    ]  # fmt: skip
    assert d == ["Conv2d", "LeakyReLU"] + ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 3 + [
        "Conv2d", "Flatten",
    ]  # fmt: skip
    assert system.generator.num_parameters() == 3_576_704
    assert system.discriminator.num_parameters() == 2_765_568
    stds = [m.weight.numpy().std() for m in system.generator if type(m).__name__[:4] == "Conv"]
    np.testing.assert_allclose(stds, 0.02, rtol=0.05)
    adam = system.optimizers["generator"].param_groups[0]
    assert (adam["lr"], adam["betas"]) == (2e-4, (0.5, 0.999))


def test_a_sample_depends_on_its_own_noise_alone():
    system = DCGAN(shape=(1, 16, 16), width=4, latent=5)
    z = system.noise(300)
    many = system.sample(z)
    assert many.shape == (300, 1, 16, 16) and system.generator.training
    np.testing.assert_allclose(system.sample(z[7:8]), many[7:8], atol=1e-5)
    assert system.sample(0).shape == (0, 1, 16, 16)


def test_saved_and_built_again_it_goes_on_alike(tmp_path):
    first = DCGAN(shape=(1, 16, 16), width=4, latent=5, n_critic=2)
    batches = [
        {"x": np.random.default_rng(i).uniform(-1, 1, (8, 1, 16, 16)).astype(np.float32)}
        for i in range(6)
    ]
    for batch in batches[:3]:
        first.step(batch)
    tg.save({"config": first.config, "state": first.state_dict()}, tmp_path / "system.safetensors")
    noise = tg.random_state()
    expected = [first.step(batch) for batch in batches[3:]]
    saved = tg.load(tmp_path / "system.safetensors")
    second = build(saved["config"])
    second.load_state_dict(saved["state"])
    tg.restore_random_state(noise)
    for batch, losses in zip(batches[3:], expected, strict=True):
        again = second.step(batch)
        assert {k: v.item() for k, v in again.items()} == {k: v.item() for k, v in losses.items()}


def test_errors_that_teach():
    with pytest.raises(ValueError, match=r"no system 'dcgam'; there are .*dcgan"):
        build({"system": "dcgam"})
    with pytest.raises(ValueError, match=r"'gan' has no setting depth; it has shape, latent"):
        build({"system": "gan", "depth": 3})
    other = GAN(shape=(2,), latent=2, width=8).state_dict()
    other["modules"]["encoder"] = other["modules"].pop("generator")
    with pytest.raises(ValueError, match="the modules saved are discriminator, encoder, this"):
        GAN(shape=(2,), latent=2, width=8).load_state_dict(other)

    class Empty(System):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no networks\(\)"):
        Empty()

    class Nameless(GAN):  # whose checkpoints would be taken for a GAN's
        pass

    with pytest.raises(TypeError, match=r"Nameless has no key of its own.* write key = "):
        _ = Nameless(shape=(2,), latent=2, width=8).config
    assert {"gan", "dcgan"} <= set(SYSTEMS) and issubclass(GAN, Adversarial)


# -- PyTorch ---------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("dtype, rtol", [("float32", 1e-4), ("float64", 1e-9)])
def test_losses_equal_pytorchs_over_twenty_steps(dtype, rtol, monkeypatch):
    torch = pytest.importorskip("torch")
    tg.manual_seed(3)
    ours = DCGAN(shape=(1, 32, 32), width=8, latent=16)
    for module in ours.modules.values():
        module.to(dtype=np.dtype(dtype))
    rng = np.random.default_rng(0)
    batches = [rng.uniform(-1, 1, (16, 1, 32, 32)).astype(dtype) for _ in range(20)]
    noises = [rng.standard_normal((16, 16)).astype(dtype) for _ in range(20)]

    monkeypatch.setattr(networks, "nn", torch.nn)  # the same text builds the twin
    G = networks.generator("dcgan", (1, 32, 32), 16, 8).to(getattr(torch, dtype))
    D = networks.discriminator("dcgan", (1, 32, 32), 8).to(getattr(torch, dtype))
    monkeypatch.undo()
    adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (G, D)]
    pairs = [*zip((G, D), ours.modules.values()), *zip(adams, ours.optimizers.values())]
    bce, distances = torch.nn.functional.binary_cross_entropy_with_logits, []

    queue = iter(noises)
    monkeypatch.setattr(ours, "noise", lambda n: ours.tensor(next(queue)))
    for step, (x, z) in enumerate(zip(batches, noises, strict=True)):
        if step == 0 or dtype == "float32":
            for theirs, own in pairs:
                follow(theirs, own)
        losses = ours.step({"x": x})
        x, z = torch.from_numpy(x), torch.from_numpy(z)
        one, zero = torch.ones(16, dtype=x.dtype), torch.zeros(16, dtype=x.dtype)
        fake = G(z)
        loss_d = bce(D(x), one) + bce(D(fake.detach()), zero)
        adams[1].zero_grad()
        loss_d.backward()
        adams[1].step()
        loss_g = bce(D(fake), one)
        adams[0].zero_grad()
        loss_g.backward()
        adams[0].step()
        np.testing.assert_allclose(losses["discriminator"].item(), loss_d.item(), rtol=rtol)
        np.testing.assert_allclose(losses["generator"].item(), loss_g.item(), rtol=rtol)
        distances.append([apart(*pair) for pair in pairs[:2]])
    assert np.median(distances, 0).max() < 1e-3 * ours.lr
