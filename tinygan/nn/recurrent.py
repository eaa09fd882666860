"""Gated recurrent units.

    r = σ(W_ir x + b_ir + W_hr h + b_hr)            how much of the past the candidate sees
    z = σ(W_iz x + b_iz + W_hz h + b_hz)            how much of the past is kept
    n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))   the candidate
    h′ = (1 − z) ⊙ n + z ⊙ h

The three blocks of weights lie one above the other, as in PyTorch: weight_ih (3H, I) and weight_hh
(3H, H), in the order r, z, n.
"""

import math

from .. import ops
from . import init
from .linear import empty_parameter
from .module import Module


def _step(from_input, h, weight_hh, bias_hh):
    """One step, given W_i x + b_i (N, 3H) and h (N, H)."""
    size = h.shape[1]
    from_state = ops.linear(h, weight_hh, bias_hh)
    gates = ops.sigmoid(from_input[:, : 2 * size] + from_state[:, : 2 * size])
    r, z = gates[:, :size], gates[:, size:]
    n = ops.tanh(from_input[:, 2 * size :] + r * from_state[:, 2 * size :])
    return n + z * (h - n)


class _Recurrent(Module):
    def _add_weights(self, suffix, input_size, hidden_size, bias, device, dtype):
        """weight_ih, weight_hh, bias_ih, bias_hh, all uniform on ±1/√hidden_size."""
        rows, bound = 3 * hidden_size, 1 / math.sqrt(hidden_size)
        shapes = {
            "weight_ih": (rows, input_size),
            "weight_hh": (rows, hidden_size),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        for name, shape in shapes.items():
            wanted = bias or name.startswith("weight")
            parameter = empty_parameter(*shape, device=device, dtype=dtype) if wanted else None
            setattr(
                self,
                name + suffix,
                parameter if parameter is None else init.uniform_(parameter, -bound, bound),
            )

    def _weights(self, suffix):
        return (
            getattr(self, name + suffix)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )

    def _check(self, x, ranks, wanted):
        if x.ndim not in ranks or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: expected an input {wanted}, got shape {x.shape}"
            )


class GRUCell(_Recurrent):
    """One step: x (N, input_size) or (input_size,), h (N, hidden_size) → the new h.

    >>> GRUCell(10, 20)(ops.randn(3, 10)).shape
    (3, 20)
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self._add_weights("", input_size, hidden_size, bias, device, dtype)

    def forward(self, x, h=None):
        self._check(x, (1, 2), f"(N, {self.input_size}) or ({self.input_size},)")
        if x.ndim == 1:
            return self.forward(x.unsqueeze(0), h if h is None else h.unsqueeze(0)).squeeze(0)
        if h is None:
            h = ops.zeros(x.shape[0], self.hidden_size, dtype=x.dtype, device=x.device)
        if h.shape != (x.shape[0], self.hidden_size):
            raise ValueError(
                f"GRUCell: expected a state ({x.shape[0]}, {self.hidden_size}), got {h.shape}"
            )
        weight_ih, weight_hh, bias_ih, bias_hh = self._weights("")
        return _step(ops.linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh)

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}"


class GRU(_Recurrent):
    """A sequence x (L, N, input_size) → all states (L, N, D·H), the last ones (D·layers, N, H).

    With `batch_first`, x and all states are (N, L, …). D is 2 when `bidirectional`, else 1.
    `dropout` acts between the layers.

    >>> output, last = GRU(10, 20, num_layers=2)(ops.randn(5, 3, 10))
    >>> output.shape, last.shape
    ((5, 3, 20), (2, 3, 20))
    """

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        self.input_size, self.hidden_size, self.num_layers, self.bias = (
            input_size,
            hidden_size,
            num_layers,
            bias,
        )
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self._directions = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            size = input_size if layer == 0 else hidden_size * len(self._directions)
            for direction in self._directions:
                self._add_weights(f"_l{layer}{direction}", size, hidden_size, bias, device, dtype)

    def forward(self, x, h0=None):
        """h0 (D·layers, N, H), zeros if left out.

        A single sequence (L, input_size) works too, with h0 (D·layers, H).
        """
        axes = "(N, L, {})" if self.batch_first else "(L, N, {})"
        self._check(x, (2, 3), f"{axes} or (L, {{}})".format(self.input_size, self.input_size))
        if x.ndim == 2:
            h0 = h0 if h0 is None else h0.unsqueeze(1)
            output, last = self.forward(x.unsqueeze(0 if self.batch_first else 1), h0)
            return output.squeeze(0 if self.batch_first else 1), last.squeeze(1)
        x = x.transpose(0, 1) if self.batch_first else x
        states = (self.num_layers * len(self._directions), x.shape[1], self.hidden_size)
        if h0 is None:
            h0 = ops.zeros(states, dtype=x.dtype, device=x.device)
        if h0.shape != states:
            raise ValueError(f"GRU: expected initial states of shape {states}, got {h0.shape}")
        last = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = ops.dropout(x, self.dropout, self.training)
            outputs = [
                self._run(x, h0[len(last) + i], layer, d) for i, d in enumerate(self._directions)
            ]
            last += [steps[-1 if d == "" else 0] for steps, d in zip(outputs, self._directions)]
            outputs = [ops.stack(steps) for steps in outputs]
            x = outputs[0] if len(outputs) == 1 else ops.cat(outputs, 2)
        return (x.transpose(0, 1) if self.batch_first else x), ops.stack(last)

    def _run(self, x, h, layer, direction):
        """The states of one layer in one direction, in the order of time."""
        weight_ih, weight_hh, bias_ih, bias_hh = self._weights(f"_l{layer}{direction}")
        from_input = ops.linear(x, weight_ih, bias_ih)  # all steps in one product
        steps, times = [], range(x.shape[0])
        for t in times if direction == "" else reversed(times):
            h = _step(from_input[t], h, weight_hh, bias_hh)
            steps.append(h)
        return steps if direction == "" else steps[::-1]

    def extra_repr(self):
        parts = [f"{self.input_size}, {self.hidden_size}"]
        usual = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        parts += [
            f"{name}={getattr(self, name)}"
            for name, value in usual.items()
            if getattr(self, name) != value
        ]
        return ", ".join(parts)
