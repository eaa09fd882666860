"""Reverse-mode differentiation: walk the graph from results to leaves, applying the chain rule.

Nodes are numbered as they are recorded, so every node has a larger number than those it depends on.
Visiting nodes from the newest to the oldest therefore reaches each one only after all of its
consumers have added their share to its gradient. A heap keeps the nodes still to visit; nothing is
recursive, so chains of any length work.
"""

import heapq
from contextlib import nullcontext

import numpy as np

from .graph import Node
from .interop import as_array
from .mode import mode, no_grad
from .tensor import Tensor


def backward(tensor, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Add d(tensor)/d(leaf) to `.grad` of every leaf that requires gradients (or only of `inputs`).

    `gradient` is the gradient of `tensor` itself; it may be left out for a tensor of one element,
    where it is 1.
    """
    wanted = None if inputs is None else [inputs] if isinstance(inputs, Tensor) else list(inputs)
    roots, seeds = _start([tensor], [gradient])
    found = _propagate(roots, seeds, wanted, create_graph, retain_graph)
    for target, (g, fresh) in found.items():
        if isinstance(target, Tensor):
            _accumulate(target, g, fresh, create_graph)
        elif wanted:
            for x in wanted:
                if x._node is target:
                    _accumulate(x, g, fresh, create_graph)


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=False
):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; no `.grad` is touched.

    With `create_graph=True` the gradients can be differentiated again.
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = (
        grad_outputs if isinstance(grad_outputs, list | tuple) else [grad_outputs] * len(outputs)
    )
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: inputs[{i}] (shape {x.shape}) does not require gradients")
    roots, seeds = _start(outputs, seeds)
    found = _propagate(roots, seeds, inputs, create_graph, retain_graph)
    results = []
    for i, x in enumerate(inputs):
        g, _ = found.get(x._node or x, (None, None))
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: inputs[{i}] (shape {x.shape}) was not used to compute the outputs; "
                "pass allow_unused=True to get None for it"
            )
        results.append(g)
    return tuple(results)


def _start(outputs, seeds):
    """The tensors to differentiate and the gradients to begin with."""
    roots, gradients = [], []
    if len(seeds) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs but {len(seeds)} grad_outputs")
    for out, g in zip(outputs, seeds):
        if not out.requires_grad:
            raise RuntimeError(
                "backward: this tensor does not depend on anything that requires gradients. "
                "Was it computed under no_grad(), or from detached tensors?"
            )
        if g is None:
            if out.numel() != 1:
                raise RuntimeError(
                    "backward: only a tensor of one element has an implied gradient, this one "
                    f"has shape {out.shape}. Reduce it with .sum() or .mean(), or pass its gradient"
                )
            g = out.detach().ones_like()
        g = g if isinstance(g, Tensor) else Tensor(as_array(g, where=out.device))
        g = g if g.dtype is out.dtype else g.to(out.dtype)
        if g.shape != out.shape:
            raise RuntimeError(
                f"backward: the gradient has shape {g.shape}, the tensor {out.shape}"
            )
        roots.append(out)
        gradients.append(g)
    return roots, gradients


def _propagate(roots, seeds, wanted, create_graph, retain_graph):
    """Carry gradients from the roots down: {leaf or wanted node: (gradient, is it unshared?)}."""
    found, pending, queue = {}, {}, []
    retain_graph = create_graph if retain_graph is None else retain_graph
    allowed = None if wanted is None else _leading_to(wanted, roots)
    targets = set() if wanted is None else {x._node or x for x in wanted}

    def arrive(target, g, fresh):
        if isinstance(target, Node):
            if target in pending:
                g = pending[target] + g
            else:
                heapq.heappush(queue, (-target.order, target))
            pending[target] = g
        else:
            if target in found:
                g, fresh = found[target][0] + g, True
            found[target] = (g, fresh)

    with nullcontext() if create_graph else no_grad(), np.errstate(all="ignore"):
        for root, seed in zip(roots, seeds):
            if allowed is None or (root._node or root) in allowed:
                arrive(root._node or root, seed, False)
        while queue:
            _, node = heapq.heappop(queue)
            g = pending.pop(node)
            if node.hooks:
                g = _hooked(g, node.hooks)
            if node in targets:
                found[node] = (g, False)
                if not any(edge in allowed for edge in node.edges):
                    continue
            results = (_watched if mode.watch else Node.gradients)(node, g, allowed)
            for edge, result in zip(node.edges, results):
                if result is not None:
                    # A result is the leaf's to keep unless it is g passed on, or a view.
                    arrive(edge, result, result is not g and result._version is None)
            if not retain_graph:
                node.release()
    for leaf, (g, _) in found.items():
        if isinstance(leaf, Tensor) and leaf._hooks:
            found[leaf] = (_hooked(g, leaf._hooks), False)
    return found


def _leading_to(wanted, roots):
    """The nodes and leaves on a path from the roots to what is wanted: the only ones worth
    visiting.
    """
    reachable, stack = {}, [root._node or root for root in roots]
    while stack:
        target = stack.pop()
        if target not in reachable:
            reachable[target] = None
            if isinstance(target, Node):
                stack.extend(target.edges)
    allowed = {x._node or x for x in wanted}
    for node in sorted((t for t in reachable if isinstance(t, Node)), key=lambda node: node.order):
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


def _accumulate(x, g, fresh, create_graph):
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
        g, fresh = g.to(x.dtype), True
    if x.grad is None:
        x.grad = g if fresh else g.clone()
    else:
        with no_grad():
            x.grad.add_(g)
