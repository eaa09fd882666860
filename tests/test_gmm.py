"""Mixtures of Gaussians: against the equations and scikit-learn; promises; errors."""

import importlib.util
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygan as tg
from tests import strict_device
from tinygan.backend.cpu import set_num_threads
from tinygan.backend.cpu.threads import get_num_threads
from tinygan.models import ConvergenceWarning, GaussianMixture, points

KINDS = ("full", "tied", "diag", "spherical")
GRID = np.stack(np.meshgrid(*[np.arange(-4.0, 5, 2)] * 2), -1).reshape(-1, 2)


def problem(seed, kind="full", n=400, offset=3.0):
    """Points and a start: (x, keyword arguments), the same for every implementation."""
    rng = np.random.default_rng(seed)
    d, k = int(rng.integers(1, 7)), int(rng.integers(2, 6))
    centres = 4 * rng.standard_normal((k, d))
    shape = rng.standard_normal((d, d))
    x = rng.standard_normal((n, d)) @ shape + centres[rng.integers(0, k, n)] + offset
    precisions = {
        "full": np.stack([np.eye(d) * s for s in rng.uniform(0.1, 1, k)]),
        "tied": np.eye(d) * 0.3,
        "diag": rng.uniform(0.1, 1, (k, d)),
        "spherical": rng.uniform(0.1, 1, k),
    }[kind]
    start = {
        "covariance_type": kind,
        "weights_init": rng.dirichlet(np.full(k, 5.0)),
        "means_init": x[rng.choice(n, k, replace=False)],
        "precisions_init": precisions,
    }
    return x, k, start


def fit(x, k, **options):
    """Fit without the warning that a run of few iterations gives."""
    weight = options.pop("sample_weight", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(k, **options).fit(x, sample_weight=weight)


# -- the same numbers as others --------------------------------------------------------------------


def reference_em(x, kind, weights, means, covariances, iterations, reg=1e-6):
    """EM as the equations stand, one point and component after the other; Σ as (k, d, d)."""
    n, d = x.shape
    for _ in range(iterations):
        delta = x[:, None] - means
        distance = np.einsum("nki,kij,nkj->nk", delta, np.linalg.inv(covariances), delta)
        log_det = np.linalg.slogdet(covariances)[1]
        joint = np.log(weights) - 0.5 * (distance + log_det + d * np.log(2 * np.pi))
        log_p = np.logaddexp.reduce(joint, axis=1)
        r = np.exp(joint - log_p[:, None])
        count = r.sum(0)
        weights, means = count / n, (r.T @ x) / count[:, None]
        delta = x[:, None] - means
        covariances = np.einsum("nk,nki,nkj->kij", r, delta, delta) / count[:, None, None]
        if kind == "tied":
            covariances = np.broadcast_to(np.tensordot(weights, covariances, 1), covariances.shape)
        if kind in ("diag", "spherical"):
            variances = np.diagonal(covariances, 0, 1, 2)
            if kind == "spherical":
                variances = variances.mean(1, keepdims=True) * np.ones(d)
            covariances = variances[:, :, None] * np.eye(d)
        covariances = covariances + reg * np.eye(d)
    return weights, means, covariances, log_p.mean()


def as_matrices(kind, value, k, d):
    if kind in ("full", "tied"):
        return np.broadcast_to(value, (k, d, d))
    return np.broadcast_to(value.reshape(k, -1), (k, d))[:, :, None] * np.eye(d)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_equals_the_equations(kind, seed):
    x, k, start = problem(seed, kind)
    d = x.shape[1]
    mixture = fit(x, k, max_iter=7, tol=0, **start)
    covariances = np.linalg.inv(as_matrices(kind, start["precisions_init"], k, d))
    weights, means, covariances, bound = reference_em(
        x, kind, start["weights_init"], start["means_init"], covariances, 7
    )
    np.testing.assert_allclose(mixture.weights_, weights, rtol=1e-7)
    np.testing.assert_allclose(mixture.means_, means, rtol=1e-7, atol=1e-8)
    ours = as_matrices(kind, mixture.covariances_, k, d)
    np.testing.assert_allclose(ours, covariances, rtol=1e-7, atol=1e-8)
    assert mixture.lower_bound_ == pytest.approx(bound, abs=1e-9)
    assert mixture.history_[-1] == mixture.lower_bound_ and len(mixture.history_) == 7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_equals_scikit_learn(kind, seed):
    peer = pytest.importorskip("sklearn.mixture")
    x, k, start = problem(seed + 100, kind, n=600)
    options = {"max_iter": 60, "tol": 1e-5, **start}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peer.GaussianMixture(k, **options).fit(x)
    ours = fit(x, k, **options)
    for name in ("weights", "means", "covariances", "precisions", "precisions_cholesky"):
        a, b = getattr(ours, f"{name}_"), getattr(theirs, f"{name}_")
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 * np.abs(b).max(), err_msg=name)
    assert ours.lower_bound_ == pytest.approx(theirs.lower_bound_, abs=1e-6)
    assert (ours.n_iter_, ours.converged_) == (theirs.n_iter_, theirs.converged_)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-6)
    np.testing.assert_allclose(ours.score_samples(x), theirs.score_samples(x), atol=1e-6)
    np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))
    assert ours.score(x) == pytest.approx(theirs.score(x), abs=1e-6)
    assert ours.bic(x) == pytest.approx(theirs.bic(x), rel=1e-6)
    assert ours.aic(x) == pytest.approx(theirs.aic(x), rel=1e-6)


