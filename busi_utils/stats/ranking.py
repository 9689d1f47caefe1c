"""Measures of a ranking (AUC, average precision, sensitivity) under many weightings at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

TOLERANCE = 1e-12  # so that "false positives <= 10 % of 100" is not lost to rounding of 0.1


def _cumulative(weights: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Running sums of ``weights[order]`` down the rows, with a row of zeros in front."""
    sums = np.empty((len(order) + 1, weights.shape[1]))
    sums[0] = 0.0
    np.take(weights, order, axis=0, out=sums[1:], mode="clip")
    # np.cumsum(axis=0) walks down the columns and is about ten times slower than adding rows.
    for row in range(1, len(order)):
        np.add(sums[row], sums[row + 1], out=sums[row + 1])
    return sums


class WeightedRanking:
    r"""One score's ranking of the images, measured under every column of weights.

    The images are sorted once by falling score; :math:`T_b` and :math:`F_b` are the running weights
    of positives and negatives at the end of the :math:`b`-th run of equal scores,
    :math:`A_b = T_b + F_b`, with totals :math:`P` and :math:`N`, and :math:`t_b = T_b - T_{b-1}`.
    Runs without a positive add nothing to any of the sums below, so only their effect on the
    running weights is kept. Each measure is computed when it is asked for.

    Parameters
    ----------
    positive : numpy.ndarray
        Shape (n,), bool.
    score : numpy.ndarray
        Shape (n,), float, higher means more positive.
    weights : numpy.ndarray
        Shape (n, r), float64, non-negative: one weighting of the images a column.
    """

    def __init__(self, positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> None:
        order = np.argsort(-score, kind="stable")
        ordered = score[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        ends = np.r_[starts[1:], len(ordered)]
        counted = np.r_[0, np.cumsum(positive[order])]
        kept = counted[ends] > counted[starts]
        self._starts, self._ends = starts[kept], ends[kept]
        self._all = _cumulative(weights, order)
        hits = weights[order[positive[order]]]
        first = counted[self._starts]
        self._gained = hits if len(first) == len(hits) else np.add.reduceat(hits, first, axis=0)
        self._positives = self._gained.sum(axis=0)
        self._negatives = self._all[-1] - self._positives

    @cached_property
    def _true(self) -> np.ndarray:
        """:math:`T_b` of the runs that hold a positive, (b, r)."""
        return np.cumsum(self._gained, axis=0)

    def _defined(self, values: np.ndarray) -> np.ndarray:
        """Set NaN where either side has no weight."""
        values[(self._positives <= 0) | (self._negatives <= 0)] = np.nan
        return values

    def auc(self) -> np.ndarray:
        r"""Return the area under the ROC curve, (r,), NaN where either side has no weight.

        The Mann-Whitney statistic with ties counted one half,

        .. math::
            \mathrm{AUC} = 1 - \frac{1}{2PN} \sum_b t_b (F_{b-1} + F_b)
            = 1 - \frac{1}{2PN} \Big(\sum_b t_b (A_{b-1} + A_b) - P^2\Big),

        since :math:`\sum_b t_b (T_{b-1} + T_b)` telescopes to :math:`P^2`.
        """
        around = self._all[self._starts] + self._all[self._ends]
        passed = np.einsum("br,br->r", self._gained, around) - self._positives**2
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._defined(1.0 - 0.5 * passed / (self._positives * self._negatives))

    def average_precision(self) -> np.ndarray:
        r"""Return :math:`\frac1P \sum_b t_b T_b / A_b`, (r,), NaN where positives have no weight.

        The step-wise sum, without interpolation.
        """
        # Where nothing was drawn so far, 0 / 0 counts as 0.
        precision = self._true / np.maximum(self._all[self._ends], np.finfo(float).tiny)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.einsum("br,br->r", self._gained, precision) / self._positives

    def sensitivity(self, specificity: float = 0.9) -> np.ndarray:
        r"""Return :math:`\frac1P \sum_b t_b [F_b \le (1 - s) N]`, (r,).

        The highest sensitivity of an operating point on the ROC curve whose specificity is at least
        :math:`s` in [0, 1], without interpolation; NaN where either side has no weight.
        """
        allowed = (1.0 - specificity + TOLERANCE) * self._negatives
        within = self._all[self._ends] - self._true <= allowed
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._defined(np.einsum("br,br->r", self._gained, within) / self._positives)


def mean_auc(
    positive: np.ndarray, scores: np.ndarray, groups: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    r"""Return the mean AUC of several scores as a function of weights that groups share.

    Every pair of a positive and a negative image is judged once, for all scores, and added up by
    pair of groups, :math:`U_{gh}`; weights only count the pairs anew,

    .. math:: \frac1k \sum \mathrm{AUC} = \frac{\sum_{gh} w_g U_{gh} w_h}{k P N},

    a matrix product of halves and whole numbers, exact in any order.

    Parameters
    ----------
    positive : numpy.ndarray
        Shape (n,), bool.
    scores : numpy.ndarray
        Shape (k, n), float, higher means more positive.
    groups : numpy.ndarray
        Shape (n,): whose images have equal weights.

    Returns
    -------
    callable
        Weights (n, r) to (r,); NaN where either side has no weight.
    """
    pairs = np.zeros((int(positive.sum()), int((~positive).sum())))
    for score in scores:
        above, below = score[positive, None], score[~positive]
        pairs += (above > below) + 0.5 * (above == below)
    rows, columns = np.flatnonzero(positive), np.flatnonzero(~positive)
    _, first_row, of_row = np.unique(groups[rows], return_index=True, return_inverse=True)
    _, first_column, of_column = np.unique(groups[columns], return_index=True, return_inverse=True)
    won = np.zeros((len(first_row), len(first_column)))
    np.add.at(won, (of_row[:, None], of_column), pairs)

    def auc(weights: np.ndarray) -> np.ndarray:
        counted = (won.T @ weights[rows[first_row]]) * weights[columns[first_column]]
        all_pairs = (positive @ weights) * (~positive @ weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            return counted.sum(axis=0) / all_pairs / len(scores)

    return auc


def threshold_at_specificity(
    positive: np.ndarray, score: np.ndarray, specificity: float = 0.9
) -> float:
    """Return the lowest threshold whose specificity is at least the one asked for.

    An image is called positive when ``score >= threshold``. Meant for the inner validation set, so
    that the test fold is judged at a threshold it had no part in.

    Parameters
    ----------
    positive : numpy.ndarray
        Shape (n,), bool.
    score : numpy.ndarray
        Shape (n,), float.
    specificity : float
        In [0, 1].

    Returns
    -------
    float
        A value of ``score``, or just above its maximum when no value is high enough.

    Raises
    ------
    ValueError
        If there is no negative image.
    """
    score = np.asarray(score, dtype=float)
    negative = score[~np.asarray(positive, dtype=bool)]
    if not len(negative):
        raise ValueError("A specificity needs at least one negative image.")
    candidates = np.unique(score)
    false = len(negative) - np.searchsorted(np.sort(negative), candidates, side="left")
    fitting = candidates[false <= (1.0 - specificity + TOLERANCE) * len(negative)]
    return float(fitting[0]) if len(fitting) else float(np.nextafter(candidates[-1], np.inf))
