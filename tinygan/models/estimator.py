"""scikit-learn's conventions for estimators, without scikit-learn.

A class whose constructor only stores its arguments under their names, and whose fitted attributes
end in an underscore, works in scikit-learn's `clone`, pipelines and searches.
"""

import inspect
from importlib import import_module

__all__ = ["Estimator"]


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

    def __sklearn_tags__(self):
        """What scikit-learn asks an estimator in a pipeline; only scikit-learn calls it."""
        tags = import_module("sklearn.utils")
        return tags.Tags(
            estimator_type="density_estimator",
            target_tags=tags.TargetTags(required=False),
            input_tags=tags.InputTags(),
        )
