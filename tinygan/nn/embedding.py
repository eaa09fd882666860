"""A table of vectors, looked up by number."""

from .. import ops
from ..autograd import no_grad
from . import init
from .linear import empty_parameter
from .module import Module
from .parameter import Parameter


class Embedding(Module):
    """Rows of a table `weight` (num_embeddings, embedding_dim): indices (…) → (…, embedding_dim).

    The row `padding_idx` starts as zeros and receives no gradient.

    >>> Embedding(10, 3)(ops.tensor([[1, 2, 4, 5], [4, 3, 2, 9]])).shape
    (2, 4, 3)
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, device=None, dtype=None):
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: padding_idx {padding_idx} is outside the {num_embeddings} rows"
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = empty_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype)
        self.reset_parameters()

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None):
        """A table with given rows (num_embeddings, embedding_dim), by default not learned."""
        if embeddings.ndim != 2:
            raise ValueError(
                f"Embedding.from_pretrained: expected 2 axes, got shape {embeddings.shape}"
            )
        self = cls(*embeddings.shape, padding_idx)
        self.weight = Parameter(embeddings.detach(), requires_grad=not freeze)
        return self

    @no_grad
    def reset_parameters(self):
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight[self.padding_idx] = 0.0

    def forward(self, index):
        out = ops.embedding(index, self.weight)
        if self.padding_idx is None:
            return out
        return ops.where((index == self.padding_idx).unsqueeze(-1), out.detach(), out)

    def extra_repr(self):
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