@pytest.mark.parametrize("d, k", [(40, 3), (26, 5), (30, 24)])
def test_many_dimensions_equal_the_equations(d, k):
    """The ways for few and for many components of many dimensions."""
    rng = np.random.default_rng(d)
    x = rng.standard_normal((2000, d)) + 2 * rng.standard_normal((k, d))[rng.integers(0, k, 2000)]
    start = {"weights_init": np.full(k, 1 / k), "means_init": x[:k]}
    start["precisions_init"] = np.stack([np.eye(d)] * k)
    mixture = fit(x, k, max_iter=3, tol=0, reg_covar=1e-3, **start)
    args = (start["weights_init"], x[:k], start["precisions_init"])
    _, means, covariances, bound = reference_em(x, "full", *args, 3, reg=1e-3)
    np.testing.assert_allclose(mixture.means_, means, atol=1e-8)
    np.testing.assert_allclose(mixture.covariances_, covariances, atol=1e-8)
    assert mixture.lower_bound_ == pytest.approx(bound, abs=1e-9)


# -- promises --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    start=st.sampled_from(["k-means++", "kmeans", "random", "random_from_data"]),
    k=st.integers(1, 6),
    d=st.integers(1, 5),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_the_likelihood_never_falls(seed, kind, start, k, d, scale):
    """With reg_covar = 0 it is exact; spaced data keep components from collapsing."""
    rng = np.random.default_rng(seed)
    x = scale * (rng.standard_normal((300, d)) * rng.uniform(0.5, 2, d) + rng.integers(0, 4, d))
    mixture = GaussianMixture(
        k, covariance_type=kind, init_params=start, reg_covar=0, tol=0, max_iter=25, random_state=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            mixture.fit(x)
        except ValueError as error:  # a component fell onto one point: no maximum to climb to
            assert "collapsed" in str(error)
            return
    assert len(mixture.history_) >= 1
    assert (np.diff(mixture.history_) >= -1e-9 * max(1, abs(mixture.lower_bound_))).all()


@pytest.mark.parametrize("seed", range(3))
def test_recovers_the_grid_of_25(seed):
    rng = np.random.default_rng(seed)
    x = GRID[rng.integers(0, 25, 5000)] + 0.05 * rng.standard_normal((5000, 2))
    mixture = GaussianMixture(25, random_state=seed).fit(x)
    nearest = np.linalg.norm(GRID[:, None] - mixture.means_, axis=2).min(axis=1)
    assert nearest.max() < 0.02
    assert mixture.weights_.min() > 0.02
    assert np.abs(np.sqrt(np.linalg.det(mixture.covariances_)) / 0.05**2 - 1).max() < 0.3
    assert mixture.converged_


def test_a_frozen_mixture_does_not_recover_the_grid():
    """The twin: without the steps of EM the same gate fails."""
    rng = np.random.default_rng(0)
    x = GRID[rng.integers(0, 25, 5000)] + 0.05 * rng.standard_normal((5000, 2))
    start = GaussianMixture(25, random_state=0, max_iter=0, init_params="random").fit(x)
    assert np.linalg.norm(GRID[:, None] - start.means_, axis=2).min(axis=1).max() > 0.5
    assert start.history_ == [] and not start.converged_


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_parameters(kind):
    rng = np.random.default_rng(3)
    x = (
        rng.standard_normal((3000, 3)) @ rng.standard_normal((3, 3))
        + 9 * np.eye(3)[rng.choice(3, 3000, p=[0.5, 0.3, 0.2])]
    )
    mixture = GaussianMixture(3, covariance_type=kind, random_state=0).fit(x)
    drawn, labels = mixture.sample(200_000)
    assert drawn.shape == (200_000, 3) and (np.diff(labels) >= 0).all()
    np.testing.assert_allclose(np.bincount(labels) / len(labels), mixture.weights_, atol=0.01)
    for k, covariance in enumerate(as_matrices(kind, mixture.covariances_, 3, 3)):
        mine = drawn[labels == k]
        scale = np.sqrt(np.trace(covariance))
        np.testing.assert_allclose(mine.mean(0), mixture.means_[k], atol=0.03 * scale)
        np.testing.assert_allclose(np.cov(mine.T), covariance, atol=0.03 * scale**2)
    np.testing.assert_array_equal(drawn, mixture.sample(200_000)[0])


def test_same_seed_same_fit_whatever_the_threads():
    x, k, _ = problem(5, n=20_000)
    before = get_num_threads()
    try:
        fits = []
        for threads in (1, 2, 3):
            set_num_threads(threads)
            fits.append(fit(x, k, random_state=4, max_iter=5, n_init=2))
    finally:
        set_num_threads(before)
    for other in fits[1:]:
        assert fits[0].history_ == other.history_
        np.testing.assert_array_equal(fits[0].covariances_, other.covariances_)
    different = fit(x, k, random_state=5, max_iter=5)
    assert fits[0].history_ != different.history_


def test_manual_seed_decides_where_random_state_does_not():
    x, k, _ = problem(6)
    tg.manual_seed(3)
    first = fit(x, k, init_params="random", max_iter=3).history_
    assert fit(x, k, init_params="random", max_iter=3).history_ != first
    tg.manual_seed(3)
    assert fit(x, k, init_params="random", max_iter=3).history_ == first


def test_more_restarts_are_never_worse():
    x, k, _ = problem(8)
    bounds = [
        fit(x, k, init_params="random_from_data", n_init=n, random_state=0) for n in (1, 3, 6)
    ]
    assert bounds[0].lower_bound_ <= bounds[1].lower_bound_ <= bounds[2].lower_bound_


def test_warm_start_goes_on():
    x, k, start = problem(9)
    whole = fit(x, k, max_iter=8, tol=0, **start)
    parts = GaussianMixture(k, max_iter=4, tol=0, warm_start=True, **start)
    with pytest.warns(ConvergenceWarning):
        history = parts.fit(x).history_ + parts.fit(x).history_
    np.testing.assert_allclose(history, whole.history_, rtol=1e-12)
    np.testing.assert_allclose(parts.means_, whole.means_, rtol=1e-9)


# -- weights, types, places ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_counts_as_repetition(kind):
    x, k, start = problem(11, kind)
    times = np.random.default_rng(0).integers(0, 4, len(x))
    weighted = fit(x, k, max_iter=6, tol=0, sample_weight=times, **start)
    repeated = fit(np.repeat(x, times, axis=0), k, max_iter=6, tol=0, **start)
    np.testing.assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(weighted.weights_, repeated.weights_, rtol=1e-9)
    assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, abs=1e-10)


