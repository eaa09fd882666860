"""The graph: what a recorded operation remembers until backward comes along.

Nodes point to the nodes (or leaf tensors) that made their inputs, never the other way, so a graph
is freed with the last result that refers to it.
"""

from .mode import mode
from .tensor import Tensor, Version, clock


def origin(x):
    """Where the gradient of x arrives: at the node that made it, or, for a leaf, at x itself."""
    return x._node or x


class Node:
    """One recorded operation: where its inputs came from and what its rules will need."""

    hooks, where = (), ()  # set only where somebody asks for them
    shapes = out = None

    def __init__(self, op, plan, inputs, arrays, keywords, out):
        self.op, self.plan, self.keywords, self.shape = op, plan, keywords, out.array.shape
        self.edges = edges = []
        for i in plan.positions:
            x = inputs[i]
            edges.append(x._node or x)
        self.kept = inputs if plan.keep_all else plan.pick(inputs)
        if plan.keep_shapes:
            self.shapes = [getattr(a, "shape", ()) for a in arrays]
        if plan.keep_out:
            self.out = Tensor(out.array)
            self.out._version = out.version
        if mode.watch:
            self.where = tuple(watcher.where() for watcher in mode.watch)
        self.order = clock()

    def output(self):
        """The result as a tensor; while a graph is being recorded, one that leads back to this
        node.
        """
        if not mode.grad:
            return self.out
        out = Tensor(self.out.array, requires_grad=True)
        out._node, out._version = self, self.out._version
        return out

    def gradients(self, g, allowed=None):
        """Apply the derivative rules: the gradient for each edge, given that of the result.

        Where `allowed` is given, only for edges to something in it; None for the others.
        """
        plan = self.plan
        if plan is None:
            raise RuntimeError(
                f"backward: the graph behind {self.op.name!r} has been freed by an earlier "
                "backward. Pass retain_graph=True to that one, or compute the result again."
            )
        if Version.latest > self.order:
            self.check_unchanged()
        edges = self.edges
        if self.in_one_kernel(allowed):
            return [Tensor(a) for a in plan.kernel(self, g)]
        if self.op.together:
            needed = [i for i, e in zip(plan.positions, edges) if allowed is None or e in allowed]
            results = plan.rules[0](self, g, needed)
            return [results[i] for i in plan.positions]
        if allowed is None:
            results = [rule(self, g) for rule in plan.rules]
        else:
            pairs = zip(plan.rules, edges)
            results = [rule(self, g) if edge in allowed else None for rule, edge in pairs]
        if self.op.elementwise:  # undo what broadcasting did
            for k, (edge, result) in enumerate(zip(edges, results)):
                if result is not None and result.array.shape != edge.shape:
                    results[k] = result.sum_to(edge.shape)
        return results

    def in_one_kernel(self, allowed):
        """Does one kernel give all gradients? Not where a graph of them is recorded."""
        if self.plan is None or self.plan.kernel is None or mode.grad:
            return False
        return allowed is None or all(edge in allowed for edge in self.edges)

    def check_unchanged(self):
        """Refuse when something kept for backward has been written to since it was used."""
        for x in (*self.kept, self.out, *self.keywords.values()):
            version = getattr(x, "_version", None)
            if version is not None and version.written > self.order:
                raise RuntimeError(
                    f"backward: an array of shape {x.shape} that {self.op.name!r} needs for its "
                    f"derivative was changed in place by {version.writer!r} after it was used. "
                    "Use the out-of-place form, or change it after backward."
                )

    def release(self):
        """Free what was kept for backward."""
        self.plan = self.kept = self.out = self.keywords = self.shapes = None
        self.edges = ()
