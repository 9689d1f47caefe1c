"""The figures of notebook 04 that need stored predictions only."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from busi_utils import CLASSES
from busi_utils.analysis.doubtful_labels import ANY
from busi_utils.analysis.subgroups import EVERY, FEWEST
from busi_utils.plots.theme import PALETTE, PRINT_WIDTH
from busi_utils.stats.calibration import reliability_table
from busi_utils.study.predictions import OutOfFold

_BLUE, _ORANGE, _RED = PALETTE[0], PALETTE[1], PALETTE[2]
_FORESTS = {
    "accuracy": ("accuracy", "black", "D"),
    "recall_benign": ("benign recall", _BLUE, "o"),
    "recall_malignant": ("malignant recall", _RED, "s"),
}
_KINDS = {ANY: "any objection", "multiclass": "several classes"}
_BINS = 10  # fewer than the calibration error has, so that each interval is of some images


def confusion_intervals(table: pd.DataFrame) -> Figure:
    """Draw a confusion matrix with the interval of each share in its cell.

    Parameters
    ----------
    table : pd.DataFrame
        See `mistakes.confusion_table`.
    """
    cells = table.set_index(["truth", "predicted"])
    share = cells["share"].unstack().loc[list(CLASSES), list(CLASSES)].to_numpy()
    fig, ax = plt.subplots(figsize=(0.72 * PRINT_WIDTH, 2.6))
    ax.imshow(share, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (i, j), part in np.ndenumerate(share):
        row = cells.loc[(CLASSES[i], CLASSES[j])]
        colour = "white" if part > 0.6 else "black"
        words = f"{100 * row['share_low']:.0f}–{100 * row['share_high']:.0f}"
        ax.text(j, i, f"{100 * part:.0f} %", ha="center", va="bottom", color=colour, fontsize=10)
        ax.text(j, i, words, ha="center", va="top", color=colour, fontsize=8)
    images = table.groupby("truth")["images"].sum()
    ax.set_yticks(range(3), [f"{name}\n({images[name]:.0f} images)" for name in CLASSES])
    ax.set_xticks(range(3), CLASSES)
    ax.set(xlabel="predicted", ylabel="truth")
    ax.set_title("per cent of each true class, 95 % interval below", fontsize=9)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return fig


def subgroup_forest(table: pd.DataFrame, ceiling: float) -> Figure:
    """Draw the subgroups of each attribute in a panel of their own, one column a metric.

    Parameters
    ----------
    table : pd.DataFrame
        See `subgroups.subgroup_tables`; rates of too few images (NaN) are marked as such.
    ceiling : float
        The accuracy that the labels allow, see `ceiling.label_ceiling`.
    """
    attributes = list(dict.fromkeys(table["attribute"]))
    heights = [int((table["attribute"] == name).sum()) for name in attributes]
    fig, axes = plt.subplots(
        len(attributes),
        len(_FORESTS),
        sharex=True,
        sharey="row",
        squeeze=False,
        figsize=(PRINT_WIDTH, 0.6 + 0.19 * sum(heights) + 0.3 * len(attributes)),
        height_ratios=[height + 0.2 for height in heights],
    )
    for attribute, panels in zip(attributes, axes, strict=True):
        part = table[table["attribute"] == attribute].iloc[::-1]
        y = np.arange(len(part))
        for ax, (metric, (_, colour, marker)) in zip(panels, _FORESTS.items(), strict=True):
            ax.hlines(y, part[f"{metric}_low"], part[f"{metric}_high"], color=colour, lw=1.4)
            ax.plot(part[metric], y, marker, color=colour)
            for at in y[part[metric].isna()]:
                words = f"fewer than {FEWEST}"
                place = ax.get_yaxis_transform()
                ax.text(0.05, at, words, va="center", fontsize=8, color="0.4", transform=place)
            ax.grid(axis="x", color="0.9", lw=0.6)
            ax.tick_params(axis="both", length=0)
        names = [f"{row.group} ({row.images})" for row in part.itertuples()]
        panels[0].set_yticks(y, names)
        panels[0].set_ylim(-0.6, len(part) - 0.4)
        if attribute != EVERY:
            panels[0].set_title(attribute, fontsize=9, x=-0.02, ha="right")
        panels[0].axvline(ceiling, color="0.4", ls=":", lw=0.9)
    for ax, (label, _, _) in zip(axes[-1], _FORESTS.values(), strict=True):
        ax.set_xlabel(label)
    return fig


def clinical_panels(
    before: OutOfFold, after: OutOfFold, risks: pd.DataFrame, benefits: pd.DataFrame
) -> Figure:
    """Draw reliability, risk against coverage, and net benefit against threshold.

    Parameters
    ----------
    before, after : OutOfFold
        Without and with temperature scaling; reliability is that of the first seed.
    risks : pd.DataFrame
        See `clinical_use.referral_table`, at many workloads: errors among the images answered, and
        malignant images answered wrongly among all malignant ones.
    benefits : pd.DataFrame
        See `clinical_use.decision_curves`.
    """
    fig, (reliability, risk, benefit) = plt.subplots(1, 3, figsize=(PRINT_WIDTH, 2.75))
    _reliability(reliability, before, after)
    _band(risk, risks, "coverage", "risk", _BLUE, "-", "errors")
    _band(risk, risks, "coverage", "missed_of_all", _RED, "--", "malignant missed")
    risk.set(xlabel="share answered", ylabel="share", xlim=(0, 1), ylim=(0, None))
    risk.set_title("refer the least sure", fontsize=9)
    _band(benefit, benefits, "threshold", "net_benefit", _BLUE, "-", "the network")
    benefit.plot(
        benefits["threshold"], benefits["act_on_all"], "-.", color="0.35", label="act on all"
    )
    benefit.axhline(0, color="0.35", ls=":", label="act on none")
    top = 1.15 * benefits["net_benefit_high"].max()
    benefit.set(xlabel="threshold probability", ylabel="net benefit", ylim=(-0.3 * top, top))
    benefit.set_title("act on “malignant”?", fontsize=9)
    for ax in (reliability, risk, benefit):
        ax.legend(loc="upper left", bbox_to_anchor=(-0.1, -0.28), borderaxespad=0)
    return fig


def _reliability(ax: Axes, before: OutOfFold, after: OutOfFold) -> None:
    drawn = {"as trained": (before, _BLUE, "o"), "temperature scaled": (after, _ORANGE, "s")}
    ax.plot([0, 1], [0, 1], ":", color="0.5", lw=0.8)
    for shift, (label, (found, colour, marker)) in zip((-0.008, 0.008), drawn.items(), strict=True):
        table = reliability_table(found.y, found.p[0], _BINS)
        x = table["confidence"] + shift  # beside each other, not over each other
        ax.vlines(x, table["accuracy_low"], table["accuracy_high"], color=colour, lw=1)
        ax.plot(x, table["accuracy"], marker, color=colour, ms=4, label=label)
    ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0.3, 1.02), ylim=(0, 1.02))
    ax.set_title("right as often as it says?", fontsize=9)


def _band(
    ax: Axes, table: pd.DataFrame, x: str, y: str, colour: str, line: str, label: str
) -> None:
    ax.plot(table[x], table[y], line, color=colour, label=label)
    ax.fill_between(table[x], table[f"{y}_low"], table[f"{y}_high"], color=colour, alpha=0.15, lw=0)


def doubtful_labels(table: pd.DataFrame) -> Figure:
    """Draw precision among the first k doubtful labels against chance, one panel an objection.

    Parameters
    ----------
    table : pd.DataFrame
        See `doubtful_labels.objections_found`.
    """
    rows = table[table["measure"] == "precision"]
    kinds = list(dict.fromkeys(rows["kind"]))
    fig, axes = plt.subplots(
        1, len(kinds), sharex=True, sharey=True, squeeze=False, figsize=(PRINT_WIDTH, 2.4)
    )
    for ax, kind in zip(axes[0], kinds, strict=True):
        part = rows[rows["kind"] == kind]
        x = np.arange(len(part))
        ax.vlines(x, part["value_low"], part["value_high"], color=_BLUE)
        ax.plot(x, part["value"], "o", color=_BLUE, label="out-of-fold predictions")
        ax.axhline(part["chance"].iloc[0], color=_RED, ls="--", label="random order")
        ax.set_xticks(x, part["k"])
        ax.set_xlabel("first k images")
        ax.set_title(f"{_KINDS.get(kind, kind)} ({part['images'].iloc[0]})", fontsize=9)
        ax.margins(x=0.15)
    axes[0, 0].set(ylabel="share with the objection", ylim=(0, None))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig
