"""A program as a picture: its calls in order, whose they are, and the memory in use meanwhile."""

from collections import Counter
from importlib import import_module

_NAMED = 8  # operations that get a colour of their own


def draw(program, path) -> None:
    """Write the picture to a file that matplotlib knows (`.png`, `.svg`, `.pdf`)."""
    figure = import_module("matplotlib.figure").Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.add_subplot()
    notes = program.notes
    names = [note.operation.removeprefix("∂") or "the step itself" for note in notes]
    frequent = [name for name, _ in Counter(names).most_common(_NAMED)]
    colours = import_module("matplotlib").colormaps["tab10"]
    for k, name in enumerate([*frequent, "others"]):
        theirs = [(n if n in frequent else "others") == name for n in names]
        heights = [note.bytes / 1e6 if own else 0 for note, own in zip(notes, theirs)]
        colour = "0.7" if name == "others" else colours(k)
        axes.bar(range(len(notes)), heights, width=1.0, color=colour, label=name)
    axes.axhline(program.peak / 1e6, color="0.3", linewidth=0.8, linestyle=":")
    axes.set_xlim(-0.5, len(notes) - 0.5)
    axes.set_ylim(0, 1.1 * program.peak / 1e6)
    axes.set_xlabel("calls, in order")
    axes.set_ylabel("planned memory in use, MB")
    axes.set_title(program.caption, fontsize=9)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
