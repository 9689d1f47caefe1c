"""What notebook 03 computes: rows of every network, paired tests, what each change is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import pandas as pd

from busi_utils.audit.folds import FOLDS
from busi_utils.errors import StudyError
from busi_utils.models import MODELS
from busi_utils.recipe_words import label_of
from busi_utils.recipes import BALANCED, LOGISTIC, SHARES
from busi_utils.stats.bootstrap import difference_intervals
from busi_utils.stats.paired_tests import compare_all, holm
from busi_utils.study.baselines import TITLES
from busi_utils.study.chosen_on_validation import (
    has_validation,
    sensitivity_at_validated_threshold,
)
from busi_utils.study.postprocessing import MEANS
from busi_utils.study.rows import Row, difference, read_row, row_replicates, summarise
from busi_utils.study.study import Study

ENDS = ("", "_low", "_high")  # of the columns of a value and its interval
FAULT, TRAINING, NETWORK = "fault of the data", "training", "network"
"""Kinds of change."""
METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_auc",
    "macro_f1",
    "recall_malignant",
    "brier",
    "ece",
)
_TITLES = TITLES | {f"mean_of_{n}": f"Mean of {n} network{'s' * (k > 1)}" for k, n in MEANS.items()}


def title_of(model: str) -> str:
    """Return the name of a network, reference or mean of networks in tables and figures."""
    return MODELS[model].title if model in MODELS else _TITLES[model]


def with_titles(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``title`` beside ``model``."""
    table = table.copy()
    table.insert(table.columns.get_loc("model") + 1, "title", table["model"].map(title_of))
    return table


def results(
    study: Study,
    rows: Sequence[Row],
    seed: int,
    n_replicates: int,
    metrics: Sequence[str] = METRICS,
) -> pd.DataFrame:
    """Return `rows.summarise` of rows, with titles."""
    return with_titles(summarise(study, rows, metrics, seed, n_replicates))


def at_threshold(study: Study, rows: Sequence[Row], seed: int, n_replicates: int) -> pd.DataFrame:
    """Return `sensitivity_at_validated_threshold` of the rows that have validation images."""
    judged = [row for row in rows if has_validation(study, row)]
    return with_titles(sensitivity_at_validated_threshold(study, judged, seed, n_replicates))


def pairwise(study: Study, families: Mapping[str, Sequence[Row]]) -> pd.DataFrame:
    """Test every pair of networks within each family of rows that were trained alike.

    Each network stands for itself: the first seed of a row, no ensemble. Holm's correction covers
    the pairs of one family.

    Parameters
    ----------
    study : Study
        Holds the predictions.
    families : mapping of str to rows
        Name of the recipe to its rows; a family of one has no pairs.

    Returns
    -------
    pandas.DataFrame
        ``family`` and the columns of `paired_tests.compare_all`.
    """
    frames = []
    for name, rows in families.items():
        found = {row[1]: read_row(study, row) for row in rows}
        table = compare_all({model: (one.y, one.p[0]) for model, one in found.items()})
        table.insert(0, "family", name)
        frames.append(table)
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled or frames[:1], ignore_index=True)


