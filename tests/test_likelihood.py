"""AE, VAE, CVAE: against closed forms, Monte Carlo and PyTorch; bookkeeping; errors."""

import math

import numpy as np
import pytest

import tinygan as tg
from tests.twin import apart, follow
from tinygan import data, optim, train
from tinygan.models import AE, CVAE, VAE, build
from tinygan.ops.loss import gaussian_kl
from tinygan.train import checkpoint


def factors(n=1000, dim=6, k=2, seed=0):
    """Points of a linear model with k factors and noise: float32 (n, dim)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, k)) * (2.0, 1.2) @ rng.standard_normal((k, dim))
    return (x + 0.3 * rng.standard_normal((n, dim)) + 0.5).astype(np.float32)


def images(n=24, side=8, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1, side, side)).astype(np.float32)


def ppca(x, k):
    """Tipping & Bishop's optimum: W, σ², mean, and the log-likelihood of a point."""
    x = x.astype(np.float64)
    d = x.shape[1]
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    sigma2 = values[k:].mean()
    W = vectors[:, :k] * np.sqrt(values[:k] - sigma2)
    log_det = np.log(values[:k]).sum() + (d - k) * math.log(sigma2)
    return W, sigma2, x.mean(0), -0.5 * (d * math.log(2 * math.pi) + log_det + d)


# -- exact references ------------------------------------------------------------------------------


def test_a_linear_ae_reaches_pcas_error():
    x = factors()
    singular = np.linalg.svd(x.astype(np.float64) - x.mean(0, dtype=np.float64))[1]
    best = (singular[2:] ** 2).sum() / x.size
    system = AE(shape=(6,), latent=2, net="linear", lr=0.02)
    assert system.error(x) > 2 * best
    schedule = optim.LambdaLR(system.optimizers["adam"], lambda step: max(0.0, 1 - step / 800))
    for _ in range(800):
        system.step({"x": x})
        schedule.step()
    assert best * (1 - 1e-5) <= system.error(x) <= 1.002 * best


def test_a_linear_vae_reaches_the_likelihood_of_probabilistic_pca():
    x = factors(500)
    best = ppca(x, 2)[3]
    system = VAE(shape=(6,), latent=2, net="linear", likelihood="gaussian", lr=0.02)
    schedule = optim.LambdaLR(system.optimizers["adam"], lambda step: max(0.0, 1 - step / 3000))
    for _ in range(3000):
        system.step({"x": x})
        schedule.step()
    elbo = np.mean([system.elbo(x).mean() for _ in range(20)])
    assert abs(elbo - best) < 0.01
    assert abs(system.nll(x, k=100).mean() + best) < 0.01


def test_at_ppcas_optimum_the_bound_is_the_likelihood_itself():
    """With q(z|x) the true posterior, each draw's weight is p(x): no gap, and no variance."""
    x = factors()
    W, sigma2, mean, best = ppca(x, 2)
    system = VAE(shape=(6,), latent=2, net="linear", likelihood="gaussian")
    M = W.T @ W + sigma2 * np.eye(2)
    encode = np.linalg.solve(M, W.T)
    with tg.no_grad():
        set_to = lambda p, value: p.copy_(tg.tensor(np.asarray(value, np.float32)))
        linear, out = system.encoder[1], system.decoder[0]
        set_to(linear.weight, np.concatenate([encode, np.zeros((2, 6))]))
        set_to(
            linear.bias,
            np.concatenate([-encode @ mean, np.log(np.diag(sigma2 * np.linalg.inv(M)))]),
        )
        set_to(out.weight, W)
        set_to(out.bias, mean)
        set_to(system.observation.log_var, [math.log(sigma2)])
    nll = system.nll(x, k=3)
    np.testing.assert_allclose(nll.mean(), -best, rtol=1e-5)
    np.testing.assert_allclose(system.nll(x, k=1), nll, rtol=1e-3)
    covariance = W @ W.T + sigma2 * np.eye(6)
    centred = x - mean
    exact = 0.5 * (
        6 * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1]
        + (centred * np.linalg.solve(covariance, centred.T).T).sum(1)
    )  # fmt: skip
    np.testing.assert_allclose(nll, exact, rtol=1e-3, atol=1e-3)


