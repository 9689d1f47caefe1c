"""Intervals by bootstrap over duplicate groups, all replicates and all metrics at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from busi_utils.stats.metrics import weighted_metrics

CHUNK_VALUES = 1024 * 1024  # images x replicates held at once: 8 MiB an array
_AT_ONCE = 500  # replicates drawn in one call, which bounds the memory and changes no draw


def resampled_weights(
    groups: np.ndarray, seed: int, n_replicates: int, chunk_values: int = CHUNK_VALUES
) -> Iterator[np.ndarray]:
    """Yield how often each image is drawn, replicate by replicate, in chunks.

    A replicate draws as many groups as there are, with replacement, and takes every image of a
    drawn group each time it is drawn: the counts of the groups are multinomial, and an image's
    weight is the count of its group. The draws depend on the seed and the number of groups only,
    neither on the chunk size nor on the order of the images inside their groups.

    Parameters
    ----------
    groups : numpy.ndarray
        Shape (n,), any sortable labels: images that may be copies of each other share one.
    seed : int
    n_replicates : int
    chunk_values : int
        Upper bound of images x replicates (and of groups x replicates) in one chunk.

    Yields
    ------
    numpy.ndarray
        Shape (n, r), float64 whole numbers; the r of all chunks sum to ``n_replicates``.

    References
    ----------
    Efron, Ann Stat 1979;7:1-26. Field & Welsh, J R Stat Soc B 2007;69:369-390 (clusters).
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    counts = _drawn(len(names), seed, n_replicates)
    chunk = max(1, chunk_values // len(member))
    for start in range(0, n_replicates, chunk):
        yield counts[:, start : start + chunk][member].astype(np.float64)


@lru_cache(maxsize=4)  # the tables of one notebook ask for the same few draws again and again
def _drawn(n_groups: int, seed: int, n_replicates: int) -> np.ndarray:
    """Return how often each group is drawn in each replicate, (groups, replicates)."""
    rng = np.random.default_rng(seed)
    counts = np.empty((n_groups, n_replicates), np.uint16)
    for start in range(0, n_replicates, _AT_ONCE):
        size = min(_AT_ONCE, n_replicates - start)
        drawn = rng.integers(0, n_groups, size=(size, n_groups))
        drawn += np.arange(size)[:, None] * n_groups
        part = np.bincount(drawn.ravel(), minlength=size * n_groups)
        counts[:, start : start + size] = part.reshape(size, -1).T
    return counts


def bootstrap_replicates(
    y: np.ndarray,
    models: Mapping[str, np.ndarray],
    groups: np.ndarray,
    seed: int,
    n_replicates: int = 10_000,
    wanted: Collection[str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Every metric of every model in every replicate; the resamples are shared by the models.

    Parameters
    ----------
    y : numpy.ndarray
        Shape (n,), int, positions in ``CLASSES``.
    models : mapping of str to numpy.ndarray
        Probabilities (n, 3); or (s, n, 3) for s seeds, whose metrics are averaged within each
        replicate: the expected performance of ONE network, not that of the ensemble.
    groups : numpy.ndarray
        Shape (n,), duplicate group of each image.
    seed, n_replicates : int
    wanted : collection of str, optional
        Names of the metrics, all by default: see `metrics.weighted_metrics`.

    Returns
    -------
    dict of str to pandas.DataFrame
        Per model: one column a metric; row 0 is the value on the images themselves, rows 1 to
        ``n_replicates`` are the replicates.

    Raises
    ------
    ValueError
        If shapes disagree or a row of probabilities is none.
    """
    y, groups = np.asarray(y), np.asarray(groups)
    if groups.shape != y.shape:
        raise ValueError(f"groups must have the shape of y {y.shape}, not {groups.shape}.")
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in models}

    def evaluate(weights: np.ndarray) -> None:
        for name, p in models.items():
            parts[name].append(pd.DataFrame(_mean_over_seeds(y, p, weights, wanted)))

    evaluate(np.ones((len(y), 1)))
    for weights in resampled_weights(groups, seed, n_replicates):
        evaluate(weights)
    return {name: pd.concat(part, ignore_index=True) for name, part in parts.items()}


def _mean_over_seeds(
    y: np.ndarray,
    p: np.ndarray,
    weights: np.ndarray,
    wanted: Collection[str] | None,
) -> dict[str, np.ndarray]:
    """Metrics of (n, 3) probabilities, or the mean over seeds for (s, n, 3)."""
    p = np.asarray(p)
    if p.ndim == 2:
        return weighted_metrics(y, p, weights, wanted)
    runs = [weighted_metrics(y, q, weights, wanted) for q in p]
    return {metric: np.mean([run[metric] for run in runs], axis=0) for metric in runs[0]}


def percentile_intervals(replicates: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Summarise replicates (row 0: the value itself) as value and percentile interval.

    Replicates in which a metric is undefined (its class was not drawn) are left out of that
    metric's interval; a metric undefined on the images themselves has NaN for value and interval.

    Returns
    -------
    pandas.DataFrame
        Columns ``metric, value, low, high``.
    """
    value, drawn = replicates.iloc[0], replicates.iloc[1:].to_numpy()
    undefined = np.isnan(drawn)
    tails = [(1 - level) / 2, (1 + level) / 2]
    limits = np.full((2, drawn.shape[1]), np.nan)
    whole = ~undefined.any(axis=0)
    limits[:, whole] = np.quantile(drawn[:, whole], tails, axis=0)
    for column in np.flatnonzero(~whole & value.notna().to_numpy()):
        limits[:, column] = np.nanquantile(drawn[:, column], tails)
    table = {"metric": replicates.columns, "value": value.to_numpy()}
    return pd.DataFrame(table | {"low": limits[0], "high": limits[1]})


def bootstrap_p(differences: pd.Series) -> float:
    """Two-sided p-value of no difference: the level at which the percentile interval reaches 0.

    Parameters
    ----------
    differences : pandas.Series
        Row 0 the difference itself, then the replicates, of which undefined ones are left out.

    Returns
    -------
    float
        In (0, 1]; no smaller than 2 / (replicates + 1).

    References
    ----------
    Davison & Hinkley, Bootstrap Methods and their Application, 1997, chapter 4 (one is added to
    both counts).
    """
    drawn = differences.iloc[1:].dropna().to_numpy()
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return min(1.0, 2 * (tail + 1) / (len(drawn) + 1))


def bootstrap_difference(
    y: np.ndarray,
    p_a: np.ndarray,
    p_b: np.ndarray,
    groups: np.ndarray,
    seed: int,
    n_replicates: int = 10_000,
    wanted: Collection[str] | None = None,
) -> pd.DataFrame:
    """Differences a - b of metrics on the same images, with the same resamples (paired).

    Parameters are those of `bootstrap_replicates` for two models.

    Returns
    -------
    pandas.DataFrame
        See `difference_intervals`.
    """
    both = bootstrap_replicates(y, {"a": p_a, "b": p_b}, groups, seed, n_replicates, wanted=wanted)
    return difference_intervals(both["a"] - both["b"])


def difference_intervals(differences: pd.DataFrame) -> pd.DataFrame:
    """Summarise replicates of differences, row 0 the differences themselves.

    Returns
    -------
    pandas.DataFrame
        Columns ``metric, value, low, high`` (see `percentile_intervals`), ``p`` (`bootstrap_p`).
    """
    table = percentile_intervals(differences)
    return table.assign(p=[bootstrap_p(differences[name]) for name in table["metric"]])
