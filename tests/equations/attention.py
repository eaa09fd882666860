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