# -- terms of the bound ----------------------------------------------------------------------------


def test_the_kl_equals_monte_carlo():
    rng = np.random.default_rng(0)
    mu, log_var = rng.standard_normal(4), rng.standard_normal(4)
    z = mu + np.exp(log_var / 2) * rng.standard_normal((400_000, 4))
    log_q = -0.5 * ((z - mu) ** 2 / np.exp(log_var) + log_var)
    expected = (log_q + 0.5 * z**2).mean(0)
    kl = gaussian_kl(tg.tensor(mu), tg.tensor(log_var), reduction="none").numpy()
    np.testing.assert_allclose(kl, expected, atol=0.02)
    assert gaussian_kl(tg.zeros(3), tg.zeros(3)).item() == 0


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_log_likelihoods_are_the_densities(likelihood):
    system, x = VAE(shape=(1, 8, 8), latent=3, hidden=(9,), likelihood=likelihood), images(5)
    y = np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    got = system.log_likelihood(system.tensor(x), system.tensor(y)).numpy()
    if likelihood == "bernoulli":
        t, p = (x.astype(np.float64) + 1) / 2, 1 / (1 + np.exp(-y.astype(np.float64)))
        expected = t * np.log(p) + (1 - t) * np.log(1 - p)
    else:
        system.observation.log_var.data.fill_(math.log(0.25))
        got = system.log_likelihood(system.tensor(x), system.tensor(y)).numpy()
        expected = -0.5 * ((x - y) ** 2 / 0.25 + math.log(2 * math.pi * 0.25))
    assert got.shape == (5,)
    np.testing.assert_allclose(got, expected.sum((1, 2, 3)), rtol=1e-5)


def test_the_elbo_is_in_nats_per_image_summed_over_pixels():
    """Twice the pixels, twice the nats; the number of images changes nothing."""
    for side in (4, 8):
        system = VAE(shape=(1, side, side), latent=2, hidden=(5,))
        for module in (system.encoder, system.decoder):
            for p in module.parameters():
                p.data.zero_()
        np.testing.assert_allclose(
            system.elbo(images(7, side)), -side * side * math.log(2), rtol=1e-5
        )
        losses = system.step({"x": images(7, side)})
        np.testing.assert_allclose(losses["loss"].item(), side * side * math.log(2), rtol=1e-5)


def trained(steps=150, **config):
    system = VAE(shape=(1, 8, 8), latent=4, hidden=(32,), lr=3e-3, **config)
    x = np.where(images(200) * 0.2 + images(200, seed=1)[:, :, :, :1] > 0, 1, -1)
    x = x.astype(np.float32)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        losses = system.step({"x": x[rng.permutation(200)[:64]]})
    return system, x, {name: loss.item() for name, loss in losses.items()}


def test_more_weighted_draws_tighten_the_bound():
    system, x, _ = trained()
    bounds = [system.nll(x, k=k).mean() for k in (1, 10, 500)]
    elbo = np.mean([system.elbo(x).mean() for _ in range(5)])
    assert abs(bounds[0] + elbo) < 0.3  # one draw: the ELBO, its KL by Monte Carlo
    assert bounds[0] > bounds[1] > bounds[2]
    assert bounds[2] <= -elbo


def test_weights_that_underflow_are_summed_by_their_logarithms():
    system = VAE(shape=(1, 64, 64), latent=2, hidden=(4,))
    nll = system.nll(images(3, 64), k=5)
    assert np.isfinite(nll).all() and (nll > 1000).all()


