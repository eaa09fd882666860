"""Loading saved values into a module: check every name and shape first, then copy."""

from collections import namedtuple

from ..autograd import Tensor, no_grad
from ..autograd.tensor import as_array

LoadReport = namedtuple("LoadReport", "missing_keys unexpected_keys")


def load(module, own: dict, state: dict, strict: bool) -> LoadReport:
    """Copy `state` into a module's tensors `own`; one error names all that does not fit."""
    if not hasattr(state, "items"):
        raise TypeError(f"load_state_dict: expected a dict of tensors, got {type(state).__name__}")
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    arrays = {name: as_array(value) for name, value in state.items() if name in own}
    wrong = [
        f"{name}: expected {own[name].shape}, got {array.shape}"
        for name, array in arrays.items()
        if array.shape != own[name].shape
    ]
    problems = [("of another shape", wrong)]
    if strict:
        problems += [("missing", missing), ("unexpected", unexpected)]
    if lines := [f"  {kind}: {', '.join(keys)}" for kind, keys in problems if keys]:
        raise RuntimeError(
            f"load_state_dict: the keys do not fit {type(module).__name__}\n" + "\n".join(lines)
        )
    with no_grad():
        for name, array in arrays.items():
            own[name].copy_(Tensor(array).to(own[name].device))
    return LoadReport(missing, unexpected)
