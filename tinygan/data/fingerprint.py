"""A fingerprint of a data set: small, quickly taken, and different if the data are.

It holds the number of items, their shape and classes; of 64 items spread over the set the labels
and a random projection each,

    p = x·r / √d,      r ~ N(0, I) the same in every run,

which numbers that differ in their last bits only, as drawn data do from one processor to the next,
leave as it is; and where each item is a file, a hash of all their names and one of all their sizes.
"""

import hashlib
import os

import numpy as np

from .dataset import Dataset

_ITEMS = 64  # that are looked at
_TOLERANCE = 1e-3  # of a projection, for data between −1 and 1


def fingerprint(dataset: Dataset) -> dict:
    """Plain numbers, strings and lists, fit for JSON."""
    batch = dataset.take(_ITEMS)
    x = batch["x"].reshape(len(batch["x"]), -1).astype(np.float64)
    direction = np.random.Generator(np.random.SFC64(0)).standard_normal(x.shape[1])
    marks = {
        "items": len(dataset),
        "shape": list(dataset.shape),
        "classes": dataset.classes,
        "labels": batch["label"].tolist() if "label" in batch else None,
        "content": (x @ direction / np.sqrt(x.shape[1])).tolist(),
    }
    if dataset.class_names is not None:
        marks["names of classes"] = list(dataset.class_names)
    if dataset.files:
        root = os.path.commonpath(dataset.files)
        names = (os.path.relpath(path, root) for path in dataset.files)
        marks["names of files"] = _hash(names)
        marks["sizes of files"] = _hash(str(os.stat(path).st_size) for path in dataset.files)
    return marks


def _hash(texts):
    known = hashlib.sha256()
    for text in texts:
        known.update(os.fsencode(text) + b"\0")
    return known.hexdigest()


def differences(before: dict, now: dict) -> list[str]:
    """What differs between two fingerprints, in words.

    >>> differences({"items": 90, "content": [0.1, 0.2]}, {"items": 96, "content": [0.1, 0.7]})
    ['items: 90 then, 96 now', 'the content of 1 of 2 items looked at']
    """
    found = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if name == "content" and len(old or ()) == len(new or ()):
            changed = int((np.abs(np.subtract(old, new)) > _TOLERANCE).sum())
            if changed:
                found.append(f"the content of {changed} of {len(new)} items looked at")
        elif old != new and (name.startswith(("names", "sizes")) or name in ("labels", "content")):
            found.append(f"the {name}")
        elif old != new:
            found.append(f"{name}: {old} then, {new} now")
    return found
