"""Mixtures of Gaussians, fitted by EM.

The model first draws a component z, then a point from its Gaussian:

    p(x) = Σ_k P(z = k) p(x | z = k) = Σ_k π_k N(x | μ_k, Σ_k),      π_k ≥ 0,  Σ_k π_k = 1.

Were z known, fitting would be counting and averaging. It is not, and log Σ_k does not come apart.
But log is concave, so for any shares r_k ≥ 0 with Σ_k r_k = 1 Jensen's inequality gives a bound
that does come apart (a VAE's ELBO, with r in the place of the encoder):

    log p(x) = log Σ_k r_k · π_k N(x | μ_k, Σ_k) / r_k
             ≥ Σ_k r_k log(π_k N(x | μ_k, Σ_k)) − Σ_k r_k log r_k  =  L(r, θ)
    log p(x) − L(r, θ) = KL(r ‖ p(z | x, θ)) ≥ 0.

EM climbs L in turns. The **E step** keeps θ = (π, μ, Σ) and makes the gap zero, with
r_k = p(z = k | x, θ): now L *is* the log-likelihood. The **M step** keeps r and maximises L over θ,
and there each component is alone with its own weighted points:

    N_k = Σ_i r_ik,   π_k = N_k / N,   μ_k = Σ_i r_ik x_i / N_k,
    Σ_k = Σ_i r_ik x_i x_iᵀ / N_k − μ_k μ_kᵀ.

So after an M step the log-likelihood is at least L, which has not fallen: it never falls (see
`history_`). This is exact but for `reg_covar`, which is added to the variances and keeps a
component from shrinking onto one point, where the likelihood has no maximum. Nor need the peak that
EM climbs be the highest one: hence restarts. The E step is in `GaussianMixture._pass`, the M step
in `gaussians.m_step`.

The data are read in chunks, and an iteration keeps only the sums of r, r·x and r·xxᵀ: data may be a
memory map larger than memory. Whatever the type of the data, a chunk is converted to float64 as it
is read, and all arithmetic and sums are float64. Taking Σ r·xxᵀ − N·μμᵀ loses digits where a
component is narrow and far from the others; the loss is bounded at every step, and where it might
show (`_DIGITS`), sums are taken about each component's own mean instead.
"""

import warnings

import numpy as np

from ..backend import portable, stream
from ..backend.cpu import mixture as quick
from .estimator import ConvergenceWarning, Estimator, Progress, as_scikit_learns
from .gaussians import Gaussians, inner_shape, inverse, m_step, outer_shape
from .given import LLOYD_STEPS, check_parameters, given_start
from .points import Points, nearest_centres

__all__ = ["GaussianMixture"]

_DIGITS = 1e-8  # the largest error of a log-density that the quick way may make


