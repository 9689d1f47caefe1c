"""What the figures of notebook 03 show, in a sentence each, and its numbers for the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from busi_utils.analysis.comparison import (
    ENDS,
    FAULT,
    METRICS,
    NETWORK,
    best_other,
    network_changes,
    shown,
    title_of,
    tuned_change,
)
from busi_utils.models import MODELS
from busi_utils.recipes import LOGISTIC, label_of

_WAYS = ("original", LOGISTIC, "tuned")


def forest_finding(table: pd.DataFrame, metric: str) -> str:
    """Say whether training or the choice of network moves a metric more.

    Like is set beside like: the networks that were trained in every one of three ways, from
    pretrained weights. A single such network says nothing.
    """
    rows = table[table["recipe"].isin(_WAYS)]
    block = 100 * rows.pivot(index="model", columns="recipe", values=metric).dropna()
    if len(block) < 2 or len(block.columns) < len(_WAYS):
        return "Networks and ways of training."
    by_training, by_network = np.ptp(block, axis=1), np.ptp(block, axis=0)
    more = "more" if by_training.min() > by_network.max() else "no more"
    return (
        f"How a network is trained matters {more} than which one is: over three ways of training "
        f"each of {len(block)} networks moves by {_range(by_training)} points; trained alike, they "
        f"lie within {_range(by_network)} points of each other."
    )


def _range(values: pd.Series) -> str:
    return f"{values.min():.1f} to {values.max():.1f}"


def cost_finding(table: pd.DataFrame, costs: pd.DataFrame, recipe: str, metric: str) -> str:
    """Say whether the largest network is also the best under a recipe."""
    rows = table[table["recipe"] == recipe].merge(costs[["model", "parameters"]], on="model")
    largest = rows.loc[rows["parameters"].idxmax()]
    best = rows.loc[rows[metric].idxmax()]
    start = (
        "The largest network is the best"
        if largest["model"] == best["model"]
        else "The largest network is not the best"
    )
    return (
        f"{start}. With {label_of(recipe)}, {largest['title']} ({largest['parameters'] / 1e6:.1f} "
        f"million parameters) reaches {100 * largest[metric]:.1f} %, {best['title']} "
        f"({best['parameters'] / 1e6:.1f} million) {100 * best[metric]:.1f} %."
    )


def curve_finding(doubling: pd.DataFrame) -> str:
    """Say what the last doubling of the training groups adds; see `comparison.doublings`."""
    gains = shown(doubling) & (doubling["worth_value"] > 0)
    start = (
        "More data would help every network"
        if gains.all()
        else "More data would help some networks"
        if gains.any()
        else "That more data would help is not shown"
    )
    low, high = doubling["worth_value"].min(), doubling["worth_value"].max()
    return (
        f"{start}. Doubling the training groups from half to all adds {low:+.1f} to {high:+.1f} "
        f"points, a gain that stands Holm's correction in {gains.sum()} of {len(gains)} networks."
    )


def headline(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    worth: pd.DataFrame,
    doubling: pd.DataFrame,
    leak: pd.DataFrame,
    copied: pd.DataFrame,
    cohorts: Sequence[str],
) -> dict[str, Any]:
    """Return the numbers of the notebook that the report's prose names."""
    networks = table[table["model"].isin(MODELS)]
    best = networks.loc[networks["balanced_accuracy"].idxmax()]
    return {
        "best": _line(best),
        "best_network_change": _worth(best_other(worth)),
        "training_change": _worth(tuned_change(worth)),
        "network_gains": _gains(network_changes(worth)),
        "tuned_others": _others(worth, "tuned"),
        "scratch": [_line(row) for _, row in table[table["recipe"] == "scratch"].iterrows()],
        "scratch_others": _others(worth, "scratch"),
        "untuned": [title_of(model) for model in _untuned(table)],
        "doubling": _gains(doubling)
        | {
            "mean": float(doubling["worth_value"].mean() / 100),
            "least": float(doubling["worth_value"].min() / 100),
        },
        "cohorts": list(cohorts),
        "leak": _leak(leak, worth),
        "copied": _copied(copied),
        "pairs": {
            "n": len(pairs),
            "mcnemar": int((pairs["p_mcnemar_holm"] < 0.05).sum()),
            "delong": int((pairs["p_delong_holm"] < 0.05).sum()),
        },
    }


def _leak(leak: pd.DataFrame, worth: pd.DataFrame) -> dict[str, Any]:
    """Return the range of the leak with frozen features, and the tuned row's if it is there."""
    found = {"least": float(leak["worth_value"].min()), "most": float(leak["worth_value"].max())}
    tuned = worth[(worth["kind"] == FAULT) & (worth["recipe"] == "tuned")]
    return found if tuned.empty else found | {"tuned": _worth(tuned.iloc[0])}


def picked_line(picked: dict[str, Any], reached: pd.DataFrame, ways: int) -> dict[str, Any]:
    """Return what the best of several trials gave on inner validation images and on test folds.

    Parameters
    ----------
    picked : dict
        See `trials.best_trial`.
    reached : pd.DataFrame
        Its row of `summaries.summarise`, with its title.
    ways : int
        Number of trials it was picked from.
    """
    inner = {"inner_balanced_accuracy": float(picked["balanced_accuracy"]), "ways": ways}
    return inner | _line(reached.iloc[0])


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
