"""Out-of-fold predictions: read the files of all folds, check them, one row per image."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.audit.folds import read_folds
from busi_utils.errors import StudyError
from busi_utils.forms import PREDICTIONS, Form
from busi_utils.kept import read_json, read_table
from busi_utils.stats.metrics import encode
from busi_utils.workspace import Stamp, Workspace, stamp

PROBABILITIES = list(PREDICTIONS.one)
RETRAIN = "restore it from the repository, or delete the file and run its study cell again."
FILE_NAME = re.compile(r"seed(\d+)_fold(\d+)\.csv")


@dataclass(frozen=True)
class OutOfFold:
    """What one model and recipe predicted for every image of a cohort, from folds it did not see.

    Attributes
    ----------
    images : pandas.DataFrame
        Columns ``image_id, label, group, fold`` in the order of the folds file.
    seeds : tuple of int
    p : numpy.ndarray
        Shape (seeds, n, 3), probabilities in the order of ``CLASSES``. Given as it is to
        `bootstrap.bootstrap_replicates`, the metrics of the seeds are averaged.
    """

    images: pd.DataFrame
    seeds: tuple[int, ...]
    p: np.ndarray

    @property
    def y(self) -> np.ndarray:
        """Labels (n,), int64, positions in ``CLASSES``."""
        return encode(self.images["label"].to_numpy())

    @property
    def groups(self) -> np.ndarray:
        """Duplicate groups (n,)."""
        return self.images["group"].to_numpy()

    @property
    def ensemble(self) -> np.ndarray:
        """Mean probability over the seeds, (n, 3): one prediction an image."""
        return self.p.mean(axis=0)

    @property
    def right(self) -> np.ndarray:
        """Whether each seed gets each image right, (seeds, n) bool."""
        return self.p.argmax(axis=-1) == self.y

    def rows_of(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """Return the row of each image in a manifest, in order, by ``image_id``.

        Raises
        ------
        StudyError
            If the manifest lacks an image.
        """
        names, known = self.images["image_id"], manifest.set_index("image_id")
        if len(unknown := names[~names.isin(known.index)]):
            raise StudyError(
                f"The manifest does not list {unknown.iloc[0]!r} ({len(unknown)} such images): use "
                "the manifest from which the cohort was made."
            )
        return known.loc[names]


def predictions_folder(
    workspace: Workspace, dataset: str, cohort: str, model: str, recipe: str
) -> Path:
    """Return the folder that holds the prediction files of one model and recipe."""
    return workspace.predictions / dataset / cohort / model / recipe


def record_files(workspace: Workspace, dataset: str) -> list[Path]:
    """Return the run record of every stored cell of a data set, in order."""
    return sorted((workspace.predictions / dataset).glob("*/*/*/seed*_fold*.json"))


def read_prediction_file(path: Path) -> pd.DataFrame:
    """Read one prediction file, of test, inner validation or external images.

    Returns
    -------
    pandas.DataFrame
        Columns ``image_id, label, p_normal, p_benign, p_malignant``.

    Raises
    ------
    StudyError
        See `read_cell_table`.
    """
    return read_cell_table(path, PREDICTIONS)


def read_cell_table(path: Path, form: Form) -> pd.DataFrame:
    """Read a table ``results/<kind>/<cell>.csv`` and hold it against the record beside it.

    Parameters
    ----------
    path : Path
        The table; a validation table's record lies beside the predictions.
    form : Form
        One of `forms`.

    Raises
    ------
    StudyError
        If the file is absent, is not of this form, or is not the one that its record tells of.
    """
    record, kind = path.with_suffix(".json"), path.parents[4].name
    if kind == "validation":
        record = path.parents[5] / "predictions" / record.relative_to(path.parents[4])
    told = read_run_record(record) if record.exists() else {}
    digest = told.get("sha256", {}).get(kind)
    table = read_table(path, form, RETRAIN, [digest] if digest else [])
    number = told.get({"validation": "n_validation", "predictions": "n_test"}.get(kind))
    if number not in (None, len(table)):
        raise StudyError(f"{path} has {len(table)} rows, its record says {number}: {RETRAIN}")
    return table


def read_run_record(path: Path, keys: Collection[str] = ()) -> dict[str, Any]:
    """Read the record of a cell, ``results/<kind>/<cell>.json``.

    Raises
    ------
    StudyError
        If it is damaged, lacks a key, or tells of another cell than that whose name it bears.
    """
    told = read_json(path, RETRAIN, keys)
    names = dict(zip(("dataset", "cohort", "model", "recipe"), path.parts[-5:-1], strict=True))
    found = dict(told)
    if {"seed", "fold"} <= set(told):
        found["file"] = f"seed{told['seed']}_fold{told['fold']}"
    for key, name in {**names, "file": path.stem}.items():
        if found.get(key, name) != name:
            raise StudyError(f"{path} is the record of another cell ({found[key]}): {RETRAIN}")
    for key, kind in (("init", str), ("history", list), ("sha256", dict)):
        if key in told and not isinstance(told[key], kind):
            raise StudyError(f"{path}: {key} is {told[key]!r}; {RETRAIN}")
    return told


def available_seeds(folder: Path) -> tuple[int, ...]:
    """Return the seeds of which at least one fold lies in the folder, in rising order."""
    if not folder.is_dir():
        return ()
    names = (FILE_NAME.fullmatch(path.name) for path in folder.iterdir())
    return tuple(sorted({int(name[1]) for name in names if name}))


def out_of_fold(
    workspace: Workspace,
    dataset: str,
    cohort: str,
    model: str,
    recipe: str,
    seeds: Sequence[int] | None = None,
) -> OutOfFold:
    """Put the test folds of one model and recipe together: every image once per seed.

    Parameters
    ----------
    workspace : Workspace
    dataset, cohort, model, recipe : str
        As in ``results/predictions/<dataset>/<cohort>/<model>/<recipe>/seed<k>_fold<i>.csv``.
    seeds : sequence of int, optional
        All seeds found, if not given.

    Raises
    ------
    StudyError
        If a fold of a seed is missing (a part of the folds is never taken for the whole), a file is
        damaged, or its images and labels are not those of the fold.
    """
    images = read_folds(dataset, cohort, workspace)
    folder = predictions_folder(workspace, dataset, cohort, model, recipe)
    chosen = tuple(available_seeds(folder) if seeds is None else seeds)
    if not chosen:
        raise StudyError(f"There are no predictions in {folder}: run the study for them.")
    wanted = {(s, f): folder / f"seed{s}_fold{f}.csv" for s in chosen for f in _folds(images)}
    missing = [path.name for path in wanted.values() if not path.exists()]
    if missing:
        names = ", ".join(missing)
        raise StudyError(f"In {folder} these folds are missing: {names}; run the study for them.")
    folds_file = stamp(workspace.folds(dataset, cohort))
    files = tuple((place, stamp(path)) for place, path in wanted.items())
    return _together(workspace, dataset, cohort, chosen, folds_file, files)


@lru_cache(maxsize=256)  # tables of one notebook share most of their rows; changed files are reread
def _together(
    workspace: Workspace,
    dataset: str,
    cohort: str,
    seeds: tuple[int, ...],
    folds_file: Stamp,
    files: tuple[tuple[tuple[int, int], Stamp], ...],
) -> OutOfFold:
    images = read_folds(dataset, cohort, workspace)
    p = np.empty((len(seeds), len(images), len(CLASSES)))
    for (seed, fold), (path, *_) in files:
        rows = np.flatnonzero(images["fold"] == fold)
        p[seeds.index(seed), rows] = _matched(path, images.iloc[rows])
    p.flags.writeable = False  # shared by all who ask
    return OutOfFold(images, seeds, p)


def _folds(images: pd.DataFrame) -> list[int]:
    return sorted(images["fold"].unique().tolist())


def _matched(path: Path, expected: pd.DataFrame) -> np.ndarray:
    """Return the probabilities of a file in the order of the fold's images (m, 3)."""
    frame = read_prediction_file(path).set_index("image_id")
    odd = sorted(set(frame.index) ^ set(expected["image_id"]))
    if odd:
        where = "is not of this fold" if odd[0] in frame.index else "is missing"
        raise StudyError(
            f"{path} does not match the folds file: {odd[0]!r} {where} ({len(odd)} such images); "
            "delete the file and run its study cell again."
        )
    frame = frame.loc[expected["image_id"]]
    wrong = frame.index[frame["label"].to_numpy() != expected["label"].to_numpy()]
    if len(wrong):
        raise StudyError(
            f"{path} and the folds file disagree on the label of {wrong[0]!r}: delete the "
            "predictions and run the study cell again."
        )
    return frame[PROBABILITIES].to_numpy(dtype=float)
