"""The errors of a network: who is taken for whom, which errors it is sure of, doubtful labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.stats.ranking import WeightedRanking
from busi_utils.stats.resampling import as_line, bootstrap_ratios, leading_sums, replicate
from busi_utils.study.predictions import OutOfFold

RANKS = (10, 20, 50, 100)
ANY = "any"
_KEPT = ["annotated", "n_masks", "lesion_fraction", "objection", "other_label_twin", "group_size"]
_TRAITS = {
    "burnt-in marks": lambda facts: facts["annotated"],
    "published objection": lambda facts: facts["objection"] != "",
    "duplicate with another label": lambda facts: facts["other_label_twin"],
    "any duplicate in the data set": lambda facts: facts["group_size"] > 1,
}


def described(found: OutOfFold, manifest: pd.DataFrame, objections: pd.Series) -> pd.DataFrame:
    """Return what is known of each predicted image besides its prediction.

    Parameters
    ----------
    found : OutOfFold
        The predictions; gives the images and their order.
    manifest : pd.DataFrame
        See `manifest.build_manifest`.
    objections : pd.Series
        Published objection to each image of the manifest, "" if none: the column of that name of
        `published.facts_of`.

    Returns
    -------
    pd.DataFrame
        Columns ``image_id, label, group, annotated, n_masks, lesion_fraction, objection``,
        ``other_label_twin`` (its duplicate group holds another label) and ``group_size`` (images in
        its duplicate group), both over the whole data set, not over the cohort.

    Raises
    ------
    StudyError
        If the manifest lacks an image.
    """
    size = manifest.groupby("duplicate_group")["image_id"].transform("size")
    facts = manifest.assign(
        objection=objections, group_size=size, other_label_twin=manifest["cross_class"]
    ).set_index("image_id")
    unknown = found.images.loc[~found.images["image_id"].isin(facts.index), "image_id"]
    if len(unknown):
        raise StudyError(
            f"The manifest does not list {unknown.iloc[0]!r} ({len(unknown)} such images): use the "
            "manifest from which the cohort was made."
        )
    images = found.images[["image_id", "label", "group"]]
    return images.join(facts.loc[:, _KEPT], on="image_id")


def confusion_table(found: OutOfFold, seed: int, n_replicates: int) -> pd.DataFrame:
    """Return the share of each true class that is given each label, mean over seeds.

    Returns
    -------
    pd.DataFrame
        One row a pair of classes: ``truth, predicted, images`` (mean over seeds), ``share,
        share_low, share_high`` (95 %, bootstrap over duplicate groups); NaN for an absent class.
    """
    called = np.eye(len(CLASSES))[found.p.argmax(axis=2)].mean(axis=0)
    truth = np.eye(len(CLASSES))[found.y]
    pairs = {(t, c): (truth[:, t] * called[:, c], truth[:, t]) for t in range(3) for c in range(3)}
    replicates = bootstrap_ratios(pairs, found.groups, seed, n_replicates)
    rows = [
        {"truth": CLASSES[t], "predicted": CLASSES[c], "images": pairs[t, c][0].sum()}
        | as_line(replicates[[(t, c)]].set_axis(["share"], axis=1))
        for t, c in pairs
    ]
    return pd.DataFrame(rows)


def confident_errors(found: OutOfFold, facts: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the wrong images that the network is most confident of, mean probability over seeds.

    Parameters
    ----------
    found : OutOfFold
    facts : pd.DataFrame
        See `described`.
    n : int
        How many at most.

    Returns
    -------
    pd.DataFrame
        ``image_id, label, predicted, confidence`` (probability of the wrong class) and what
        `described` knows, the most confident first.
    """
    p = found.ensemble
    predicted = p.argmax(axis=1)
    table = facts.assign(predicted=np.take(CLASSES, predicted), confidence=p.max(axis=1))
    wrong = table[predicted != found.y]
    worst = wrong.sort_values(["confidence", "image_id"], ascending=[False, True]).head(n)
    return worst[["image_id", "label", "predicted", "confidence", *_KEPT]].reset_index(drop=True)


def error_traits(
    found: OutOfFold, facts: pd.DataFrame, seed: int, n_replicates: int
) -> pd.DataFrame:
    """Compare wrong with right images: how many carry marks, objections, twins.

    Errors of all seeds are pooled. A trait that no image of the cohort has (``clean`` holds neither
    objections nor twins of another label) is left out.

    Returns
    -------
    pd.DataFrame
        ``trait, images`` (that have it), then ``errors`` and ``right`` (shares that have it) and
        ``difference`` (errors - right, in points), each with ``_low`` and ``_high``.
    """
    wrong = (~found.right).mean(axis=0)
    rows = []
    for trait, of in _TRAITS.items():
        has = of(facts).to_numpy(dtype=float)
        if not has.any():
            continue
        shares = {"errors": (has * wrong, wrong), "right": (has * (1 - wrong), 1 - wrong)}
        replicates = bootstrap_ratios(shares, found.groups, seed, n_replicates)
        gap = (replicates["errors"] - replicates["right"]).to_frame("difference")
        rows.append(
            {"trait": trait, "images": int(has.sum())} | as_line(replicates) | as_line(gap, 100)
        )
    return pd.DataFrame(rows)


def label_issues(found: OutOfFold, facts: pd.DataFrame) -> pd.DataFrame:
    """Rank images by the doubt that out-of-fold predictions cast on their labels.

    The quality of a label is the probability that networks which did not see the image give it,
    averaged over seeds.

    Returns
    -------
    pd.DataFrame
        ``rank`` (1: most doubtful), ``image_id, label, suggested, quality`` in [0, 1], ``group``
        and what `described` knows.

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
    return table[["rank", "image_id", "label", "suggested", "quality", "group", *_KEPT]]


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
