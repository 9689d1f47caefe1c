"""Lesson 1: plant a leak; who is exposed, honest folds, twins, labels that mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from busi_lessons.exercises import Exercise, Wrong, ask, close, numbers
from busi_lessons.material import phantoms, squares
from busi_lessons.splits import HONEST_SPLITS, draw_scans


def _exposed(answer: Callable, rng: np.random.Generator) -> None:
    for _ in range(5):
        scan, fold = draw_scans(rng, 60), rng.integers(0, 5, 60)
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
        raise Wrong(_small_case(answer, rng) or f"it gives {found:.3f} instead of {right:.3f}.")


def _small_case(answer: Callable, rng: np.random.Generator) -> str:
    """Return a case that can be followed by hand, and which the answer gets wrong."""
    for n in (4, 4, 4, 5, 5, 5, 6, 6, 6, 8, 8, 8):
        scan, fold = draw_scans(rng, n), rng.integers(0, 2, n)
        found = numbers(ask(answer, fold, scan), (), "the share")
        right = np.mean([len(set(fold[scan == s])) > 1 for s in scan])
        if not close(found, right):
            return (
                f"for fold = {fold.tolist()} and scan = {scan.tolist()} it gives {found:.3f} "
                f"instead of {right:.3f}."
            )
    return ""


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
    scan = draw_scans(rng, 200)
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
    if not close(new, ask(answer, y, scan, np.random.default_rng(1))):
        raise Wrong("the same generator gives other labels: draw with the one you are given.")
    if close(new, ask(answer, y, scan, np.random.default_rng(2))):
        raise Wrong("every generator gives the same labels: draw with the one you are given.")


def _any_twin(fold, scan):
    return np.mean(np.bincount(scan)[scan] > 1)


def _by_scan(fold, scan):
    return np.mean([len(set(fold[scan == s])) > 1 for s in set(scan.tolist())])


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
    "honest_splits": HONEST_SPLITS,
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
