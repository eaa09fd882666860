"""`torch.autograd.function`."""

from tinygan.compat.function import Context, Function, once_differentiable

FunctionCtx = Context

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
