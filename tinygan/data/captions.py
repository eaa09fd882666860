"""The words of `shapes`: what the factors are called, and sentences made of them by templates."""

import numpy as np

from .dataset import DataError

FACTORS = {
    "colour": ("red", "green", "blue", "yellow", "purple", "white"),
    "shape": ("circle", "square", "triangle", "cross"),
    "size": ("small", "large"),
    "position": ("top left", "top right", "bottom left", "bottom right", "centre"),
}
HELD_OUT = ((0, 1), (1, 3), (2, 0), (3, 2), (4, 1), (5, 0))  # pairs (colour, shape)
TEMPLATES = (
    "a {size} {colour} {shape} in the {position}",
    "{position} : a {colour} {shape} , {size}",
    "the {position} has a {size} {colour} {shape}",
    "a {shape} , {colour} and {size} , in the {position}",
)
LENGTH = 12  # words in the longest caption, rounded up
_WORDS = sorted(
    {word for text in TEMPLATES for word in text.split() if "{" not in word}
    | {word for names in FACTORS.values() for name in names for word in name.split()}
)
VOCABULARY = ("", *_WORDS)
_NUMBER = {word: i for i, word in enumerate(VOCABULARY)}


def combinations(unseen=False) -> np.ndarray:
    """Factors (K, 4) of all that training shows, or of all that it never does.

    >>> len(combinations()), len(combinations(unseen=True))
    (180, 60)
    """
    sides = [np.arange(len(names)) for names in FACTORS.values()]
    every = np.stack(np.meshgrid(*sides, indexing="ij")).reshape(len(sides), -1).T
    held = np.array([tuple(pair) in HELD_OUT for pair in every[:, :2].tolist()])
    return every[held == unseen]


def in_turn(n: int) -> np.ndarray:
    """n captions of what training shows, (n, LENGTH), well mixed: all combinations come before one
    comes again.

    >>> decode(in_turn(2))
    ['a small red circle in the top left', 'a large blue triangle in the bottom left']
    """
    factors = combinations()
    return tokens(factors[np.arange(n) * 77 % len(factors)], np.zeros(n, int))


def caption(factors, template=0) -> str:
    """
    >>> caption([0, 2, 1, 4])
    'a large red triangle in the centre'
    """
    words = {name: names[i] for (name, names), i in zip(FACTORS.items(), factors)}
    return TEMPLATES[template % len(TEMPLATES)].format(**words)


def encode(texts) -> np.ndarray:
    """Sentences as numbers of words, int64 (N, LENGTH), 0 after the end."""
    out = np.zeros((len(texts), LENGTH), np.int64)
    for row, text in zip(out, texts):
        words = text.lower().replace(",", " , ").replace(":", " : ").split()
        unknown = [word for word in words if word not in _NUMBER]
        if unknown:
            known = ", ".join(word for word in _WORDS if word.isalpha())
            raise DataError(f"caption {text!r}: unknown word {unknown[0]!r}; the words are {known}")
        if len(words) > LENGTH:
            raise DataError(f"caption {text!r}: {len(words)} words, at most {LENGTH} fit")
        row[: len(words)] = [_NUMBER[word] for word in words]
    return out


def decode(rows) -> list[str]:
    """The sentences that `encode` made into numbers."""
    return [" ".join(VOCABULARY[i] for i in row if i) for row in rows]


def tokens(factors: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Captions (N, LENGTH) of factors (N, 4), the template chosen by `choice` (N,)."""
    kinds = np.concatenate([factors, (choice % len(TEMPLATES))[:, None]], 1)
    distinct, place = np.unique(kinds, axis=0, return_inverse=True)
    return encode([caption(kind[:4], kind[4]) for kind in distinct.tolist()])[place.ravel()]
