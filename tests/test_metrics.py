"""Scores against closed forms, their floors and ceilings in order, judges, and clear refusals."""

import itertools

import numpy as np
import pytest

import tinygan as tg
from tinygan import data, io, metrics, nn
from tinygan.metrics.network import Network


@pytest.fixture(autouse=True, scope="module")
def cache_folder(tmp_path_factory):
    """One fresh cache for the whole file, so that nothing depends on what is on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def judge():
    return metrics.Judge.load("digits")


@pytest.fixture(scope="module")
def digits():
    return data.open("digits", n=2400)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# -- points --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_perfect_samples_of_a_mixture(name):
    points = data.open(name, "test", n=10_000)
    scores = metrics.mixture_scores(points.take(10_000)["x"], points.modes, points.sigma)
    assert scores["modes"] == len(points.modes) and scores["kl"] < 0.003
    assert abs(scores["share"] - (1 - np.exp(-4.5))) < 0.004  # 98.9%


def test_collapse_keeps_the_share_and_loses_modes_and_kl(rng):
    ring = data.open("ring", n=10)
    for kept in (1, 2, 4):
        x = ring.modes[np.arange(1000) % kept] + 0.01 * rng.normal(size=(1000, 2))
        scores = metrics.mixture_scores(x, ring.modes, ring.sigma)
        assert scores["modes"] == kept and scores["share"] > 0.97
        assert scores["kl"] == pytest.approx(np.log(8 / kept), abs=0.01)


def test_bad_samples_of_a_mixture(rng):
    ring = data.open("ring", n=10)
    far = metrics.mixture_scores(np.full((50, 2), 9.0), ring.modes, ring.sigma)
    assert far == {"modes": 0, "share": 0.0, "kl": pytest.approx(np.log(8))}
    uniform = rng.uniform(-1, 1, (20_000, 2))
    share = metrics.mixture_scores(uniform, ring.modes, ring.sigma)["share"]
    assert share < 8 * np.pi * 0.03**2 / 4 * 1.2
    one_of_many = np.concatenate([np.repeat(ring.modes[:1], 999, 0), ring.modes[1:2]])
    assert metrics.mixture_scores(one_of_many, ring.modes, ring.sigma)["modes"] == 1  # chance hit
    with pytest.raises(ValueError, match="3 of 4 samples hold NaN or infinity, the first at index"):
        metrics.mixture_scores([[0, 0], [np.nan, 0], [0, np.inf], [0, np.nan]], ring.modes, 0.01)
    with pytest.raises(ValueError, match="3 and 2 numbers a sample; compare samples of one kind"):
        metrics.mixture_scores(np.zeros((4, 3)), ring.modes, 0.01)
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        metrics.mixture_scores(np.zeros((4, 2)), ring.modes, 0)


def test_sliced_wasserstein_in_closed_form(rng):
    x = rng.normal(size=(800, 2))
    assert metrics.sliced_wasserstein(x, x[::-1]) == 0
    # A shift by v moves each projection by |θ·v|, whose mean over the circle is 2‖v‖/π.
    shifted = metrics.sliced_wasserstein(x, x + [3, 4], directions=4000)
    assert shifted == pytest.approx(2 * 5 / np.pi, rel=0.03)
    one = rng.normal(size=(60, 1))
    scipy = pytest.importorskip("scipy.stats")
    for count in (60, 45, 7):
        other = rng.exponential(size=(count, 1))
        expected = scipy.wasserstein_distance(one[:, 0], other[:, 0])
        assert metrics.sliced_wasserstein(one, other) == pytest.approx(expected, rel=1e-9)


# -- Fréchet and kernel distances ----------------------------------------------------------------


def gaussian(rng, n, mean, root):
    """n samples whose mean and covariance are exactly these, root·rootᵀ."""
    x = rng.normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return x @ root.T + mean


def test_frechet_distance_in_closed_form(rng):
    # For covariances with the same eigenvectors: ‖Δμ‖² + Σ (√λ − √λ′)².
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    a, b = rng.uniform(0.1, 3, 6), rng.uniform(0.1, 3, 6)
    mean = rng.normal(size=6)
    x, y = gaussian(rng, 200, 0 * mean, turn * a), gaussian(rng, 300, mean, turn * b)
    expected = (mean**2).sum() + ((a - b) ** 2).sum()
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_in_general(rng):
    linalg = pytest.importorskip("scipy.linalg")
    x = rng.normal(size=(500, 5)) @ rng.normal(size=(5, 5))
    y = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)) + 1
    ca, cb = np.cov(x.T), np.cov(y.T)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(
        ca + cb - 2 * linalg.sqrtm(ca @ cb).real
    )
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-8)
    assert metrics.frechet_distance(y, x) == pytest.approx(expected, rel=1e-8)
    singular = np.concatenate([x, x[:, :1]], 1)  # a repeated feature
    assert metrics.frechet_distance(singular, singular) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_refuses_too_few_samples(rng):
    x = rng.normal(size=(63, 64))
    with pytest.raises(
        ValueError, match="63 samples of 64 features give a singular covariance; us"
    ):
        metrics.frechet_distance(x, rng.normal(size=(100, 64)))
    assert metrics.frechet_distance(rng.normal(size=(64, 64)), rng.normal(size=(64, 64))) > 0


def test_kid_is_unbiased_and_sees_a_shift(rng):
    same = [metrics.kid(rng.normal(size=(60, 4)), rng.normal(size=(40, 4))) for _ in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / 200**0.5 and min(same) < 0
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(20, 3)) + 1

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    expected = (
        np.mean([k(a, b) for a, b in itertools.permutations(x, 2)])
        + np.mean([k(a, b) for a, b in itertools.permutations(y, 2)])
        - 2 * np.mean([k(a, b) for a in x for b in y])
    )
    assert metrics.kid(x, y) == pytest.approx(expected) and expected > 1


# -- fidelity, coverage, diversity ---------------------------------------------------------------


def test_precision_recall_density_coverage(rng):
    real = rng.normal(size=(600, 4))
    score = metrics.precision_recall_density_coverage
    good = score(real, rng.normal(size=(500, 4)))
    assert all(good[key] > 0.85 for key in good) and good["density"] == pytest.approx(1, abs=0.15)
    collapsed = score(real, real[:1] + 1e-3 * rng.normal(size=(500, 4)))
    assert (
        collapsed["precision"] > 0.99 and collapsed["recall"] < 0.01 > collapsed["coverage"] - 0.02
    )
    far = score(real, rng.normal(size=(500, 4)) + 50)
    assert set(far.values()) == {0.0}
    wide = score(real, 5 * rng.normal(size=(500, 4)))
    assert wide["precision"] < 0.3 and wide["recall"] > 0.6
    with pytest.raises(ValueError, match="at least 6 samples, got shape"):
        score(real[:5], real)


def test_the_balls_reach_to_the_kth_neighbour():
    real = np.array([[0.0], [1.0], [3.0]])
    out = metrics.precision_recall_density_coverage(real, np.array([[0.9], [10.0], [10.1]]), k=1)
    # Real radii: 1, 1, 2. The sample 0.9 lies in the balls around 0 and 1, the others in none.
    assert out["precision"] == pytest.approx(1 / 3) and out["coverage"] == pytest.approx(2 / 3)
    assert out["density"] == pytest.approx(2 / 3) and out["recall"] == 1


def test_diversity_duplicates_and_neighbours(rng):
    x = rng.normal(size=(30, 1, 4, 4))
    labels = np.arange(30) % 3
    pairs = [np.linalg.norm(a - b) for c in range(3)
             for a, b in itertools.combinations(x[labels == c], 2)]  # fmt: skip
    assert metrics.within_class_diversity(x, labels) == pytest.approx(np.mean(pairs))
    with pytest.raises(ValueError, match="no class has two samples"):
        metrics.within_class_diversity(x, np.arange(30))
    assert metrics.duplicates(x) == 0
    assert metrics.duplicates(np.concatenate([x, x[:3] + 0.001])) == pytest.approx(6 / 33)
    assert metrics.duplicates(np.repeat(x[:1], 5, axis=0)) == 1
    index, distance = metrics.nearest_neighbours(x[[4, 7]] + 0.01, x)
    assert index.tolist() == [4, 7] and distance == pytest.approx([0.04, 0.04])
    with pytest.raises(ValueError, match=r"expected labels in 0…2, at least one"):
        metrics.label_histogram(labels + 1, 3)


def test_copies_are_the_training_pictures(digits):
    training = digits.batch(np.arange(1500))["x"]
    held_out = data.open("digits", "test", n=800).take(800)["x"]
    noise = 0.05 * np.random.default_rng(0).standard_normal((200, 1, 32, 32), dtype=np.float32)
    score = lambda x: metrics.copies(x, training, held_out[:400])
    assert score(training[:200]) == 1 and score(training[:200] + noise) == 1
    assert score(held_out[400:]) < 0.01
    assert score(np.concatenate([training[:100], held_out[400:]])) == pytest.approx(0.2, abs=0.01)
    with pytest.raises(ValueError, match="the two sets have 16 and 1024 numbers a sample"):
        score(np.zeros((3, 1, 4, 4)))


def test_laplacian_energy_in_closed_form(rng):
    x = np.broadcast_to(np.cos(np.pi * np.arange(16)), (2, 1, 16, 16))  # stripes: Δ = −4x
    assert metrics.laplacian_energy(x) == pytest.approx(16)
    noise = rng.normal(size=(50, 1, 32, 32))  # 4² + 4·1² = 20
    assert metrics.laplacian_energy(noise) == pytest.approx(20, rel=0.05)
    assert metrics.laplacian_energy(np.ones((1, 1, 8, 8))) == 0


# -- judges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [28, 32])
def test_the_judge_knows_digits(judge, size):
    test = data.open("digits", "test", size=size, n=3000)
    batch = test.take(3000)
    assert (judge.labels(batch["x"]) == batch["label"]).mean() >= 0.99
    assert judge.accuracy >= 0.99


def test_what_a_judge_gives(judge, digits):
    x = digits.take(300)["x"]
    features, p = judge.features(x), judge.probabilities(x)
    assert features.shape == (300, 64) and features.dtype == np.float32
    assert p.shape == (300, 10) and np.allclose(p.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(p.argmax(1), judge.labels(x))
    np.testing.assert_allclose(judge.features(x[7:9]), features[7:9], atol=1e-4)  # batch or not
    with pytest.raises(ValueError, match=r"expected pictures \(N, 1, H, W\), got \(4, 3, 32, 32\)"):
        judge.labels(np.zeros((4, 3, 32, 32)))


def test_the_shipped_file_is_small():
    from tinygan.metrics.judge import _SHIPPED

    sizes = [path.stat().st_size for path in _SHIPPED.glob("*.safetensors")]
    assert sizes and max(sizes) < 1e6


def test_unknown_and_foreign_judges_are_explained(tmp_path):
    with pytest.raises(
        ValueError, match=r"no judge for 'faces', only for: digits.*train_judge --da"
    ):
        metrics.Judge.load("faces")
    io.save(nn.Linear(2, 2).state_dict(), tmp_path / "x.safetensors")
    with pytest.raises(io.FileError, match=r"x\.safetensors: holds no judge"):
        metrics.Judge.load(tmp_path / "x.safetensors")
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors"):
        metrics.Judge.load(tmp_path / "gone.safetensors")


def test_a_judge_comes_back_from_its_file(tmp_path, judge, digits):
    judge.save(tmp_path / "j.safetensors")
    again = metrics.Judge.load(tmp_path / "j.safetensors")
    x = digits.take(20)["x"]
    np.testing.assert_array_equal(again.features(x), judge.features(x))
    assert (again.name, again.classes, again.accuracy) == ("digits", 10, judge.accuracy)


def test_training_a_judge_learns_repeats_and_leaves_the_run_alone():
    sprites, test = data.open("shapes", n=1000), data.open("shapes", "test", n=300)
    judges = []
    for seed in (11, 12):
        tg.manual_seed(seed)
        before = tg.random_state()
        judges.append(metrics.Judge.train(sprites, test, steps=60))
        assert tg.random_state() == before
    assert judges[0].accuracy > 0.6
    for a, b in zip(judges[0].network.parameters(), judges[1].network.parameters()):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_judge_for_any_data(digits, tmp_path, monkeypatch):
    assert metrics.Judge.of(digits).accuracy > 0.99
    points = data.ArrayDataset("plain", np.zeros((9, 3, 16, 16), np.uint8))
    untrained = metrics.Judge.of(points)
    assert untrained.features(points.take(9)["x"]).shape == (9, 64)
    with pytest.raises(
        ValueError, match="the judge of 'plain' was never trained, since the data ha"
    ):
        untrained.labels(points.take(9)["x"])
    with pytest.raises(ValueError, match="plain has no classes"):
        metrics.Judge.train(points, points)
    calls = []
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path))
    make = lambda *a, **k: calls.append(1) or metrics.Judge(Network(3, 4), "shapes", 3, 4, 0.5)
    monkeypatch.setattr(metrics.Judge, "train", staticmethod(make))
    sprites = data.open("shapes", n=100)
    first, again = metrics.Judge.of(sprites), metrics.Judge.of(sprites)
    assert calls == [1] and again.accuracy == 0.5  # trained once, then from the cache
    x = sprites.take(5)["x"]
    np.testing.assert_array_equal(first.features(x), again.features(x))


def test_the_command_trains_and_saves(tmp_path, monkeypatch, capsys):
    from tinygan.metrics import train_judge

    out = tmp_path / "j.safetensors"
    monkeypatch.setattr("sys.argv", ["train_judge", "--steps", "2", "--out", str(out)])
    train_judge.main()
    assert "accuracy" in capsys.readouterr().out and metrics.Judge.load(out).classes == 10


# -- all together --------------------------------------------------------------------------------


def test_scores_lie_between_floor_and_ceiling(judge, digits, rng):
    real = data.open("digits", "test", n=1000).take(1000)["x"]
    blurred = data.resize.resize(data.resize.resize(real, 12), 32)
    collapsed = np.clip(real[:1] + 0.01 * rng.normal(size=real.shape), -1, 1)
    noise = np.clip(rng.normal(size=real.shape), -1, 1)
    sets = {"real": real, "blurred": blurred, "collapsed": collapsed, "noise": noise}
    scores = {name: metrics.score_images(x, digits, judge) for name, x in sets.items()}
    order = [scores[name]["frechet"] for name in ("real", "blurred", "noise", "collapsed")]
    assert order == sorted(order)
    good = scores["real"]
    assert good["n"] == 1000 and good["frechet"] < 2 * good["frechet_floor"] + 0.1
    assert good["frechet_share"] < 0.01 and good["smallest_class"] > 0.06
    assert good["kid_floor"] < 0.05 < good["kid_ceiling"] and abs(good["kid"]) < 0.05
    assert good["diversity"] == pytest.approx(1, abs=0.1)
    assert good["confident"] > 0.99 and scores["noise"]["confident"] < 0.3
    assert good["sharpness"] == pytest.approx(1, abs=0.1) and scores["blurred"]["sharpness"] < 0.6
    bad = scores["collapsed"]
    assert bad["frechet_share"] > 0.7 and bad["duplicates"] == 1 and bad["smallest_class"] == 0
    assert (
        bad["coverage"] < 0.05 and bad["recall"] < 0.05 and sum(bad["classes"]) == pytest.approx(1)
    )
    assert scores["noise"]["precision"] < 0.05


def test_a_yardstick_serves_many_sets_of_its_size(judge, digits, rng):
    yardstick = metrics.Yardstick(digits, judge, 100)
    for x in (digits.take(400)["x"][300:], rng.normal(size=(100, 1, 32, 32))):
        assert yardstick.score(x) == metrics.score_images(x, digits, judge)
    with pytest.raises(ValueError, match="expected 100 samples, got 90"):
        yardstick.score(yardstick.other[:90])


def test_scores_without_classes_leave_labels_out(digits):
    plain = data.ArrayDataset("plain", digits.take(200)["x"])
    out = metrics.score_images(digits.take(90)["x"], plain, metrics.Judge.of(plain))
    assert "classes" not in out and out["frechet_floor"] < out["frechet_ceiling"]
    with pytest.raises(ValueError, match="50 samples of 64 features give a singular covariance"):
        metrics.score_images(digits.take(50)["x"], plain, metrics.Judge.of(plain))


def test_transfer_accuracy_tells_good_samples_from_bad(digits, rng):
    train, test = digits.take(1000), data.open("digits", "test", n=500).take(500)
    tg.manual_seed(7)
    before = tg.random_state()
    score = lambda x, y: metrics.transfer_accuracy(x, y, test["x"], test["label"], steps=150)
    real = score(train["x"], train["label"])
    assert real > 0.85 and score(train["x"], train["label"]) == real
    assert tg.random_state() == before
    few = train["label"] < 5
    assert score(train["x"][few], train["label"][few]) < 0.6 * real
    assert score(train["x"], rng.permutation(train["label"])) < 0.4
    with pytest.raises(ValueError, match="1000 and 500 samples, but 999 and 500 labels"):
        score(train["x"], train["label"][1:])
    moons = data.open("moons", n=600).take(600)
    points = metrics.transfer_accuracy(moons["x"][:400], moons["label"][:400],
                                       moons["x"][400:], moons["label"][400:])  # fmt: skip
    assert points > 0.95
