"""The figures of notebook 02."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from busi_utils import CLASSES
from busi_utils.analysis.reported import (
    REPORTED_INTERVAL,
    REPORTED_TEST,
    REPORTED_TRAIN,
    malignant_roc,
)
from busi_utils.plots.theme import CEILING, PALETTE, PRINT_WIDTH
from busi_utils.recipe_words import label_of
from busi_utils.recipes import ONE_TRAINING
from busi_utils.stats.metrics import MALIGNANT
from busi_utils.study.predictions import OutOfFold
from busi_utils.study.rows import confusion

_BLUE, _RED, _GREEN = PALETTE[0], PALETTE[2], PALETTE[4]
_CURVES = {
    "accuracy_while_training": ("training, dropout and augmentation on", _RED, "--"),
    "train_accuracy": ("training, inference mode", _RED, "-"),
    "val_accuracy": ("validation", _BLUE, "-"),
}


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Draw accuracy over epochs, one panel a cohort: mean and 5th to 95th percentile.

    Parameters
    ----------
    curves : pd.DataFrame
        See `summaries.histories`.
    """
    cohorts = list(curves["cohort"].unique())
    fig, axes = plt.subplots(1, len(cohorts), sharey=True, figsize=(PRINT_WIDTH, 3.0))
    for ax, cohort in zip(np.atleast_1d(axes), cohorts, strict=True):
        part = curves[curves["cohort"] == cohort]
        for column, (label, colour, line) in _CURVES.items():
            by_epoch = part.groupby("epoch")[column]
            mean, low, high = by_epoch.mean(), by_epoch.quantile(0.05), by_epoch.quantile(0.95)
            ax.plot(mean.index, mean, line, color=colour, label=label)
            ax.fill_between(mean.index, low, high, color=colour, alpha=0.12, linewidth=0)
        ax.axhline(REPORTED_TRAIN, color="black", lw=0.8, ls=":")
        at = ax.get_yaxis_transform()
        words = f"{100 * REPORTED_TRAIN:.0f} % reported"
        ax.text(0.98, 0.645, words, ha="right", va="top", fontsize=8, transform=at)
        ax.set(title=f"cohort {cohort}", xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("accuracy")
    fig.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def changes(table: pd.DataFrame, tuned: Sequence[str], ceiling: float) -> Figure:
    """Draw accuracy and balanced accuracy of every way to train the network.

    Parameters
    ----------
    table : pd.DataFrame
        See `summaries.summarise`, sorted from the lowest row to the highest.
    tuned : sequence of str
        Recipes drawn as tuned.
    ceiling : float
        The accuracy that the labels allow, see `ceiling.label_ceiling`.
    """
    looks = {"original": (_BLUE, "s")} | dict.fromkeys(tuned, (_GREEN, "D"))
    fig, (left, right) = plt.subplots(
        1, 2, sharey=True, figsize=(PRINT_WIDTH, 1.2 + 0.175 * len(table)), width_ratios=(1.35, 1)
    )
    left.axvspan(*REPORTED_INTERVAL, color="0.9", lw=0)
    left.axvline(REPORTED_TEST, color="0.4", lw=0.8, ls=":")
    bar = {"marker": "|", "ms": 8, "mew": 1.6, "ls": ""}
    for y, row in enumerate(table.to_dict("records")):
        colour, mark = looks.get(row["recipe"], (_RED, "o"))
        for ax, name in ((left, "accuracy"), (right, "balanced_accuracy")):
            ax.plot([row[f"{name}_low"], row[f"{name}_high"]], [y, y], color=colour)
            ax.plot(row[name], y, mark, color=colour)
        left.plot(row["train_accuracy"], y, color=colour, **bar)
    left.set_yticks(range(len(table)), [label_of(name) for name in table["recipe"]])
    left.set(xlabel="accuracy", ylim=(-0.6, len(table) + 0.2))
    right.set(xlabel="balanced accuracy")
    right.axvline(1 / len(CLASSES), color="0.4", lw=0.8, ls=":", zorder=0)
    words = f"reported {100 * REPORTED_TEST:.0f} %"
    behind = {"facecolor": "0.9", "edgecolor": "none", "pad": 1}
    left.text(REPORTED_TEST, len(table) - 0.35, words, ha="center", fontsize=8, bbox=behind)
    left.axvline(ceiling, color="0.4", lw=0.8, ls=":", zorder=0)
    left.text(ceiling, len(table) - 0.35, CEILING, ha="right", fontsize=8)
    right.text(1 / len(CLASSES), len(table) - 0.35, " guessing", ha="left", fontsize=8)
    marks = [plt.Line2D([], [], color="k", marker="o"), plt.Line2D([], [], color="k", **bar)]
    words = ["out of fold, 95 % interval", "on its training images, inference mode"]
    fig.legend(marks, words, loc="outside lower center", ncols=2)
    return fig


def averages(traces: pd.DataFrame) -> Figure:
    """Draw one training as its log and three running averages show it, mean over its folds.

    Parameters
    ----------
    traces : pd.DataFrame
        See `reported.averages_traces`.
    """
    written, quick, _, remeasured = ONE_TRAINING
    lines = {
        "accuracy_while_training": ("training log: each batch's own", "0.4", ":"),
        f"val_accuracy {remeasured}": ("validation: measured anew", _GREEN, "-."),
        f"val_accuracy {quick}": ("validation: average with momentum 0.9", _BLUE, "--"),
        f"val_accuracy {written}": ("validation: average as written, 0.999", _RED, "-"),
    }
    mean = traces.groupby("epoch").mean(numeric_only=True)
    fig, (left, right) = plt.subplots(1, 2, figsize=(PRINT_WIDTH, 2.4), width_ratios=(1.7, 1))
    for column, (label, colour, line) in lines.items():
        left.plot(mean.index, mean[column], line, color=colour, label=label)
    left.set(xlabel="epoch", ylabel="accuracy", title="The same weights, read four ways")
    for recipe in (written, quick):
        _, colour, line = lines[f"val_accuracy {recipe}"]
        right.plot(mean.index, mean[f"distance {recipe}"], line, color=colour)
    right.set(xlabel="epoch", title="The average lags", ylim=(0, None))
    right.set_ylabel("distance of means (SD)")
    for ax in (left, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def confusions(found: Mapping[str, OutOfFold]) -> Figure:
    """Draw a confusion matrix for each way of training, and the ROC curves of malignant images.

    Parameters
    ----------
    found : mapping of str to OutOfFold
        Title to predictions.
    """
    fig, axes = plt.subplots(
        1,
        len(found) + 1,
        figsize=(PRINT_WIDTH, 2.5),
        width_ratios=[1] * len(found) + [1.15],
    )
    *matrices, roc = axes
    lines = ("--", "-", ":", "-.")
    for ax, (title, predictions), line in zip(matrices, found.items(), lines, strict=False):
        _matrix(ax, confusion(predictions))
        ax.set_yticks(range(3), CLASSES if ax is matrices[0] else [""] * 3)
        ax.set(title=title, xlabel="predicted")
        fpr, tpr, area = malignant_roc(predictions)
        roc.plot(fpr, tpr, line, color=_RED, label=f"{title}: AUC {area:.3f}")
    matrices[0].set_ylabel("truth")
    roc.plot([0, 1], [0, 1], ":", color="0.6", lw=0.8)
    roc.set(xlabel="1 − specificity", ylabel="sensitivity", title="malignant or not")
    roc.legend(loc="lower right", handlelength=1.4, frameon=True, framealpha=1, edgecolor="none")
    return fig


def _matrix(ax: Axes, counts: np.ndarray) -> None:
    share = counts / counts.sum(axis=1, keepdims=True)
    ax.imshow(share, vmin=0, vmax=1, cmap="Blues")
    for (i, j), part in np.ndenumerate(share):
        words = f"{100 * part:.0f} %\n{counts[i, j]:.0f}"
        colour = "white" if part > 0.6 else "black"
        ax.text(j, i, words, ha="center", va="center", color=colour, fontsize=8)
    ax.set_xticks(range(3), CLASSES, rotation=35, ha="right")


def missed(found: OutOfFold) -> float:
    """Return the share of malignant images that are not called malignant."""
    malignant = confusion(found)[MALIGNANT]
    return float(1 - malignant[MALIGNANT] / malignant.sum())
