"""The graph: what a recorded operation remembers until backward comes along.

Nodes point to the nodes (or leaf tensors) that made their inputs, never the other way, so a graph
is freed with the last result that refers to it.
"""

from .mode import mode
from .tensor import Tensor, Version, clock


class Node:
    """One recorded operation: where its inputs came from and what its rules will need."""

    __slots__ = (
        "__weakref__",
        "edges",
        "hooks",
        "kept",
        "keywords",
        "op",
        "order",
        "out",
        "plan",
        "shape",
        "shapes",
        "where",
    )  # fmt: skip

    def __init__(self, op, plan, inputs, arrays, keywords, out):
        self.op, self.plan, self.keywords = op, plan, keywords
        self.edges = [inputs[i]._node or inputs[i] for i in plan.positions]
        keep = plan.keep
        if keep == "all":
            self.kept = inputs
        else:
            self.kept = () if keep == "none" else [x if k else None for x, k in zip(inputs, keep)]
        self.shape, self.shapes, self.out = out.array.shape, None, None
        if plan.keep_shapes or (op.elementwise and _broadcast(arrays, plan.positions, self.shape)):
            self.shapes = [getattr(a, "shape", ()) for a in arrays]
        if plan.keep_out:
            self.out = Tensor(out.array)
            self.out._version = out.version
        self.order = clock()
        self.hooks = ()
        self.where = tuple(watcher.where() for watcher in mode.watch) if mode.watch else ()

    def output(self):
        """The result as a tensor; while a graph is being recorded, one that leads back to this
        node.
        """
        if not mode.grad:
            return self.out
        out = Tensor(self.out.array, requires_grad=True)
        out._node, out._version = self, self.out._version
        return out

    def gradients(self, g):
        """Apply the derivative rules: the gradient for each edge, given that of the result."""
        if self.plan is None:
            raise RuntimeError(
                f"backward: the graph behind {self.op.name!r} has been freed by an earlier "
                "backward. "
                "Pass retain_graph=True to that one, or compute the result again."
            )
        if Version.latest > self.order:
            self.check_unchanged()
        if self.op.together:
            rule, getters = self.plan.rules[0]
            results = rule(g, *[get(self) for get in getters])
            results = [results[i] for i in self.plan.positions]
        else:
            results = [
                rule(g, *[get(self) for get in getters]) for rule, getters in self.plan.rules
            ]
        if self.op.elementwise and self.shapes is not None:
            for k, i in enumerate(self.plan.positions):
                results[k] = results[k].sum_to(self.shapes[i])
        return results

    def check_unchanged(self):
        """Refuse when something kept for backward has been written to since it was used."""
        for x in (*self.kept, self.out):
            version = getattr(x, "_version", None)
            if version is not None and version.written > self.order:
                raise RuntimeError(
                    f"backward: an array of shape {x.shape} that {self.op.name!r} needs for its "
                    "derivative was changed "
                    f"in place by {version.writer!r} after it was used. Use the out-of-place "
                    "form, or change it after "
                    "backward."
                )

    def release(self):
        """Free what was kept for backward."""
        self.plan = self.kept = self.out = self.keywords = self.shapes = None
        self.edges = ()


def _broadcast(arrays, positions, shape):
    """Was an operand whose gradient is wanted stretched to the result's shape?"""
    for i in positions:  # noqa: SIM110 (a generator takes twice as long)
        if arrays[i].shape != shape:
            return True
    return False
