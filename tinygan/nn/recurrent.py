"""Recurrent layers: a state h that is carried from step to step.

Plain (RNN):

    h′ = tanh(W_i x + b_i + W_h h + b_h)

Gated recurrent unit (GRU), which keeps a share z of the past:

    r = σ(W_ir x + b_ir + W_hr h + b_hr)            how much of the past the candidate sees
    z = σ(W_iz x + b_iz + W_hz h + b_hz)            how much of the past is kept
    n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))   the candidate
    h′ = (1 − z) ⊙ n + z ⊙ h

Long short-term memory (LSTM), which keeps its past in a cell c of its own:

    i, f, o = σ(…), σ(…), σ(…),  g = tanh(…)        each of W_i x + b_i + W_h h + b_h
    c′ = f ⊙ c + i ⊙ g
    h′ = o ⊙ tanh(c′)

The blocks of weights lie one above the other, as in PyTorch: weight_ih (k·H, I) and weight_hh
(k·H, H), in the order r, z, n and i, f, g, o.
"""

import math

from .. import ops
from . import init
from .linear import empty_parameter
from .module import Module

# -- one step, given W_i x + b_i (N, k·H) and the state ------------------------------------------


def _rnn_step(activation, from_input, state, weight_hh, bias_hh):
    (h,) = state
    return (activation(from_input + ops.linear(h, weight_hh, bias_hh)),)


def _gru_step(_, from_input, state, weight_hh, bias_hh):
    (h,) = state
    size = h.shape[1]
    from_state = ops.linear(h, weight_hh, bias_hh)
    gates = ops.sigmoid(from_input[:, : 2 * size] + from_state[:, : 2 * size])
    r, z = gates[:, :size], gates[:, size:]
    n = ops.tanh(from_input[:, 2 * size :] + r * from_state[:, 2 * size :])
    return (n + z * (h - n),)


def _lstm_step(_, from_input, state, weight_hh, bias_hh):
    h, c = state
    i, f, g, o = ops.chunk(from_input + ops.linear(h, weight_hh, bias_hh), 4, 1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    return ops.sigmoid(o) * ops.tanh(c), c


class _Recurrent(Module):
    """Weights, and what a state is: one tensor h, or two, h and c."""

    _step = staticmethod(_rnn_step)
    _blocks = _states = 1
    nonlinearity = "tanh"

    def _add_weights(self, suffix, input_size, hidden_size, bias, device, dtype):
        """weight_ih, weight_hh, bias_ih, bias_hh, all uniform on ±1/√hidden_size."""
        rows, bound = self._blocks * hidden_size, 1 / math.sqrt(max(hidden_size, 1))
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

    def _activation(self):
        return ops.relu if self.nonlinearity == "relu" else ops.tanh

    def _set_nonlinearity(self, nonlinearity):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"{type(self).__name__}: expected nonlinearity 'tanh' or 'relu', got "
                f"{nonlinearity!r}"
            )
        self.nonlinearity = nonlinearity

    def _check(self, x, ranks, wanted):
        if x.ndim not in ranks or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: expected an input {wanted}, got shape {x.shape}"
            )

    def _started(self, x, hx, shape, what):
        """The parts of the state at the start: those given, or zeros."""
        if hx is None:
            return (ops.zeros(shape, dtype=x.dtype, device=x.device),) * self._states
        parts = (hx,) if self._states == 1 else tuple(hx)
        for part in parts:
            if part.shape != shape:
                raise ValueError(
                    f"{type(self).__name__}: expected {what} {shape}, got {part.shape}"
                )
        return parts

    def _whole(self, parts):
        return parts[0] if self._states == 1 else parts


def _each(hx, change):
    """A state with each of its parts changed; None stays."""
    if hx is None or not isinstance(hx, tuple | list):
        return hx if hx is None else change(hx)
    return tuple(map(change, hx))


# -- cells: one step -----------------------------------------------------------------------------


class _Cell(_Recurrent):
    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self._add_weights("", input_size, hidden_size, bias, device, dtype)

    def forward(self, x, hx=None):
        self._check(x, (1, 2), f"(N, {self.input_size}) or ({self.input_size},)")
        if x.ndim == 1:
            new = self.forward(x.unsqueeze(0), _each(hx, lambda part: part.unsqueeze(0)))
            return _each(new, lambda part: part.squeeze(0))
        state = self._started(x, hx, (x.shape[0], self.hidden_size), "a state")
        weight_ih, weight_hh, bias_ih, bias_hh = self._weights("")
        from_input = ops.linear(x, weight_ih, bias_ih)
        return self._whole(self._step(self._activation(), from_input, state, weight_hh, bias_hh))

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}"


class RNNCell(_Cell):
    """One step: x (N, input_size) or (input_size,), h (N, hidden_size) → the new h."""

    def __init__(
        self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None
    ):
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)


