"""Paired tests between models on the same images: McNemar, DeLong, Holm; Wilson intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from busi_utils.stats.metrics import MALIGNANT, check_predictions

_COLUMNS = [
    "model_a",
    "model_b",
    "accuracy_difference",
    "only_a_right",
    "only_b_right",
    "p_mcnemar",
    "p_mcnemar_holm",
    "auc_a",
    "auc_b",
    "auc_difference",
    "auc_low",
    "auc_high",
    "p_delong",
    "p_delong_holm",
]


@dataclass(frozen=True)
class PairedAuc:
    """AUCs of two models on the same images, their difference a - b, its 95 % interval and p."""

    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    p: float


def mcnemar_exact(right_a: np.ndarray, right_b: np.ndarray) -> tuple[int, int, float]:
    r"""Exact McNemar test of two models' correctness on the same images.

    Among the images that only one model gets right, each model is as likely as the other under the
    null hypothesis: :math:`p = \min(1, 2 \Pr[X \le \min(b, c)])`, :math:`X \sim B(b + c, 1/2)`.

    Parameters
    ----------
    right_a, right_b : numpy.ndarray
        Shape (n,), bool.

    Returns
    -------
    tuple
        Number of images that only a gets right, that only b gets right, and the two-sided p.

    References
    ----------
    McNemar, Psychometrika 1947;12:153-157.
    """
    right_a, right_b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    table = [
        [np.sum(right_a & right_b), np.sum(right_a & ~right_b)],
        [np.sum(~right_a & right_b), np.sum(~right_a & ~right_b)],
    ]
    p = float(mcnemar(table, exact=True).pvalue)
    return int(table[0][1]), int(table[1][0]), min(1.0, p)


def delong_covariance(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""AUCs of several models on the same images and the covariance matrix of their estimates.

    With :math:`m` positives :math:`X_i`, :math:`n` negatives :math:`Y_j` and
    :math:`\psi(x, y) = [x > y] + \tfrac12 [x = y]`, the structural components are

    .. math::
        V_{10}(X_i) = \frac1n \sum_j \psi(X_i, Y_j), \qquad
        V_{01}(Y_j) = \frac1m \sum_i \psi(X_i, Y_j),

    the AUC is the mean of either, and the covariance :math:`S_{10} / m + S_{01} / n` from the
    sample covariances over models. The components follow from midranks among all images and within
    each side, :math:`n V_{10}(X_i) = R(X_i) - R_X(X_i)` and
    :math:`m (1 - V_{01}(Y_j)) = R(Y_j) - R_Y(Y_j)`: sorting instead of :math:`mn` comparisons.

    Parameters
    ----------
    positive : numpy.ndarray
        Shape (n,), bool; at least two of either kind.
    scores : numpy.ndarray
        Shape (models, n).

    Returns
    -------
    tuple of numpy.ndarray
        AUCs (models,) and covariance (models, models).

    Raises
    ------
    ValueError
        If there are fewer than two positives or negatives.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837-845. Sun & Xu, IEEE Signal Process Lett
    2014;21:1389-1393.
    """
    positive = np.asarray(positive, dtype=bool)
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        raise ValueError(f"DeLong's test needs two of either kind, not {m} and {n} images.")
    ranks = stats.rankdata(scores, axis=1)
    below = ranks[:, positive] - stats.rankdata(scores[:, positive], axis=1)  # n V10
    above = ranks[:, ~positive] - stats.rankdata(scores[:, ~positive], axis=1)  # m (1 - V01)
    covariance = _covariance(below) / (m * n**2) + _covariance(above) / (n * m**2)
    return below.sum(axis=1) / (m * n), covariance


def _covariance(halves: np.ndarray) -> np.ndarray:
    """Return the sample covariances of rows of half-integers: whole sums, the same in any order."""
    whole, n = 2 * halves, halves.shape[1]
    sums = whole.sum(axis=1)
    return (n * (whole @ whole.T) - np.outer(sums, sums)) / (4 * n * (n - 1))


def delong(positive: np.ndarray, score_a: np.ndarray, score_b: np.ndarray) -> PairedAuc:
    """DeLong test of the difference of two AUCs on the same images; see `delong_covariance`.

    The images count as independent: meant for cohorts with one image a group. Where groups hold
    several images, `bootstrap.bootstrap_difference` respects them.
    """
    aucs, covariance = delong_covariance(positive, np.stack([score_a, score_b]))
    return _paired(aucs, covariance, 0, 1)


def _paired(aucs: np.ndarray, covariance: np.ndarray, a: int, b: int) -> PairedAuc:
    """Normal test of one difference; equal rankings have no variance and p = 1."""
    difference = float(aucs[a] - aucs[b])
    variance = covariance[a, a] + covariance[b, b] - 2 * covariance[a, b]
    error = float(np.sqrt(max(variance, 0.0)))
    if error < 1e-12:
        p = 1.0 if abs(difference) < 1e-12 else 0.0
    else:
        p = float(2 * stats.norm.sf(abs(difference) / error))
    margin = float(stats.norm.ppf(0.975)) * error
    low, high = difference - margin, difference + margin
    return PairedAuc(float(aucs[a]), float(aucs[b]), difference, low, high, p)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion.

    References
    ----------
    Wilson, J Am Stat Assoc 1927;22:209-212.

    Examples
    --------
    >>> low, high = wilson(106, 152)  # an accuracy of 70 % on 152 images
    >>> round(low, 3), round(high, 3)
    (0.62, 0.765)
    """
    low, high = proportion_confint(successes, trials, method="wilson")
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm-adjusted p-values (family-wise error), in the order given.

    References
    ----------
    Holm, Scand J Stat 1979;6:65-70.
    """
    return multipletests(p_values, method="holm")[1]


def compare_all(models: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """All pairs of models: McNemar on accuracy, DeLong on malignant-versus-rest AUC, with Holm.

    Parameters
    ----------
    models : mapping of str to (y, p)
        Labels (n,) and probabilities (n, 3) of each model, all on the same images in one order.

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``model_a, model_b, accuracy_difference, only_a_right, only_b_right,
        p_mcnemar, p_mcnemar_holm, auc_a, auc_b, auc_difference, auc_low, auc_high, p_delong,
        p_delong_holm``; differences are a - b. No row if there are fewer than two models.

    Raises
    ------
    ValueError
        If the models do not share their labels, or are no predictions.
    """
    checked = {name: check_predictions(y, p) for name, (y, p) in models.items()}
    if len(checked) < 2:
        return pd.DataFrame(columns=_COLUMNS)
    y = next(iter(checked.values()))[0]
    if not all(np.array_equal(y, other) for other, _ in checked.values()):
        raise ValueError("Paired tests need the same images in the same order for every model.")
    right = [p.argmax(axis=1) == y for _, p in checked.values()]
    malignant = np.stack([p[:, MALIGNANT] for _, p in checked.values()])
    aucs, covariance = delong_covariance(y == MALIGNANT, malignant)
    rows = []
    for (a, name_a), (b, name_b) in combinations(enumerate(checked), 2):
        only_a, only_b, p = mcnemar_exact(right[a], right[b])
        auc = _paired(aucs, covariance, a, b)
        first = [name_a, name_b, (only_a - only_b) / len(y), only_a, only_b, p, np.nan]
        second = [auc.auc_a, auc.auc_b, auc.difference, auc.low, auc.high, auc.p, np.nan]
        rows.append(first + second)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["p_mcnemar_holm"] = holm(table["p_mcnemar"])
    table["p_delong_holm"] = holm(table["p_delong"])
    return table