def test_weights_also_count_in_the_start():
    """Points of weight 0 far away neither seed a component nor move one."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((300, 2)), rng.standard_normal((40_000, 2)) + 1000])
    weight = np.repeat([1.0, 0.0], [300, 40_000])
    mixture = fit(x, 2, sample_weight=weight, random_state=0, max_iter=3)
    assert np.abs(mixture.means_).max() < 5


def test_float32_is_computed_in_float64():
    """Far from the origin float32 sums of squares would have no digits left."""
    x = np.random.default_rng(0).standard_normal((5000, 2)).astype(np.float32) + np.float32(5000)
    single, double = fit(x, 2, random_state=0), fit(x.astype(np.float64), 2, random_state=0)
    np.testing.assert_array_equal(single.covariances_, double.covariances_)
    assert single.score_samples(x).dtype == np.float64
    integers = np.random.default_rng(0).integers(0, 9, (50, 2))
    np.testing.assert_array_equal(
        fit(integers, 1).covariances_, fit(integers.astype(float), 1).covariances_
    )


@pytest.mark.parametrize("width", [1e-4, 3e-2])
def test_narrow_components_far_apart_keep_their_digits(width):
    """10⁵ apart: moments about a common centre would have no digits, or only two."""
    rng = np.random.default_rng(1)
    side = np.repeat([-1, 1], 4000)
    x = side[:, None] * 5e4 + width * rng.standard_normal((8000, 2))
    mixture = fit(x, 2, reg_covar=0, random_state=0)
    for k in range(2):
        mine = x[side == np.sign(mixture.means_[k, 0])]
        np.testing.assert_allclose(
            mixture.covariances_[k], np.cov(mine.T, bias=True), rtol=1e-5, atol=1e-5 * width**2
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_memory_map_gives_the_same(tmp_path, dtype):
    x, k, _ = problem(13, n=50_000)
    x = x.astype(dtype)
    mapped = np.memmap(tmp_path / "x.bin", dtype, "w+", shape=x.shape)
    mapped[:] = x
    mapped.flush()
    mapped = np.memmap(tmp_path / "x.bin", dtype, "r", shape=x.shape)
    a, b = (fit(points, k, random_state=2, max_iter=5) for points in (x, mapped))
    assert a.history_ == b.history_
    np.testing.assert_array_equal(a.predict(x), b.predict(mapped))


STREAM = """
import resource, sys, warnings
import numpy as np
from tinygan.models import GaussianMixture
from tinygan.backend.cpu import set_num_threads
warnings.simplefilter("ignore")
set_num_threads(2)
path, n, room = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = np.memmap(path, np.float32, "r", shape=(n, 2))
GaussianMixture(8, max_iter=20, tol=0, random_state=0).fit(x[:300_000])  # threads, buffers, imports
data = int(next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (data + room, -1))  # private memory; the map is not
mixture = GaussianMixture(8, max_iter=int(sys.argv[4]), tol=0, random_state=0).fit(x)
print(np.sort(mixture.means_[:, 0]).round().astype(int).tolist())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory the Linux way")
@pytest.mark.parametrize(
    "n, iterations", [(3_000_000, 2), pytest.param(20_000_000, 5, marks=pytest.mark.slow)]
)
def test_streams_in_constant_memory(tmp_path, n, iterations):
    """With 16 MiB to spare, whatever n: the data alone are 24 or 160 MB, as float64 twice that."""
    path, rng = tmp_path / "points.bin", np.random.default_rng(0)
    points = np.memmap(path, np.float32, "w+", shape=(n, 2))
    for i in range(0, n, 1_000_000):
        part = points[i : i + 1_000_000]
        part[:] = rng.standard_normal(part.shape) * 0.1
        part[:, 0] += rng.integers(0, 8, len(part)) * 10
    del points, part
    command = [sys.executable, "-c", STREAM, str(path), str(n), str(16 << 20), str(iterations)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([10 * i for i in range(8)])


def test_tensors_are_points_too():
    x, k, start = problem(14)
    mixture = fit(tg.tensor(x), k, max_iter=3, **start)
    assert mixture.history_ == fit(x, k, max_iter=3, **start).history_
    assert type(mixture.predict(tg.tensor(x))) is np.ndarray


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_code_on_a_device(kind, monkeypatch):
    cupy = strict_device.install(monkeypatch)
    x, k, start = problem(15, kind)
    times = np.random.default_rng(0).integers(1, 3, len(x))
    there = fit(cupy.array(x), k, max_iter=5, sample_weight=times, **start)
    here = fit(x, k, max_iter=5, sample_weight=times, **start)
    np.testing.assert_allclose(there.covariances_, here.covariances_, rtol=1e-7, atol=1e-9)
    assert type(there.means_) is np.ndarray
    shares = there.predict_proba(cupy.array(x))
    assert type(shares) is strict_device.StrictArray
    np.testing.assert_allclose(shares.get(), here.predict_proba(x), atol=1e-8)
    assert there.score(cupy.array(x)) == pytest.approx(here.score(x))
    assert there.bic(cupy.array(x)) == pytest.approx(here.bic(x))


# -- errors and warnings ---------------------------------------------------------------------------


def test_not_settled_warns_with_advice():
    x, k, start = problem(16)
    with pytest.warns(
        ConvergenceWarning, match=r"did not converge.*increase max_iter.*After 2 iterations"
    ):
        GaussianMixture(k, max_iter=2, tol=0, **start).fit(x)


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_a_singleton_without_regularisation_is_refused(kind):
    x = np.concatenate([np.random.default_rng(0).standard_normal((50, 2)), [[90.3, 70.1]]])
    mixture = GaussianMixture(2, covariance_type=kind, reg_covar=0, random_state=0)
    with pytest.raises(ValueError, match=r"component \d has collapsed .*1 of 51 points.*reg_covar"):
        mixture.fit(x)
    assert np.isfinite(fit(x, 2, covariance_type=kind, random_state=0).score(x))


def test_duplicates_without_regularisation_are_refused():
    x = np.full((40, 3), 0.1)
    with pytest.raises(ValueError, match="remove duplicates"):
        GaussianMixture(1, reg_covar=0).fit(x)
    flat = np.random.default_rng(0).standard_normal((40, 3)) * [1, 1, 0] + 7
    with pytest.raises(ValueError, match="covariance of all components has collapsed"):
        GaussianMixture(2, covariance_type="tied", reg_covar=0, random_state=0).fit(flat)
    mixture = fit(x, 3, random_state=0)  # more components than distinct points
    np.testing.assert_allclose(mixture.means_, 0.1)
    assert mixture.weights_.sum() == pytest.approx(1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_missing_values_are_named(value):
    x = np.zeros((5000, 2))
    x[4321, 1] = value
    with pytest.raises(ValueError, match=f"X holds {value} in row 4321, column 1"):
        GaussianMixture(2).fit(x)


@pytest.mark.parametrize(
    "x, error",
    [
        (np.zeros(5), r"shape \(n, d\), got \(5,\): .*reshape\(-1, 1\)"),
        (np.zeros((4, 3, 2)), r"got \(4, 3, 2\)"),
        (np.zeros((4, 0)), r"0 feature\(s\) \(shape=\(4, 0\)\)"),
        (np.zeros((2, 1)), "n_samples >= n_components but got n_components = 3, n_samples = 2"),
        (np.zeros((0, 2)), "0 sample.* a minimum of 2 is required"),
        (np.array([[1e200, 0], [0, 1], [1, 0]]), "too large to square"),
        (np.array([["a", "b"]] * 5), "must hold real numbers"),
        (np.zeros((5, 2), complex), "Complex data not supported.*must hold real numbers"),
        (np.array([[{}, 1]] * 5, dtype=object), "must hold real numbers: .* not 'dict'"),
    ],
)
def test_what_is_no_set_of_points_is_refused(x, error):
    with pytest.raises((ValueError, TypeError), match=error):
        GaussianMixture(3).fit(x)


@pytest.mark.parametrize(
    "kind, free", [("full", 29), ("tied", 17), ("diag", 20), ("spherical", 14)]
)
def test_information_criteria_count_the_free_parameters(kind, free):
    """k = 3 in d = 3 dimensions: 2 weights, 9 means, and 18, 6, 9 or 3 numbers of covariances."""
    x = np.random.default_rng(0).standard_normal((60, 3))
    mixture = fit(x, 3, covariance_type=kind, random_state=0)
    total = mixture.score_samples(x).sum()
    assert mixture.bic(x) == pytest.approx(-2 * total + free * np.log(60))
    assert mixture.aic(x) == pytest.approx(-2 * total + free * 2)


def test_overflow_is_named():
    x = np.random.default_rng(0).standard_normal((30, 2))
    precisions = np.full((2, 2), 1e308)
    mixture = GaussianMixture(
        2, covariance_type="diag", means_init=x[:2] + 1, weights_init=[0.5, 0.5],
        precisions_init=precisions,
    )  # fmt: skip
    with pytest.raises(ValueError, match="log-likelihood overflows"), np.errstate(all="ignore"):
        mixture.fit(x * 100)


@pytest.mark.parametrize(
    "options, error",
    [
        ({"n_components": 0}, "n_components must be a whole number ≥ 1, got 0"),
        ({"covariance_type": "round"}, "covariance_type must be one of full, tied, .* got 'round'"),
        ({"init_params": "zeros"}, "init_params must be one of k-means"),
        ({"tol": -1}, "tol must be a number ≥ 0"),
        ({"verbose_interval": 0}, "verbose_interval must be a whole number ≥ 1, got 0"),
        ({"means_init": np.zeros((2, 3))}, r"'means' .* shape of \(2, 2\), but got \(2, 3\)"),
        ({"means_init": np.full((2, 2), np.nan)}, "'means' should be finite"),
        ({"weights_init": [0.9, 0.9]}, r"normalized, but got sum\(weights\) = 1.8"),
        ({"weights_init": [1.5, -0.5]}, r"in the range \[0, 1\]"),
        ({"precisions_init": np.stack([-np.eye(2)] * 2)}, "symmetric, positive-definite"),
        ({"precisions_init": [[[1, 0.5], [0, 1]]] * 2}, "symmetric, positive-definite"),
        ({"precisions_init": [-1, 1], "covariance_type": "spherical"}, "should be positive"),
    ],
)
def test_wrong_parameters_are_named(options, error):
    x = np.random.default_rng(0).standard_normal((30, 2))
    with pytest.raises(ValueError, match=error):
        GaussianMixture(**{"n_components": 2, **options}).fit(x)


def test_wrong_weights_and_widths_are_named():
    x = np.random.default_rng(0).standard_normal((30, 2))
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(30,\)"):
        GaussianMixture(2).fit(x, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="finite and ≥ 0"):
        GaussianMixture(2).fit(x, sample_weight=-np.ones(30))
    with pytest.raises(ValueError, match="X has 3 features, but GaussianMixture is expecting 2"):
        fit(x, 2).predict(np.zeros((4, 3)))


# -- scikit-learn's conventions --------------------------------------------------------------------


def test_parameters_by_name():
    mixture = GaussianMixture(3, tol=1e-5)
    assert mixture.get_params()["n_components"] == 3
    assert repr(mixture) == "GaussianMixture(n_components=3, tol=1e-05)"
    assert mixture.set_params(tol=1e-2, n_components=4) is mixture and mixture.tol == 1e-2
    with pytest.raises(ValueError, match="no parameter 'tolerance'; it has n_components"):
        mixture.set_params(tolerance=1)


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs scikit-learn")
def test_works_in_scikit_learn():
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 2)) * [1, 50] + 100 * rng.integers(0, 3, (400, 1))
    model = make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0))
    labels = model.fit_predict(x)
    np.testing.assert_array_equal(clone(model).fit(x).predict(x), labels)
    assert np.isfinite(model.score(x))
    search = GridSearchCV(GaussianMixture(random_state=0, tol=1e-2), {"n_components": [1, 3]}, cv=3)
    assert search.fit(x).best_params_ == {"n_components": 3}
    starts = GaussianMixture(2, means_init=np.zeros((2, 2)))
    np.testing.assert_array_equal(clone(starts).means_init, starts.means_init)


def test_seeds_are_drawn_by_squared_distances():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(points._distances(x, x), [[0, 25], [25, 0]])