def test_beta_and_free_bits():
    kl = {beta: trained(beta=beta)[0].kl(trained()[1]) for beta in (0.2, 1.0, 30.0)}
    assert kl[0.2].sum() > kl[1.0].sum() + 0.5 > kl[30.0].sum() + 1
    assert kl[30.0].sum() < 0.05
    assert trained(beta=30.0)[0].active_units(trained()[1]) == 0
    free, x, losses = trained(beta=30.0, free_bits=0.4)
    assert (free.kl(x) > 0.15).all()  # units may carry up to λ at no cost, and so they do
    assert losses["loss"] == pytest.approx(
        losses["reconstruction"] + 30 * max(losses["kl"], 4 * 0.4), rel=0.1
    )


def test_free_bits_take_the_gradient_of_units_below_them():
    system = VAE(shape=(1, 8, 8), latent=4, hidden=(9,), free_bits=100.0)
    plain = VAE(shape=(1, 8, 8), latent=4, hidden=(9,), beta=0.0)
    plain.load_state_dict(system.state_dict())
    noise = system.noise(24)
    for each in (system, plain):
        each.noise = lambda n, purpose="noise": noise
        each.step({"x": images()})
    for a, b in zip(system.encoder.parameters(), plain.encoder.parameters(), strict=True):
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


# -- conditions ------------------------------------------------------------------------------------


def test_quadrants_shown_are_seen_kept_and_not_scored():
    system, x = CVAE(shape=(1, 8, 8), latent=3, hidden=(9,), given="quadrants"), images(4)
    c = system.hidden_image(x, [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 1), (0, 0, 0, 0)])
    mask = np.zeros((4, 1, 8, 8), np.float32)
    mask[0, :, :4, :4] = mask[1, :, :4, 4:] = mask[2, :, 4:] = 1
    np.testing.assert_array_equal(system.mask(c), mask)
    np.testing.assert_array_equal(c[:, :64].reshape(x.shape), x * mask)
    made = system.sample(4, c)
    np.testing.assert_array_equal(made * mask, x * mask)
    y = system.tensor(images(4, seed=2))
    scored = lambda x: system.log_likelihood(system.tensor(x), y, system.tensor(c)).numpy()
    other = np.where(mask > 0, -x, x)
    np.testing.assert_array_equal(scored(x), scored(other))
    assert (scored(x) != scored(np.where(mask > 0, x, -x)))[3]


def test_training_shows_none_to_three_quadrants_in_all_places():
    system = CVAE(shape=(1, 8, 8), latent=3, hidden=(9,), given="quadrants")
    mask = system.mask(system.condition({"x": images(600)})).numpy()[:, 0, ::4, ::4].reshape(600, 4)
    counts = np.bincount(mask.sum(1).astype(int), minlength=5)
    assert counts[4] == 0 and (counts[:4] > 110).all()
    assert (np.abs(mask.mean(0) - 0.375) < 0.08).all()


@pytest.mark.parametrize("given", ["label", "quadrants"])
def test_a_cvae_uses_its_condition_in_both_networks(given):
    system = CVAE(shape=(1, 8, 8), latent=3, hidden=(9,), given=given)
    x = system.tensor(images(2))
    if given == "label":
        c = system.tensor(system.one_hot([3, 4]))
    else:
        c = system.tensor(system.hidden_image(images(2), np.eye(4)[:2]))
    z = system.noise(2)
    swapped = c.flip(0)
    assert (system.encode(x, c)[0].numpy() != system.encode(x, swapped)[0].numpy()).all()
    assert (system.decode(z, c).numpy() != system.decode(z, swapped).numpy()).any()
    assert system.nll(images(5), np.repeat(c.numpy()[:1], 5, 0), k=7).shape == (5,)


def test_without_a_code_it_is_a_deterministic_net():
    system = CVAE(shape=(1, 8, 8), latent=0, hidden=(9,), given="quadrants")
    losses = system.step({"x": images()})
    assert losses["kl"].item() == 0 and losses["loss"].item() == losses["reconstruction"].item()
    c = system.hidden_image(images(2), [(1, 0, 0, 0)] * 2)
    np.testing.assert_allclose(system.nll(images(2), c, k=3), -system.elbo(images(2), c), rtol=1e-5)


# -- bookkeeping -----------------------------------------------------------------------------------

