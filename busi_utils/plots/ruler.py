"""The ruler and the readers beside the networks."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from busi_utils.analysis.ruler import BesideReaders
from busi_utils.plots.theme import PALETTE, PRINT_WIDTH

_LINES = ("-", "--", "-.", ":")


def curves_beside_the_readers(found: BesideReaders, drawn: Sequence[str]) -> Figure:
    """Draw the AUC of every score, and ROC curves with the readers' operating point.

    Parameters
    ----------
    found : BesideReaders
    drawn : sequence of str
        The scores whose curves are drawn.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(PRINT_WIDTH, 3.3), width_ratios=(1, 1.1))
    ordered = found.table.sort_values("auc", kind="stable", ignore_index=True)
    colours = dict(zip(drawn, PALETTE, strict=False))
    for y, row in ordered.iterrows():
        colour = colours.get(row["score"], "0.35")
        left.plot([row["auc_low"], row["auc_high"]], [y, y], color=colour)
        left.plot(row["auc"], y, "o", color=colour)
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
