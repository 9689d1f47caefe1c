"""Other hospitals: ruler and readers beside the networks, and the whole task away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from busi_utils.analysis.ruler import BesideReaders
from busi_utils.analysis.three_classes import ThreeClasses
from busi_utils.plots.theme import PALETTE, PRINT_WIDTH

_LINES = ("-", "--", "-.", ":")
_MEASURES = {
    "balanced_accuracy": "balanced accuracy",
    "recall_normal": "recall of normal",
    "recall_benign": "recall of benign",
    "recall_malignant": "recall of malignant",
    "macro_auc": "macro AUC",
    "auc_lesions": "AUC, malignant\nagainst benign",
    "ece": "calibration error",
}
_SHOWN = {
    "home": "at home, out of fold, the networks asked",
    "one": "away, one network",
    "mean": "away, mean of the networks",
    "adapted": "away, mean, statistics of the new images",
}


def home_and_away(found: ThreeClasses, again: Mapping[str, float] | None) -> Figure:
    """Draw what one network does at home and away, its mean, and the mean with new statistics.

    ``again`` are the measures at home of the networks asked, where they are not the published ones.
    """
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 3.9))
    lines = found.lines | ({"home": again} if again else {})
    for k, (name, words) in enumerate(_SHOWN.items()):
        y = [row - 0.27 + 0.18 * k for row in range(len(_MEASURES))]
        ends = [[lines[name][f"{m}_{end}"] for m in _MEASURES] for end in ("low", "high")]
        ax.hlines(y, *ends, color=PALETTE[k], lw=1.2)
        values = [lines[name][m] for m in _MEASURES]
        ax.plot(values, y, "osD^"[k], color=PALETTE[k], label=words)
    ax.set_yticks(range(len(_MEASURES)), list(_MEASURES.values()))
    ax.invert_yaxis()
    ax.set(xlabel="value, 95 % interval", xlim=(0, 1))
    ax.grid(axis="x", color="0.9", lw=0.6)
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def curves_beside_the_readers(
    found: BesideReaders, drawn: Sequence[str], taught: pd.DataFrame
) -> Figure:
    """Draw the AUC of every score, and ROC curves with the readers' operating point.

    Parameters
    ----------
    found : BesideReaders
    drawn : sequence of str
        The scores whose curves are drawn.
    taught : pd.DataFrame
        See `within.difficulty`: what is asked there is drawn beside the scores, hollow.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(PRINT_WIDTH, 2.9), width_ratios=(1, 1.1))
    there = taught[taught["asked"] == "there"]
    of_features = there.assign(score="frozen features, taught " + there["taught"])
    ordered = pd.concat([found.table, of_features]).sort_values(
        "auc", kind="stable", ignore_index=True
    )
    colours = dict(zip(drawn, PALETTE, strict=False))
    for y, row in ordered.iterrows():
        colour = colours.get(row["score"], "0.35")
        left.plot([row["auc_low"], row["auc_high"]], [y, y], color=colour)
        hollow = "white" if row["score"].startswith("frozen") else colour
        left.plot(row["auc"], y, "o", color=colour, mfc=hollow)
    left.set_yticks(range(len(ordered)), ordered["score"])
    left.set(xlabel="AUC, malignant against benign", ylim=(-0.6, len(ordered) - 0.4))
    for name, line in zip(drawn, _LINES, strict=False):
        fpr, tpr, _ = roc_curve(found.malignant, found.scores[name])
        right.plot(fpr, tpr, line, color=colours[name], label=name)
    point = (1 - found.point["specificity"], found.point["sensitivity"])
    right.plot(*point, "k*", ms=10, ls="", label="readers, BI-RADS 4 and above")
    right.plot([0, 1], [0, 1], color="0.8", lw=0.8, zorder=0)
    right.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01))
    fig.legend(loc="outside lower center", ncols=3)
    return fig