SYSTEMS = [
    (AE, {"net": "linear"}), (AE, {"net": "conv", "loss": "bce"}), (VAE, {"net": "conv"}),
    (VAE, {"likelihood": "gaussian", "hidden": (12, 7)}), (CVAE, {"given": "label"}),
    (CVAE, {"given": "quadrants"}),
]  # fmt: skip


@pytest.mark.parametrize("system, config", SYSTEMS)
def test_gradients_reach_every_parameter_and_samples_have_their_shape(system, config):
    made = system(shape=(1, 16, 16), latent=3, width=4, **config)
    x = images(12, 16)
    losses = made.step({"x": x, "label": np.arange(12) % 10})
    assert all(math.isfinite(loss.item()) for loss in losses.values())
    for name, module in made.modules.items():
        for key, p in module.named_parameters():
            assert p.grad is not None and (p.grad.numpy() != 0).any(), f"{name}.{key}"
    assert made.sample(5).shape == (5, 1, 16, 16)
    again = build(made.config)
    again.load_state_dict(made.state_dict())
    z = np.ones((3, 3), np.float32)
    np.testing.assert_array_equal(again.sample(z), made.sample(z))


def test_an_aes_noise_is_moved_to_where_its_codes_are():
    system, x = AE(shape=(6,), latent=2, net="linear", lr=1e-4), factors()
    for _ in range(200):
        system.step({"x": x})
    z, codes = np.random.default_rng(0).standard_normal((5000, 2)), system.codes(x)
    moved = system.spread(system.tensor(z.astype(np.float32))).numpy()
    np.testing.assert_allclose(moved.mean(0), codes.mean(0), atol=0.05 * codes.std())
    np.testing.assert_allclose(moved.std(0), codes.std(0), rtol=0.1)


ABOUT = {"data": {"name": "noise"}, "options": {}}


@pytest.mark.parametrize("system, config", [SYSTEMS[1], SYSTEMS[3], SYSTEMS[5]])
def test_a_resumed_run_goes_on_bit_for_bit(system, config, tmp_path):
    labels = np.arange(24) % 10
    dataset = data.ArrayDataset("noise", images(24, 16), labels)

    def trainer(folder, steps):
        tg.manual_seed(4)
        made = system(shape=(1, 16, 16), latent=3, width=4, **config)
        folder = train.RunFolder(tmp_path / folder).prepare()
        loader = data.Loader(dataset, 8)
        return train.Trainer(made, loader, folder, steps, ema=0.9, schedule="linear", about=ABOUT)

    whole = trainer("whole", 12)
    whole.run()
    state = checkpoint.read(checkpoint.files(whole.folder.path)[-1])
    part = trainer("part", 12)
    part.log.open()
    for _ in range(5):
        part.learn()
    part.save()
    part.log.close()
    resumed = trainer("part", 12)
    tg.manual_seed(99)
    resumed.restore(checkpoint.read(checkpoint.files(part.folder.path)[-1]))
    resumed.run()
    again = checkpoint.read(checkpoint.files(resumed.folder.path)[-1])
    for each in (state, again):
        each.pop("elapsed")
        each.pop("log")
    assert checkpoint.checksum(state) == checkpoint.checksum(again)


def test_errors_that_teach():
    with pytest.raises(ValueError, match="net 'mpl': expected 'linear', 'mlp' or 'conv'"):
        VAE(net="mpl")
    with pytest.raises(ValueError, match="likelihood 'normal': expected 'bernoulli' or 'gaussian'"):
        VAE(likelihood="normal")
    with pytest.raises(ValueError, match="loss 'l2': expected 'mse' or 'bce'"):
        AE(loss="l2")
    with pytest.raises(ValueError, match="by label needs data with classes"):
        CVAE(classes=None)
    with pytest.raises(ValueError, match=r"by quadrants needs images, not examples of \(2,\)"):
        CVAE(given="quadrants", shape=(2,))
    with pytest.raises(ValueError, match="given 'half': expected 'label' or 'quadrants'"):
        CVAE(given="half")
    with pytest.raises(ValueError, match=r"shape \(1, 50, 50\); expected square images"):
        VAE(net="conv", shape=(1, 50, 50))


