"""Attention: every query takes a mean of the values, weighted by how well their keys match it,

softmax(q kᵀ/√d + mask) v.
"""

import math

from .create import arange
from .dropout import dropout
from .elementwise import where
from .reduce import softmax


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None,
    enable_gqa=False,
):  # fmt: skip
    """query (…, L, D), key (…, S, D), value (…, S, V) → (…, L, V).

    `attn_mask` broadcasts to (…, L, S): booleans say which keys a query may look at, numbers are
    added to the scores. A query that may look at none gives 0. With `is_causal` query i looks at
    the keys 0 … i. `scale` takes the place of 1/√D; `enable_gqa` lets several heads of queries
    share one of keys and values.
    """
    name = "scaled_dot_product_attention"
    if min(query.ndim, key.ndim, value.ndim) < 2 or query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"{name}: expected query (…, L, D) and key (…, S, D), got {query.shape} and {key.shape}"
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{name}: expected as many keys as values, got {key.shape} and {value.shape}"
        )
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: give attn_mask or is_causal, not both")
    if enable_gqa:
        key, value = (_shared(name, x, query.shape[-3]) for x in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        rows, columns = (arange(n, device=query.device) for n in scores.shape[-2:])
        attn_mask = columns <= rows.unsqueeze(1)
    return dropout(_weights(scores, attn_mask), dropout_p) @ value


def _weights(scores, mask):
    if mask is None:
        return softmax(scores, -1)
    if mask.dtype.kind != "b":
        return softmax(scores + mask, -1)
    blind = ~mask.any(-1, True)  # without any key; softmax of nothing is not defined
    return where(blind, 0.0, softmax(where(mask | blind, scores, -math.inf), -1))


def _shared(name, x, heads):
    """Each head of keys or values, repeated for the queries that share it."""
    if x.ndim < 3 or heads % x.shape[-3]:
        raise ValueError(f"{name}: {heads} heads of queries cannot share those of {x.shape}")
    *lead, own, length, width = x.shape
    copies = x.unsqueeze(-3).expand(*lead, own, heads // own, length, width)
    return copies.reshape(*lead, heads, length, width)


__all__ = ["scaled_dot_product_attention"]
