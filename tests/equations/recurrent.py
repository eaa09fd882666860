"""Recurrent networks: plain (Elman 1990), GRU (Cho et al. 2014), LSTM (Hochreiter and Schmidhuber
1997, with a forget gate), one step and whole sequences. A state is h, or the pair (h, c).
"""

import numpy as np

from .activations import sigmoid


def gru_step(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    """r = σ(W_ir x + b_ir + W_hr h + b_hr)          what the candidate sees of the past
    z = σ(W_iz x + b_iz + W_hz h + b_hz)          what is kept of it
    n = tanh(W_in x + b_in + r·(W_hn h + b_hn))   the candidate
    h′ = (1 − z)·n + z·h
    """
    w_ir, w_iz, w_in = np.split(weight_ih, 3)
    w_hr, w_hz, w_hn = np.split(weight_hh, 3)
    b_ir, b_iz, b_in = np.split(bias_ih, 3)
    b_hr, b_hz, b_hn = np.split(bias_hh, 3)
    r = sigmoid(x @ w_ir.T + b_ir + h @ w_hr.T + b_hr)
    z = sigmoid(x @ w_iz.T + b_iz + h @ w_hz.T + b_hz)
    n = np.tanh(x @ w_in.T + b_in + r * (h @ w_hn.T + b_hn))
    return (1 - z) * n + z * h


def rnn_step(x, h, weight_ih, weight_hh, bias_ih, bias_hh, activation=np.tanh):
    return activation(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)


def lstm_step(x, state, weight_ih, weight_hh, bias_ih, bias_hh):
    """i, f, o = σ(…) and g = tanh(…) of W x + b + W h + b;  c′ = f·c + i·g;  h′ = o·tanh(c′)"""
    h, c = state
    i, f, g, o = np.split(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return np.stack([sigmoid(o) * np.tanh(c), c])


def sequence(step, x, weights, start, layers, bidirectional):
    """x (L, N, I) → all states h (L, N, D·H) of the last layer, and the last state of every layer
    and direction. `weights(layer, direction)` gives the four arrays; `start` the first states.
    """
    directions, last = (0, 1) if bidirectional else (0,), []
    for layer in range(layers):
        outputs = []
        for direction in directions:
            state, seen = start[len(last)], []
            for part in x[::-1] if direction else x:
                state = step(part, state, *weights(layer, direction))
                seen.append(state[0] if step is lstm_step else state)
            last.append(state)
            outputs.append(np.stack(seen[::-1] if direction else seen))
        x = np.concatenate(outputs, -1)
    return x, np.stack(last)
