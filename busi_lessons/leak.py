"""Lesson 1: plant a leak; who is exposed, honest folds, twins, labels that mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, KFold, StratifiedKFold

from busi_lessons.exercises import Exercise, Wrong, ask, close, numbers
from busi_lessons.material import phantoms, squares


def _scans(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return acquisitions of 1 to 3 images each, in mixed order."""
    sizes = rng.choice([1, 2, 3], n, p=[0.5, 0.35, 0.15])
    return rng.permutation(np.repeat(np.arange(n), sizes)[:n])


def _exposed(answer: Callable, rng: np.random.Generator) -> None:
    for case in range(5):
        scan, fold = _scans(rng, 60), rng.integers(0, 5, 60)
        found = numbers(ask(answer, fold, scan), (), "the share")
        pairs = [set(fold[scan == s]) for s in scan]
        right = np.mean([len(folds) > 1 for folds in pairs])
        if close(found, right):
            continue
        if close(found, np.mean(np.isin(scan, np.flatnonzero(np.bincount(scan) > 1)))):
            raise Wrong("you counted every image with a twin; one in the same fold does no harm.")
        if close(found, np.mean([len(set(fold[scan == s])) > 1 for s in np.unique(scan)])):
            raise Wrong("you counted scans; the test counts images.")
        with_twin = (np.bincount(scan)[scan] > 1).mean()
        if close(found, right / with_twin):
            raise Wrong("you divided by the images with a twin; the share is of all images.")
        if close(found, 1 - right):
            raise Wrong("these are the images that are NOT exposed.")
        if found > 1:
            raise Wrong("a share lies between 0 and 1: divide by the number of images.")
        raise Wrong(f"on hidden case {case + 1} it gives {found:.3f} instead of {right:.3f}.")


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
            if part.size and not (part.min() >= 0 and part.max() < n):
                raise Wrong(f"a position lies outside 0 to {n - 1}: return positions, not labels.")
        parts.append((train, test))
    return parts


def _honest(answer: Callable, rng: np.random.Generator) -> None:
    scan = _scans(rng, 150)
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
    if np.abs(shares - np.bincount(y) / 150).max() > 0.2:
        raise Wrong("the folds differ in their classes; keep the shares alike (stratify).")


def _twins(answer: Callable, rng: np.random.Generator) -> None:
    hidden = phantoms(int(rng.integers(10**6)), each=4, twins=0.75)
    pictures = squares(hidden.images)
    try:
        found = {tuple(sorted(map(int, pair))) for pair in ask(answer, pictures)}
    except (TypeError, ValueError):
        raise Wrong("return pairs (i, j) of positions, for instance {(0, 5), (2, 9)}.") from None
    if any(len(pair) != 2 for pair in found):
        raise Wrong("each entry should be a pair (i, j) of two positions.")
    if any(not 0 <= i < len(pictures) for pair in found for i in pair):
        raise Wrong(
            f"a position lies outside 0 to {len(pictures) - 1}: the pictures are others than those "
            "above, so look at what you are given."
        )
    if any(i == j for i, j in found):
        raise Wrong("an image is no twin of itself.")
    same = hidden.scan[:, None] == hidden.scan
    true = {(int(i), int(j)) for i, j in np.argwhere(np.triu(same, 1))}
    equal = {(i, j) for i, j in true if (pictures[i] == pictures[j]).all()}
    if found == equal:
        raise Wrong(
            f"only equal pixels are found, {len(equal)} of {len(true)} pairs; a twin may be "
            "brighter, or have been scaled."
        )
    if not found:
        raise Wrong(f"none of the {len(true)} planted pairs is found.")
    if len(found & true) < 0.8 * len(found):
        raise Wrong(
            f"{len(found - true)} of {len(found)} pairs are no twins; everybody has a nearest "
            "neighbour, so a pair needs a likeness above a limit."
        )
    if len(found & true) < 0.8 * len(true):
        raise Wrong(f"only {len(found & true)} of {len(true)} planted pairs are found.")


