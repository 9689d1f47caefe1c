"""Malignant or benign in another hospital: discrimination, thresholds carried over, calibration.

An external set may lack normal images. Two rules for the networks' third probability, both fixed
before any external image was read:

- ``lesions``: the reader knows that there is a lesion; p = p_malignant / (p_malignant + p_benign).
- ``as_given``: nothing is known; p = p_malignant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from busi_utils.stats.calibration import SMALLEST
from busi_utils.stats.metrics import BENIGN, MALIGNANT
from busi_utils.stats.ranking import mean_auc, threshold_at_specificity
from busi_utils.stats.resampling import as_line, replicate, summable
from busi_utils.study.cells import Cell
from busi_utils.study.chosen_on_validation import SPECIFICITY
from busi_utils.study.predictions import PROBABILITIES, read_prediction_file
from busi_utils.study.study import Study

RULES = ("lesions", "as_given")
FEWEST_A_STRATUM = 20
FEWEST_A_SIDE = 10  # images of a class below which an interval would say nothing


def malignancy(p: np.ndarray, rule: str) -> np.ndarray:
    """Return the probability of malignancy under a rule, (..., 3) to (...)."""
    if rule == "as_given":
        return p[..., MALIGNANT]
    both = p[..., MALIGNANT] + p[..., BENIGN]
    return p[..., MALIGNANT] / np.maximum(both, SMALLEST)


def carried_threshold(study: Study, cell: Cell, rule: str) -> float:
    """Return the threshold with 90 % specificity on a cell's inner validation lesions or images.

    Under ``lesions`` specificity counts benign images, under ``as_given`` all that are not
    malignant.
    """
    table = read_prediction_file(cell.validation(study.workspace))
    if rule == "lesions":
        table = table[table["label"] != "normal"]
    score = malignancy(table[PROBABILITIES].to_numpy(), rule)
    return threshold_at_specificity(table["label"] == "malignant", score, SPECIFICITY)


def binary_replicates(
    malignant: np.ndarray,
    scores: np.ndarray,
    flagged: np.ndarray,
    patients: np.ndarray,
    seed: int,
    n_replicates: int,
) -> pd.DataFrame:
    """Return the measures of one score in every replicate of a bootstrap over patients.

    Parameters
    ----------
    malignant : np.ndarray
        Shape (n,), bool.
    scores : np.ndarray
        Shape (n,) or (networks, n), 0-1; measures of several networks are averaged.
    flagged : np.ndarray
        Like ``scores``, bool: called malignant at the threshold that was carried over.
    patients : np.ndarray
        Shape (n,).
    seed, n_replicates : int

    Returns
    -------
    pd.DataFrame
        Columns ``auc, sensitivity, specificity, brier, expected_over_observed``; row 0 the values
        themselves, then the replicates.
    """
    measures = _measures(malignant, scores, flagged, patients)
    return replicate(measures, patients, seed, n_replicates)


def _measures(
    malignant: np.ndarray, scores: np.ndarray, flagged: np.ndarray, patients: np.ndarray
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return the measures of `binary_replicates` as a function of weights."""
    scores, flagged = np.atleast_2d(scores), np.atleast_2d(flagged)
    auc, benign = mean_auc(malignant, scores, patients), ~malignant
    above = flagged & malignant, ~flagged & benign, summable((scores - malignant) ** 2)
    above = np.concatenate([[malignant, benign], *above, summable(scores)]).astype(float)
    names = ("sensitivity", "specificity", "brier", "expected_over_observed")

    def measures(weights: np.ndarray) -> dict[str, np.ndarray]:
        (cancers, others), *sums = np.split(above @ weights, 2 + len(scores) * np.arange(4))
        below = cancers, others, cancers + others, cancers
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [(s / b).mean(axis=0) for s, b in zip(sums, below, strict=True)]
        return {"auc": auc(weights)} | dict(zip(names, means, strict=True))

    return measures


def auc_line(
    malignant: np.ndarray, score: np.ndarray, groups: np.ndarray, seed: int, n_replicates: int
) -> dict[str, float]:
    """Return the AUC of any score with its interval over groups: ``auc, auc_low, auc_high``."""
    auc = mean_auc(malignant, score[None], groups)
    return as_line(replicate(lambda weights: {"auc": auc(weights)}, groups, seed, n_replicates))


def calibration_slope(malignant: np.ndarray, score: np.ndarray) -> float:
    """Return the slope of the logistic regression of the truth on the logit of a score.

    1 where the score is as confident as it should be, below 1 where it is overconfident (Cox,
    Biometrika 1958;45:562-565).
    """
    clipped = np.clip(score, SMALLEST, 1 - SMALLEST)
    logit = np.log(clipped / (1 - clipped))[:, None]
    return float(LogisticRegression(C=np.inf).fit(logit, malignant).coef_[0, 0])


