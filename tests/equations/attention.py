"""Attention, one query at a time (Vaswani et al. 2017)."""

import numpy as np


def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, scale=None, enable_gqa=False
):
    """softmax(q·kᵀ/√d)·v: each query's mean of the values. Booleans in the mask say which keys a
    query may look at, numbers are added to the scores; a query that may look at none gives 0.
    """
    if enable_gqa:  # several heads of queries share one of keys and values
        copies = query.shape[-3] // key.shape[-3]
        key, value = (np.repeat(a, copies, axis=-3) for a in (key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    lead, (length, sources) = query.shape[:-2], (query.shape[-2], key.shape[-2])
    mask = np.tri(length, sources, dtype=bool) if is_causal else mask
    mask = np.ones((length, sources), bool) if mask is None else mask
    mask = np.broadcast_to(mask, (*lead, length, sources))
    out = np.zeros((*lead, length, value.shape[-1]))
    for place in np.ndindex(*lead, length):
        head, row = place[:-1], mask[place]
        seen = row if row.dtype == bool else np.ones(sources, bool)
        scores = key[head] @ query[place] * scale + (0 if row.dtype == bool else row)
        weights = np.where(seen, np.exp(scores), 0)
        if seen.any():
            out[place] = weights / weights.sum() @ value[head]
    return out


def multihead_attention(query, key, value, weight, bias, out_weight, out_bias, hidden, added):
    """y = [head₁ … head_H] W_Oᵀ + b_O with headₕ = softmax(Q Kᵀ/√d) V, and the softmax's weights
    (N, H, L, S). Q, K and V are the columns of x W + b that belong to h. `hidden` (N, H, L, S) says
    what a query must not see; `added` (L, S) is added to the scores.
    """
    n, heads, length, _ = hidden.shape
    thirds = zip((query, key, value), np.split(weight, 3), np.split(bias, 3))
    q, k, v = (x @ w.T + b for x, w, b in thirds)
    width = query.shape[-1] // heads
    y, weights = np.zeros((n, length, query.shape[-1])), np.zeros(hidden.shape)
    for i, h in np.ndindex(n, heads):
        own = slice(h * width, (h + 1) * width)
        scores = q[i][:, own] @ k[i][:, own].T / width**0.5 + added
        exponentials = np.where(hidden[i, h], 0, np.exp(scores))
        weights[i, h] = exponentials / exponentials.sum(1, keepdims=True)
        y[i][:, own] = weights[i, h] @ v[i][:, own]
    return y @ out_weight.T + out_bias, weights
