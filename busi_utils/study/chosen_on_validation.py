"""Temperatures and thresholds chosen on inner validation images, judged on the test folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from busi_utils.audit.folds import FOLDS
from busi_utils.errors import StudyError
from busi_utils.recipes import BALANCED, ENSEMBLE, SEEDS
from busi_utils.stats.calibration import DECIMALS, apply_temperature, fit_temperature
from busi_utils.stats.metrics import MALIGNANT, encode
from busi_utils.stats.ranking import threshold_at_specificity
from busi_utils.stats.resampling import as_line, bootstrap_ratios
from busi_utils.study.cells import Cell, grid
from busi_utils.study.predictions import (
    PROBABILITIES,
    OutOfFold,
    available_seeds,
    predictions_folder,
    read_prediction_file,
)
from busi_utils.study.rows import Row, read_row
from busi_utils.study.study import Study

SPECIFICITY = 0.9


def has_validation(study: Study, row: Row) -> bool:
    """Whether every fold and seed of a row left predictions on its inner validation images.

    Logistic regression and references did not. Of a mean of seeds its seeds are asked.
    """
    return all(cell.validation(study.workspace).is_file() for cell in _cells(study, row))


def _cells(study: Study, row: Row) -> list[Cell]:
    row = _averaged(row) or row
    seeds = available_seeds(predictions_folder(study.workspace, study.dataset, *row))
    return grid(study.dataset, *([name] for name in row), seeds)


def _averaged(row: Row) -> Row | None:
    """Return the row of which another averages the seeds; None if it averages none."""
    for ending, of in ((SEEDS, ""), (ENSEMBLE, BALANCED)):
        if row[2].endswith(ending):
            return (*row[:2], row[2].removesuffix(ending) + of)
    return None


def chosen_on_validation(
    study: Study, row: Row, choose: Callable[[np.ndarray, np.ndarray], float]
) -> np.ndarray:
    """Choose a number per seed and fold on the fold's inner validation images.

    A mean of seeds has no such images, since one seed's are another's training images: it takes
    the mean of what its seeds choose.

    Parameters
    ----------
    study : Study
    row : Row
    choose : callable
        Takes labels (m,) and probabilities (m, 3) of the validation images.

    Returns
    -------
    numpy.ndarray
        Shape (seeds, folds), float.

    Raises
    ------
    StudyError
        If a seed or fold left no validation predictions.
    """
    numbers = []
    for cell in _cells(study, row):
        path = cell.validation(study.workspace)
        if not path.is_file():
            raise StudyError(
                f"{path} does not exist, but thresholds and temperatures are chosen on it: leave "
                f"{' '.join(row)} out or run the study for it again."
            )
        table = read_prediction_file(path)
        labels, p = encode(table["label"].to_numpy()), table[PROBABILITIES].to_numpy()
        numbers.append(choose(labels, p))
    chosen = np.array(numbers, dtype=float).reshape(-1, FOLDS)
    return chosen.mean(axis=0, keepdims=True) if _averaged(row) else chosen


def calibrated(study: Study, row: Row) -> tuple[OutOfFold, np.ndarray]:
    """Return out-of-fold predictions after temperature scaling, and the temperatures.

    Returns
    -------
    found : OutOfFold
        Every image scaled by the temperature of its seed and fold, which was fitted on that fold's
        inner validation images; the predicted classes are as before.
    temperatures : numpy.ndarray
        Shape (seeds, folds); above 1 where the network was overconfident.

    Raises
    ------
    StudyError
        See `chosen_on_validation`.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, ICML 2017.
    """
    found = read_row(study, row)
    temperatures = chosen_on_validation(study, row, fit_temperature)
    of_image = temperatures[:, found.images["fold"]]
    scaled = [apply_temperature(p, t[:, None]) for p, t in zip(found.p, of_image, strict=True)]
    return replace(found, p=np.round(scaled, DECIMALS)), temperatures


def sensitivity_at_validated_threshold(
    study: Study, rows: Sequence[Row], seed: int, n_replicates: int
) -> pd.DataFrame:
    """Judge "malignant or not" on the test folds at thresholds chosen on validation images.

    The threshold of a seed and fold is the lowest p_malignant with a specificity of at least 90 %
    on its inner validation images. The interval is that of new test images; that thresholds chosen
    on other, as small validation sets would differ is not part of it.

    Parameters
    ----------
    study : Study
    rows : sequence of Row
        Rows that have validation predictions (`has_validation`).
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.

    Returns
    -------
    pd.DataFrame
        ``cohort, model, recipe, seeds, n``, ``threshold`` (mean over seeds and folds),
        ``threshold_least, threshold_most``, then ``sensitivity`` and ``specificity``, each with
        ``_low`` and ``_high``.

    Raises
    ------
    StudyError
        See `chosen_on_validation`.
    """
    lines = []
    for row in rows:
        found = read_row(study, row)
        thresholds = chosen_on_validation(study, row, _threshold)
        flagged = found.p[:, :, MALIGNANT] >= thresholds[:, found.images["fold"]]
        acted, malignant = flagged.mean(axis=0), found.y == MALIGNANT
        rates = {
            "sensitivity": (acted * malignant, malignant),
            "specificity": ((1 - acted) * ~malignant, ~malignant),
        }
        line = dict(zip(("cohort", "model", "recipe"), row, strict=True))
        line |= {"seeds": len(found.seeds), "n": len(found.y), "threshold": thresholds.mean()}
        line |= {"threshold_least": thresholds.min(), "threshold_most": thresholds.max()}
        lines.append(line | as_line(bootstrap_ratios(rates, found.groups, seed, n_replicates)))
    return pd.DataFrame(lines)


def _threshold(y: np.ndarray, p: np.ndarray) -> float:
    return threshold_at_specificity(y == MALIGNANT, p[:, MALIGNANT], SPECIFICITY)
