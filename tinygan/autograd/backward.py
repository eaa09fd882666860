"""Reverse-mode differentiation: walk the graph from results to leaves, applying the chain rule.

Nodes are numbered as they are recorded, so every node has a larger number than those it depends on.
Visiting nodes from the newest to the oldest therefore reaches each one only after all of its
consumers have added their share to its gradient. A heap keeps the nodes still to visit; nothing is
recursive, so chains of any length work.

Gradients arrive at *origins*: at the node that made a tensor, or, for a leaf, at the leaf itself.
"""

import heapq
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from .graph import Node, origin
from .interop import as_array
from .mode import mode, no_grad
from .tensor import Tensor


class Arrival(NamedTuple):
    """A gradient that reached its origin."""

    g: Tensor
    own: bool  # nobody else holds this tensor: a leaf may keep it as its .grad


def backward(tensor, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Add d(tensor)/d(leaf) to `.grad` of every leaf that requires gradients (or only of `inputs`).

    `gradient` is the gradient of `tensor` itself; it may be left out for a tensor of one element,
    where it is 1.
    """
    wanted = None if inputs is None else _listed(inputs)

    def accumulate(x, arrival):
        _accumulate(x, *arrival, create_graph)
        for hook in x._ready_hooks:
            hook(x)

    early = accumulate if Tensor.awaited and wanted is None else None
    arrived = _propagate([tensor], [gradient], wanted, create_graph, retain_graph, early)
    for x in arrived if wanted is None else dict.fromkeys(wanted):
        if origin(x) in arrived:
            accumulate(x, arrived[origin(x)])


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True,
    allow_unused=None, is_grads_batched=False, materialize_grads=False,
):  # fmt: skip
    """The gradients of `outputs` with respect to `inputs`, as a tuple; no `.grad` is touched.

    With `create_graph=True` the gradients can be differentiated again. An input that the outputs do
    not depend on is an error; with `allow_unused` its gradient is None, and with
    `materialize_grads` it is zeros.
    """
    if not only_inputs or is_grads_batched:
        raise ValueError(
            "grad: only_inputs=False is what backward() does, and is_grads_batched=True is not "
            "supported: call grad once for each of the grad_outputs"
        )
    outputs, inputs = _listed(outputs), _listed(inputs)
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: inputs[{i}] (shape {x.shape}) does not require gradients")
    seeds = _listed(grad_outputs) if grad_outputs is not None else [None] * len(outputs)
    arrived = _propagate(outputs, seeds, inputs, create_graph, retain_graph)
    results = [arrived[origin(x)].g if origin(x) in arrived else None for x in inputs]
    for i, x in enumerate(inputs):
        if results[i] is None and materialize_grads:
            results[i] = x.detach().zeros_like()
        elif results[i] is None and not allow_unused:
            raise RuntimeError(
                f"grad: inputs[{i}] (shape {x.shape}) was not used to compute the outputs; "
                "pass allow_unused=True to get None for it"
            )
    return tuple(results)


def _listed(tensors):
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _seed(out, g):
    """The gradient of a result: what was given for it, or 1 where that is implied."""
    if not out.requires_grad:
        raise RuntimeError(
            "backward: this tensor does not depend on anything that requires gradients. "
            "Was it computed under no_grad(), or from detached tensors?"
        )
    if g is None:
        if out.numel() != 1:
            raise RuntimeError(
                "backward: only a tensor of one element has an implied gradient, this one has "
                f"shape {out.shape}. Reduce it with .sum() or .mean(), or pass its gradient"
            )
        return out.detach().ones_like()
    g = g if isinstance(g, Tensor) else Tensor(as_array(g, where=out.device))
    if g.shape != out.shape:
        raise RuntimeError(f"backward: the gradient has shape {g.shape}, the tensor {out.shape}")
    return g if g.dtype is out.dtype else g.to(out.dtype)


def _propagate(outputs, gradients, wanted, create_graph, retain_graph, early=None):
    """Carry gradients from the outputs down. Gives {origin: Arrival} for all leaves, or, where
    `wanted` is given, for the origins of those tensors; nothing else is then computed. Leaves with
    hooks that await their gradients are handed to `early(leaf, Arrival)` instead, one by one.
    """
    if len(gradients) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs but {len(gradients)} grad_outputs")
    seeds = [_seed(out, g) for out, g in zip(outputs, gradients)]
    retain_graph = create_graph if retain_graph is None else retain_graph
    targets = set() if wanted is None else {origin(x) for x in wanted}
    allowed = None if wanted is None else _leading_to(targets, outputs)
    completed = {} if early is None else _last_uses(outputs)
    arrived, pending, queue = {}, {}, []

    def arrive(place, g, own):
        if isinstance(place, Node):
            if place in pending:
                g = pending[place] + g
            else:
                heapq.heappush(queue, (-place.order, place))
            pending[place] = g
        elif place in arrived:
            arrived[place] = Arrival(arrived[place].g + g, True)
        else:
            arrived[place] = Arrival(g, own)

    with nullcontext() if create_graph else no_grad(), np.errstate(all="ignore"):
        for out, seed in zip(outputs, seeds):
            if allowed is None or origin(out) in allowed:
                arrive(origin(out), seed, False)
        while queue:
            _, node = heapq.heappop(queue)
            g = pending.pop(node)
            if node.hooks:
                g = _hooked(g, node.hooks)
            if node in targets:
                arrived[node] = Arrival(g, False)
                if not any(edge in allowed for edge in node.edges):
                    continue
            results = (_watched if mode.watch else Node.gradients)(node, g, allowed)
            for edge, result in zip(node.edges, results):
                if result is not None:  # neither g itself, passed on, nor a view of something
                    arrive(edge, result, result is not g and result._version is None)
            if not retain_graph:
                node.release()
            for leaf in completed.get(node, ()):
                if leaf in arrived:
                    early(leaf, _of_leaf(leaf, arrived.pop(leaf)))
    for leaf, arrival in arrived.items():
        if isinstance(leaf, Tensor):
            arrived[leaf] = _of_leaf(leaf, arrival)
    return arrived


def _of_leaf(leaf, arrival):
    """What arrives at a leaf after its hooks have seen it."""
    return Arrival(_hooked(arrival.g, leaf._hooks), False) if leaf._hooks else arrival


def _last_uses(outputs):
    """{node: the awaited leaves of which it is the oldest user, and so the last to be visited}."""
    oldest = {}
    for node in sorted(_reachable(outputs), key=lambda n: -n.order):
        for edge in node.edges:
            if isinstance(edge, Tensor) and edge._ready_hooks:
                oldest[edge] = node
    completed = {}
    for leaf, node in oldest.items():
        completed.setdefault(node, []).append(leaf)
    return completed


def _reachable(outputs):
    """The nodes that the outputs were computed by."""
    found, stack = set(), [origin(out) for out in outputs]
    while stack:
        place = stack.pop()
        if isinstance(place, Node) and place not in found:
            found.add(place)
            stack.extend(place.edges)
    return found


def _leading_to(targets, outputs):
    """The origins on a path from the outputs to a target: the only ones worth visiting."""
    allowed = set(targets)
    for node in sorted(_reachable(outputs), key=lambda n: n.order):
        if any(edge in allowed for edge in node.edges):
            allowed.add(node)
    return allowed


def _hooked(g, hooks):
    for hook in hooks:
        replaced = hook(g)
        g = g if replaced is None else replaced
    return g


def _watched(node, g, allowed):
    run = node.gradients
    for watcher in mode.watch:
        run = watcher.wrap_backward(node, run)
    return run(g, allowed)


def _accumulate(x, g, own, create_graph):
    """Add a gradient to `x.grad`. In place where nobody else can see it."""
    if g.shape != x.shape:
        raise RuntimeError(
            f"backward: a rule returned a gradient of shape {g.shape} for a tensor of shape "
            f"{x.shape}"
        )
    if create_graph:
        x.grad = g if x.grad is None else x.grad + g
        return
    if g.dtype != x.dtype:
        g, own = g.to(x.dtype), True
    if x.grad is None:
        x.grad = g if own else g.clone()
    else:
        with no_grad():
            x.grad.add_(g)