class GaussianMixture(Estimator):
    """A mixture of Gaussians with scikit-learn's interface.

    `covariance_type`: "full" (each component its own matrix), "tied" (one matrix for all), "diag",
    or "spherical" (one variance each). `init_params`: "k-means++" (spread seeds and a few steps of
    k-means), "kmeans" (until it settles), "random_from_data", or "random" (random shares);
    `weights_init`, `means_init` and `precisions_init` take the place of what it finds. Of `n_init`
    starts the best is kept. It stops when the mean log-likelihood gains less than `tol`. A further
    fit goes on from the last with `warm_start`. With `random_state=None` the draws follow
    `tinygan.manual_seed`. `verbose` 1 or 2 prints how it goes.

    After `fit`: `weights_` (k,), `means_` (k, d), `covariances_`, `precisions_`,
    `precisions_cholesky_` ((k, d, d), (d, d), (k, d) or (k,) by type), `converged_`, `n_iter_`,
    `lower_bound_`, and the mean log-likelihood at each E step, `history_` or, as scikit-learn
    calls it, `lower_bounds_`; all in NumPy's float64. `n_features_in_`, and for a data frame
    `feature_names_in_`, tell the columns. Predictions lie where the data lie, on the CPU or the
    GPU.

    >>> x = np.concatenate([np.random.default_rng(0).normal(m, 1, (500, 2)) for m in (-5, 5)])
    >>> mixture = GaussianMixture(2, random_state=0).fit(x)
    >>> np.sort(mixture.means_[:, 0]).round()
    array([-5.,  5.])
    """

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        tol=1e-3,
        reg_covar=1e-6,
        max_iter=100,
        n_init=1,
        init_params="k-means++",
        weights_init=None,
        means_init=None,
        precisions_init=None,
        random_state=None,
        warm_start=False,
        verbose=0,
        verbose_interval=10,
    ):
        self.n_components, self.covariance_type = n_components, covariance_type
        self.tol, self.reg_covar, self.max_iter, self.n_init = tol, reg_covar, max_iter, n_init
        self.init_params, self.weights_init = init_params, weights_init
        self.means_init, self.precisions_init = means_init, precisions_init
        self.random_state, self.warm_start = random_state, warm_start
        self.verbose, self.verbose_interval = verbose, verbose_interval

    # -- fitting -----------------------------------------------------------------------------------

    def fit(self, X, y=None, sample_weight=None):
        """Fit to X (n, d). A row with weight w counts as w rows; `y` is ignored."""
        check_parameters(self)
        warm = self.warm_start and hasattr(self, "means_")
        if warm:
            self._check_names(X)
        data = Points(X, sample_weight, at_least=2)
        if data.n < self.n_components:
            raise ValueError(
                "GaussianMixture: Expected n_samples >= n_components but got n_components = "
                f"{self.n_components}, n_samples = {data.n}"
            )
        if warm:
            self._check_width(data.d)
        random, best = _generator(self.random_state), None
        progress = Progress(self.verbose, self.verbose_interval)
        for number in range(1 if warm else self.n_init):
            progress.begin(number)
            start = self._mixture() if warm else self._start(data, random)
            run = self._climb(data, start, self.lower_bound_ if warm else -np.inf, progress)
            if best is None or run[1] > best[1]:
                best = run
        mixture, self.lower_bound_, self.history_, self.converged_ = best
        self.lower_bounds_, self.n_iter_ = self.history_, len(self.history_)
        self._note_features(X, data.d)
        self._keep(mixture)
        if self.max_iter and not self.converged_:
            gains = np.diff(self.history_[-2:])
            warnings.warn(
                "GaussianMixture: Best performing initialization did not converge. Try different "
                "init parameters, or increase max_iter, tol, or check for degenerate data. After "
                f"{self.max_iter} iterations the last one gained "
                f"{gains[0] if len(gains) else np.inf:.1e} per point, tol is {self.tol:.1e}. A "
                "fit goes on with warm_start=True.",
                as_scikit_learns(ConvergenceWarning),
                stacklevel=2,
            )
        return self

    def _climb(self, data, mixture, bound, progress):
        """EM from a start: (mixture, bound, history, whether it settled)."""
        history, settled = [], False
        while len(history) < self.max_iter and not settled:
            before = bound
            mixture, bound = self._em_step(data, mixture)
            history.append(bound)
            progress.iteration(len(history), bound - before)
            settled = abs(bound - before) < self.tol
        if self.max_iter:
            progress.end(bound, settled)
        return mixture, bound, history, settled

    def _em_step(self, data, now):
        """One E and one M step: the next mixture, and the mean log-likelihood of `now`."""
        if data.on_cpu and now.error(data.reach) < _DIGITS:
            after, bound = self._pass(data, now, None)
            if after.error(data.reach) < _DIGITS:
                return after, bound
        after, bound = self._pass(data, now, now.means)
        if not after.error(after.means - now.means) < _DIGITS:
            after, bound = self._pass(data, now, after.means)
        after.check(data)
        return after, bound

    def _pass(self, data, now, origins):
        """E and M step together, chunk by chunk; moments about `origins`, or quickly about the
        data's centre."""
        densities = now.densities(data, origins)

        def steps(start, stop):
            chunk = densities.prepare(data.x[start:stop])
            shares = densities.scores(chunk)  # log π_k N(x | μ_k, Σ_k)
            log_p = data.kernels.log_sum_exp(shares)  # E step: log p(x); shares are now r_k(x)
            if data.weight is not None:
                shares *= data.weight[start:stop]
                log_p *= data.weight[start:stop]
            return log_p.sum(), *densities.moments(chunk, shares)

        total, *sums = data.kernels.add_up(steps, data.n, densities.rows)
        bound = float(total) / data.total
        if not np.isfinite(bound):
            raise ValueError(
                "GaussianMixture.fit: the log-likelihood overflows: scale the columns of X to a "
                f"common size (the largest values are {data.size.max():.1e})"
            )
        origins = data.centre if origins is None else origins
        moments = densities.unpack(sums)
        return m_step(self.covariance_type, *moments, origins, self.reg_covar), bound

    # -- starting ----------------------------------------------------------------------------------

    def _start(self, data, random):
        given = given_start(self, data.d)
        if all(value is not None for value in given):
            return Gaussians(self.covariance_type, *given)
        x, weight = data.sample_of_rows(random)
        k = self.n_components
        if self.init_params == "random":
            shares = random.random((len(x), k))
            shares /= shares.sum(axis=1, keepdims=True)
        else:
            steps, spread = LLOYD_STEPS[self.init_params], self.init_params != "random_from_data"
            shares = np.eye(k)[nearest_centres(x, weight, k, steps, spread, random)]
        shares *= weight[:, None]
        count = shares.sum(axis=0) + 10 * np.finfo(float).eps
        means = shares.T @ x / count[:, None]
        kind = np.zeros((1, 1, 1) if self.covariance_type in ("full", "tied") else (k, 1))
        densities = portable.CentredGaussians(x, np.zeros(k), means, kind, means)
        sums = quick.add_up(
            lambda a, b: densities.moments(densities.prepare(x[a:b]), shares[a:b].T),
            len(x), densities.rows,
        )  # fmt: skip
        found = m_step(self.covariance_type, *sums, means, self.reg_covar)
        parts = zip(given, (found.weights, found.means, found.covariances))
        start = Gaussians(self.covariance_type, *(b if a is None else a for a, b in parts))
        start.check(data)
        return start

    # -- using -------------------------------------------------------------------------------------

    def predict(self, X):
        """The most probable component of each row, (n,)."""
        return self._by_row(X, lambda shares, log_p: shares.argmax(axis=0), (), np.int64)

    def predict_proba(self, X):
        """The probability of each component given each row, (n, k)."""
        return self._by_row(X, lambda shares, log_p: shares.T, (self.n_components,))

    def score_samples(self, X):
        """log p(x) of each row, (n,)."""
        return self._by_row(X, lambda shares, log_p: log_p)

    def score(self, X, y=None):
        """The mean of log p(x)."""
        return float(self.score_samples(X).mean())

    def fit_predict(self, X, y=None, sample_weight=None):
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def _by_row(self, X, function, shape=(), dtype=np.float64):
        """What `function` makes of the E step's shares and log p(x), for each row."""
        mixture = self._mixture()
        self._check_names(X)
        data = Points(X)
        self._check_width(data.d)
        out = data.xp.empty((data.n, *shape), dtype)
        exact = not data.on_cpu or not mixture.error(data.reach) < _DIGITS
        densities = mixture.densities(data, mixture.means if exact else None)

        def step(start, stop):
            scores = densities.scores(densities.prepare(data.x[start:stop]))
            log_p = data.kernels.log_sum_exp(scores)
            out[start:stop] = function(scores, log_p)
            return ()

        data.kernels.add_up(step, data.n, densities.rows)
        return out

    def sample(self, n_samples=1):
        """Draw points x (n, d) and their components (n,), component after component."""
        mixture, random = self._mixture(), _generator(self.random_state)
        if n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples}. The sampling requires at least one "
                "sample."
            )
        labels = np.repeat(
            np.arange(self.n_components), random.multinomial(n_samples, mixture.weights)
        )
        x = random.standard_normal((n_samples, self.n_features_in_))
        for k in range(self.n_components):
            mine = labels == k
            c = mixture.covariances[k % len(mixture.covariances)]
            x[mine] = x[mine] @ np.linalg.cholesky(c).T if c.ndim == 2 else x[mine] * np.sqrt(c)
        return x + mixture.means[labels], labels

    def bic(self, X):
        """Bayes' information criterion, −2·log-likelihood + parameters·log n: lower is better."""
        n = len(X)
        return -2 * self.score(X) * n + self._n_parameters() * np.log(n)

    def aic(self, X):
        """Akaike's information criterion, −2·log-likelihood + 2·parameters: lower is better."""
        return -2 * self.score(X) * len(X) + 2 * self._n_parameters()

    def _n_parameters(self):
        k, d = self.means_.shape
        square = d * (d + 1) // 2
        free = {"full": k * square, "tied": square, "diag": k * d, "spherical": k}
        return free[self.covariance_type] + k * d + k - 1

    def _mixture(self):
        """The fitted parameters, as the computations take them."""
        if not hasattr(self, "means_"):
            raise self._not_fitted()
        covariances = inner_shape(self.covariance_type, self.covariances_)
        return Gaussians(self.covariance_type, self.weights_, self.means_, covariances)

    def _keep(self, mixture):
        kind = self.covariance_type
        self.weights_, self.means_ = mixture.weights, mixture.means
        self.covariances_ = outer_shape(kind, mixture.covariances)
        self.precisions_cholesky_ = outer_shape(kind, mixture.whiten)
        self.precisions_ = outer_shape(kind, inverse(mixture.covariances))


def _generator(random_state):
    """A NumPy generator from a seed, a generator, or (None) tinygan's stream for mixtures."""
    if random_state is None:
        return np.random.default_rng(int(stream("mixture").integers(0, 1 << 62, ())))
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(1 << 31))
    return np.random.default_rng(random_state)
