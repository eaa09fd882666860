"""scikit-learn's conventions for estimators, without scikit-learn.

A class whose constructor only stores its arguments under their names, and whose fitted attributes
end in an underscore, works in scikit-learn's `clone`, pipelines and searches.
"""

import functools
import inspect
import sys
import time
import warnings
from importlib import import_module

import numpy as np

__all__ = ["ConvergenceWarning", "Estimator", "NotFittedError", "Progress", "as_scikit_learns"]


class NotFittedError(ValueError, AttributeError):
    """A method needs what `fit` finds. scikit-learn's `except NotFittedError` catches it, too."""


class ConvergenceWarning(UserWarning):
    """A fit was stopped before it had settled. A filter for scikit-learn's class of this name
    applies to it, too."""


def as_scikit_learns(kind):
    """An exception's class; where scikit-learn is in use, one that is also scikit-learn's."""
    theirs = getattr(sys.modules.get("sklearn.exceptions"), kind.__name__, None)
    return kind if theirs is None else _both(kind, theirs)


@functools.cache
def _both(ours, theirs):
    whole = {"__doc__": ours.__doc__, "__module__": ours.__module__}
    # Pickled as ours, which the receiver can find by its name.
    return type(ours.__name__, (ours, theirs), whole | {"__reduce__": lambda e: (ours, e.args)})


class Estimator:
    """Parameters by name; equal ones after `type(e)(**e.get_params())`."""

    def get_params(self, deep=True):
        """The constructor's arguments, as they are set now."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **parameters):
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self):
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if getattr(self, name) is not parameter.default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _not_fitted(self):
        return as_scikit_learns(NotFittedError)(
            f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate "
            "arguments before using this estimator."
        )

    def _note_features(self, X, width):
        """What `fit` saw: the number of columns, and a data frame's names of them."""
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_ = width
        if (names := _column_names(X)) is not None:
            self.feature_names_in_ = names

    def _check_names(self, X):
        """Are these the columns that `fit` saw?"""
        who, seen = type(self).__name__, self.__dict__.get("feature_names_in_")
        if (names := _column_names(X)) is None and seen is not None:
            warnings.warn(
                f"X does not have valid feature names, but {who} was fitted with feature names",
                stacklevel=4,
            )
        elif names is not None and seen is None:
            warnings.warn(
                f"X has feature names, but {who} was fitted without feature names", stacklevel=4
            )
        elif names is not None and list(names) != list(seen):
            raise ValueError(_other_names(list(names), list(seen)))

    def _check_width(self, width):
        if width != self.n_features_in_:
            raise ValueError(
                f"X has {width} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )

    def __sklearn_tags__(self):
        """What scikit-learn asks an estimator in a pipeline; only scikit-learn calls it."""
        tags = import_module("sklearn.utils")
        return tags.Tags(
            estimator_type="density_estimator",
            target_tags=tags.TargetTags(required=False),
            input_tags=tags.InputTags(),
        )


def _column_names(X):
    """A data frame's names of its columns, if they are text; None for arrays."""
    columns = getattr(X, "columns", None)
    if columns is None:
        return None
    names = np.asarray(columns, dtype=object)
    text = sum(isinstance(name, str) for name in names)
    if 0 < text < len(names):
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your "
            f"input has {sorted({type(name).__name__ for name in names})} as feature name / column "
            "name types. If you want feature names to be stored and validated, you must convert "
            "them all to strings, by using X.columns = X.columns.astype(str) for example."
        )
    return names if text else None


def _other_names(names, seen):
    message = "The feature names should match those that were passed during fit.\n"
    for title, some in (
        ("Feature names unseen at fit time:", [name for name in names if name not in seen]),
        ("Feature names seen at fit time, yet now missing:", [n for n in seen if n not in names]),
    ):
        if some:
            listed = [f"- {name}\n" for name in sorted(some)[:5]]
            message += f"{title}\n" + "".join(listed) + ("- ...\n" if len(some) > 5 else "")
    if sorted(names) == sorted(seen):
        message += "Feature names must be in the same order as they were in fit.\n"
    return message


class Progress:
    """Says how a fit goes, as scikit-learn does: nothing for verbose=0, the starts and every
    `interval`-th iteration for 1, seconds and gains beside them for 2."""

    def __init__(self, verbose: int, interval: int):
        self.verbose, self.interval = int(verbose), interval

    def begin(self, start: int) -> None:
        self.began = self.last = time.perf_counter()
        self._say(f"Initialization {start}")

    def iteration(self, number: int, gain: float) -> None:
        if number % self.interval == 0:
            now = time.perf_counter()
            more = f"\t time lapse {now - self.last:.5f}s\t ll change {gain:.5f}"
            self._say(f"  Iteration {number}", more)
            self.last = now

    def end(self, bound: float, converged: bool) -> None:
        seconds = time.perf_counter() - self.began
        more = f" time lapse {seconds:.5f}s\t lower bound {bound:.5f}."
        self._say(f"Initialization {'converged' if converged else 'did not converge'}.", more)

    def _say(self, text: str, more: str = "") -> None:
        if self.verbose:
            print(text + (more if self.verbose > 1 else ""))
