"""All parameters of a network in one row, and back."""

from ..autograd import no_grad
from ..ops import cat


def parameters_to_vector(parameters):
    """All parameters, one after the other, in a row."""
    return cat([p.reshape(-1) for p in parameters])


@no_grad
def vector_to_parameters(vec, parameters) -> None:
    """Write the numbers of a row into parameters."""
    parameters = list(parameters)
    needed = sum(p.numel() for p in parameters)
    if vec.shape != (needed,):
        raise ValueError(f"vector_to_parameters: expected shape ({needed},), got {vec.shape}")
    start = 0
    for p in parameters:
        p.copy_(vec[start : start + p.numel()].reshape(p.shape))
        start += p.numel()
