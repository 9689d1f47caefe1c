"""Every recipe that was tried, with what it gave on inner validation images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils.errors import StudyError
from busi_utils.kept import keep_table
from busi_utils.recipes import settings_of
from busi_utils.stats.metrics import encode
from busi_utils.study.predictions import (
    FILE_NAME,
    PROBABILITIES,
    RETRAIN,
    predictions_folder,
    read_prediction_file,
)
from busi_utils.study.study import Study

COLUMNS = ["dataset", "cohort", "model", "recipe", "seeds", "cells", "n"]
COLUMNS += ["accuracy", "balanced_accuracy", "log_loss", "settings"]


def trials(study: Study, cohort: str) -> pd.DataFrame:
    """Collect the inner validation results of every row of a cohort into ``results/trials.csv``.

    Choices between recipes may look at these numbers, with care: no test prediction enters them,
    but the images are test images of other folds. They pool the validation images of all folds and
    seeds of a row.

    Parameters
    ----------
    study : Study
        Holds ``results/validation``.
    cohort : str
        For instance ``clean``.

    Returns
    -------
    pd.DataFrame
        Columns ``dataset, cohort, model, recipe, seeds, cells, n`` (predictions), ``accuracy,
        balanced_accuracy, log_loss`` and ``settings`` (what differs from the recipe as written,
        JSON), sorted by model, then from best to worst balanced accuracy.
    """
    root = study.workspace.results / "validation" / study.dataset / cohort
    rows = [_trial(study, cohort, folder) for folder in sorted(root.glob("*/*"))]
    order = ["model", "balanced_accuracy"]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.sort_values(order, ascending=[True, False], ignore_index=True)
    keep_table(study.workspace.results / "trials.csv", table, float_format="%.6f")
    return table


def best_trial(study: Study, cohort: str, model: str, recipes: Sequence[str]) -> dict[str, object]:
    """Return the trial of a model with the highest balanced accuracy on inner validation images.

    Each is judged by all its seeds, pooled; some recipes have more of them than others.

    Returns
    -------
    dict
        A line of `trials`.
    """
    folder = study.workspace.results / "validation" / study.dataset / cohort / model
    lines = [_trial(study, cohort, folder / recipe) for recipe in recipes]
    return max(lines, key=lambda line: line["balanced_accuracy"])


def _require_whole(study: Study, cohort: str, folder: Path) -> None:
    """Stop if a cell of a row has test predictions and lacks those on validation images."""
    row = (study.dataset, cohort, folder.parent.name, folder.name)
    for path in sorted(predictions_folder(study.workspace, *row).glob("seed*_fold*.csv")):
        if not (folder / path.name).is_file():
            raise StudyError(f"The predictions {folder / path.name} are missing: {RETRAIN}")


def _trial(study: Study, cohort: str, folder: Path) -> dict[str, object]:
    """Summarise the validation files of one row."""
    files = {FILE_NAME.fullmatch(path.name): path for path in sorted(folder.iterdir())}
    files = {name: path for name, path in files.items() if name}
    _require_whole(study, cohort, folder)
    found = pd.concat([read_prediction_file(path) for path in files.values()])
    y, p = encode(found["label"].to_numpy()), found[PROBABILITIES].to_numpy()
    right = p.argmax(axis=1) == y
    chosen = np.clip(p[np.arange(len(y)), y], 1e-7, 1)
    return {
        "dataset": study.dataset,
        "cohort": cohort,
        "model": folder.parent.name,
        "recipe": folder.name,
        "seeds": len({name[1] for name in files}),
        "cells": len(files),
        "n": len(y),
        "accuracy": right.mean(),
        "balanced_accuracy": np.mean([right[y == c].mean() for c in np.unique(y)]),
        "log_loss": -np.log(chosen).mean(),
        "settings": json.dumps(settings_of(folder.name), sort_keys=True),
    }