def _shuffled(answer: Callable, rng: np.random.Generator) -> None:
    scan = _scans(rng, 200)
    y = rng.integers(0, 3, 200)[scan]
    new = numbers(ask(answer, y, scan, np.random.default_rng(1)), (200,), "the new labels")
    order = np.argsort(scan, kind="stable")
    twins = [(a, b) for a, b in pairwise(order) if scan[a] == scan[b]]
    if close(new, y):
        raise Wrong("the labels are the old ones.")
    if not np.isin(new, [0, 1, 2]).all():
        raise Wrong("the new labels should be the old ones in another order.")
    if any(new[a] != new[b] for a, b in twins):
        raise Wrong(
            "twins got different labels: then nothing can be recognised, and the leak is hidden "
            "instead of shown. Shuffle the labels of scans, not of images."
        )
    first = np.unique(scan, return_index=True)[1]
    if (np.bincount(new[first].astype(int)) != np.bincount(y[first])).any():
        raise Wrong("the classes changed their sizes: permute the labels, do not draw new ones.")
    if close(new, ask(answer, y, scan, np.random.default_rng(2))):
        raise Wrong("every generator gives the same labels: draw with the one you are given.")


def _any_twin(fold, scan):
    return np.mean(np.bincount(scan)[scan] > 1)


def _by_scan(fold, scan):
    return np.mean([len(set(fold[scan == s])) > 1 for s in set(scan.tolist())])


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


def _equal_pixels(pictures):
    flat = pictures.reshape(len(pictures), -1)
    n = range(len(flat))
    return {(i, j) for i in n for j in n if i < j and (flat[i] == flat[j]).all()}


def _nearest(pictures):
    r = np.corrcoef(pictures.reshape(len(pictures), -1).astype(float))
    np.fill_diagonal(r, -1)
    return {(i, int(j)) for i, j in enumerate(r.argmax(axis=1))}


EXERCISES = {
    "share_exposed": Exercise(
        task="returns the share of images that have a twin in another fold",
        examine=_exposed,
        hint="An image is exposed if some other image has its scan number and another fold. Two "
        "columns in a DataFrame, grouped by scan: how many different folds has each scan?",
        right="Images, not scans, and only twins that a fold boundary parts.",
        wrong={
            "every twin counts": (_any_twin, "every image with a twin"),
            "scans instead of images": (_by_scan, "counted scans"),
        },
    ),
    "honest_splits": Exercise(
        task="returns five (train, test) pairs that never part twins",
        examine=_honest,
        hint="scikit-learn has a splitter that stratifies by class and keeps groups together: "
        "StratifiedGroupKFold. Its split takes the groups as a third argument.",
        right="No scan on both sides, every image tested once, classes alike in all folds.",
        wrong={
            "stratified is enough": (_random, "twins leak"),
            "draw five times": (_repeated_draws, "tested more than once"),
            "blocks of files": (_blocks, "differ in their classes"),
            "drop the copies": (_one_of_each, "never tested"),
            "split the scans": (_positions_of_scans, "positions of scans"),
        },
    ),
    "find_twins": Exercise(
        task="returns the pairs (i, j) of pictures that show one scan",
        examine=_twins,
        hint="Twins may be brighter or scaled, but the pattern is the same: correlate every "
        "picture with every other (np.corrcoef) and look at a histogram of the values.",
        right="At least 80 % of the planted pairs, and hardly any other.",
        wrong={
            "equal pixels": (_equal_pixels, "only equal pixels"),
            "the nearest is the twin": (_nearest, "nearest neighbour"),
        },
    ),
    "shuffle_by_scan": Exercise(
        task="returns the labels shuffled among scans, twins keeping a common label",
        examine=_shuffled,
        hint="Take one label per scan, permute these, and give each image its scan's new label: "
        "np.unique(scan, return_index=True, return_inverse=True).",
        right="Nothing can be learnt from these labels, and twins still agree.",
        wrong={
            "shuffle images": (lambda y, scan, rng: rng.permutation(y), "different labels"),
            "sort them": (
                lambda y, scan, rng: np.sort(y[np.unique(scan, return_index=True)[1]])[scan],
                "every generator gives the same",
            ),
            "draw new labels": (
                lambda y, scan, rng: rng.integers(0, 3, scan.max() + 1)[scan],
                "changed their sizes",
            ),
        },
    ),
}
