"""Rows derived from trained ones without training: corrected for class shares, averaged.

Whatever is chosen here is chosen on the inner validation images of each fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.audit.folds import FOLDS
from busi_utils.errors import StudyError
from busi_utils.recipes import BALANCED, ENSEMBLE, MEAN, SEEDS
from busi_utils.stats.calibration import SMALLEST
from busi_utils.stats.metrics import encode
from busi_utils.study.cells import Cell, grid, prediction_table, read_record, save_cell
from busi_utils.study.predictions import PROBABILITIES, read_prediction_file
from busi_utils.study.study import Study

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
MEANS = dict(enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight"), start=1))
"""Number of networks to the word that names their mean, for instance ``mean_of_six``."""


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
    """Write the balanced row of a trained one and, if it has several seeds, their means.

    Parameters
    ----------
    study : Study
        Holds the predictions on test and inner validation images.
    cohort, model, recipe : str
        The trained row.
    seeds : tuple of int
        Its seeds. ``<recipe>-seeds`` averages their probabilities, ``<recipe>-ensemble`` their
        balanced ones; both are stored as seed 0.
    """
    for fold in range(FOLDS):
        sources = grid(study.dataset, [cohort], [model], [recipe], seeds, [fold])
        balanced = [_balanced(study, cell) for cell in sources]
        if len(sources) < 2:
            continue
        plain = [read_prediction_file(cell.predictions(study.workspace)) for cell in sources]
        for ending, tables in ((SEEDS, plain), (ENSEMBLE, balanced)):
            cell = replace(sources[0], recipe=recipe + ending, seed=0)
            # No validation file: one seed's validation images are another's training images.
            _save(study, cell, sources, _mean_table(tables, f"{model}'s mean of seeds"), None)


def derive_mean(study: Study, cohort: str, models: Sequence[str], recipe: str, seed: int) -> str:
    """Write the equal mean of several networks, plain and corrected for class shares.

    Networks of one seed share their inner validation images, so their mean has predictions on
    these too, and what is chosen for it is chosen as for one network.

    Parameters
    ----------
    study : Study
        Holds the predictions on test and inner validation images.
    cohort : str
    models : sequence of str
        The members, all with the same weight.
    recipe : str
        By which each was trained; the rows are named ``<recipe>-mean`` and
        ``<recipe>-mean-balanced``.
    seed : int
        Of every member.

    Returns
    -------
    str
        The name under which the rows are filed in a model's place, such as ``mean_of_six``.

    Raises
    ------
    StudyError
        If a member's predictions are missing, or two members were not asked about the same images
        or did not start alike.
    """
    if len(models) not in MEANS:
        raise StudyError(f"A mean of {len(models)} networks has no name: give 1 to {len(MEANS)}.")
    name = f"mean_of_{MEANS[len(models)]}"
    for fold in range(FOLDS):
        sources = grid(study.dataset, [cohort], models, [recipe], [seed], [fold])
        for source in sources:
            files = (source.predictions, source.validation, source.record)
            if not all(file(study.workspace).is_file() for file in files):
                raise StudyError(
                    f"The mean of {len(models)} networks lacks {source}: run the study for it, or "
                    f"leave {source.model} out of `tuned_models`."
                )
        if len({read_record(source, study.workspace)["init"] for source in sources}) > 1:
            raise StudyError(f"The members of {name} started from different initialisations.")
        test, validation = (
            _mean_table([read_prediction_file(place(source)) for source in sources], name)
            for place in (
                lambda source: source.predictions(study.workspace),
                lambda source: source.validation(study.workspace),
            )
        )
        cell = replace(sources[0], model=name, recipe=recipe + MEAN)
        _save(study, cell, sources, test, validation, members=list(models))
        _balanced(study, cell, members=list(models))
    return name


def _mean_table(tables: Sequence[pd.DataFrame], name: str) -> pd.DataFrame:
    """Return the mean of prediction tables of the same images, in the order of the first."""
    first = tables[0]
    aligned = [table.set_index("image_id").reindex(first["image_id"]) for table in tables]
    if any(
        len(table) != len(first) or list(one["label"]) != list(first["label"])
        for table, one in zip(tables, aligned, strict=True)
    ):
        raise StudyError(f"The members of {name} were not asked about the same images.")
    mean = np.mean([one[PROBABILITIES] for one in aligned], axis=0)
    return prediction_table(first["image_id"], first["label"], mean)


def _balanced(study: Study, source: Cell, **more: Any) -> pd.DataFrame:
    """Write the balanced cell of another; return its test predictions."""
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
    _save(study, cell, [source], balanced(test), balanced(validation), strength=strength, **more)
    return balanced(test)


def _save(
    study: Study,
    cell: Cell,
    sources: list[Cell],
    test: pd.DataFrame,
    validation: pd.DataFrame | None,
    **chosen: Any,
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