def different_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of `pairwise` that a test tells apart after Holm's correction, with titles.

    The better of a pair, by accuracy, comes first: columns ``family, better, worse,
    accuracy_difference, p_mcnemar_holm, auc_difference, p_delong_holm``.
    """
    found = pairs[(pairs[["p_mcnemar_holm", "p_delong_holm"]] < 0.05).any(axis=1)].copy()
    turned = found["accuracy_difference"] < 0
    for better, name, other in (("better", "model_a", "model_b"), ("worse", "model_b", "model_a")):
        found[better] = found[name].where(~turned, found[other]).map(title_of)
    signs = ["accuracy_difference", "auc_difference"]
    found[signs] = found[signs].where(~turned, -found[signs], axis=0)
    columns = ["family", "better", "worse", "accuracy_difference", "p_mcnemar_holm"]
    return found[[*columns, "auc_difference", "p_delong_holm"]].reset_index(drop=True)


def differences(
    study: Study,
    pairs: Sequence[tuple[str, str, Row, Row]],
    metric: str,
    seed: int,
    n_replicates: int,
    seeds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Return paired differences in points, one line per ``(kind, label, row, reference)``.

    ``seeds`` of rows of one cohort are compared; None: all that there are.

    Returns
    -------
    pandas.DataFrame
        ``kind, label, cohort, model, recipe, n, worth_value, worth_low, worth_high`` and ``p``, see
        `bootstrap.bootstrap_p`.
    """
    alike = [pair[2:] for pair in pairs if pair[2][0] == pair[3][0]]  # of one cohort
    found = {row: read_row(study, row, seeds) for row in dict.fromkeys(chain.from_iterable(alike))}
    drawn = row_replicates(found, [metric], seed, n_replicates)
    lines = []
    for kind, label, row, reference in pairs:
        if row[0] == reference[0]:
            gain = difference_intervals(drawn[row] - drawn[reference])
            gain = {"n": len(found[row].y)} | gain.drop(columns="metric").iloc[0].to_dict()
        else:
            gain = difference(study, row, reference, metric, seed, n_replicates)
        line = {"kind": kind, "label": label}
        line |= dict(zip(("cohort", "model", "recipe"), row, strict=True)) | {"n": gain["n"]}
        line |= {f"worth_{key}": 100 * gain[key] for key in ("value", "low", "high")}
        lines.append(line | {"p": gain["p"]})
    columns = ["kind", "label", "cohort", "model", "recipe", "n"]
    columns += ["worth_value", "worth_low", "worth_high", "p"]
    return pd.DataFrame(lines, columns=columns)


def by_cohort(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one line per network and recipe, with value and interval of a metric on each cohort.

    Returns
    -------
    pandas.DataFrame
        ``title, recipe`` and ``<cohort>, <cohort>_low, <cohort>_high`` for each cohort of
        ``table``, NaN where a row was not trained on it.
    """
    lines = []
    for (title, recipe), rows in table.groupby(["title", "recipe"], sort=False):
        line = {"title": title, "recipe": recipe}
        for row in rows.to_dict("records"):
            line |= {row["cohort"] + end: row[metric + end] for end in ENDS}
        lines.append(line)
    return pd.DataFrame(lines)


def learning_curve(
    study: Study, models: Sequence[str], seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return the logistic regressions that learn from a share of the groups of ``clean``.

    Returns
    -------
    pandas.DataFrame
        See `rows.summarise`; also ``share`` and ``groups``, the number of groups learnt from, mean
        over folds.
    """
    rows = [("clean", model, recipe) for model in models for recipe in SHARES]
    table = summarise(study, rows, ["accuracy", "balanced_accuracy"], seed, n_replicates)
    groups = (1 - 1 / FOLDS) * study.folds("clean")["group"].nunique()
    share = table["recipe"].map(SHARES)
    return table.assign(share=share, groups=(share * groups).round().astype(int)).sort_values(
        ["model", "share"], ignore_index=True
    )


def change_pairs(
    model: str, members: Mapping[str, Sequence[str]], ensemble: Row | None
) -> list[tuple[str, str, Row, Row]]:
    """Return the comparisons behind "what is worth what": training against network, on clean.

    Parameters
    ----------
    model : str
        The reference network.
    members : mapping of str to sequence of str
        Recipe to the networks trained by it.
    ensemble : Row or None
        The averaged seeds of the reference network, if it has several.

    Returns
    -------
    list of (kind, label, row, reference)
        As `differences` takes them.

    Raises
    ------
    StudyError
        If no other pretrained network is named.
    """
    written = ("clean", model, "original")
    pairs = [
        (TRAINING, label_of(name), ("clean", model, name), written)
        for name in (LOGISTIC, "tuned", "tuned" + BALANCED)
    ]
    if ensemble is not None:
        pairs.append((TRAINING, label_of(ensemble[2]), ensemble, written))
    for recipe, names in members.items():
        pairs += [
            (NETWORK, title_of(other), ("clean", other, recipe), ("clean", model, recipe))
            for other in names
            if other != model and model in names
        ]
    if all(kind != NETWORK or row[2] == "scratch" for kind, _, row, _ in pairs):
        raise StudyError(
            "There is no second pretrained network to compare: name two or more in `models`."
        )
    return pairs


def shown(changes: pd.DataFrame) -> pd.Series:
    """Say which of several differences are shown: Holm-adjusted p below 0.05, bool like the rows.

    Parameters
    ----------
    changes : pd.DataFrame
        Lines of `differences` that answer one question.
    """
    return pd.Series(holm(changes["p"]) < 0.05, index=changes.index)
