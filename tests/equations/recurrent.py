"""Gated recurrent units (Cho et al. 2014), one step and whole sequences."""

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


def gru(x, weights, h0, layers, bidirectional):
    """x (L, N, I) → all states (L, N, D·H) of the last layer, the last state of every layer and
    direction; `weights(layer, direction)` gives the four arrays.
    """
    directions, last = (0, 1) if bidirectional else (0,), []
    for layer in range(layers):
        states = []
        for direction in directions:
            h, seen = h0[len(last)], []
            for step in x[::-1] if direction else x:
                h = gru_step(step, h, *weights(layer, direction))
                seen.append(h)
            last.append(h)
            states.append(np.stack(seen[::-1] if direction else seen))
        x = np.concatenate(states, -1)
    return x, np.stack(last)
