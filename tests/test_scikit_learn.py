"""GaussianMixture in scikit-learn's place: its own checks of estimators, and its own tests of its
mixture with our class in them."""

import pickle
import re
import subprocess
import sys
import warnings
from unittest import SkipTest

import numpy as np
import pytest

from tinygan.models import ConvergenceWarning, GaussianMixture, NotFittedError

sklearn = pytest.importorskip("sklearn")
from sklearn import exceptions  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402

SKLEARNS = pytest.importorskip("sklearn.mixture").GaussianMixture
theirs = pytest.importorskip("sklearn.mixture.tests.test_gaussian_mixture")

pytestmark = pytest.mark.filterwarnings("ignore")  # what a fit warns of is not what they test

# Tests that call private functions of scikit-learn only: our class does not occur in them.
THEIR_OWN = {
    "test_suffstat_sk_full",
    "test_suffstat_sk_tied",
    "test_suffstat_sk_diag",
    "test_gaussian_suffstat_sk_spherical",
    "test_compute_log_det_cholesky",
    "test_gaussian_mixture_log_probabilities",
}
DIFFERENT = {
    "test_gaussian_mixture_precisions_init": "sets up and reads through private methods, "
    "_set_parameters and _initialize",
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": "counts the calls of "
    "a private function of scikit-learn",
    "test_gaussian_mixture_setting_best_params": "one component gets a single point: its variance "
    "is 9e-25466 in exact arithmetic, and 4e-16 in scikit-learn, which is rounding; refused here",
}
# Arrays of other libraries through scikit-learn's own dispatch: left out; ours takes Tensors.
OTHER_LIBRARIES = {
    "test_gaussian_mixture_array_api_compliance",
    "test_gaussian_mixture_raises_where_array_api_not_implemented",
}
LONG = {"test_warm_start", "test_monotonic_likelihood", "test_gaussian_mixture_fit"}

for name, test in vars(theirs).items():
    if name.startswith("test_") and name not in THEIR_OWN | OTHER_LIBRARIES:
        if name in DIFFERENT:
            test = pytest.mark.xfail(reason=DIFFERENT[name], strict=True)(test)
        globals()[name] = pytest.mark.slow(test) if name in LONG else test
    del test  # or it would be taken for one of ours


@pytest.fixture(autouse=True)
def ours_in_their_place(monkeypatch):
    monkeypatch.setattr(theirs, "GaussianMixture", GaussianMixture)


@pytest.fixture
def global_dtype():
    """Their tests ask for attributes of the data's type; ours are float64 whatever it is."""
    return np.float64


@pytest.fixture
def global_random_seed():
    return 42


def test_the_lists_name_their_tests():
    assert THEIR_OWN | OTHER_LIBRARIES | LONG | set(DIFFERENT) <= set(vars(theirs))


def test_check_estimator_passes():
    results = estimator_checks.check_estimator(GaussianMixture(), on_fail=None, on_skip=None)
    passed = [result["check_name"] for result in results if result["status"] == "passed"]
    assert len(passed) > 40
    others = {r["check_name"]: r["exception"] for r in results if r["status"] != "passed"}
    # skipped where no dispatch is set up, and where there is no pandas
    skipped = {"check_array_api_input", "check_sample_weights_pandas_series"}
    assert set(others) <= skipped, others
    assert all(isinstance(reason, SkipTest) for reason in others.values()), others


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_dataframe_column_names_consistency,
        estimator_checks.check_n_features_in_after_fitting,
    ],
    ids=lambda check: check.__name__,
)
def test_checks_of_their_own_estimators(check):
    if "dataframe" in check.__name__:
        pytest.importorskip("pandas")
    check("GaussianMixture", GaussianMixture())


def test_errors_and_warnings_are_caught_as_scikit_learns():
    x = np.random.default_rng(0).standard_normal((50, 2))
    for kind in (exceptions.NotFittedError, NotFittedError, ValueError, AttributeError):
        with pytest.raises(kind, match="This GaussianMixture instance is not fitted yet"):
            GaussianMixture().predict(x)
    for kind in (exceptions.ConvergenceWarning, ConvergenceWarning):
        with pytest.warns(kind, match="did not converge"):
            GaussianMixture(3, max_iter=1, random_state=0).fit(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        GaussianMixture(3, max_iter=1, random_state=0).fit(x)
    with pytest.raises(NotFittedError) as caught:
        GaussianMixture().score(x)
    copy = pickle.loads(pickle.dumps(caught.value))  # from a worker of a parallel search
    assert type(copy) is NotFittedError and str(copy) == str(caught.value)


def test_scikit_learn_is_not_imported_for_them():
    program = """
import sys
import numpy as np
from tinygan.models import ConvergenceWarning, GaussianMixture, NotFittedError
try:
    GaussianMixture().predict(np.zeros((3, 2)))
except NotFittedError as error:
    assert type(error) is NotFittedError
assert "sklearn" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_verbose_prints_what_scikit_learn_prints(capsys):
    x = np.random.default_rng(0).standard_normal((200, 2)) + [[0], [9]] * 100
    start = {"means_init": [[0, 0], [9, 9]], "weights_init": [0.5, 0.5]}
    start |= {"precisions_init": [1, 1], "covariance_type": "spherical", "verbose_interval": 1}
    printed = {}
    for verbose in (0, 1, 2):
        for mixture in (GaussianMixture, SKLEARNS):
            mixture(2, verbose=verbose, tol=1e-9, **start).fit(x)
            seconds = re.sub(r"time lapse \d+\.\d{5}s", "time lapse", capsys.readouterr().out)
            printed[mixture, verbose] = seconds
        assert printed[GaussianMixture, verbose] == printed[SKLEARNS, verbose]
    assert not printed[GaussianMixture, 0] and "Iteration 2" in printed[GaussianMixture, 1]


def test_lower_bounds_are_those_of_every_iteration():
    x = np.random.default_rng(0).standard_normal((300, 2))
    start = {"means_init": x[:3], "weights_init": [0.2, 0.3, 0.5], "precisions_init": [1, 2, 3]}
    start |= {"covariance_type": "spherical", "tol": 1e-4}
    mixture, other = (kind(3, **start).fit(x) for kind in (GaussianMixture, SKLEARNS))
    np.testing.assert_allclose(mixture.lower_bounds_, other.lower_bounds_, rtol=1e-10)
