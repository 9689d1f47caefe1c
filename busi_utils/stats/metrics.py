"""Metrics of three-class predictions, for one weighting of the images or for thousands at once."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy import sparse

from busi_utils import CLASSES, SUM_TOLERANCE
from busi_utils.stats.ranking import WeightedRanking

NORMAL, BENIGN, MALIGNANT = map(CLASSES.index, ("normal", "benign", "malignant"))
RECALLS = tuple(f"recall_{name}" for name in CLASSES)
ECE_BINS = 15
_RANKING_MEASURES = {"auc": WeightedRanking.auc, "auprc": WeightedRanking.average_precision}
_AT_SPECIFICITY = "sensitivity_at_90_specificity"


def encode(labels: np.ndarray) -> np.ndarray:
    """Turn class names into their positions in ``CLASSES``.

    Returns
    -------
    numpy.ndarray
        Shape (n,), int64.

    Raises
    ------
    ValueError
        If a name is not a class.
    """
    unknown = sorted(set(labels) - set(CLASSES))
    if unknown:
        raise ValueError(f"Unknown labels {unknown}; the classes are {list(CLASSES)}.")
    return np.array([CLASSES.index(label) for label in labels], dtype=np.int64)


def check_predictions(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``y`` as int64 and ``p`` as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If shapes disagree, a label is no class, or rows of ``p`` are not probabilities.
    """
    y, p = np.asarray(y), np.asarray(p, dtype=np.float64)
    if y.ndim != 1 or p.shape != (len(y), len(CLASSES)) or not len(y):
        raise ValueError(f"y must be (n,) and p (n, {len(CLASSES)}), not {y.shape} and {p.shape}.")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= len(CLASSES):
        raise ValueError(f"y must hold integers from 0 to {len(CLASSES) - 1}.")
    if not (np.isfinite(p).all() and p.min() >= 0 and p.max() <= 1 + SUM_TOLERANCE):
        raise ValueError("p must hold probabilities between 0 and 1.")
    if np.abs(p.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise ValueError("Each row of p must sum to 1.")
    return y.astype(np.int64), p


def confidence_bin(confidence: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """Return the equal-width bin of each confidence: bin b holds (b / bins, (b + 1) / bins]."""
    return np.clip(np.ceil(np.asarray(confidence) * bins).astype(int) - 1, 0, bins - 1)


def _additive_terms(y: np.ndarray, p: np.ndarray) -> sparse.csr_array:
    """Per-image terms (k, n) of the metrics that are functions of weighted sums.

    Rows: confusion counts (9), Brier score (1), signed calibration gap by confidence bin (15). An
    image has three terms, so a sparse product does an eighth of the work of a dense one.
    """
    images, predicted, confidence = np.arange(len(y)), p.argmax(axis=1), p.max(axis=1)
    rows = [3 * y + predicted, np.full(len(y), 9), 10 + confidence_bin(confidence)]
    brier = ((p - np.eye(len(CLASSES))[y]) ** 2).sum(axis=1)
    terms = [np.ones(len(y)), brier, (predicted == y) - confidence]
    where = np.concatenate(rows), np.tile(images, len(rows))
    return sparse.csr_array((np.concatenate(terms), where), shape=(10 + ECE_BINS, len(y)))


def _of_confusion(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, balanced accuracy, macro-F1, recall and precision from (3, 3, r) counts."""
    truth, called = confusion.sum(axis=1), confusion.sum(axis=0)
    right = np.einsum("ccr->cr", confusion)
    present = np.where(truth > 0, 1.0, np.nan)
    recall = present * right / truth
    f1 = present * 2 * right / (truth + called)
    values = {
        "accuracy": right.sum(axis=0) / truth.sum(axis=0),
        "balanced_accuracy": _mean_of_defined(recall),
        "macro_f1": _mean_of_defined(f1),
    }
    values |= {f"recall_{name}": recall[c] for c, name in enumerate(CLASSES)}
    precision = present * right / called
    return values | {f"precision_{name}": precision[c] for c, name in enumerate(CLASSES)}


def _mean_of_defined(rows: np.ndarray) -> np.ndarray:
    """Mean down the classes of what is not NaN; NaN where nothing is defined."""
    defined = ~np.isnan(rows)
    return np.where(defined, rows, 0.0).sum(axis=0) / defined.sum(axis=0)


def weighted_metrics(
    y: np.ndarray,
    p: np.ndarray,
    weights: np.ndarray,
    wanted: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    r"""All metrics of one model under every column of image weights.

    The predicted class is the arg max (the first in the order of ``CLASSES`` where tied).

    - ``accuracy``; ``recall_<class>``; ``precision_<class>``; ``balanced_accuracy`` (mean recall);
      ``macro_f1`` (mean of 2 TP / (2 TP + FP + FN)).
    - ``auc_<class>`` and ``auprc_<class>``: the class against the rest by its probability (average
      precision for AUPRC); ``macro_auc``, ``macro_auprc``: their means. ``auc_malignant`` is the
      malignant-versus-rest AUC.
    - ``sensitivity_at_90_specificity``: malignant against the rest, read off the ROC curve of these
      very images: the highest sensitivity at specificity >= 0.9, without interpolation.
    - ``brier``: :math:`\sum_k (p_k - [y = k])^2`, mean over images, 0 to 2 (Brier 1950).
    - ``ece``: top-label expected calibration error with 15 equal-width bins (Guo et al. 2017),
      :math:`\sum_b \frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|`.

    A class without weight (BUS-BRA has no normal image; a small resample may miss a class) has NaN
    for its own metrics and is left out of the macro means, which then run over the classes present;
    images predicted to be of it still count as errors. Precision is NaN where a class is never
    predicted.

    Parameters
    ----------
    y : numpy.ndarray
        Shape (n,), int, positions in ``CLASSES``.
    p : numpy.ndarray
        Shape (n, 3), probabilities in the order of ``CLASSES``.
    weights : numpy.ndarray
        Shape (n, r), non-negative. In a bootstrap: how often each image was drawn.
    wanted : collection of str, optional
        Names to return; all by default. The measures of ranking (AUC, AUPRC, sensitivity at a
        specificity) take nine tenths of the time, which is saved where none of them is named.

    Returns
    -------
    dict of str to numpy.ndarray
        Each of shape (r,), float64.

    Raises
    ------
    ValueError
        If ``y`` or ``p`` is not what it should be, or a wanted name is no metric.

    References
    ----------
    Brier, Mon Weather Rev 1950;78:1-3. Guo et al., On calibration of modern neural networks, ICML
    2017. Hand & Till, Mach Learn 2001;45:171-186 (one-versus-rest and one-versus-one AUC).
    """
    y, p = check_predictions(y, p)
    weights = np.asarray(weights, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = _additive_terms(y, p) @ weights
        total = weights.sum(axis=0)
        values = _of_confusion(sums[:9].reshape(3, 3, -1))
        values["brier"] = sums[9] / total
        values["ece"] = np.abs(sums[10:]).sum(axis=0) / total
        if wanted is None or not set(wanted) <= set(values):
            values |= _of_rankings(y, p, weights, wanted)
    if wanted is None:
        return values
    if unknown := [name for name in wanted if name not in values]:
        raise ValueError(f"{', '.join(unknown)}: no such metric; choose among {', '.join(values)}.")
    return {name: values[name] for name in wanted}


def _of_rankings(
    y: np.ndarray, p: np.ndarray, weights: np.ndarray, wanted: Collection[str] | None
) -> dict[str, np.ndarray]:
    """One-versus-rest AUC and AUPRC, their macro means, the malignant ROC reading: if wanted."""
    rankings = [WeightedRanking(y == c, p[:, c], weights) for c in range(len(CLASSES))]
    values = {}
    for kind, measure in _RANKING_MEASURES.items():
        names = [f"{kind}_{name}" for name in CLASSES]
        if wanted is None or not {*names, f"macro_{kind}"}.isdisjoint(wanted):
            values |= dict(zip(names, map(measure, rankings), strict=True))
            values[f"macro_{kind}"] = _mean_of_defined(np.stack([values[name] for name in names]))
    if wanted is None or _AT_SPECIFICITY in wanted:
        values[_AT_SPECIFICITY] = rankings[MALIGNANT].sensitivity(0.9)
    return values


def metrics(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """All metrics of one model, every image counted once; see `weighted_metrics`.

    Examples
    --------
    >>> import numpy as np
    >>> metrics(np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 2, 1]])["accuracy"]
    0.75
    """
    values = weighted_metrics(y, p, np.ones((len(y), 1)))
    return {name: float(value[0]) for name, value in values.items()}