def external_line(
    malignant: np.ndarray,
    p: np.ndarray,
    thresholds: Mapping[str, Sequence[float]],
    patients: np.ndarray,
    seed: int,
    n_replicates: int,
    kinds: Collection[str] = ("one", "mean"),
) -> list[dict[str, object]]:
    """Return the measures of networks and of their mean, under both rules, with intervals.

    Parameters
    ----------
    malignant : np.ndarray
        Shape (n,), bool.
    p : np.ndarray
        Shape (networks, n, 3).
    thresholds : Mapping
        Rule to the networks' thresholds (`carried_threshold`); their mean serves the mean network.
    patients : np.ndarray
        Shape (n,).
    seed, n_replicates : int
    kinds : collection of str
        ``one``: the average of the networks' measures; ``mean``: those of their mean probability,
        if there are several.

    Returns
    -------
    list of dict
        One a rule and kind: ``rule, networks`` (``one`` or ``mean of <k>``), ``n``,
        ``calibration_slope``, and of each column of `binary_replicates` value, ``_low``, ``_high``.
    """
    asked = {}
    for rule in RULES:
        scores, cuts = malignancy(p, rule), np.asarray(thresholds[rule])
        if "one" in kinds:
            asked[rule, "one"] = scores, cuts[:, None]
        if "mean" in kinds and len(p) > 1:
            mean = malignancy(p.mean(axis=0), rule)[None]
            asked[rule, f"mean of {len(p)}"] = mean, cuts.mean()[None, None]
    measures = {
        key: _measures(malignant, score, score >= cut, patients)
        for key, (score, cut) in asked.items()
    }

    def every(weights: np.ndarray) -> dict[tuple[str, str, str], np.ndarray]:
        found = {key: measure(weights) for key, measure in measures.items()}
        return {(*key, name): values for key in found for name, values in found[key].items()}

    drawn = replicate(every, patients, seed, n_replicates)
    lines = []
    for (rule, kind), (score, _) in asked.items():
        slope = float(np.mean([calibration_slope(malignant, one) for one in score]))
        line = {"rule": rule, "networks": kind, "n": len(malignant), "calibration_slope": slope}
        lines.append(line | as_line(drawn[rule][kind]))
    return lines


def readers_auc(manifest: pd.DataFrame, seed: int, n_replicates: int) -> dict[str, float]:
    """Return the AUC of the readers' own BI-RADS category; empty if an image has none.

    Parameters
    ----------
    manifest : pd.DataFrame
        With ``label, patient, birads``.
    seed, n_replicates : int
        Of the bootstrap over patients.
    """
    category = pd.to_numeric(manifest["birads"], errors="coerce").to_numpy(dtype=float)
    if np.isnan(category).any():
        return {}
    malignant = (manifest["label"] == "malignant").to_numpy()
    return auc_line(malignant, category, manifest["patient"].to_numpy(), seed, n_replicates)


def by_stratum(
    manifest: pd.DataFrame,
    score: np.ndarray,
    flagged: np.ndarray,
    column: str,
    seed: int,
    n_replicates: int,
) -> pd.DataFrame:
    """Return AUC, sensitivity and specificity within each value of a descriptive column.

    Strata of fewer than `FEWEST_A_STRATUM` images are put together as ``other``.

    Parameters
    ----------
    manifest : pd.DataFrame
        Rows of the scores, with ``label, patient`` and ``column``.
    score, flagged : np.ndarray
        Shape (n,).
    column : str
        For instance ``birads``; images without a value are left out.

    Returns
    -------
    pd.DataFrame
        Columns ``column, stratum, n, malignant``, then value, ``_low``, ``_high`` of each measure;
        NaN where a stratum has fewer than `FEWEST_A_SIDE` images of a class that it needs.
    """
    values = manifest[column].where(manifest[column] != "")
    counts = values.map(values.value_counts())
    values = values.where(counts >= FEWEST_A_STRATUM, "other").where(values.notna())
    lines = []
    for stratum, rows in manifest.groupby(values, sort=True):
        at = manifest.index.get_indexer(rows.index)
        truth = (rows["label"] == "malignant").to_numpy()
        drawn = binary_replicates(
            truth, score[at], flagged[at], rows["patient"].to_numpy(), seed, n_replicates
        )
        few_cancers, few_others = truth.sum() < FEWEST_A_SIDE, (~truth).sum() < FEWEST_A_SIDE
        drawn["auc"] = np.nan if few_cancers or few_others else drawn["auc"]
        drawn["sensitivity"] = np.nan if few_cancers else drawn["sensitivity"]
        drawn["specificity"] = np.nan if few_others else drawn["specificity"]
        line = {"column": column, "stratum": stratum, "n": len(rows), "malignant": int(truth.sum())}
        sides = {"sensitivity": int(truth.sum()), "specificity": int((~truth).sum())}
        lines.append(line | as_line(drawn[["auc", "sensitivity", "specificity"]], trials=sides))
    return pd.DataFrame(lines)
