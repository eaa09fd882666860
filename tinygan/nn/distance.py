"""How near two tensors are, as layers of two inputs."""

from .. import ops
from .layer import layer

CosineSimilarity = layer(
    __name__, "CosineSimilarity", ops.cosine_similarity,
    "x₁·x₂/(‖x₁‖‖x₂‖) along `dim`.", dim=1, eps=1e-8,
)  # fmt: skip
PairwiseDistance = layer(
    __name__, "PairwiseDistance", ops.pairwise_distance,
    "‖x₁ − x₂ + eps‖ of order p, along the last axis.", p=2.0, eps=1e-6, keepdim=False,
)  # fmt: skip
