"""The base of all optimisers: groups of parameters, the state of each parameter, saving both.

An optimiser adds its settings and two short methods: `initial_state`, what it keeps for a
parameter, and `equation`, which changes the parameter and what is kept.
"""

from functools import partial
from numbers import Number

from ..autograd import Tensor, enable_grad
from ..autograd.tensor import as_array
from ..backend.device import array_module, is_array, kernels
from ..backend.recording import noted


class Optimizer:
    """Parameters, or groups of them `{"params": [...], "lr": ...}`, to be changed by `step()`.

    `param_groups` lists the groups with all their settings, which may be changed at any time.
    `state[p]` holds what is kept for a parameter. `before_step`, where there is one, is called with
    the list of parameters when their gradients are there.
    """

    before_step = None

    def __init__(self, params, defaults: dict):
        self.defaults, self.param_groups, self.state = defaults, [], {}
        self._writer = f"{type(self).__name__}.step"
        if isinstance(params, Tensor):
            raise TypeError(
                f"{type(self).__name__}: expected a list of parameters or of groups, got one "
                f"tensor; "
                "pass model.parameters()"
            )
        params = list(params)
        if not params:
            raise ValueError(
                f"{type(self).__name__}: got no parameters (an iterator that was used up already?)"
            )
        for group in params if isinstance(params[0], dict) else [{"params": params}]:
            self.add_param_group(group)

    def add_param_group(self, group: dict) -> None:
        """More parameters: `{"params": [...], "lr": ...}`; defaults fill what is left out."""
        name = type(self).__name__
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(
                f"{name}: expected a group as a dict with 'params', got {group!r}"[:300]
            )
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        params = [
            p[1] if isinstance(p, tuple) else p for p in params
        ]  # named_parameters() works too
        taken = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor) or not p.is_leaf or p.dtype.kind != "f":
                seen = (
                    f"a result of {p._node.op.name!r}"
                    if isinstance(p, Tensor) and p._node
                    else f"{p!r}"[:200]
                )
                raise TypeError(
                    f"{name}: can only change leaf tensors of floating-point numbers, got {seen}"
                )
            if id(p) in taken:
                raise ValueError(f"{name}: a parameter of shape {p.shape} is given twice")
            taken.add(id(p))
        if unknown := set(group) - set(self.defaults) - {"params", "initial_lr"}:
            raise ValueError(
                f"{name}: unknown setting {', '.join(sorted(unknown))}; known: "
                f"{', '.join(self.defaults)}"
            )
        self.param_groups.append({**self.defaults, **group, "params": params})
        try:
            self.check(self.param_groups[-1])
        except ValueError:
            self.param_groups.pop()
            raise

    # -- what an optimiser defines ---------------------------------------------------------------

    def check(self, group: dict) -> None:
        """Raise ValueError where a group's settings make no sense."""

    def initial_state(self, p: Tensor, group: dict) -> dict:
        """What is kept for a parameter, before its first step: numbers and tensors by name."""
        return {}

    def equation(self, theta, g, *kept_room_add_scaled, t: int, group: dict) -> None:
        """Change θ and what is kept for it in place, given its gradient g, in step t.

        All are raw arrays of one shape: θ, g, the tensors of the state in their order, and `room`,
        one more whose content is free to use. `add_scaled(y, b, x, a, room)` is y ← b·y + a·x. Each
        operation should write into an array that is there; g must stay as it is.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no equation: define "
            "`def equation(self, theta, g, room, add_scaled, t, group)`"
        )

    def prepare(self, theta, state: dict, group: dict) -> dict:
        """Bring a parameter's numbers to the next step; gives the settings of the equation."""
        if "step" in state:
            state["step"] += 1
        return group

    # -- what all share --------------------------------------------------------------------------

    def step(self, closure=None):
        """Change every parameter that has a gradient, after calling `closure` for the loss."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if self.before_step is not None:
            self.before_step([p for group in self.param_groups for p in group["params"]])
        states, writer = self.state, self._writer
        groups, parameters, gradients = [], [], []
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                if p not in states:
                    states[p] = self.initial_state(p, group)
                groups.append(group)
                parameters.append(p)
                gradients.append(_lying_like(p.array, grad.array))
                p.mark_written(writer)
        if parameters:  # as a whole: numbers, such as the rate and the step's, change each time
            noted(self._descend, groups, *parameters, *gradients)
        return loss

    def _descend(self, groups, *given):
        """One step for parameters, given with their gradients behind them. Those that have the same
        settings go together.
        """
        bundles = {}
        for group, p, grad in zip(groups, given, given[len(groups) :]):
            state, row, numbers = self.state[p], [p.array, grad], [id(group)]
            settings = self.prepare(row[0], state, group)
            for value in state.values():
                if isinstance(value, Tensor):
                    row.append(value.array)
                else:
                    numbers.append(value)
            bundles.setdefault(tuple(numbers), (settings, state, []))[2].append(row)
        for settings, state, rows in bundles.values():
            equation = partial(self._uphill_too, t=state.get("step", 1), group=settings)
            kernels(rows[0][0]).apply_to_many(equation, rows)

    def _uphill_too(self, theta, g, *rest, t, group):
        self.equation(theta, -g if group.get("maximize") else g, *rest, t=t, group=group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with `set_to_none=False` set them to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = p.grad.detach().zeros_like()

    def state_dict(self) -> dict:
        """All settings, and the state of parameter i under i: dicts, lists, numbers, tensors."""
        numbers, groups = {}, []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[p] = len(numbers)
            groups.append({**group, "params": [numbers[p] for p in group["params"]]})
        return {
            "state": {numbers[p]: dict(state) for p, state in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, saved: dict) -> None:
        """Continue from a `state_dict()` of an optimiser over the same parameters.

        Values are copied, and nothing is changed unless everything fits.
        """
        name = type(self).__name__
        if not isinstance(saved, dict) or {"state", "param_groups"} - set(saved):
            raise ValueError(
                f"{name}.load_state_dict: expected a dict with 'state' and 'param_groups'"
            )
        sizes = [len(g["params"]) for g in self.param_groups]
        saved_sizes = [len(g["params"]) for g in saved["param_groups"]]
        if sizes != saved_sizes:
            raise ValueError(
                f"{name}.load_state_dict: groups of {saved_sizes} parameters were saved, this one "
                f"has {sizes}"
            )
        owner = {}
        for group, old in zip(self.param_groups, saved["param_groups"]):
            owner.update(
                {int(i): (p, {**group, **old}) for i, p in zip(old["params"], group["params"])}
            )
        state = {}
        for i, values in saved["state"].items():
            p, group = owner[int(i)]
            state[p] = self._restored(int(i), p, values, self.initial_state(p, group))
        for group, old in zip(self.param_groups, saved["param_groups"]):
            known = set(self.defaults) | {"initial_lr"}
            group.update({k: _plain(v) for k, v in old.items() if k in known})
        self.state = state

    def _restored(self, i, p, values, expected):
        name = f"{type(self).__name__}.load_state_dict: parameter {i}"
        values = {key: value for key, value in values.items() if value is not None}
        if "step" in expected:  # PyTorch's SGD does not count
            values.setdefault("step", 1)
        if set(values) != set(expected):
            raise ValueError(
                f"{name}: {sorted(values)} were saved, this optimiser keeps {sorted(expected)}"
            )
        restored = {}
        for key, like in expected.items():
            value = values[key]
            if isinstance(like, Tensor):
                array = as_array(value, where=p.device)
                if array.shape != like.shape:
                    raise ValueError(
                        f"{name}: {key!r} has shape {array.shape}, the parameter {p.shape}"
                    )
                like.array[...] = array
                restored[key] = like
            else:
                restored[key] = type(like)(value)
        return restored

    def __repr__(self):
        lines = [f"{type(self).__name__}("]
        for i, group in enumerate(self.param_groups):
            count = sum(p.numel() for p in group["params"])
            settings = ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            lines.append(
                f"  group {i}: {len(group['params'])} tensors, {count:,} numbers; {settings}"
            )
        return "\n".join([*lines, ")"])


def _lying_like(theta, grad):
    """The gradient in the parameter's dtype and order of memory."""
    if grad.dtype == theta.dtype and grad.strides == theta.strides:
        return grad
    copy = array_module(theta).empty_like(theta)
    copy[...] = grad
    return copy


def _plain(value):
    """Settings as they were set: JSON turns tuples into lists."""
    return tuple(value) if isinstance(value, list) else value


def _is_number(value):
    return isinstance(value, Number | Tensor) or is_array(value)


def at_least(name: str, group: dict, **least) -> None:
    """Check settings of a group against their smallest value."""
    for key, bound in least.items():
        if not _is_number(group[key]) or not group[key] >= bound:
            raise ValueError(f"{name}: expected {key} >= {bound}, got {group[key]!r}")


def two_betas(name: str, group: dict) -> None:
    """Check the decay rates of Adam and its kin."""
    betas = group["betas"]
    pair = isinstance(betas, tuple | list) and len(betas) == 2 and all(map(_is_number, betas))
    if not pair or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{name}: expected two betas in [0, 1), got {betas!r}")
