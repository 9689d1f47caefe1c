"""Statistics of images resampled by duplicate group: ratios of sums, sums over the first of a list.

`bootstrap` computes the metrics of whole predictions; here are the pieces from which shares,
subgroup rates, net benefits and risks at a coverage are made, all replicates at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from busi_utils.stats.bootstrap import bootstrap_p, percentile_intervals, resampled_weights
from busi_utils.stats.paired_tests import wilson
from busi_utils.stats.ranking import mean_auc


def replicate(
    statistics: Callable[[np.ndarray], Mapping[Hashable, np.ndarray]],
    groups: np.ndarray,
    seed: int,
    n_replicates: int,
) -> pd.DataFrame:
    """Evaluate statistics on the images themselves and on every resample.

    Parameters
    ----------
    statistics : callable
        Takes weights (n, r), returns values (r,) by name; tuples as names give a column index of
        several levels.
    groups : numpy.ndarray
        Shape (n,), duplicate group of each image.
    seed, n_replicates : int
        See `bootstrap.resampled_weights`; equal groups and seeds give equal resamples.

    Returns
    -------
    pandas.DataFrame
        Row 0 is the value, rows 1 to ``n_replicates`` are the replicates: what
        `bootstrap.percentile_intervals` takes.
    """
    parts = [pd.DataFrame(statistics(np.ones((len(groups), 1))))]
    for weights in resampled_weights(groups, seed, n_replicates):
        parts.append(pd.DataFrame(statistics(weights)))
    return pd.concat(parts, ignore_index=True)


def summable(values: np.ndarray) -> np.ndarray:
    """Round to multiples of 2^-42 (2e-13), so that sums with whole weights come out exact.

    A matrix product adds in an order that depends on the processor. Sums below 2,048 of such
    multiples fit a double whole, hence any order gives the same bits.
    """
    return np.ldexp(np.rint(np.ldexp(np.asarray(values, dtype=float), 42)), -42)


def bootstrap_ratios(
    ratios: Mapping[Hashable, tuple[np.ndarray, np.ndarray]],
    groups: np.ndarray,
    seed: int,
    n_replicates: int,
) -> pd.DataFrame:
    r"""Replicates of ratios :math:`\sum_i w_i a_i / \sum_i w_i b_i`: shares, means and rates.

    Parameters
    ----------
    ratios : mapping
        Name to what is summed above and below the line, each (n,), bool or float.
    groups, seed, n_replicates
        See `replicate`.

    Returns
    -------
    pandas.DataFrame
        See `replicate`; NaN where nothing stands below the line.
    """
    above, below = (summable(np.stack(side)) for side in zip(*ratios.values(), strict=True))

    def statistics(weights: np.ndarray) -> dict[Hashable, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return dict(zip(ratios, (above @ weights) / (below @ weights), strict=True))

    return replicate(statistics, groups, seed, n_replicates)


def bootstrap_means(
    values: pd.DataFrame, groups: np.ndarray, seed: int, n_replicates: int
) -> pd.DataFrame:
    """Replicates of the mean of every column, over the images that have a value there.

    Parameters
    ----------
    values : pandas.DataFrame
        One row an image; NaN where an image does not count, so that a recall is the mean of "right"
        over one class.
    groups, seed, n_replicates
        See `replicate`.

    Returns
    -------
    pandas.DataFrame
        See `replicate`.
    """
    x = values.to_numpy(dtype=float)
    known = ~np.isnan(x)
    sums = zip(np.where(known, x, 0.0).T, known.T, strict=True)
    return bootstrap_ratios(
        dict(zip(values.columns, sums, strict=True)), groups, seed, n_replicates
    )


def leading_sums(
    score: np.ndarray, marks: np.ndarray, weights: np.ndarray, amounts: Sequence[np.ndarray | float]
) -> np.ndarray:
    """Sum marks over the images of highest score, as many as are asked for.

    Images of equal score enter together, each in the same proportion, so that the order of the
    images does not matter; the last to enter may count in part.

    Parameters
    ----------
    score : numpy.ndarray
        Shape (n,).
    marks : numpy.ndarray
        Shape (m, n): what is summed.
    weights : numpy.ndarray
        Shape (n, r), how often each image was drawn.
    amounts : sequence
        Of length a: how many images are taken, a number above 0 or one per resample (r,). If there
        are fewer, all are taken.

    Returns
    -------
    numpy.ndarray
        Shape (a, m, r).
    """
    order = np.argsort(-np.asarray(score), kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(np.asarray(score)[order]) != 0])
    weights = weights[order]

    def running(values: np.ndarray) -> np.ndarray:
        """Sums (b + 1, r) down the b runs of equal score, a row of zeros in front."""
        runs = np.add.reduceat(values[order, None] * weights, starts, axis=0)
        return np.pad(np.cumsum(runs, axis=0), ((1, 0), (0, 0)))

    taken, marked = running(np.ones(len(order))), [running(mark) for mark in marks]
    column = np.arange(weights.shape[1])
    sums = np.empty((len(amounts), len(marks), len(column)))
    for a, amount in enumerate(amounts):
        run = np.minimum((taken[1:] < amount).sum(axis=0), len(starts) - 1)
        before, after = taken[run, column], taken[run + 1, column]
        part = np.clip((amount - before) / np.maximum(after - before, 1e-12), 0, 1)
        for m, mark in enumerate(marked):
            sums[a, m] = (1 - part) * mark[run, column] + part * mark[run + 1, column]
    return sums


def as_line(
    replicates: pd.DataFrame, scale: float = 1.0, trials: Mapping[str, int] | None = None
) -> dict[str, float]:
    """Return ``<name>, <name>_low, <name>_high`` (95 %) of every column, times ``scale``.

    Parameters
    ----------
    replicates : pd.DataFrame
        See `bootstrap.percentile_intervals`.
    scale : float
    trials : mapping of str to int, optional
        Images on which a proportion rests. Where all of them or none are right no resample
        differs, and the interval is that of Wilson: `paired_tests.wilson`.
    """
    line = {}
    for name, value, low, high in percentile_intervals(replicates).itertuples(index=False):
        n = (trials or {}).get(name, 0)
        if n and value in (0, 1):
            low, high = wilson(round(value * n), n)
        line |= {name: scale * value, f"{name}_low": scale * low, f"{name}_high": scale * high}
    return line


def auc_gains(
    positive: np.ndarray,
    scores: Mapping[str, np.ndarray],
    bases: Mapping[str, str],
    groups: np.ndarray,
    seed: int,
    n_replicates: int,
) -> pd.DataFrame:
    """Return the AUC of every score and what it gains on another, from the same resamples.

    Parameters
    ----------
    positive : numpy.ndarray
        Shape (n,), bool.
    scores : mapping of str to numpy.ndarray
        Shape (n,) each, higher means more positive.
    bases : mapping of str to str
        The score on which each gains, by name.
    groups, seed, n_replicates
        See `replicate`.

    Returns
    -------
    pandas.DataFrame
        Columns ``score, over, auc, gain`` (points over the score ``over``), the last two with
        ``_low, _high``, and ``p`` of the gain; see `bootstrap.bootstrap_p`.
    """
    measured = {name: mean_auc(positive, one[None], groups) for name, one in scores.items()}
    drawn = replicate(lambda w: {n: f(w) for n, f in measured.items()}, groups, seed, n_replicates)
    lines = []
    for name in scores:
        pair = {"auc": drawn[name], "gain": 100 * (drawn[name] - drawn[bases[name]])}
        line = {"score": name, "over": bases[name]} | as_line(pd.DataFrame(pair))
        lines.append(line | {"p": bootstrap_p(pair["gain"])})
    return pd.DataFrame(lines)
