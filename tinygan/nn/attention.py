"""Attention of several heads (Vaswani et al. 2017).

Q, K, V = x_q W_qᵀ + b_q, x_k W_kᵀ + b_k, x_v W_vᵀ + b_v     each cut into `num_heads` pieces
head = softmax(Q Kᵀ/√d + mask) V
y = (all heads side by side) W_oᵀ + b_o
"""

import math

from .. import ops
from . import init
from .linear import Linear, empty_parameter
from .module import Module


class MultiheadAttention(Module):
    """Queries look at keys, and take a mean of their values: (L, N, E), (S, N, K), (S, N, V) →
    (L, N, E), and how much each query looked at each key (N, L, S).

    With `batch_first` it is (N, L, E) and so on; without a batch (L, E). `kdim` and `vdim` are the
    widths K and V where they are not E. `dropout` leaves out some of the weights in training.

    >>> attention = MultiheadAttention(8, num_heads=2)
    >>> x = ops.randn(5, 3, 8)
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    ((5, 3, 8), (3, 5, 5))
    """

    def __init__(
        self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False,
        add_zero_attn=False, kdim=None, vdim=None, batch_first=False, device=None, dtype=None,
    ):  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: {num_heads} heads do not divide a width of {embed_dim}"
            )
        if add_bias_kv or add_zero_attn:
            raise ValueError(
                "MultiheadAttention: add_bias_kv and add_zero_attn are not served; append a "
                "learned row, or one of zeros, to keys and values yourself"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, kind = batch_first, {"device": device, "dtype": dtype}
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = empty_parameter(3 * embed_dim, embed_dim, **kind)
        else:
            for name, width in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
                setattr(self, f"{name}_proj_weight", empty_parameter(embed_dim, width, **kind))
        self.in_proj_bias = empty_parameter(3 * embed_dim, **kind) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, **kind)
        self.reset_parameters()

    def reset_parameters(self):
        for name, parameter in self.named_parameters(recurse=False):
            if name.endswith("weight"):
                init.xavier_uniform_(parameter)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
        average_attn_weights=True, is_causal=False,
    ):  # fmt: skip
        """Masks: True, or −∞, where a query must not look. `key_padding_mask` (N, S) is for keys,
        `attn_mask` (L, S) or (N·heads, L, S) for pairs. `is_causal` says that attn_mask is causal,
        and cannot stand alone.
        """
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal=True needs the causal attn_mask too")
        if query.ndim == 2:
            n = 0 if self.batch_first else 1
            mask = key_padding_mask if key_padding_mask is None else key_padding_mask.unsqueeze(0)
            y, weights = self.forward(
                *(x.unsqueeze(n) for x in (query, key, value)),
                mask,
                need_weights,
                attn_mask,
                average_attn_weights,
            )
            return y.squeeze(n), weights if weights is None else weights.squeeze(0)
        if not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        self._check(query, key, value)
        q, k, v = (self._heads(x) for x in self._projected(query, key, value))
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)  # (N, heads, L, S)
        for mask in self._masks(scores.shape, key_padding_mask, attn_mask):
            hidden = mask.dtype.kind == "b"
            scores = ops.where(mask, -math.inf, scores) if hidden else scores + mask
        weights = ops.dropout(ops.softmax(scores, -1), self.dropout, self.training)
        y = self.out_proj((weights @ v).transpose(1, 2).flatten(2))
        y = y if self.batch_first else y.transpose(0, 1)
        if not need_weights:
            return y, None
        return y, weights.mean(1) if average_attn_weights else weights

    def _check(self, query, key, value):
        seen = [tuple(x.shape) for x in (query, key, value)]
        widths = tuple(x.shape[-1] for x in (query, key, value))
        if (
            widths != (self.embed_dim, self.kdim, self.vdim)
            or len({shape[0] for shape in seen}) != 1
            or key.shape[1] != value.shape[1]
        ):
            raise ValueError(
                f"MultiheadAttention: expected queries (N, L, {self.embed_dim}), keys (N, S, "
                f"{self.kdim}) and values (N, S, {self.vdim}), got, with the batch first, "
                f"{', '.join(map(str, seen))}"
            )

    def _projected(self, *inputs):
        if "in_proj_weight" in self.__dict__:
            weights = ops.chunk(self.in_proj_weight, 3)
        else:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        bias = self.in_proj_bias
        biases = (None,) * 3 if bias is None else ops.chunk(bias, 3)
        return (ops.linear(x, w, b) for x, w, b in zip(inputs, weights, biases))

    def _heads(self, x):
        """(N, L, E) → (N, heads, L, E/heads)."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def _masks(self, shape, key_padding_mask, attn_mask):
        """The masks in shapes that broadcast to (N, heads, L, S)."""
        n, heads, queries, keys = shape
        if key_padding_mask is not None:
            yield key_padding_mask.reshape(n, 1, 1, keys)
        if attn_mask is not None:
            lead = () if attn_mask.ndim == 2 else (n, heads)
            yield attn_mask.reshape(*lead, queries, keys)
