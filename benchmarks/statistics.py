"""The statistics against scikit-learn called in a loop: same resamples, same results, less time."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from busi_utils import CLASSES
from busi_utils.stats.bootstrap import bootstrap_replicates, percentile_intervals, resampled_weights
from busi_utils.stats.metrics import ECE_BINS, MALIGNANT
from busi_utils.stats.paired_tests import delong_covariance

IMAGES, GROUPS, MODELS, REPLICATES = 510, 510, 15, 10_000
LOOP_REPLICATES = 4  # of the scikit-learn loop, whose time grows in proportion


def scikit_learn_metrics(
    y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """The metrics of `metrics.weighted_metrics` by scikit-learn, for one weighting.

    Metrics of classes without weight are left out. The expected calibration error, which
    scikit-learn lacks, is a plain loop over bins.
    """
    weight = np.ones(len(y)) if weights is None else weights
    present = [c for c in range(len(CLASSES)) if weight[y == c].sum() > 0]
    called = p.argmax(axis=1)
    options = {"labels": present, "sample_weight": weights, "zero_division": np.nan}
    recall, precision = (
        score(y, called, average=None, **options) for score in (sk.recall_score, sk.precision_score)
    )
    values = {
        "accuracy": sk.accuracy_score(y, called, sample_weight=weights),
        "balanced_accuracy": recall.mean(),
        "macro_f1": sk.f1_score(y, called, average="macro", **options),
        "brier": np.average(((p - np.eye(len(CLASSES))[y]) ** 2).sum(axis=1), weights=weight),
        "ece": _calibration_error(y, p, weight),
    }
    for row, c in enumerate(present):
        name, is_c, score = CLASSES[c], y == c, p[:, c]
        values[f"recall_{name}"], values[f"precision_{name}"] = recall[row], precision[row]
        values[f"auc_{name}"] = sk.roc_auc_score(is_c, score, sample_weight=weights)
        values[f"auprc_{name}"] = sk.average_precision_score(is_c, score, sample_weight=weights)
    for kind in ("auc", "auprc"):
        values[f"macro_{kind}"] = np.mean([values[f"{kind}_{CLASSES[c]}"] for c in present])
    malignant = y == MALIGNANT
    fpr, tpr, _ = sk.roc_curve(
        malignant, p[:, MALIGNANT], sample_weight=weights, drop_intermediate=False
    )
    return values | {"sensitivity_at_90_specificity": tpr[fpr <= 0.1 + 1e-12].max()}


def _calibration_error(y: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    total = 0.0
    for b in range(ECE_BINS):
        inside = (confidence > b / ECE_BINS) & (confidence <= (b + 1) / ECE_BINS)
        total += abs((weight * (right - confidence))[inside].sum())
    return total / weight.sum()


def synthetic_predictions(
    images: int, models: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels in BUSI's proportions and rounded probabilities of several made-up models."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(CLASSES), images, p=[133 / 780, 437 / 780, 210 / 780])
    logits = rng.normal(size=(models, images, 3)) + 1.8 * np.eye(3)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return y, {f"model {m}": np.round(p[m], 6) for m in range(models)}


def bench_bootstrap(
    images: int = IMAGES,
    groups: int = GROUPS,
    models: int = MODELS,
    replicates: int = REPLICATES,
    loop_replicates: int = LOOP_REPLICATES,
) -> dict[str, object]:
    """All metrics, all models, all replicates: this module against a scikit-learn loop."""
    y, predicted = synthetic_predictions(images, models, seed=0)
    member = np.arange(images) % groups
    start = time.perf_counter()
    ours = bootstrap_replicates(y, predicted, member, seed=1, n_replicates=replicates)
    intervals = [percentile_intervals(frame) for frame in ours.values()]  # the report's rows
    seconds = time.perf_counter() - start
    weights = next(resampled_weights(member, 1, replicates))[:, :loop_replicates]
    resamples = [np.repeat(np.arange(images), w.astype(int)) for w in weights.T]
    scikit_learn_metrics(y, predicted["model 0"])  # first calls load and check: not timed
    start = time.perf_counter()
    loop = {
        name: [scikit_learn_metrics(y[drawn], p[drawn]) for drawn in resamples]
        for name, p in predicted.items()
    }
    per_replicate = (time.perf_counter() - start) / len(resamples)
    difference = max(_largest_gap(ours[name], pd.DataFrame(rows)) for name, rows in loop.items())
    return _row(
        f"bootstrap of {len(intervals[0])} metrics, {replicates} replicates",
        (images, models),
        seconds,
        f"scikit-learn loop, {len(resamples)} replicates timed and scaled to {replicates}",
        per_replicate * replicates,
        difference,
    )


def _largest_gap(ours: pd.DataFrame, loop: pd.DataFrame) -> float:
    """Largest difference over the replicates of the loop; NaN if either has an undefined one."""
    same = ours.iloc[1 : len(loop) + 1][list(loop.columns)].to_numpy()
    return float(np.abs(same - loop.to_numpy()).max())


def bench_delong(images: int = IMAGES, models: int = MODELS) -> dict[str, object]:
    """DeLong between all pairs: midranks against comparing every positive with every negative."""
    y, predicted = synthetic_predictions(images, models, seed=0)
    positive = y == MALIGNANT
    scores = np.stack([p[:, MALIGNANT] for p in predicted.values()])
    start = time.perf_counter()
    _, ours = delong_covariance(positive, scores)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    differences = [
        np.abs(_literal_covariance(positive, scores[[a, b]]) - ours[np.ix_([a, b], [a, b])]).max()
        for a, b in combinations(range(models), 2)
    ]
    literal = time.perf_counter() - start
    what = f"DeLong between {len(differences)} pairs"
    reference = "all positives against all negatives, pair by pair (NumPy)"
    return _row(what, (images, models), seconds, reference, literal, max(differences))


def _literal_covariance(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """DeLong's covariance from its definition: m x n comparisons a model."""
    gaps = scores[:, positive, None] - scores[:, None, ~positive]
    kernel = (gaps > 0) + 0.5 * (gaps == 0)
    v10, v01 = kernel.mean(axis=2), kernel.mean(axis=1)
    return np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]


def _row(
    task: str,
    size: tuple[int, int],
    seconds: float,
    reference: str,
    reference_seconds: float,
    difference: float,
) -> dict[str, object]:
    return {
        "task": task,
        "images": size[0],
        "models": size[1],
        "seconds": seconds,
        "reference": reference,
        "reference_seconds": reference_seconds,
        "ratio": reference_seconds / seconds,
        "largest_difference": difference,
    }


def bench_statistics() -> pd.DataFrame:
    """Time the statistics on synthetic predictions of the size of the study.

    Returns
    -------
    pandas.DataFrame
        ``task, images, models, seconds, reference, reference_seconds, ratio, largest_difference``;
        the last is the largest absolute difference between the two ways' results.
    """
    return pd.DataFrame([bench_bootstrap(), bench_delong()])