class GRUCell(_Cell):
    """One step: x (N, input_size) or (input_size,), h (N, hidden_size) → the new h.

    >>> GRUCell(10, 20)(ops.randn(3, 10)).shape
    (3, 20)
    """

    _step, _blocks = staticmethod(_gru_step), 3


class LSTMCell(_Cell):
    """One step: x (N, input_size) or (input_size,), (h, c) → the new (h, c).

    >>> h, c = LSTMCell(10, 20)(ops.randn(3, 10))
    >>> h.shape, c.shape
    ((3, 20), (3, 20))
    """

    _step, _blocks, _states = staticmethod(_lstm_step), 4, 2


# -- layers: sequences ---------------------------------------------------------------------------


class _Sequence(_Recurrent):
    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, device=None, dtype=None,
    ):  # fmt: skip
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        self._directions = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            size = input_size if layer == 0 else hidden_size * len(self._directions)
            for direction in self._directions:
                self._add_weights(f"_l{layer}{direction}", size, hidden_size, bias, device, dtype)

    def forward(self, x, hx=None):
        """hx (D·layers, N, H), a pair of them for an LSTM; zeros if left out.

        A single sequence (L, input_size) works too, with hx (D·layers, H).
        """
        axes = "(N, L, {})" if self.batch_first else "(L, N, {})"
        self._check(x, (2, 3), f"{axes} or (L, {{}})".format(self.input_size, self.input_size))
        if x.ndim == 2:
            n = 0 if self.batch_first else 1
            hx = _each(hx, lambda part: part.unsqueeze(1))
            output, last = self.forward(x.unsqueeze(n), hx)
            return output.squeeze(n), _each(last, lambda part: part.squeeze(1))
        x = x.transpose(0, 1) if self.batch_first else x
        shape = (self.num_layers * len(self._directions), x.shape[1], self.hidden_size)
        start, last = self._started(x, hx, shape, "initial states of shape"), []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = ops.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in self._directions:
                state = tuple(part[len(last)] for part in start)
                output, state = self._run(x, state, layer, direction)
                outputs.append(ops.stack(output))
                last.append(state)
            x = outputs[0] if len(outputs) == 1 else ops.cat(outputs, 2)
        last = self._whole(tuple(ops.stack(parts) for parts in zip(*last)))
        return (x.transpose(0, 1) if self.batch_first else x), last

    def _run(self, x, state, layer, direction):
        """h after each step of one layer in one direction, in the order of time, and the last
        state.
        """
        weight_ih, weight_hh, bias_ih, bias_hh = self._weights(f"_l{layer}{direction}")
        from_input = ops.linear(x, weight_ih, bias_ih)  # all steps in one product
        activation, steps, times = self._activation(), [], range(x.shape[0])
        for t in times if direction == "" else reversed(times):
            state = self._step(activation, from_input[t], state, weight_hh, bias_hh)
            steps.append(state[0])
        return (steps if direction == "" else steps[::-1]), state

    def extra_repr(self):
        parts = [f"{self.input_size}, {self.hidden_size}"]
        usual = {
            "num_layers": 1,
            "nonlinearity": "tanh",
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


class RNN(_Sequence):
    """A sequence x (L, N, input_size) → all states (L, N, D·H), the last ones (D·layers, N, H).

    Arguments as for GRU; `nonlinearity` may be "relu".
    """

    def __init__(
        self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True,
        batch_first=False, dropout=0.0, bidirectional=False, device=None, dtype=None,
    ):  # fmt: skip
        self._set_nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device, dtype,
        )  # fmt: skip


class GRU(_Sequence):
    """A sequence x (L, N, input_size) → all states (L, N, D·H), the last ones (D·layers, N, H).

    With `batch_first`, x and all states are (N, L, …). D is 2 when `bidirectional`, else 1.
    `dropout` acts between the layers.

    >>> output, last = GRU(10, 20, num_layers=2)(ops.randn(5, 3, 10))
    >>> output.shape, last.shape
    ((5, 3, 20), (2, 3, 20))
    """

    _step, _blocks = staticmethod(_gru_step), 3


class LSTM(_Sequence):
    """A sequence x (L, N, input_size) → all h (L, N, D·H), the last (h, c), each (D·layers, N, H).

    Arguments as for GRU.

    >>> output, (h, c) = LSTM(10, 20, num_layers=2)(ops.randn(5, 3, 10))
    >>> output.shape, h.shape, c.shape
    ((5, 3, 20), (2, 3, 20), (2, 3, 20))
    """

    _step, _blocks, _states = staticmethod(_lstm_step), 4, 2

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, proj_size=0, device=None, dtype=None,
    ):  # fmt: skip
        if proj_size:
            raise ValueError(
                f"LSTM: proj_size={proj_size} is not served; put a Linear behind the layer"
            )
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device, dtype,
        )  # fmt: skip
