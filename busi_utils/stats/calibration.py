"""Calibration and selective prediction: temperature, reliability, risk-coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import softmax

from busi_utils.stats.metrics import ECE_BINS, check_predictions, confidence_bin
from busi_utils.stats.paired_tests import wilson

SMALLEST = 5e-7  # half of the last decimal kept in the prediction files stands in for zero
TEMPERATURES = (0.05, 20.0)
DECIMALS = 9
"""Kept of what exp and log yield, whose last digit differs between processors."""


def _log_probabilities(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(p, dtype=float), SMALLEST))


def fit_temperature(y: np.ndarray, p: np.ndarray) -> float:
    r"""Fit the temperature T that minimises the negative log-likelihood of validation images.

    .. math:: \hat T = \arg\min_T -\frac1n \sum_i \log \mathrm{softmax}(\log p_i / T)_{y_i}

    The log-probabilities serve as logits: they differ from the network's by a constant per image,
    which softmax ignores. One parameter, so the ranking within an image (and the accuracy) stays.

    Parameters
    ----------
    y : numpy.ndarray
        Shape (n,), int: labels of the inner validation set, never of the test fold.
    p : numpy.ndarray
        Shape (n, 3), probabilities.

    Returns
    -------
    float
        In [0.05, 20]; above 1 where the network is overconfident. The lower bound is returned where
        every image is right, since the likelihood then rises for ever.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, ICML 2017.
    """
    y, p = check_predictions(y, p)
    logits = _log_probabilities(p)
    of_truth = logits[np.arange(len(y)), y]

    def slope(inverse: float) -> float:
        """Return the derivative of the loss by 1 / T."""
        return float(((softmax(logits * inverse, axis=1) * logits).sum(axis=1) - of_truth).mean())

    # The loss is convex in 1 / T, so its slope crosses zero once. A minimum's own place is known to
    # half the digits only, since the loss is flat there, and would differ between processors.
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    if slope(low) >= 0:
        return TEMPERATURES[1]
    if slope(high) <= 0:
        return TEMPERATURES[0]
    return round(1.0 / brentq(slope, low, high, xtol=1e-14), DECIMALS)


def apply_temperature(p: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(log p / T), (n, 3)."""
    return softmax(_log_probabilities(p) / temperature, axis=1)


def reliability_table(y: np.ndarray, p: np.ndarray, bins: int = ECE_BINS) -> pd.DataFrame:
    """Accuracy against mean confidence of the predicted class, in equal-width bins.

    Returns
    -------
    pandas.DataFrame
        Filled bins only: ``bin_low, bin_high, images, confidence, accuracy, accuracy_low,
        accuracy_high`` (95 % Wilson). The expected calibration error is the mean of
        |accuracy - confidence| weighted by ``images``.
    """
    y, p = check_predictions(y, p)
    confidence = p.max(axis=1)
    frame = pd.DataFrame({"confidence": confidence, "right": p.argmax(axis=1) == y})
    rows = []
    for b, part in frame.groupby(confidence_bin(confidence, bins)):
        hits, n = int(part["right"].sum()), len(part)
        mean = float(part["confidence"].mean())
        rows.append([b / bins, (b + 1) / bins, n, mean, hits / n, *wilson(hits, n)])
    names = ["bin_low", "bin_high", "images", "confidence", "accuracy"]
    return pd.DataFrame(rows, columns=[*names, "accuracy_low", "accuracy_high"])


def risk_coverage(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    r"""Error rate among the k most confident images, for every k: what referral buys.

    At coverage c the model answers the share c of images it is most confident of and refers the
    rest to a reader. Equal confidences are answered in random order: their errors are spread evenly
    over the tie, so the curve does not depend on the order of the images.

    Returns
    -------
    pandas.DataFrame
        n rows: ``coverage`` in (0, 1], ``risk`` in [0, 1], ``confidence`` (the lowest answered).

    References
    ----------
    Geifman & El-Yaniv, Selective classification for deep neural networks, NeurIPS 2017.
    """
    y, p = check_predictions(y, p)
    confidence, wrong = p.max(axis=1), (p.argmax(axis=1) != y).astype(float)
    order = np.argsort(-confidence, kind="stable")
    confidence, wrong = confidence[order], wrong[order]
    _, tie = np.unique(-confidence, return_inverse=True)
    spread = (np.bincount(tie, weights=wrong) / np.bincount(tie))[tie]
    answered = np.arange(1, len(y) + 1)
    risk = np.cumsum(spread) / answered
    return pd.DataFrame({"coverage": answered / len(y), "risk": risk, "confidence": confidence})
