"""The graph of a tensor as a picture: operations as boxes, tensors with their shapes and names,
arrows along the computation.
"""

from importlib import import_module

from .graph import origin
from .tensor import Tensor


def draw(tensor: Tensor, path=None, names=None, max_nodes: int = 200):
    """Draw how `tensor` was computed.

    - path: a file to write: `.dot` for Graphviz text, else a picture by matplotlib (`.png`, `.svg`,
      `.pdf`).
    - names: labels for leaves: a dict {name: tensor}, pairs as from `module.named_parameters()`, or
      a module.

    Returns the DOT text.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> print(draw((x * x).sum(), names={"x": x}))
    digraph {
      rankdir=BT;
      n0 [label="sum\\n()", shape=box];
      n1 [label="mul\\n(2,)", shape=box];
      n2 [label="x\\n(2,)", shape=ellipse];
      n1 -> n0;
      n2 -> n1;
      n2 -> n1;
    }
    """
    labels, edges = _collect(tensor, _names(names), max_nodes)
    text = _dot(labels, edges)
    if path is not None:
        if str(path).endswith((".dot", ".gv")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        else:
            _picture(labels, edges, path)
    return text


def _names(names):
    if names is None:
        return {}
    if hasattr(names, "named_parameters"):
        names = names.named_parameters()
    pairs = names.items() if isinstance(names, dict) else names
    return {id(tensor): name for name, tensor in pairs}


def _collect(tensor, names, max_nodes):
    """Walk from the result to the leaves: {number: (text, is a leaf)} and [(from, to)]."""
    root = origin(tensor)
    numbers, labels, edges, stack = {root: 0}, {}, [], [root]
    while stack:
        item = stack.pop(0)
        if isinstance(item, Tensor):
            labels[numbers[item]] = (f"{names.get(id(item), 'leaf')}\n{item.shape}", True)
            continue
        labels[numbers[item]] = (f"{item.op.name}\n{item.shape}", False)
        if item.plan is None:
            raise RuntimeError(
                "draw: the graph has been freed by backward; draw it before, or use "
                "retain_graph=True"
            )
        for source in item.edges:
            if source not in numbers:
                if len(numbers) >= max_nodes:
                    raise ValueError(
                        f"draw: the graph has more than {max_nodes} nodes; raise max_nodes to "
                        "draw it"
                    )
                numbers[source] = len(numbers)
                stack.append(source)
            edges.append((numbers[source], numbers[item]))
    return labels, edges


def _dot(labels, edges):
    lines = ["digraph {", "  rankdir=BT;"]
    for number, (text, leaf) in sorted(labels.items()):
        escaped = text.replace("\n", "\\n")
        lines.append(f'  n{number} [label="{escaped}", shape={"ellipse" if leaf else "box"}];')
    return "\n".join([*lines, *(f"  n{a} -> n{b};" for a, b in edges), "}"])


def _places(labels, edges):
    """Coordinates: inputs below what uses them, each row in the order of what it feeds."""
    depth = dict.fromkeys(labels, 0)  # the longest way down from the root
    users = {n: [b for a, b in edges if a == n] for n in labels}
    inputs = {n: [a for a, b in edges if b == n] for n in labels}
    waiting = {n: len(users[n]) for n in labels}
    ready = [n for n in labels if not waiting[n]]
    for n in ready:
        for source in inputs[n]:
            depth[source] = max(depth[source], depth[n] + 1)
            waiting[source] -= 1
            if not waiting[source]:
                ready.append(source)
    lowest, places = max(depth.values()), {}
    rows = [[n for n in ready if depth[n] == k] for k in range(lowest + 1)]
    width = max(len(row) for row in rows)
    for k, row in enumerate(rows):
        centre = {n: sum(places[u][0] for u in users[n]) / max(len(users[n]), 1) for n in row}
        for i, n in enumerate(sorted(row, key=centre.__getitem__)):
            places[n] = ((i + 0.5) * width / len(row), lowest - k)
    return places, width, len(rows)


def _picture(labels, edges, path):
    figure_module = import_module("matplotlib.figure")
    place, width, height = _places(labels, edges)
    figure = figure_module.Figure(figsize=(max(3.0, 1.7 * width), max(2.0, 0.95 * height)))
    axes = figure.add_axes((0, 0, 1, 1))
    for a, b in dict.fromkeys(edges):
        arrow = {"arrowstyle": "-|>", "color": "0.45", "shrinkA": 14, "shrinkB": 16}
        axes.annotate("", xy=place[b], xytext=place[a], arrowprops=arrow)
    for n, (text, leaf) in labels.items():
        colour = "#d9ead3" if leaf else "#cfe2f3"
        box = {
            "boxstyle": "round,pad=0.4" if leaf else "square,pad=0.4",
            "facecolor": colour,
            "edgecolor": "0.4",
        }
        axes.text(*place[n], text, ha="center", va="center", fontsize=9, bbox=box)
    axes.set_xlim(-0.2, width + 0.2)
    axes.set_ylim(-0.6, height - 0.4)
    axes.axis("off")
    figure.savefig(path, dpi=120)
