"""What the figures of notebook 04 show, in a sentence each, and its numbers for the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from busi_utils.analysis.attention_measures import LABELS
from busi_utils.analysis.comparison import shown, title_of
from busi_utils.analysis.external import ExternalData
from busi_utils.analysis.hidden_lesions import SEEN, TAUGHT
from busi_utils.analysis.subgroups import FEWEST
from busi_utils.audit.external_sets import EXTERNAL_SETS
from busi_utils.record.formats import ci, pct, points_ci


def confusion_finding(table: pd.DataFrame, model: str) -> str:
    """Say which confusion is the commonest, and what becomes of malignant images."""
    cells = table.set_index(["truth", "predicted"])
    wrong = table[table["truth"] != table["predicted"]]
    most = wrong.loc[wrong["share"].idxmax()]
    found = ci(cells.loc[("malignant", "malignant")], "share")
    return (
        f"The commonest confusion of {title_of(model)}, tuned: {pct(most['share'])} of "
        f"{most['truth']} images are called {most['predicted']}. Of malignant images {found} are "
        "found. Shares of each true class, out of fold, with 95 % intervals."
    )


def gallery_finding(worst: pd.DataFrame, facts: pd.DataFrame) -> str:
    """Say what is known of the most confident errors."""
    marked, all_marked = worst["annotated"].mean(), facts["annotated"].mean()
    copies, all_copies = (part["group_size"].gt(1).mean() for part in (worst, facts))
    return (
        f"The {len(worst)} most confident errors, lesions outlined. {pct(marked, 0)} carry "
        f"burnt-in marks ({pct(all_marked, 0)} of all images of the cohort), {pct(copies, 0)} "
        f"have a copy in the data set ({pct(all_copies, 0)} of all)."
    )


def labels_finding(table: pd.DataFrame) -> str:
    """Say how many of the first doubtful labels are objected to in print."""
    rows = table[(table["kind"] == table["kind"].iloc[0]) & (table["measure"] == "precision")]
    last = rows.iloc[-1].rename({"value_low": "low", "value_high": "high"})
    more = "more" if last["low"] > last["chance"] else "not demonstrably more"
    return (
        f"Of the {last['k']} most doubtful labels {ci(last, 'value', 0)} carry a published "
        f"objection, {more} than in random order ({pct(last['chance'], 0)}). Numbers of images "
        "with each objection in brackets; bars are 95 % intervals."
    )


def subgroup_finding(gaps: pd.DataFrame) -> str:
    """Name the subgroups whose recall of a class differs beyond its interval."""
    told = []
    for row in gaps.to_dict("records"):
        for name in ("recall_malignant", "recall_benign"):
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            if low > 0 or high < 0:
                told.append(
                    f"recall of {name.removeprefix('recall_')} images, {row['attribute']} "
                    f"{row['group']} against {row['reference']}: {points_ci(row, name, 1)}"
                )
    start = "Subgroups differ: " + "; ".join(told) if told else "No subgroup differs beyond chance"
    return f"{start}. Bars are 95 % intervals; recalls of fewer than {FEWEST} images are left out."


def shortcut_finding(table: pd.DataFrame, marks: dict[str, float]) -> str:
    """Say what is left without the lesion, and what marks matter."""
    rows = table.set_index(["classifier", "input"])
    rest, edges, lesion, outline = (
        pct(rows.loc[(TAUGHT, name), "accuracy"])
        for name in ("background_only", "border_only", "lesion_only", "outline_only")
    )
    alone = pct(table.loc[table["input"] == "majority", "accuracy"].iloc[0])
    return (
        f"Taught on images whose lesion is hidden, a logistic regression reaches {rest}, on "
        f"the edges alone {edges}, on the square about the lesion {lesion}, on nothing but the "
        f"drawn outline {outline}; naming the commonest class gives {alone}. Filling in burnt-in "
        "marks changes the tuned network's accuracy by "
        f"{points_ci(marks, 'worth', 1)}."
    )


def attention_finding(table: pd.DataFrame, sanity: pd.DataFrame, model: str) -> str:
    """Say how Grad-CAM compares with the middle of the image, and whether it passes the check."""
    hits = table[table["measure"] == "hit"].pivot(index="label", columns="method", values="value")
    told = [
        f"{label} {pct(row['gradcam'], 0)}, middle of the image {pct(row['centre'], 0)}, chance "
        f"{pct(row['chance'], 0)}"
        for label, row in hits.iterrows()
    ]
    behind = (hits["gradcam"] < hits["centre"]).all()
    start = "The middle of the image finds the lesion more often than Grad-CAM. " if behind else ""
    check = sanity.set_index("method").loc["gradcam_random_top"]
    return (
        f"{start}Maximum of Grad-CAM inside the lesion, {title_of(model)}: {'; '.join(told)}. "
        "After the trained weights were shuffled, the maps correlate with the true ones by "
        f"{check['value']:.2f} (95 % CI {check['low']:.2f} to {check['high']:.2f})."
    )


def use_finding(calibration: pd.DataFrame, referral: pd.DataFrame, benefits: pd.DataFrame) -> str:
    """Say what scaling changes, what referral buys, and where acting is worth it."""
    nll = calibration.set_index("metric").loc["nll"]
    verb = (
        "improves"
        if nll["difference_high"] < 0
        else "worsens"
        if nll["difference_low"] > 0
        else "does not demonstrably change"
    )
    rows = referral.set_index("referred")
    useful = benefits.loc[benefits["gain_low"] > 0, "threshold"]
    span = (
        f"from a threshold probability of {useful.min():.2f} to {_up_to(useful, benefits)}"
        if len(useful)
        else "at no threshold probability"
    )
    return (
        f"Temperature scaling {verb} the log loss ({nll['before']:.3f} to {nll['after']:.3f}). "
        "Referring the least sure 20 % of images lowers the errors from "
        f"{pct(rows.loc[0, 'risk'])} to {pct(rows.loc[0.2, 'risk'])}. Acting on the network beats "
        f"acting on all or none, beyond its interval, {span}."
    )


def _up_to(useful: pd.Series, benefits: pd.DataFrame) -> str:
    last = useful.max() == benefits["threshold"].max()
    return f"{useful.max():.2f}" + (", the last that was examined" if last else "")


def robustness_finding(
    table: pd.DataFrame, costs: pd.DataFrame, paired: pd.DataFrame, model: str
) -> str:
    """Say which damage costs most and which network degrades least."""
    hardest = table[(table["model"] == model) & (table["severity"] == table["severity"].max())]
    missed = hardest.loc[hardest["recall_malignant"].idxmin()]
    own = costs[(costs["model"] == model) & (costs["corruption"] != "all")]
    worst, least = own.loc[own["value"].idxmax()], own.loc[own["value"].idxmin()]
    text = (
        f"{title_of(model)} loses most to {worst['corruption']} ({worst['value']:.1f} points of "
        f"accuracy, mean over severities), least to {least['corruption']} ({least['value']:.1f}). "
        f"At the greatest severity {missed['corruption']} leaves a malignant recall of "
        f"{ci(missed, 'recall_malignant', 0)}."
    )
    for row in paired.to_dict("records"):
        clear = row["low"] > 0 or row["high"] < 0
        more = "more" if row["value"] > 0 else "less"
        text += (
            f" {row['title']} loses {abs(row['value']):.1f} points {more} over all damage"
            f"{'' if clear else ', no more than chance'} ({row['low']:+.1f} to {row['high']:+.1f})."
        )
    return text


def _main(table: pd.DataFrame, networks: str = "") -> pd.Series:
    """Return the first variant under rule ``lesions``, of one network or of their mean."""
    rows = table[(table["rule"] == "lesions") & (table["variant"] == table["variant"].iloc[0])]
    ones = rows["networks"] == "one"
    return rows[ones if networks == "one" else ~ones].iloc[0]


def external_finding(table: pd.DataFrame, home: dict[str, Any], data: ExternalData) -> str:
    """Say how far discrimination falls in the other hospital, and what helps."""
    one, mean = _main(table, "one"), _main(table)
    rows = table[(table["rule"] == "lesions") & (table["networks"] != "one")]
    best = rows.loc[rows["auc"].idxmax()]
    return (
        f"On {EXTERNAL_SETS[data.name].title} one network separates malignant from benign with an "
        f"AUC of {_auc(one)}, at home {_auc(home)}; the {mean['networks']} networks "
        f"reaches {_auc(mean)}. The highest of all variants is {best['variant']}: {_auc(best)}. "
        "Lines: 95 % intervals over patients."
    )


def _auc(row: Any) -> str:
    return f"{row['auc']:.3f} ({row['auc_low']:.3f}–{row['auc_high']:.3f})"


def shift_finding(table: pd.DataFrame, home: dict[str, Any], data: ExternalData) -> str:
    """Say what becomes of probabilities and of the threshold in the other hospital."""
    one = _main(table, "one")
    return (
        f"Probabilities at home and away. Expected over observed cancers: "
        f"{home['expected_over_observed']:.2f} at home, {one['expected_over_observed']:.2f} on "
        f"{EXTERNAL_SETS[data.name].title}; calibration slope {home['calibration_slope']:.2f} and "
        f"{one['calibration_slope']:.2f}. The threshold set for 90 % specificity gives there "
        f"{ci(one, 'specificity')} specificity and {ci(one, 'sensitivity')} sensitivity. Left: "
        "eight bins of equal size with 95 % intervals; right: cumulative scores."
    )


def headline(
    *,
    confusion: pd.DataFrame,
    gaps: pd.DataFrame,
    shortcuts: pd.DataFrame,
    marks: dict[str, float],
    solidity: dict[str, float],
    retrained: pd.DataFrame,
    located: pd.DataFrame,
    sanity: pd.DataFrame,
    calibration: pd.DataFrame,
    temperatures: np.ndarray,
    floor: dict[str, float],
    referral: pd.DataFrame,
    sensitivity: pd.DataFrame,
    costs: pd.DataFrame,
    external: pd.DataFrame,
    home: dict[str, Any],
    hospital: ExternalData,
    readers: dict[str, float],
    differences: pd.DataFrame,
) -> dict[str, Any]:
    """Return the numbers of the notebook that the report's prose names."""
    cells = confusion.set_index(["truth", "predicted"])
    taught = shortcuts[shortcuts["classifier"] != SEEN].set_index("input")
    seen = shortcuts[shortcuts["classifier"] == SEEN].set_index("input")
    pointed = located[located["measure"] == "hit"].set_index(["label", "method"])
    own = costs[costs["model"] == costs["model"].iloc[0]].set_index("corruption")
    return {
        "malignant_found": _plain(cells.loc[("malignant", "malignant")]),
        "malignant_called_benign": _plain(cells.loc[("malignant", "benign")]),
        "taught": {name: _plain(row) for name, row in taught.iterrows()},
        "seen": {name: _plain(row) for name, row in seen.iterrows()},
        "marks": marks,
        "solidity": solidity,
        "retrained": [_plain(row) for _, row in retrained.iterrows()],
        "pointing": {
            label: {m: _plain(pointed.loc[(label, m)]) for m in LABELS}
            for label in sorted(set(located["label"]))
        },
        "sanity": {row["method"]: _plain(row) for _, row in sanity.iterrows()},
        "calibration": {row["metric"]: _plain(row) for _, row in calibration.iterrows()},
        "temperature": {
            "mean": float(temperatures.mean()),
            "least": float(temperatures.min()),
            "most": float(temperatures.max()),
        },
        "ece_floor": floor,
        "referral": {f"{100 * row['referred']:.0f}": _plain(row) for _, row in referral.iterrows()},
        "at_threshold": _plain(sensitivity.iloc[0]),
        "damage": {name: _plain(row) for name, row in own.iterrows()},
        "subgroups": len(gaps),
        "external": {
            "title": EXTERNAL_SETS[hospital.name].title,
            "images": len(hospital.manifest),
            "patients": int(hospital.manifest["patient"].nunique()),
            "malignant": int((hospital.manifest["label"] == "malignant").sum()),
            "differences": [_plain(row) for _, row in differences.iterrows()],
            "shown": list(differences.loc[shown(differences), "variant"]),
            "one": _plain(_main(external, "one")),
            "mean": _plain(_main(external)),
            "home": _plain(pd.Series(home)),
            "readers": readers,
        },
    }


def _plain(row: pd.Series) -> dict[str, Any]:
    """Return a row's values as plain numbers and words."""
    return {key: value.item() if hasattr(value, "item") else value for key, value in row.items()}
