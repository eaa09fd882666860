"""Two domains that show the same things differently, shuffled apart: `digits-edge` and its kin.

x is a picture of one domain and y a picture of the other. In "train" they come from different
halves of the set, so that no picture is ever met in both domains: a model can only learn how the
two *distributions* correspond. `pairs(indices)` gives both pictures of one thing, for scoring.
"""

import numpy as np

from .dataset import ArrayDataset, Dataset
from .digits import digits
from .shapes import shapes


def edge(x: np.ndarray) -> np.ndarray:
    """The outline of what is bright: the largest of the 3×3 neighbours minus the pixel itself.

    x, result (N, C, H, W) in [-1, 1].
    """
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = x.shape[2:]
    largest = x
    for i in range(3):
        for j in range(3):
            largest = np.maximum(largest, padded[:, :, i : i + height, j : j + width])
    return largest - x - 1


def negative(x: np.ndarray) -> np.ndarray:
    """Black for white."""
    return -x


def tinted(x: np.ndarray) -> np.ndarray:
    """Orange on dark blue: brightness (x + 1)/2 mixes two colours. Gives three channels."""
    paper = np.array([-0.8, -0.6, 0.2], np.float32)[:, None, None]
    paint = np.array([1.0, 0.5, -0.6], np.float32)[:, None, None]
    light = (x.max(1, keepdims=True) + 1) / 2
    return paper + (paint - paper) * light


_CHANGES = {"edge": edge, "negative": negative, "tinted": tinted}
NAMES = tuple(f"{base}-{change}" for base in ("digits", "shapes") for change in _CHANGES)
NAMES = (*NAMES, "shapes-outline")
OF_SHAPES = tuple(name for name in NAMES if name.startswith("shapes"))


class PairDataset(Dataset):
    """Unpaired pictures x and y of two domains, with label (of x) and label_y.

    `translate` is the true map from x to y where it is a function of the picture, else None.
    """

    lazy = False

    def __init__(self, name, first, second=None, translate=None):
        self.name, self.split = name, first.split
        self.classes, self.class_names = first.classes, first.class_names
        self._first, self._second, self.translate = first, second, translate
        self._half = len(first) // 2
        self._to_colour = translate is tinted and first.shape[0] == 1
        self.shape = (3, *first.shape[1:]) if self._to_colour else first.shape
        self.judge = None if self._to_colour else first.judge

    def __len__(self):
        return self._half

    def batch(self, indices):
        indices = np.asarray(indices)
        one, other = self._pictures(indices, "x"), self._pictures(indices + self._half, "y")
        return {"x": one["x"], "y": other["y"], "label": one["label"], "label_y": other["label"]}

    def pairs(self, indices) -> dict[str, np.ndarray]:
        """Both pictures, x and y, of the same things, and their label: for scoring, never for
        training.
        """
        return self._pictures(np.asarray(indices), "xy")

    def domain(self, which: str) -> ArrayDataset:
        """One domain alone, "x" or "y", with its labels: what a judge of it is trained on."""
        indices = np.arange(self._half) + (self._half if which == "y" else 0)
        pictures = self._pictures(indices, which)
        return ArrayDataset(
            f"{self.name}.{which}",
            pictures[which],
            pictures["label"],
            split=self.split,
            class_names=self.class_names,
        )

    def _pictures(self, indices, wanted):
        first = self._first.batch(indices)
        x = np.repeat(first["x"], 3, axis=1) if self._to_colour else first["x"]
        out = {"label": first["label"]}
        if "x" in wanted:
            out["x"] = x
        if "y" in wanted:
            out["y"] = self._second.batch(indices)["x"] if self._second else self.translate(x)
        return out


def pair(name: str, split="train", size=None, seed=0, n: int | None = None) -> PairDataset:
    """`n` pictures of each domain, by default half as many as the set they are made from has."""
    base, change = name.split("-")
    count = None if n is None else 2 * n
    make = digits if base == "digits" else shapes
    if change == "outline":
        both = [shapes(split, size, seed, count, outline=line) for line in (False, True)]
        return PairDataset(name, *both)
    return PairDataset(name, make(split, size, seed, count), translate=_CHANGES[change])
