"""Lesson 1, exercise 2: what makes five folds honest, and what is taken for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, StratifiedKFold

from busi_lessons.exercises import Exercise, Wrong, ask


def draw_scans(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return acquisitions of 1 to 3 images each, in mixed order."""
    sizes = rng.choice([1, 2, 3], n, p=[0.5, 0.35, 0.15])
    return rng.permutation(np.repeat(np.arange(n), sizes)[:n])


def _pairs_of_arrays(value: Any, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    if not isinstance(value, Iterable):
        raise Wrong(f"return a list of (train, test) pairs, not {type(value).__name__}.")
    parts = []
    for pair in value:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("each entry should be a pair (train, test) of position arrays.")
        train, test = (np.asarray(part) for part in pair)
        for part in (train, test):
            if part.ndim != 1 or not np.issubdtype(part.dtype, np.integer):
                raise Wrong("train and test should be one-dimensional arrays of whole numbers.")
            if len(set(part.tolist())) < part.size:
                raise Wrong("a position occurs twice in one part: return positions, not labels.")
            if part.size and not (part.min() >= 0 and part.max() < n):
                raise Wrong(f"a position lies outside 0 to {n - 1}: return positions, not labels.")
        parts.append((train, test))
    return parts


def _honest(answer: Callable, rng: np.random.Generator) -> None:
    for _ in range(3):  # one draw may please a split that does not look at the classes
        _honest_on(answer, rng)


def _honest_on(answer: Callable, rng: np.random.Generator) -> None:
    scan = draw_scans(rng, 150)
    y = rng.permutation(np.repeat([0, 1, 1, 2, 2], 30))[scan]  # sorted by nothing, uneven classes
    order = np.argsort(y, kind="stable")  # as files come: class by class
    y, scan = y[order], scan[order]
    parts = _pairs_of_arrays(ask(answer, rng.normal(size=(150, 4)), y, scan), 150)
    if len(parts) != 5:
        raise Wrong(f"five folds were asked for, not {len(parts)}.")
    if all(len(test) > len(train) for train, test in parts):
        raise Wrong("the test part is the larger one: return (train, test), in this order.")
    scans = np.arange(len(set(scan)))
    if np.array_equal(np.unique(np.concatenate([test for _, test in parts])), scans):
        raise Wrong("these are positions of scans; return the positions of their images.")
    for train, test in parts:
        if set(train) & set(test):
            raise Wrong("an image is in training and in test at once.")
        if shared := set(scan[train]) & set(scan[test]):
            raise Wrong(f"{len(shared)} scans of one fold are on both sides: twins leak.")
    tested = np.bincount(np.concatenate([test for _, test in parts]), minlength=150)
    if (tested > 1).any():
        raise Wrong(f"{(tested > 1).sum()} images are tested more than once.")
    if (tested == 0).any():
        raise Wrong(f"{(tested == 0).sum()} images are never tested: nothing may be dropped.")
    if any(len(train) + len(test) < 150 for train, test in parts):
        raise Wrong("some images are neither trained on nor tested in a fold: use all of them.")
    shares = np.array([np.bincount(y[test], minlength=3) / len(test) for _, test in parts])
    if np.abs(shares - np.bincount(y) / 150).max() > 0.1:
        raise Wrong("the folds differ in their classes; keep the shares alike (stratify).")


def _random(X, y, scan):
    return list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))


def _repeated_draws(X, y, scan):
    return list(GroupShuffleSplit(5, test_size=0.2, random_state=0).split(X, y, scan))


def _blocks(X, y, scan):
    """Takes the scans as the files lie, class by class."""
    names, first = np.unique(scan, return_index=True)
    fold = (np.argsort(np.argsort(first)) * 5 // len(names))[np.searchsorted(names, scan)]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]


def _one_of_each(X, y, scan):
    """Parts twins by testing one image of each scan alone."""
    first = np.unique(scan, return_index=True)[1]
    parts = StratifiedKFold(5, shuffle=True, random_state=0).split(first, y[first])
    return [(first[a], first[b]) for a, b in parts]


def _positions_of_scans(X, y, scan):
    return list(KFold(5, shuffle=True, random_state=0).split(np.unique(scan)))


HONEST_SPLITS = Exercise(
    task="returns five (train, test) pairs that never part twins",
    examine=_honest,
    hint="scikit-learn has a splitter that stratifies by class and keeps groups together: "
    "StratifiedGroupKFold. Its split takes the groups as a third argument.",
    right="No scan on both sides, every image tested once, classes alike in all folds.",
    wrong={
        "stratified is enough": (_random, "twins leak"),
        "draw five times": (_repeated_draws, "tested more than once"),
        "groups alone": (
            lambda X, y, scan: list(GroupKFold(5).split(X, y, scan)),
            "keep the shares alike",
        ),
        "blocks of files": (_blocks, "differ in their classes"),
        "drop the copies": (_one_of_each, "never tested"),
        "split the scans": (_positions_of_scans, "positions of scans"),
    },
)