# -- PyTorch ---------------------------------------------------------------------------------------


@pytest.mark.torch
def test_losses_equal_pytorchs_over_twenty_steps(monkeypatch):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    ours = VAE(shape=(1, 28, 28), latent=20, hidden=(400,))
    rng = np.random.default_rng(0)
    batches = [rng.uniform(-1, 1, (32, 1, 28, 28)).astype(np.float32) for _ in range(20)]
    noises = [rng.standard_normal((32, 20)).astype(np.float32) for _ in range(20)]
    nn = torch.nn
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    (own_adam,) = ours.optimizers.values()
    distances = []
    queue = iter(noises)
    monkeypatch.setattr(ours, "noise", lambda n: ours.tensor(next(queue)))
    for x, noise in zip(batches, noises, strict=True):
        for theirs, own in ((encoder, ours.encoder), (decoder, ours.decoder), (adam, own_adam)):
            follow(theirs, own)
        losses = ours.step({"x": x})
        t = (torch.from_numpy(x).flatten(1) + 1) / 2
        mu, log_var = encoder(torch.from_numpy(x)).chunk(2, 1)
        z = mu + torch.exp(0.5 * log_var) * torch.from_numpy(noise)
        bce = F.binary_cross_entropy_with_logits(decoder(z), t, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
        loss = (bce + kl) / len(x)
        adam.zero_grad()
        loss.backward()
        adam.step()
        np.testing.assert_allclose(losses["loss"].item(), loss.item(), rtol=1e-5)
        np.testing.assert_allclose(losses["kl"].item(), kl.item() / len(x), rtol=1e-4)
        distances.append([apart(encoder, ours.encoder), apart(decoder, ours.decoder)])
    assert np.median(distances, 0).max() < 1e-3 * ours.lr


@pytest.mark.torch
def test_on_real_digits_the_test_loss_agrees_with_pytorchs_within_seed_noise():
    """784-400-20 on handwritten digits for some epochs, from each library's own initialisation."""
    torch = pytest.importorskip("torch")
    x = handwritten()
    known, test = x[:1500], x[1500:]

    def ours(seed):
        tg.manual_seed(seed)
        system, loader = VAE(shape=(1, 28, 28), latent=20, hidden=(400,)), batches(known, seed)
        for batch in loader:
            system.step({"x": batch})
        return -system.elbo(test).mean()

    def theirs(seed):
        torch.manual_seed(seed)
        nn, F = torch.nn, torch.nn.functional
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
        decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
        adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

        def loss(batch):
            t = (torch.from_numpy(batch).flatten(1) + 1) / 2
            mu, log_var = encoder(torch.from_numpy(batch)).chunk(2, 1)
            z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
            bce = F.binary_cross_entropy_with_logits(decoder(z), t, reduction="sum")
            return (bce - 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())) / len(batch)

        for batch in batches(known, seed):
            adam.zero_grad()
            loss(batch).backward()
            adam.step()
        with torch.no_grad():
            return loss(test).item()

    a, b = (np.array([f(seed) for seed in range(4)]) for f in (ours, theirs))
    noise = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 4)
    assert abs(a.mean() - b.mean()) < 4 * noise, (a, b)
    assert noise < 0.02 * b.mean()  # so that the line above means something


def handwritten():
    """scikit-learn's 1797 scanned digits of 8 px drawn at 28: (1797, 1, 28, 28) in [−1, 1]."""
    digits = pytest.importorskip("sklearn.datasets").load_digits().images
    x = digits.astype(np.float32).repeat(3, 1).repeat(3, 2) / 8 - 1
    return np.pad(x, ((0, 0), (2, 2), (2, 2)), constant_values=-1)[:, None]


def batches(x, seed, epochs=5, size=50):
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), size):
            yield x[order[start : start + size]]
