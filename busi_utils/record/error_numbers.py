"""The numbers of notebook 04 for the report's prose."""

from __future__ import annotations

from typing import Any

import pandas as pd

from busi_utils.analysis.attention_measures import LABELS, Attention
from busi_utils.analysis.clinical_use import InUse
from busi_utils.analysis.comparison import shown
from busi_utils.analysis.elsewhere import Elsewhere
from busi_utils.analysis.hidden_lesions import WhatIsLeft
from busi_utils.analysis.mistakes import Mistakes
from busi_utils.analysis.robustness import Damage


def headline(
    model: str,
    wrong: Mistakes,
    gaps: pd.DataFrame,
    left: WhatIsLeft,
    seen: Attention,
    use: InUse,
    damage: Damage,
    away: Elsewhere,
) -> dict[str, Any]:
    """Return the numbers of the notebook that the report's prose names.

    Parameters
    ----------
    model : str
        The network studied.
    wrong, left, seen, use, damage, away
        What the sections show.
    gaps : pd.DataFrame
        See `subgroups.subgroup_tables`.
    """
    cells = wrong.confusion.set_index(["truth", "predicted"])
    pointed = seen.located[model].query("measure == 'hit'").set_index(["label", "method"])
    costs = damage.costs
    own = costs[costs["model"] == costs["model"].iloc[0]].set_index("corruption")
    referral = use.referral.set_index((100 * use.referral["referred"]).map("{:.0f}".format))
    return {
        "malignant_found": _plain(cells.loc[("malignant", "malignant")]),
        "malignant_called_benign": _plain(cells.loc[("malignant", "benign")]),
        "taught": _by_name(left.taught),
        "seen": _by_name(left.seen),
        "marks": left.marks,
        "solidity": left.solidity,
        "retrained": [_plain(row) for _, row in left.retrained.iterrows()],
        "pointing": {
            label: {m: _plain(pointed.loc[(label, m)]) for m in LABELS}
            for label in pointed.index.unique("label").sort_values()
        },
        "sanity": _by_name(seen.sanity[model].set_index("method", drop=False)),
        "calibration": _by_name(use.calibration.set_index("metric", drop=False)),
        "temperature": {
            "mean": float(use.temperatures.mean()),
            "least": float(use.temperatures.min()),
            "most": float(use.temperatures.max()),
        },
        "ece_floor": use.floor,
        "referral": _by_name(referral),
        "at_threshold": _plain(use.sensitivity.iloc[0]),
        "damage": _by_name(own),
        "subgroups": len(gaps),
        "external": _external(away),
    }


def _external(away: Elsewhere) -> dict[str, Any]:
    images = away.hospital.manifest
    return {
        "title": away.title,
        "images": len(images),
        "patients": int(images["patient"].nunique()),
        "malignant": int((images["label"] == "malignant").sum()),
        "differences": [_plain(row) for _, row in away.differences.iterrows()],
        "shown": list(away.differences.loc[shown(away.differences), "variant"]),
        "one": _plain(away.one),
        "mean": _plain(away.mean),
        "home": _plain(pd.Series(away.home)),
        "readers": away.readers,
    }


def _by_name(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {str(name): _plain(row) for name, row in table.iterrows()}


def _plain(row: pd.Series) -> dict[str, Any]:
    """Return a row's values as plain numbers and words."""
    return {key: value.item() if hasattr(value, "item") else value for key, value in row.items()}
