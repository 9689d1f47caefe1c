"""Labels that out-of-fold predictions contradict, judged by the published objections."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.stats.ranking import WeightedRanking
from busi_utils.stats.resampling import as_line, leading_sums, replicate
from busi_utils.study.predictions import OutOfFold

RANKS = (10, 20, 50, 100)
ANY = "any"


def label_issues(found: OutOfFold, facts: pd.DataFrame) -> pd.DataFrame:
    """Rank images by the doubt that out-of-fold predictions cast on their labels.

    The quality of a label is the probability that networks which did not see the image give it,
    averaged over seeds.

    Returns
    -------
    pd.DataFrame
        ``rank`` (1: most doubtful), ``image_id, label, suggested, quality`` in [0, 1], ``group``
        and what `mistakes.described` knows.

    References
    ----------
    Northcutt, Jiang & Chuang, Confident learning, J Artif Intell Res 2021;70:1373-1411.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # no progress bar is drawn
        from cleanlab.rank import get_label_quality_scores  # takes seconds to import

    p = found.ensemble
    quality = get_label_quality_scores(found.y, p / p.sum(axis=1, keepdims=True))
    table = facts.assign(suggested=np.take(CLASSES, p.argmax(axis=1)), quality=quality)
    table = table.sort_values(["quality", "image_id"], ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    first = ["rank", "image_id", "label", "suggested", "quality", "group"]
    return table[[*first, *(name for name in facts.columns if name not in first)]]


def objections_found(
    issues: pd.DataFrame, seed: int, n_replicates: int, ranks: Sequence[int] = RANKS
) -> pd.DataFrame:
    r"""Judge a ranking of doubtful labels by the published objections among its first images.

    A random ranking holds the base rate :math:`R / n` among its first k images, and its average
    precision is expected to be :math:`\frac1n \left(H_n + \frac{R - 1}{n - 1} (n - H_n)\right)`
    with :math:`H_n = \sum_{i \le n} 1 / i`, which exceeds the base rate where R is small.

    Parameters
    ----------
    issues : pd.DataFrame
        See `label_issues`.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    ranks : sequence of int
        The k of precision at k; those beyond the number of images are left out.

    Returns
    -------
    pd.DataFrame
        One row a kind of objection (`ANY` first) and measure: ``kind, images`` (with it),
        ``measure`` (``precision`` or ``average precision``), ``k`` (0 for the latter), ``value,
        value_low, value_high, chance``.

    Raises
    ------
    StudyError
        If no image carries an objection.
    """
    kinds = sorted(set(issues["objection"]) - {""})
    if not kinds:
        raise StudyError(
            "No image carries a published objection, so the ranking cannot be judged: use a cohort "
            "that keeps them, such as raw, of a data set that the published list knows."
        )
    ranks = [k for k in ranks if k <= len(issues)]
    doubt = 1 - issues["quality"].to_numpy()
    marks = {ANY: (issues["objection"] != "").to_numpy()}
    marks |= {kind: (issues["objection"] == kind).to_numpy() for kind in kinds}

    def statistics(weights: np.ndarray) -> dict[tuple[str, int], np.ndarray]:
        sums = leading_sums(doubt, np.stack(list(marks.values())), weights, ranks)
        values = {
            (kind, 0): WeightedRanking(has, doubt, weights).average_precision()
            for kind, has in marks.items()
        }
        for a, k in enumerate(ranks):
            held = np.minimum(k, weights.sum(axis=0))
            values |= {(kind, k): sums[a, m] / held for m, kind in enumerate(marks)}
        return values

    replicates = replicate(statistics, issues["group"].to_numpy(), seed, n_replicates)
    rows = [
        {
            "kind": kind,
            "images": int(has.sum()),
            "measure": "precision" if k else "average precision",
        }
        | {"k": k}
        | as_line(replicates[[(kind, k)]].set_axis(["value"], axis=1))
        | {"chance": has.mean() if k else _random_average_precision(int(has.sum()), len(has))}
        for kind, has in marks.items()
        for k in (*ranks, 0)
    ]
    return pd.DataFrame(rows)


def _random_average_precision(positives: int, n: int) -> float:
    """Expected average precision of a random order of n images, n > 1."""
    harmonic = float(np.sum(1 / np.arange(1, n + 1)))
    return (harmonic + (positives - 1) / (n - 1) * (n - harmonic)) / n
