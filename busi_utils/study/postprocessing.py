"""Rows derived from trained ones without training: corrected for class shares, averaged over seeds.

Whatever is chosen here is chosen on the inner validation images of each fold.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.audit.folds import FOLDS
from busi_utils.recipes import BALANCED, ENSEMBLE
from busi_utils.stats.calibration import SMALLEST
from busi_utils.stats.metrics import encode
from busi_utils.study.cells import Cell, grid, prediction_table, read_record, save_cell
from busi_utils.study.predictions import PROBABILITIES, read_prediction_file
from busi_utils.study.study import Study

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def corrected(p: np.ndarray, shares: np.ndarray, strength: float) -> np.ndarray:
    r"""Divide the training set's class shares out of probabilities.

    .. math:: q_c \propto p_c / \pi_c^{\,\tau}

    With :math:`\tau = 1` the arg max minimises the balanced error, if p is calibrated; 0 leaves p.

    Parameters
    ----------
    p : numpy.ndarray
        Shape (n, 3), probabilities.
    shares : numpy.ndarray
        Shape (3,), class shares of the training images.
    strength : float
        :math:`\tau`, 0 to 1.

    References
    ----------
    Menon et al., Long-tail learning via logit adjustment, ICLR 2021.
    """
    q = np.maximum(p, SMALLEST) / shares**strength
    return q / q.sum(axis=1, keepdims=True)


def best_strength(y: np.ndarray, p: np.ndarray, shares: np.ndarray) -> float:
    """Return the strength in `STRENGTHS` with the lowest log loss, every class counting alike."""

    def loss(strength: float) -> float:
        log = -np.log(corrected(p, shares, strength)[np.arange(len(y)), y])
        return float(np.mean([log[y == c].mean() for c in np.unique(y)]))

    return min(STRENGTHS, key=loss)


def derive_rows(study: Study, cohort: str, model: str, recipe: str, seeds: tuple[int, ...]) -> None:
    """Write the balanced row of a trained one and, if it has several seeds, their ensemble.

    Parameters
    ----------
    study : Study
        Holds the predictions on test and inner validation images.
    cohort, model, recipe : str
        The trained row.
    seeds : tuple of int
        Its seeds. The ensemble averages their balanced probabilities and is stored as seed 0.
    """
    for fold in range(FOLDS):
        sources = grid(study.dataset, [cohort], [model], [recipe], seeds, [fold])
        tables = [_balanced(study, cell) for cell in sources]
        if len(sources) > 1:
            mean = np.mean([table[PROBABILITIES] for table in tables], axis=0)
            table = prediction_table(tables[0]["image_id"], tables[0]["label"], mean)
            cell = replace(sources[0], recipe=recipe + ENSEMBLE, seed=0)
            # No validation file: one seed's validation images are another's training images.
            _save(study, cell, sources, table, None)


def _balanced(study: Study, source: Cell) -> pd.DataFrame:
    """Write the balanced cell of a trained one; return its test predictions."""
    folds = study.folds(source.cohort)
    learnt = encode(folds.loc[folds["fold"] != source.fold, "label"].to_numpy())
    shares = np.bincount(learnt, minlength=len(CLASSES)) / len(learnt)
    validation = read_prediction_file(source.validation(study.workspace))
    test = read_prediction_file(source.predictions(study.workspace))
    y = encode(validation["label"].to_numpy())
    strength = best_strength(y, validation[PROBABILITIES].to_numpy(), shares)

    def balanced(part: pd.DataFrame) -> pd.DataFrame:
        p = corrected(part[PROBABILITIES].to_numpy(), shares, strength)
        return prediction_table(part["image_id"], part["label"], p)

    cell = replace(source, recipe=source.recipe + BALANCED)
    _save(study, cell, [source], balanced(test), balanced(validation), strength=strength)
    return balanced(test)


def _save(
    study: Study,
    cell: Cell,
    sources: list[Cell],
    test: pd.DataFrame,
    validation: pd.DataFrame | None,
    **chosen: float,
) -> None:
    first = read_record(sources[0], study.workspace)
    record = asdict(cell) | {
        "config_hash": study.config_hash(cell),
        "init": first["init"],
        "derived_from": [str(source) for source in sources],
        **chosen,
        "n_train": first["n_train"],
        "n_test": len(test),
        "epochs_run": first["epochs_run"],
        "train_accuracy": None,
        "seconds": 0.0,
        "history": [],
    }
    save_cell(cell, test, validation, record, study.workspace)
