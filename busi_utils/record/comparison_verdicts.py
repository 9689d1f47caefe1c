"""The rules by which notebook 03 judges claims C3 and C9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from busi_utils.analysis.comparison import (
    NETWORK,
    best_other,
    network_changes,
    shown,
    title_of,
    tuned_change,
)
from busi_utils.recipes import label_of
from busi_utils.record.claims import judged
from busi_utils.record.formats import points_ci

CLAIMED = ("efficientnetb3", "xception")


def verdicts(
    worth: pd.DataFrame, faults: pd.DataFrame, dataset: str
) -> list[tuple[str, str, str, str]]:
    """Return ``(claim, text, evidence, verdict)`` for the claims that this notebook decides.

    Rules. A paired difference in accuracy is shown if its bootstrap p-value, adjusted by Holm's
    method for all differences that the rule looks at, is below 0.05; it is a gain if it is above 0.
    C3 (EfficientNetB3 and Xception superior): confirmed if both are shown to gain on MobileNetV2
    wherever they are trained as it is, refuted if neither is anywhere, partly confirmed otherwise;
    unverifiable as long as one of them has not been compared from pretrained weights, as the
    original had it. C9 (data quality decides; more sophisticated networks are needed): the first
    half holds if some fault of the data is shown to change accuracy, the second if some other
    network is shown to gain from pretrained weights, as the original had it, when trained as
    MobileNetV2 is; gains from random weights are named in the evidence. Both: confirmed, one:
    partly confirmed, none: refuted. On phantoms nothing is judged.

    Parameters
    ----------
    worth, faults : pd.DataFrame
        See `comparison.differences`: changes of training and network; faults of the data.
    dataset : str
    """
    found = {"C3": _superior(worth), "C9": _needed(worth, faults)}
    return [judged(claim, *decided, dataset) for claim, decided in found.items()]


def _superior(worth: pd.DataFrame) -> tuple[str, str]:
    """Return evidence and verdict of C3."""
    rows = worth[(worth["kind"] == NETWORK) & worth["model"].isin(CLAIMED)]
    evidence, pretrained = [], set()
    for row in rows.to_dict("records"):
        words = label_of(row["recipe"])
        evidence.append(f"{row['label']}, {words}: {points_ci(row, 'worth', 1)}")
        if row["recipe"] != "scratch":
            pretrained.add(row["model"])
    text = "Accuracy less that of MobileNetV2 on clean, trained alike. " + "; ".join(evidence)
    lacking = [title_of(model) for model in CLAIMED if model not in pretrained]
    if lacking:
        text += f". Not compared from pretrained weights: {', '.join(lacking)}"
        return text + ".", "unverifiable"
    gains = shown(rows) & (rows["worth_value"] > 0)
    verdict = "confirmed" if gains.all() else "partly confirmed" if gains.any() else "refuted"
    return text + ".", verdict


def _needed(worth: pd.DataFrame, faults: pd.DataFrame) -> tuple[str, str]:
    """Return evidence and verdict of C9."""
    best, tuned, others = best_other(worth), tuned_change(worth), network_changes(worth)
    gains = shown(others) & (others["worth_value"] > 0)
    evidence = (
        f"Faults of the data: {_listed(faults)}. Of {len(others)} comparisons with another "
        f"pretrained network trained alike {gains.sum()} show a gain; the largest, {best['label']} "
        f"({label_of(best['recipe'])}), is {points_ci(best, 'worth', 1)}. Training MobileNetV2 "
        f"with care is worth {points_ci(tuned, 'worth', 1)}."
    )
    scratch = worth[(worth["kind"] == NETWORK) & (worth["recipe"] == "scratch")]
    if len(found := scratch[shown(scratch) & (scratch["worth_value"] > 0)]):
        evidence += f" From random weights a gain is shown by {_listed(found)}."
    quality, network = bool(shown(faults).any()), bool(gains.any())
    return evidence, ("refuted", "partly confirmed", "confirmed")[quality + network]


def _listed(rows: pd.DataFrame) -> str:
    described: Sequence[Mapping] = rows.to_dict("records")
    return "; ".join(f"{row['label']} {points_ci(row, 'worth', 1)}" for row in described)
