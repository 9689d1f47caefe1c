"""Measures of a ranking (AUC, average precision, sensitivity) under many weightings at once."""

from __future__ import annotations

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


def _positive_blocks(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, ...]:
    """Sort once by falling score and find the runs of equal scores that hold a positive.

    Returns the order, the first row and the row after the last of each such run, and the number
    of positives before and after it.
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    counted = np.r_[0, np.cumsum(positive[order])]
    kept = counted[ends] > counted[starts]
    starts, ends = starts[kept], ends[kept]
    return order, starts, ends, counted[starts], counted[ends]


def weighted_ranking(
    positive: np.ndarray, score: np.ndarray, weights: np.ndarray, specificity: float = 0.9
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""AUC, average precision and sensitivity at a specificity, for every column of weights.

    The images are sorted once by falling score; :math:`T_b` and :math:`F_b` are the running weights
    of positives and negatives at the end of the :math:`b`-th run of equal scores, with totals
    :math:`P` and :math:`N`, and :math:`t_b = T_b - T_{b-1}`. Then

    .. math::
        \mathrm{AUC} = \frac{1}{PN} \sum_b t_b \left(N - \tfrac12 (F_{b-1} + F_b)\right), \qquad
        \mathrm{AP} = \frac1P \sum_b t_b \frac{T_b}{T_b + F_b}, \qquad
        \mathrm{Se} = \frac1P \sum_b t_b \, [F_b \le (1 - s) N].

    AUC is the Mann-Whitney statistic with ties counted one half; AP is the step-wise sum without
    interpolation; Se is the highest sensitivity of an operating point on the ROC curve whose
    specificity is at least :math:`s`, read without interpolation. Runs without a positive add
    nothing to any sum, so only their effect on :math:`F` is kept.

    Parameters
    ----------
    positive : numpy.ndarray
        Shape (n,), bool.
    score : numpy.ndarray
        Shape (n,), float, higher means more positive.
    weights : numpy.ndarray
        Shape (n, r), float64, non-negative: one weighting of the images a column.
    specificity : float
        In [0, 1].

    Returns
    -------
    tuple of numpy.ndarray
        AUC, AP and sensitivity, each of shape (r,), in [0, 1]. AUC and sensitivity are NaN where
        either side has no weight, AP where the positives have none.
    """
    order, starts, ends, before, after = _positive_blocks(positive, score)
    weighted = _cumulative(weights, order)
    hits = _cumulative(weights, order[positive[order]])
    positives, negatives = hits[-1], weighted[-1] - hits[-1]
    true_before, true_after = hits[before], hits[after]
    all_after = weighted[ends]
    false_after = all_after - true_after
    false_sum = weighted[starts] - true_before
    false_sum += false_after
    gained = true_after - true_before
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = 1.0 - 0.5 * np.einsum("br,br->r", gained, false_sum) / (positives * negatives)
        np.maximum(all_after, np.finfo(float).tiny, out=all_after)  # 0 / 0 where nothing was drawn
        np.divide(true_after, all_after, out=all_after)
        precision = np.einsum("br,br->r", gained, all_after) / positives
        allowed = false_after <= (1.0 - specificity + TOLERANCE) * negatives
        sensitivity = np.einsum("br,br->r", gained, allowed) / positives
    undefined = (positives <= 0) | (negatives <= 0)
    auc[undefined] = np.nan
    sensitivity[undefined] = np.nan
    return auc, precision, sensitivity


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
