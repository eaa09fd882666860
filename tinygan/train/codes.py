"""Pictures of what codes and conditions do: images made again, ways between codes, the plane of
codes; a row for each class or code, a caption under each image.
"""

import math
import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .pictures import drawn, grid

_MARK = "#d0342c"


def panels(images: dict, width: float = 9.0, columns: int = 1):
    """Sheets of images, each a pair (array (N, C, H, W), columns), under their titles."""
    sheets = [(title, np.asarray(grid(x, across))) for title, (x, across) in images.items()]
    rows = math.ceil(len(sheets) / columns)
    each = width / columns
    heights = [
        max(each * s.shape[0] / s.shape[1] + 0.35 for _, s in sheets[i : i + columns])
        for i in range(0, len(sheets), columns)
    ]
    figure = Figure(figsize=(width, sum(heights)), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, (title, sheet) in zip(axes, sheets):
        ax.imshow(sheet, interpolation="antialiased")
        ax.set_title(title, fontsize=10, loc="left")
    return drawn(figure)


def table(images, rows, columns=None, title="", width: float = 9.0):
    """A sheet of images (R, K, C, H, W) with a name before each row, and over each column."""
    r, k = images.shape[:2]
    sheet = np.asarray(grid(images.reshape(r * k, *images.shape[2:]), k))
    high, wide = sheet.shape[0] / r, sheet.shape[1] / k
    figure = Figure(figsize=(width, width * sheet.shape[0] / sheet.shape[1] + 0.6), dpi=110,
                    layout="constrained")  # fmt: skip
    axes = figure.add_subplot()
    axes.imshow(sheet, interpolation="antialiased")
    axes.set_yticks((np.arange(r) + 0.5) * high, rows)
    axes.set_xticks((np.arange(k) + 0.5) * wide if columns else [], columns or [])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=10)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10, loc="left")
    return drawn(figure)


def captioned(images, texts, marked, mark: str, columns: int = 6):
    """Images (N, C, H, W), each over its text; those marked, (N,) of bool, in a red frame, which is
    what `mark` explains.
    """
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(1.6 * columns, 2.2 * rows + 0.4), dpi=110, layout="constrained")
    figure.suptitle(mark, fontsize=10, color=_MARK, x=0.01, ha="left")
    for ax in figure.subplots(rows, columns, squeeze=False).ravel():
        ax.axis("off")
    for ax, image, text, special in zip(figure.axes, images, texts, marked):
        colour, frame = (_MARK, 3) if special else ("black", 0)
        ax.imshow(np.asarray(grid(image[None], 1, gap=0)))
        under = {"x": 0.5, "y": -0.05, "transform": ax.transAxes, "ha": "center", "va": "top"}
        ax.text(**under, s="\n".join(textwrap.wrap(text, 20)), fontsize=8, color=colour)
        whole = Rectangle((0, 0), 1, 1, transform=ax.transAxes, fill=False, edgecolor=colour)
        whole.set_linewidth(frame)
        ax.add_patch(whole)
    return drawn(figure)


def of_all_classes(batch: dict, n: int) -> np.ndarray:
    """Which n items of a batch to show: in turn from each class, or spread evenly without classes.

    >>> of_all_classes({"x": np.zeros(6), "label": np.array([0, 0, 0, 1, 1, 2])}, 4).tolist()
    [0, 3, 5, 1]
    """
    count = len(batch["x"])
    if "label" not in batch:
        return np.arange(min(n, count)) * count // min(n, count)
    label = batch["label"]
    place = np.empty(count, int)  # of each item within its class
    for k in np.unique(label):
        place[label == k] = np.arange((label == k).sum())
    return np.lexsort((label, place))[:n]


def reconstructions(system, x, c=None):
    """Images above, what is made of their codes below."""
    return panels(
        {"images": (x, len(x)), "made from their codes": (system.reconstruct(x, c), len(x))}
    )


def way(system, begin, end, columns: int = 12):
    """Decoded along the straight line between two images' codes, a row for each pair: an array."""
    z0, z1 = system.codes(begin), system.codes(end)
    t = np.linspace(0, 1, columns, dtype=z0.dtype)[None, :, None]
    z = ((1 - t) * z0[:, None] + t * z1[:, None]).reshape(-1, z0.shape[1])
    return decoded(system, z)


def decoded(system, z, c=None):
    """The images of codes: an array."""
    return system.each(lambda z, c: system.observation.mean(system.decode(z, c)), z, c)


def plane(systems: dict, x, label, names=None, side: int = 18):
    """For each system with a two-dimensional code: the codes of x by their label, and the images
    that the same stretch of the plane decodes to."""
    figure = Figure(figsize=(9.4, 4.6 * len(systems)), dpi=110, layout="constrained")
    axes = figure.subplots(len(systems), 2, squeeze=False)
    for (title, system), (left, right) in zip(systems.items(), axes):
        z = system.codes(x)
        low, high = np.quantile(z, 0.005, axis=0), np.quantile(z, 0.995, axis=0)
        _scatter(left, z, label, names, title)
        left.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        a, b = (np.linspace(l, h, side, dtype=np.float32) for l, h in zip(low, high))
        points = np.stack(np.meshgrid(a, b[::-1]), -1).reshape(-1, 2)
        right.imshow(np.asarray(grid(decoded(system, points), side, gap=0)))
        right.set_title("what the plane decodes to", fontsize=10)
        right.axis("off")
    return drawn(figure)


def scattered(points, label, names=None, modes=None):
    """Points (N, 2) by their label; a circle around each of the modes."""
    figure = Figure(figsize=(6, 6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    _scatter(axes, points, label, names, "")
    if modes is not None:
        axes.scatter(*modes.T, s=150, facecolors="none", edgecolors="black", linewidths=0.6)
    axes.set_aspect("equal")
    return drawn(figure)


def _scatter(axes, z, label, names, title):
    for k in np.unique(label):
        own = z[label == k]
        name = names[k] if names is not None else str(k)
        axes.scatter(*own.T, s=5, linewidths=0, color=f"C{k % 10}", label=name, alpha=0.8)
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=7, markerscale=2, ncols=2, loc="upper right", handletextpad=0)


def units(kl: dict[str, np.ndarray]):
    """The KL of each unit in nats, the largest first, for each system."""
    figure = Figure(figsize=(9, 3), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for i, (name, values) in enumerate(kl.items()):
        at = np.arange(len(values)) + (i - (len(kl) - 1) / 2) * 0.8 / len(kl)
        label = f"{name}: {values.sum():.1f} nats in all"
        axes.bar(at, np.sort(values)[::-1], 0.8 / len(kl), label=label)
    axes.set(xlabel="unit of the code, the busiest first", ylabel="KL in nats")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8)
    return drawn(figure)
