"""Keywords of PyTorch's optimisers that say how a step is computed, and change nothing here."""

import functools

from .. import optim

_HOW = ("foreach", "fused", "capturable")


def _accepting(kind):
    plain = kind.__init__

    @functools.wraps(plain)
    def __init__(self, params, *settings, **keywords):
        for name in _HOW:
            keywords.pop(name, None)
        if keywords.pop("differentiable", False):
            raise NotImplementedError(
                f"{kind.__name__}: differentiable=True is not part of tinygan; write the step "
                "yourself: theta = theta - lr * tg.grad(loss, theta, create_graph=True)[0]"
            )
        plain(self, params, *settings, **keywords)

    return __init__


def _accepting_foreach(clip):
    @functools.wraps(clip)
    def clipped(*arguments, foreach=None, **keywords):
        return clip(*arguments, **keywords)

    return clipped


def install() -> None:
    for name in optim.__all__:
        kind = getattr(optim, name)
        if (
            isinstance(kind, type)
            and issubclass(kind, optim.Optimizer)
            and kind is not optim.Optimizer
        ):
            kind.__init__ = _accepting(kind)
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        setattr(optim, name, _accepting_foreach(getattr(optim, name)))
