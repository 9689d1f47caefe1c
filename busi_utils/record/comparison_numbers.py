"""The numbers of notebook 03 that the report's prose names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from busi_utils.analysis.comparison import (
    ENDS,
    FAULT,
    METRICS,
    NETWORK,
    TRAINING,
    shown,
    title_of,
)
from busi_utils.analysis.split_effects import other_folds
from busi_utils.models import MODELS
from busi_utils.recipe_words import label_of
from busi_utils.recipes import ENSEMBLE, LOGISTIC, SEEDS
from busi_utils.study.rows import accuracy_by_seed
from busi_utils.study.study import Study


def headline(
    study: Study,
    model: str,
    picked: Mapping[str, Any],
    *,
    clean: pd.DataFrame,
    pairs: pd.DataFrame,
    worth: pd.DataFrame,
    doubling: pd.DataFrame,
    leak: pd.DataFrame,
    copied: pd.DataFrame,
    on_cohorts: pd.DataFrame,
    reached: pd.DataFrame,
) -> dict[str, Any]:
    """Return the section ``comparison`` of the report's numbers.

    Parameters
    ----------
    study : Study
        Holds the predictions.
    model : str
        The network that the others are compared with.
    picked : Mapping
        What is said of the way of tuning that inner validation picks; ``reached`` is its row.
    clean, on_cohorts, reached : pd.DataFrame
        See `comparison.results`: every network on ``clean``, networks on every cohort, one row.
    pairs : pd.DataFrame
        See `comparison.pairwise`.
    worth, doubling, leak : pd.DataFrame
        See `comparison.differences`: every change, all groups against half, raw against grouped.
    copied : pd.DataFrame
        See `split_effects.leak_by_copies`.
    """
    of_seeds = clean["recipe"].str.endswith((SEEDS, ENSEMBLE))
    networks = clean[clean["model"].isin(MODELS) & ~of_seeds]
    others = worth[(worth["kind"] == NETWORK) & (worth["recipe"] != "scratch")]
    tuned = worth[(worth["kind"] == TRAINING) & (worth["recipe"] == "tuned")]
    return {
        "best": _line(networks.loc[networks["balanced_accuracy"].idxmax()]),
        "best_network_change": _worth(others.loc[others["worth_value"].idxmax()]),
        "training_change": _worth(tuned.iloc[0]),
        "network_gains": _gains(others),
        "tuned_others": _others(worth, "tuned"),
        "scratch": [
            _line(row) | {"train_accuracy": float(row["train_accuracy"])}
            for _, row in clean[clean["recipe"] == "scratch"].iterrows()
        ],
        "scratch_others": _others(worth, "scratch"),
        "untuned": [title_of(name) for name in _untuned(clean)],
        "doubling": _gains(doubling)
        | {
            "mean": float(doubling["worth_value"].mean() / 100),
            "least": float(doubling["worth_value"].min() / 100),
        },
        "cohorts": list(on_cohorts["cohort"].unique()),
        "leak": _leak(leak, worth),
        "copied": _copied(copied),
        "pairs": {
            "n": len(pairs),
            "mcnemar": int((pairs["p_mcnemar_holm"] < 0.05).sum()),
            "delong": int((pairs["p_delong_holm"] < 0.05).sum()),
        },
        "other_folds": other_folds(study, on_cohorts),
        "by_cohort": cohort_numbers(on_cohorts, model),
        "picked": dict(picked) | _line(reached.iloc[0]),
        "tuned_by_seed": accuracy_by_seed(study, ("clean", model, "tuned")),
    }


def _leak(leak: pd.DataFrame, worth: pd.DataFrame) -> dict[str, Any]:
    """Return the range of the leak with frozen features, and the tuned row's if it is there."""
    found = {"least": float(leak["worth_value"].min()), "most": float(leak["worth_value"].max())}
    tuned = worth[(worth["kind"] == FAULT) & (worth["recipe"] == "tuned")]
    return found if tuned.empty else found | {"tuned": _worth(tuned.iloc[0])}


def cohort_numbers(table: pd.DataFrame, model: str) -> dict[str, dict[str, Any]]:
    """Return the accuracy of one network by recipe and cohort, with intervals and seeds.

    Parameters
    ----------
    table : pd.DataFrame
        Rows of `summaries.summarise` on several cohorts.
    model : str
    """
    found: dict[str, dict[str, Any]] = {}
    for _, row in table[table["model"] == model].iterrows():
        line = _numbers(row, ["accuracy"]) | {"seeds": int(row["seeds"])}
        found.setdefault(row["recipe"], {})[row["cohort"]] = line
    return found


def _copied(copied: pd.DataFrame) -> dict[str, Any]:
    """Return what copies do to the trained rows, and the range over frozen features."""
    frozen = copied[copied["recipe"] == LOGISTIC]
    names = ("copied", "others", "contrast")
    trained = copied[copied["recipe"] != LOGISTIC]
    return {
        "trained": {row["recipe"]: _numbers(row, names) for _, row in trained.iterrows()},
        "least": {name: float(frozen[name].min()) for name in names},
        "most": {name: float(frozen[name].max()) for name in names},
        "networks": len(frozen),
        "stand": int((frozen["contrast_low"] > 0).sum()),
        "n": int(copied["n_copied"].iloc[0]),
    }


def _numbers(row: pd.Series, names: Sequence[str]) -> dict[str, float]:
    return {f"{name}{end}": float(row[f"{name}{end}"]) for name in names for end in ENDS}


def _gains(changes: pd.DataFrame) -> dict[str, int]:
    """Return how many differences there are, and how many are shown to be gains."""
    return {"n": len(changes), "shown": int((shown(changes) & (changes["worth_value"] > 0)).sum())}


def _others(worth: pd.DataFrame, recipe: str) -> list[dict[str, Any]]:
    """Return what each other network differs by under a recipe, and whether that is shown."""
    rows = worth[(worth["kind"] == NETWORK) & (worth["recipe"] == recipe)]
    rows = rows.assign(shown=shown(rows)).sort_values("worth_value", kind="stable")
    return [_worth(row) | {"shown": bool(row["shown"])} for _, row in rows.iterrows()]


def _untuned(table: pd.DataFrame) -> list[str]:
    """Return the pretrained networks that have no tuned row."""
    tuned = set(table.loc[table["recipe"] == "tuned", "model"])
    return [name for name in table.loc[table["recipe"] == "original", "model"] if name not in tuned]


def _line(row: pd.Series) -> dict[str, Any]:
    return {
        "title": row["title"],
        "recipe": label_of(row["recipe"]),
        "init": row["init"],
        "seeds": int(row["seeds"]),
    } | _numbers(row, METRICS)


def _worth(row: pd.Series) -> dict[str, Any]:
    return {"label": row["label"], "training": label_of(row["recipe"])} | {
        key: float(row[key]) for key in ("worth_value", "worth_low", "worth_high")
    }
