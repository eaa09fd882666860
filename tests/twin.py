"""A network's or an optimiser's twin in PyTorch: the same state, for comparisons step by step."""

import numpy as np

import tinygan as tg


def in_torch(state):
    """The same `state_dict()` with copies of its tensors for PyTorch."""
    if isinstance(state, dict):
        return {key: in_torch(value) for key, value in state.items()}
    import torch  # here, so that files with other tests as well can be read without it

    return torch.from_numpy(state.numpy().copy()) if isinstance(state, tg.Tensor) else state


def follow(theirs, ours):
    """PyTorch's network or optimiser goes on from where ours is.

    Games in float32 are begun again so at each step: at a kink of ReLU two roundings of one number
    have two gradients, and Adam makes of that a step of its whole rate. Left to themselves for 20
    steps, PyTorch's losses on one thread and on two differ by 1e-3; each step alone, by 1e-5.
    """
    theirs.load_state_dict(in_torch(ours.state_dict()))


def apart(theirs, ours):
    """The median distance of their parameters; take the median of several steps, for the kinks."""
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    distances = [abs(p.numpy() - q.detach().numpy()).ravel() for p, q in pairs]
    return np.median(np.concatenate(distances))
