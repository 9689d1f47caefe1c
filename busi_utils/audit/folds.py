"""Folds: which images of a cohort are held out together; one fixed assignment for all models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from busi_utils import forms
from busi_utils.errors import StudyError
from busi_utils.kept import keep_table, read_kept
from busi_utils.workspace import Workspace

RANDOM_SPLIT = ("raw", "raw_with_masks")  # cohorts that are split as most publications do
FOLDS = 5
COLUMNS = ["image_id", "label", "group"]
_SEED = 0
_INNER_FOLDS = 7  # one of them validates, nearest to 15 % of the training images


def is_grouped(cohort: str) -> bool:
    """Whether the cohort is split by group (else at random, to show what that does)."""
    return cohort not in RANDOM_SPLIT


def make_folds(table: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """Assign every image of a cohort to one of five stratified folds.

    Groups stay together (`StratifiedGroupKFold`) except in the cohorts `RANDOM_SPLIT`. The
    assignment depends on names, classes and groups alone, not on the order of the files.

    Parameters
    ----------
    table : pd.DataFrame
        Columns ``image_id, label, group``.
    cohort : str
        One of `cohorts.COHORTS`.

    Returns
    -------
    pd.DataFrame
        Columns ``image_id, label, group, fold`` (0-4), rows as in ``table``.

    Raises
    ------
    StudyError
        If a class has fewer than five groups (five images in a random split).
    """
    unit = "group" if is_grouped(cohort) else "image_id"
    units = table.groupby("label")[unit].nunique()
    if (units < FOLDS).any():
        raise StudyError(
            f"Cohort {cohort}: class {units.idxmin()} has only {units.min()} independent images, "
            f"but {FOLDS} folds need {FOLDS} of each class: add images."
        )
    return assign_folds(table, FOLDS, grouped=is_grouped(cohort))


def _splitter(grouped: bool) -> type:
    # Seconds to import, and most commands that know of folds only read them.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    return StratifiedGroupKFold if grouped else StratifiedKFold


def assign_folds(table: pd.DataFrame, number: int, *, grouped: bool = True) -> pd.DataFrame:
    """Return ``image_id, label, group`` of a table with its stratified ``fold``, 0 to number - 1.

    ``grouped`` folds keep groups together, which is checked.
    """
    ordered = table[COLUMNS].sort_values("image_id")
    kind = _splitter(grouped)
    splitter = kind(number, shuffle=True, random_state=_SEED)
    fold = pd.Series(-1, index=ordered.index)
    groups = ordered["group"] if grouped else None
    for k, (_, test) in enumerate(splitter.split(ordered, ordered["label"], groups)):
        fold.iloc[test] = k
    folds = table[COLUMNS].assign(fold=fold)
    if grouped:
        assert_no_leak(folds)
    return folds


def assert_no_leak(table: pd.DataFrame, part: str = "fold") -> None:
    """Stop the run if a duplicate group spans parts.

    Parameters
    ----------
    table : pd.DataFrame
        Columns ``group`` and ``part``.
    part : str
        The column that names the part of each image, for instance ``fold``.

    Raises
    ------
    StudyError
        If images of one group lie in more than one part.
    """
    spread = table.groupby("group")[part].nunique()
    if (spread > 1).any():
        first = spread.index[spread > 1][0]
        where = ", ".join(
            str(name) for name in sorted(table.loc[table["group"] == first, part].unique())
        )
        raise StudyError(
            f"Leak: {(spread > 1).sum()} duplicate groups span {part}s (group {first} lies in "
            f"{part} {where}), so test images have twins in training: restore the committed folds "
            "file, or delete it together with its predictions."
        )


def read_folds(dataset: str, cohort: str, workspace: Workspace) -> pd.DataFrame:
    """Read ``results/folds_<dataset>_<cohort>.csv`` (``image_id, label, group, fold``).

    Raises
    ------
    StudyError
        If the file is absent, damaged, or lets a group span folds in a grouped cohort.
    """
    path = workspace.folds(dataset, cohort)
    if not path.is_file():
        raise StudyError(f"{path} does not exist: run notebook 01 (the audit) first.")
    folds = read_kept(path, forms.FOLDS)
    if folds["fold"].nunique() != FOLDS:
        raise StudyError(f"{path} lacks a fold of {FOLDS}: restore it from the repository.")
    if is_grouped(cohort):
        assert_no_leak(folds)
    return folds


def folds_of(table: pd.DataFrame, dataset: str, cohort: str, workspace: Workspace) -> pd.DataFrame:
    """Return the folds that the workspace holds for exactly these images, else new ones.

    Raises
    ------
    StudyError
        If the existing file holds other images, labels or groups: predictions depend on it, so it
        is never replaced.
    """
    path = workspace.folds(dataset, cohort)
    if not path.is_file():
        return make_folds(table, cohort)
    folds = read_folds(dataset, cohort, workspace)
    now, then = (
        part[COLUMNS].sort_values("image_id", ignore_index=True) for part in (table, folds)
    )
    if not now.equals(then):
        raise StudyError(
            f"{path} was made for other images, labels or duplicate groups ({len(then)} images, "
            f"now {len(now)}): use the data it was made for, another workspace, or delete it "
            "together with its predictions."
        )
    return folds


def save_folds(folds: pd.DataFrame, dataset: str, cohort: str, workspace: Workspace) -> None:
    """Write a folds file atomically."""
    keep_table(workspace.folds(dataset, cohort), folds[[*COLUMNS, "fold"]])


def inner_split(
    folds: pd.DataFrame, fold: int, seed: int = 0, *, grouped: bool = True
) -> tuple[list[str], list[str], list[str]]:
    """Split the images into training, validation and test for one fold.

    Parameters
    ----------
    folds : pd.DataFrame
        See `read_folds`.
    fold : int
        The fold that is the test set.
    seed : int
        Seed of the choice of the validation set.
    grouped : bool
        Keep groups together (`is_grouped`); False for the cohorts that are split at random.

    Returns
    -------
    (list of str, list of str, list of str)
        ``image_id`` of the training, validation and test images.
    """
    outer, test = folds[folds["fold"] != fold], folds[folds["fold"] == fold]
    outer = outer.sort_values("image_id")
    kind = _splitter(grouped)
    splitter = kind(_INNER_FOLDS, shuffle=True, random_state=seed)
    _, val = next(splitter.split(outer, outer["label"], outer["group"] if grouped else None))
    parts = pd.Series("train", index=folds.index)
    parts[test.index] = "test"
    parts[outer.index[val]] = "val"
    if grouped:
        assert_no_leak(folds.assign(part=parts), "part")
    return tuple(folds.loc[parts == name, "image_id"].tolist() for name in ("train", "val", "test"))


def share_of_groups(
    folds: pd.DataFrame, image_ids: Sequence[str], share: float, seed: int
) -> list[str]:
    """Keep the images of a share of the groups, the same share of every class.

    The smaller of two shares with one seed is a part of the larger.

    Parameters
    ----------
    folds : pd.DataFrame
        See `read_folds`; a group's class is that of its first image.
    image_ids : sequence of str
        The images to choose from, for instance a training part.
    share : float
        In (0, 1]; of every class at least two groups are kept.
    seed : int
        Seed of the order in which groups are taken.
    """
    images = folds[folds["image_id"].isin(set(image_ids))].sort_values("image_id")
    classes = images.groupby("group")["label"].first()
    rng, kept = np.random.default_rng(seed), set()
    for _, groups in classes.groupby(classes):
        order = rng.permutation(groups.index.to_numpy())
        kept |= set(order[: max(2, round(share * len(order)))])
    chosen = set(images.loc[images["group"].isin(kept), "image_id"])
    return [name for name in image_ids if name in chosen]
