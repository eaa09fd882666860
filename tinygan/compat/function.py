"""`torch.autograd.Function`: an operation of one's own in PyTorch's form.

    class Reverse(Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.scale = scale
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return -ctx.scale * g, None

    y = Reverse.apply(x, 0.5)

It becomes an operation like any other: what backward computes with tensors can be differentiated
again. `tinygan.Op` says the same in a line or two.
"""

import functools
import itertools

import numpy as np

from ..autograd import Op, Tensor, is_grad_enabled, no_grad
from ..ops import cat


class Context:
    """What forward leaves for backward: saved tensors, and attributes of its own."""

    def __init__(self, needs_input_grad):
        self.needs_input_grad, self._saved, self._fixed = needs_input_grad, (), ()

    def save_for_backward(self, *tensors):
        self._saved = [(x, x if x is None else x.version.written) for x in tensors]

    def mark_non_differentiable(self, *tensors):
        self._fixed = tensors

    def mark_dirty(self, *tensors):
        raise NotImplementedError(
            "Function: forward may not change its inputs in place; return a new tensor instead"
        )

    def set_materialize_grads(self, value):
        """Outputs that nobody used have zeros for gradients, in any case."""

    @property
    def saved_tensors(self):
        for x, written in self._saved:
            if x is not None and x.version.written != written:
                raise RuntimeError(
                    f"backward: a tensor of shape {x.shape} that was saved by save_for_backward "
                    f"was changed in place by {x.version.writer!r} afterwards"
                )
        return tuple(self._led_back(x) for x, _ in self._saved)

    def _led_back(self, x):
        """A saved output with its history: that of the operation which made it."""
        place = next((i for i, out in enumerate(self._outputs) if out is x), None)
        return x if place is None else _pieces(self._joined, self._outputs)[place]


class Function:
    """An operation with `forward(ctx, *inputs)` and `backward(ctx, *gradients)`, both static.

    Backward returns a gradient, or None, for each input of forward. With `setup_context(ctx,
    inputs, output)`, forward takes the inputs only.
    """

    def __init__(self, *arguments):
        raise TypeError(
            f"{type(self).__name__} is not made, but applied: {type(self).__name__}.apply(x)"
        )

    @staticmethod
    def forward(*arguments):
        raise NotImplementedError("Function: define a static `forward(ctx, *inputs)`")

    @staticmethod
    def backward(ctx, *gradients):
        raise NotImplementedError("Function: define a static `backward(ctx, *gradients)`")

    setup_context = None

    @classmethod
    def apply(cls, *inputs):
        wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
        ctx = Context(tuple(i in wanted for i in range(len(inputs))))
        with no_grad():
            if cls.setup_context:
                result = cls.forward(*inputs)
                cls.setup_context(ctx, inputs, result)
            else:
                result = cls.forward(ctx, *inputs)
        if not wanted or not is_grad_enabled():
            return result
        given = result if isinstance(result, tuple) else (result,)
        fixed = {id(x) for x in ctx._fixed}
        ctx._outputs = [
            x for x in given
            if isinstance(x, Tensor) and x.is_floating_point() and id(x) not in fixed
        ]  # fmt: skip
        ctx._shapes = [inputs[i].shape for i in wanted]
        operation = _operation(cls, any(x is out for x, _ in ctx._saved for out in ctx._outputs))
        joined = operation(*[inputs[i] for i in wanted], ctx=ctx)
        if len(ctx._outputs) == 1:
            joined._version = ctx._outputs[0].version  # the same memory
        led_back = dict(zip(map(id, ctx._outputs), _pieces(joined, ctx._outputs)))
        results = tuple(led_back.get(id(x), x) for x in given)
        return results if isinstance(result, tuple) else results[0]


@functools.cache
def _operation(function, saves_output) -> Op:
    """The function as an operation with one result: all its outputs in one row."""

    def forward(xp, *arrays, ctx):
        outputs = ctx._outputs
        if len(outputs) == 1:
            return outputs[0].array
        return cat([x.reshape(-1) for x in outputs]).array

    def gradients(g, needed, ctx):
        found = function.backward(ctx, *_pieces(g, ctx._outputs))
        found = found if isinstance(found, tuple | list) else (found,)
        if len(found) != len(ctx.needs_input_grad):
            raise RuntimeError(
                f"{function.__name__}.backward returned {len(found)} gradients, forward took "
                f"{len(ctx.needs_input_grad)} inputs; return None for what has no gradient"
            )
        found = list(itertools.compress(found, ctx.needs_input_grad))
        for result, shape in zip(found, ctx._shapes):
            if result is not None and result.shape != shape:
                raise RuntimeError(
                    f"{function.__name__}.backward returned a gradient of shape {result.shape} for "
                    f"an input of shape {shape}"
                )
        return found

    def gradients_by_output(g, needed, ctx, out):
        ctx._joined = out
        try:
            return gradients(g, needed, ctx)
        finally:
            del ctx._joined

    together = gradients_by_output if saves_output else gradients
    return Op(function.__name__, forward, together=together)


def _pieces(joined, outputs):
    """The row of all outputs, taken apart again."""
    if len(outputs) == 1:
        return [joined]
    ends = np.cumsum([x.numel() for x in outputs]).tolist()
    return [joined[end - x.numel() : end].reshape(x.shape) for x, end in zip(outputs, ends)]


def once_differentiable(backward):
    """Marks a backward whose results cannot be differentiated again."""

    @functools.wraps(backward)
    def wrapped(ctx, *gradients):
        if is_grad_enabled():
            raise RuntimeError(
                "backward: create_graph=True asks for gradients of gradients, but this Function's "
                "backward is once_differentiable"
            )
        return backward(ctx, *gradients)

    return wrapped
