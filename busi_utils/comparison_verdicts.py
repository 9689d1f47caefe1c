"""The rules by which notebook 03 judges claims C3 and C9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from .claims import judged
from .comparison import best_other, network_changes, title_of, tuned_change
from .formats import points_ci

CLAIMED = ("efficientnetb3", "xception")


def verdicts(
    worth: pd.DataFrame, faults: pd.DataFrame, dataset: str
) -> list[tuple[str, str, str, str]]:
    """Return ``(claim, text, evidence, verdict)`` for the claims that this notebook decides.

    Rules. A change gains if the 95 % interval of its paired difference in accuracy lies above 0.
    C3 (EfficientNetB3 and Xception superior): confirmed if both gain on MobileNetV2 wherever they
    are trained as it is, refuted if neither does anywhere, partly confirmed otherwise; unverifiable
    as long as one of them has not been compared from pretrained weights, as the original had it.
    C9 (data quality decides; more sophisticated networks are needed): the first half holds if some
    fault of the data changes accuracy (its interval excludes 0), the second if some other network
    gains when trained as MobileNetV2 is. Both: confirmed, one: partly confirmed, none: refuted. On
    phantoms nothing is judged.

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
    rows = worth[worth["kind"].str.startswith("network") & worth["model"].isin(CLAIMED)]
    evidence, pretrained = [], set()
    for row in rows.to_dict("records"):
        words = row["kind"].removeprefix("network, ")
        evidence.append(f"{row['label']}, {words}: {points_ci(row, 'worth', 1)}")
        if row["recipe"] != "scratch":
            pretrained.add(row["model"])
    text = "Accuracy less that of MobileNetV2 on clean, trained alike. " + "; ".join(evidence)
    lacking = [title_of(model) for model in CLAIMED if model not in pretrained]
    if lacking:
        text += f". Not compared from pretrained weights: {', '.join(lacking)}"
        return text + ".", "unverifiable"
    gains = rows["worth_low"] > 0
    verdict = "confirmed" if gains.all() else "partly confirmed" if gains.any() else "refuted"
    return text + ".", verdict


def _needed(worth: pd.DataFrame, faults: pd.DataFrame) -> tuple[str, str]:
    """Return evidence and verdict of C9."""
    best, tuned = best_other(worth), tuned_change(worth)
    evidence = (
        f"Faults of the data: {_listed(faults)}. The best other network trained alike, "
        f"{best['label']} ({best['kind'].removeprefix('network, ')}), differs from MobileNetV2 by "
        f"{points_ci(best, 'worth', 1)}; training MobileNetV2 with care is worth "
        f"{points_ci(tuned, 'worth', 1)}."
    )
    quality = bool(((faults["worth_low"] > 0) | (faults["worth_high"] < 0)).any())
    network = bool((network_changes(worth)["worth_low"] > 0).any())
    return evidence, ("refuted", "partly confirmed", "confirmed")[quality + network]


def _listed(rows: pd.DataFrame) -> str:
    described: Sequence[Mapping] = rows.to_dict("records")
    return "; ".join(f"{row['label']} {points_ci(row, 'worth', 1)}" for row in described)
