"""What the figures of notebook 03 show, in a sentence each, and its numbers for the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .comparison import METRICS, best_other, network_changes, title_of, tuned_change
from .models import MODELS
from .recipes import LOGISTIC, label_of


def forest_finding(table: pd.DataFrame, model: str, metric: str) -> str:
    """Say whether training or the choice of network moves a metric more, pretrained rows only."""
    rows = table[table["model"].isin(MODELS) & (table["init"] != "random")]
    by_training = 100 * float(np.ptp(rows.loc[rows["model"] == model, metric]))
    ranges = rows[rows["recipe"].isin(["original", LOGISTIC])].groupby("recipe")[metric]
    by_network = 100 * float(ranges.agg(np.ptp).max())
    more = "more" if by_training > by_network else "less"
    return (
        f"How {title_of(model)} is trained moves it {more} than which network is trained: by "
        f"{by_training:.1f} points over the ways of training, against {by_network:.1f} points over "
        f"the networks, all with the recipe as written or all with logistic regression."
    )


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


def curve_finding(curve: pd.DataFrame, metric: str) -> str:
    """Say what the last doubling of the training groups adds."""
    by_share = curve.pivot(index="model", columns="share", values=metric)
    gain = 100 * (by_share[1.0] - by_share[0.5])
    start = (
        "Accuracy still rises with data"
        if (gain > 0).all()
        else "More data help some networks only"
    )
    return (
        f"{start}. The last doubling of the training groups adds {gain.min():+.1f} to "
        f"{gain.max():+.1f} points, depending on the network."
    )


def headline(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    worth: pd.DataFrame,
    curve: pd.DataFrame,
    leak: pd.DataFrame,
    cohorts: Sequence[str],
) -> dict[str, Any]:
    """Return the numbers of the notebook that the report's prose names."""
    networks = table[table["model"].isin(MODELS)]
    best = networks.loc[networks["balanced_accuracy"].idxmax()]
    last, half = (
        curve[curve["share"] == share].set_index("model")["balanced_accuracy"] for share in (1, 0.5)
    )
    return {
        "best": _line(best),
        "best_network_change": _worth(best_other(worth)),
        "training_change": _worth(tuned_change(worth)),
        "tuned_others": [
            _worth(row) for _, row in network_changes(worth).iterrows() if row["recipe"] == "tuned"
        ],
        "doubling": {"mean": float((last - half).mean()), "least": float((last - half).min())},
        "cohorts": list(cohorts),
        "leak": {
            "least": float(leak["worth_value"].min()),
            "most": float(leak["worth_value"].max()),
        },
        "pairs": {
            "n": len(pairs),
            "mcnemar": int((pairs["p_mcnemar_holm"] < 0.05).sum()),
            "delong": int((pairs["p_delong_holm"] < 0.05).sum()),
        },
    }


def _line(row: pd.Series) -> dict[str, Any]:
    names = [f"{m}{end}" for m in METRICS for end in ("", "_low", "_high")]
    return {
        "title": row["title"],
        "recipe": label_of(row["recipe"]),
        "init": row["init"],
        "seeds": int(row["seeds"]),
    } | {name: float(row[name]) for name in names}


def _worth(row: pd.Series) -> dict[str, Any]:
    return {"kind": row["kind"], "label": row["label"]} | {
        key: float(row[key]) for key in ("worth_value", "worth_low", "worth_high")
    }
