"""The errors of a network: who is taken for whom, which errors it is sure of, doubtful labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.analysis.doubtful_labels import label_issues, objections_found
from busi_utils.audit.published import facts_of
from busi_utils.stats.resampling import as_line, bootstrap_ratios
from busi_utils.study.predictions import OutOfFold, out_of_fold
from busi_utils.study.rows import Row
from busi_utils.study.study import Study

_ISSUES_KEPT = 50  # in the table of the report
_KEPT = ["annotated", "n_masks", "lesion_fraction", "objection", "other_label_twin", "group_size"]
_TRAITS = {
    "burnt-in marks": lambda facts: facts["annotated"],
    "published objection": lambda facts: facts["objection"] != "",
    "duplicate with another label": lambda facts: facts["other_label_twin"],
    "any duplicate in the data set": lambda facts: facts["group_size"] > 1,
}


@dataclass(frozen=True)
class Mistakes:
    """What a network gets wrong.

    Attributes
    ----------
    found : OutOfFold
        Its predictions.
    facts : pd.DataFrame
        See `described`.
    confusion, worst, traits : pd.DataFrame
        See `confusion_table`, `confident_errors` and `error_traits`.
    issues : pd.DataFrame
        Every image of cohort ``raw``, most doubtful label first: `doubtful_labels.label_issues`.
    objections : pd.DataFrame
        Objections in print among the first of them: `doubtful_labels.objections_found`; empty where
        no image carries one.
    """

    found: OutOfFold
    facts: pd.DataFrame
    confusion: pd.DataFrame
    worst: pd.DataFrame
    traits: pd.DataFrame
    issues: pd.DataFrame
    objections: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report, by name."""
        tables = {
            "errors_confusion": self.confusion,
            "errors_confident": self.worst,
            "errors_traits": self.traits,
            "errors_label_issues": self.issues.head(_ISSUES_KEPT),
        }
        return tables if self.objections.empty else tables | {"errors_objections": self.objections}


def mistakes_of(
    study: Study,
    row: Row,
    seeds: Sequence[int],
    label_seeds: Sequence[int],
    n_worst: int,
    seed: int,
    n_replicates: int,
) -> Mistakes:
    """Return the mistakes of one row of networks, and the labels that its untuned kin doubt.

    Parameters
    ----------
    study : Study
    row : Row
    seeds : sequence of int
        Of the row.
    label_seeds : sequence of int
        Seeds of the recipe as written on cohort ``raw``, whose mean ranks doubtful labels: that
        cohort holds every image that is objected to in print.
    n_worst : int
        How many of the most confident errors are named.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    """
    objection = facts_of(study.manifest)["objection"]
    found = out_of_fold(study.workspace, study.dataset, *row, seeds)
    raw = ("raw", row[1], "original")
    doubted = out_of_fold(study.workspace, study.dataset, *raw, label_seeds)
    facts, every = (described(one, study.manifest, objection) for one in (found, doubted))
    issues = label_issues(doubted, every)
    objected = (every["objection"] != "").any()
    return Mistakes(
        found,
        facts,
        confusion_table(found, seed, n_replicates),
        confident_errors(found, facts, n_worst),
        error_traits(found, facts, seed, n_replicates),
        issues,
        objections_found(issues, seed, n_replicates) if objected else pd.DataFrame(),
    )


def described(found: OutOfFold, manifest: pd.DataFrame, objections: pd.Series) -> pd.DataFrame:
    """Return what is known of each predicted image besides its prediction.

    Parameters
    ----------
    found : OutOfFold
        The predictions; gives the images and their order.
    manifest : pd.DataFrame
        See `manifest.audit_sources`.
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
    )
    images = found.images[["image_id", "label", "group"]]
    return images.join(found.rows_of(facts)[_KEPT], on="image_id")


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
