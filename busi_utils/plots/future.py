"""The figures of notebook 05."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator

from busi_utils.analysis.own_ruler import Away
from busi_utils.plots.pictures import four_a_row
from busi_utils.plots.theme import CLASS_COLOURS, PALETTE, PRINT_WIDTH, log_axis
from busi_utils.study.study import Study

_MARKERS = {"benign": "o", "malignant": "^"}
_AXES = {"share": "share of the image", "elongation": "height over width"}


def dice_by_size(lesions: pd.DataFrame) -> Figure:
    """Draw the Dice of every lesion against its share of the image, and means of its quarters.

    Parameters
    ----------
    lesions : pd.DataFrame
        Columns ``label, dice, lesion_fraction``.
    """
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 3.0))
    for label, part in lesions.groupby("label", sort=True):
        style = {"color": CLASS_COLOURS[label], "marker": _MARKERS[label], "ls": ""}
        ax.plot(part["lesion_fraction"], part["dice"], ms=3, alpha=0.5, label=label, **style)
    quarter = pd.qcut(lesions["lesion_fraction"], 4, labels=False)
    for _, part in lesions.groupby(quarter):
        ends = part["lesion_fraction"].min(), part["lesion_fraction"].max()
        ax.plot(ends, [part["dice"].mean()] * 2, "k-", lw=2)
    ax.plot([], [], "k-", lw=2, label="mean of a quarter of the lesions")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="outlined lesion, share of the image", ylabel="Dice", ylim=(-0.02, 1.02))
    fig.legend(loc="outside lower center", ncols=3)
    return fig


_COSTS = {
    "millions": "multiplications, millions",
    "megabytes": "float32 weights, MB",
    "milliseconds": "time of an image, ms",
}


def by_cost(table: pd.DataFrame, axes_of: Mapping[str, str] = _COSTS) -> Figure:
    """Draw balanced accuracy of rows against what they cost.

    Parameters
    ----------
    table : pd.DataFrame
        Columns ``name, start, balanced_accuracy``, the ends of its interval and those of
        ``axes_of``; one mark a row, hollow where ``start`` is ``random``.
    axes_of : mapping of str to str
        Column of a cost to the words at its axis; one panel each.
    """
    fig, axes = plt.subplots(1, len(axes_of), sharey=True, figsize=(PRINT_WIDTH, 2.7))
    table = table.assign(**{column: _apart(table[column]) for column in axes_of})
    for number, row in enumerate(table.itertuples()):
        colour = PALETTE[number % len(PALETTE)]
        style = {"color": colour, "marker": "osD^vP*"[number % 7], "ls": "", "ms": 6}
        style |= {"mfc": "white" if row.start == "random" else colour, "label": row.name}
        for ax, column in zip(axes, axes_of, strict=True):
            x = getattr(row, column)
            ends = row.balanced_accuracy_low, row.balanced_accuracy_high
            ax.vlines(x, *ends, color=colour, lw=0.9)
            ax.plot(x, row.balanced_accuracy, **style)
    for ax, words in zip(axes, axes_of.values(), strict=True):
        log_axis(ax)
        ax.set_xlabel(words)
    axes[0].set_ylabel("balanced accuracy")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
    return fig


def _apart(x: pd.Series) -> pd.Series:
    """Return costs with those moved apart that would hide each other on a logarithmic axis."""
    ordered = x.sort_values(kind="stable")
    cluster = (np.log(ordered).diff() > 0.02).cumsum()
    members = cluster.groupby(cluster)
    return x * 1.06 ** (members.cumcount() - (members.transform("size") - 1) / 2)


def drawn_boxes(study: Study, lesions: pd.DataFrame) -> Figure:
    """Show images four a row, each with the expert's outline and the box that the network draws.

    Parameters
    ----------
    study : Study
        With its images.
    lesions : pd.DataFrame
        Columns ``image_id, dice, left, top, width, height`` (pixels of the network's input).
    """
    fig, axes = four_a_row(study, lesions["image_id"])
    for ax, one in zip(axes, lesions.itertuples(), strict=True):
        corner, extent = (one.left - 0.5, one.top - 0.5), (one.width, one.height)
        ax.add_patch(Rectangle(corner, *extent, fill=False, ec=PALETTE[3], lw=1.4, ls="--"))
        ax.set_title(f"{one.image_id}\nDice {one.dice:.2f}", fontsize=8)
    return fig


def own_ruler(found: Away) -> Figure:
    """Draw the AUC of every score, and the drawn box against the expert's.

    Parameters
    ----------
    found : Away
    """
    fig, axes = plt.subplot_mosaic(
        [["auc", "auc"], list(_AXES)], figsize=(PRINT_WIDTH, 5.6), height_ratios=(1, 1.1)
    )
    ordered, ax = found.aucs.sort_values("auc", kind="stable", ignore_index=True), axes["auc"]
    for y, row in ordered.iterrows():
        colour = PALETTE[2] if "own" in row["score"] else PALETTE[0]
        colour = "0.35" if "expert" in row["score"] else colour
        ax.plot([row["auc_low"], row["auc_high"]], [y, y], color=colour)
        ax.plot(row["auc"], y, "o", color=colour)
    ax.set_yticks(range(len(ordered)), ordered["score"])
    ax.set(xlabel="AUC, malignant against benign", ylim=(-0.6, len(ordered) - 0.4))
    for name, words in _AXES.items():
        ax = axes[name]
        for label, part in found.lesions.groupby("label", sort=True):
            style = {"color": CLASS_COLOURS[label], "marker": _MARKERS[label], "ls": ""}
            ax.plot(part[f"outline_{name}"], part[name], ms=2, alpha=0.4, label=label, **style)
        ax.axline((1, 1), slope=1, color="0.5", lw=0.8)
        ax.set(xscale="log", yscale="log", title=words, xlabel="outlined by the expert")
        ends = found.lesions[f"outline_{name}"].agg(["min", "max"]).to_numpy()
        ax.set_xlim(ends[0] / 1.1, ends[1] * 1.1)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1,) if name == "share" else (1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
    axes["share"].set_ylabel("drawn by the network")
    fig.legend(*axes["share"].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig
