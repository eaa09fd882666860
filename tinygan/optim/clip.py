"""Limiting gradients before a step."""

from ..autograd import Tensor, no_grad
from ..backend.device import array_module, kernels


def _gradients(parameters):
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in parameters if p.grad is not None]


def clip_grad_norm_(
    parameters, max_norm: float, norm_type: float | str = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale all gradients together to a common norm of at most `max_norm`; gives the norm they had.

    >>> from tinygan import tensor
    >>> p = tensor([0.0, 0.0], requires_grad=True)
    >>> p.grad = tensor([3.0, 4.0])
    >>> clip_grad_norm_([p], max_norm=1.0).item()
    5.0
    >>> p.grad.norm().item() <= 1.0
    True
    """
    gradients, norm_type = _gradients(parameters), float(norm_type)  # "inf" is a number too
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: expected norm_type > 0, got {norm_type}")
    if not gradients:
        return Tensor(0.0)
    arrays = [g.array for g in gradients]
    xp, of_device = array_module(arrays[0]), kernels(arrays[0])
    total, factor = of_device.norm_and_factor(arrays, norm_type, max_norm)
    if error_if_nonfinite and not bool(xp.isfinite(total)):
        raise RuntimeError(
            f"clip_grad_norm_: the norm (of order {norm_type}) of the gradients is {float(total)}; "
            "the step would destroy the parameters"
        )
    of_device.scale_all(arrays, factor)
    for g in gradients:
        g.mark_written("clip_grad_norm_")
    return Tensor(xp.asarray(total))


@no_grad
def clip_grad_value_(parameters, clip_value: float) -> None:
    """Limit every element of the gradients to [−clip_value, clip_value]."""
    if clip_value < 0:
        raise ValueError(f"clip_grad_value_: expected clip_value >= 0, got {clip_value}")
    for g in _gradients(parameters):
        g.clamp_(-clip_value, clip_value)
