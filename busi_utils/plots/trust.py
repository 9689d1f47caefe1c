"""Figures of notebook 04 on robustness, shortcuts, attention in numbers, and the other hospital."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from busi_utils.analysis import attention_measures, hidden_lesions
from busi_utils.analysis.comparison import title_of
from busi_utils.analysis.damage import CORRUPTIONS
from busi_utils.plots.theme import CEILING, CLASS_COLOURS, PALETTE, PRINT_WIDTH, dots, model_style
from busi_utils.stats.paired_tests import wilson

_BINS = 8  # of a calibration curve
_METRIC_LINES = {"accuracy": "-", "recall_malignant": "--"}


def robustness(table: pd.DataFrame, ceiling: float) -> Figure:
    """Draw accuracy and malignant recall against severity, one panel a kind of damage.

    Parameters
    ----------
    table : pd.DataFrame
        See `robustness.robustness_table`.
    ceiling : float
        The accuracy that the labels allow, see `ceiling.label_ceiling`.
    """
    fig, axes = plt.subplots(2, 4, sharex=True, sharey=True, figsize=(PRINT_WIDTH, 4.2))
    for ax, (name, kind) in zip(axes.flat, CORRUPTIONS.items(), strict=True):
        for model, part in table[table["corruption"] == name].groupby("model", sort=False):
            colour, marker = model_style(model)["color"], model_style(model)["marker"]
            low, high = part["accuracy_low"], part["accuracy_high"]
            ax.fill_between(part["severity"], low, high, color=colour, alpha=0.15, lw=0)
            for metric, line in _METRIC_LINES.items():
                ax.plot(part["severity"], part[metric], line, color=colour, marker=marker, ms=3)
        ax.axhline(ceiling, color="0.4", ls=":", lw=0.9)
        ax.set_title(kind.label.partition(",")[0], fontsize=9)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for ax in axes[-1]:
        ax.set_xlabel("severity")
    for model in table["model"].unique():
        for metric, line in _METRIC_LINES.items():
            words = f"{title_of(model)}, {metric.replace('recall_malignant', 'malignant recall')}"
            axes[0, 0].plot([], [], **model_style(model) | {"linestyle": line}, ms=3, label=words)
    axes[0, 0].plot([], [], ":", color="0.4", lw=0.9, label=f"{CEILING} of accuracy")
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def shortcuts(table: pd.DataFrame) -> Figure:
    """Draw what is left for each kind of input, by classifier: balanced accuracy of the three
    classes, and the AUC of malignant against benign lesions.

    Parameters
    ----------
    table : pd.DataFrame
        See `hidden_lesions.shortcut_table`.
    """
    order = [label for label in hidden_lesions.INPUTS.values() if label in set(table["label"])]
    place = {label: y for y, label in enumerate(reversed(order))}
    styles = {
        hidden_lesions.SEEN: (PALETTE[0], "o", 0.14),
        hidden_lesions.TAUGHT: (PALETTE[2], "s", -0.14),
        "gradient boosting": (PALETTE[4], "D", 0.0),
    }
    fig, axes = plt.subplots(1, 2, sharey=True, figsize=(PRINT_WIDTH, 2.6))
    left = {"balanced_accuracy": (1 / 3, "balanced accuracy"), "auc_lesions": (0.5, "AUC, lesions")}
    for ax, (measure, (guessing, words)) in zip(axes, left.items(), strict=True):
        ax.axvline(guessing, color="0.4", ls=":", lw=0.9)
        for classifier, (colour, marker, offset) in styles.items():
            part = table[table["classifier"] == classifier]
            ends = [part[measure + end] for end in ("", "_low", "_high")]
            dots(ax, *ends, part["label"].map(place) + offset, colour, marker)
        ax.set_xlabel(words)
    axes[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for classifier, (colour, marker, _) in styles.items():
        axes[0].plot([], [], marker, color=colour, label=classifier)
    axes[0].plot([], [], ":", color="0.4", lw=0.9, label="guessing")
    del place[hidden_lesions.INPUTS["majority"]]
    axes[0].set_yticks(list(place.values()), list(place))
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def localisation(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw pointing accuracy and energy in the lesion by method, class and model.

    Parameters
    ----------
    tables : Mapping
        Model to `attention_measures.localisation_table`.
    """
    measures = {"hit": "maximum lies in the lesion", "energy": "heat that lies in the lesion"}
    labels = attention_measures.LABELS
    fig, axes = plt.subplots(
        len(tables),
        2,
        sharey=True,
        sharex="col",
        squeeze=False,
        figsize=(PRINT_WIDTH, 0.8 + 2.1 * len(tables)),
    )
    for line, (model, table) in zip(axes, tables.items(), strict=True):
        methods = [method for method in labels if method in set(table["method"])]
        place = {method: y for y, method in enumerate(reversed(methods))}
        for ax, measure in zip(line, measures, strict=True):
            for label, offset, marker in (("benign", 0.15, "o"), ("malignant", -0.15, "s")):
                part = table[(table["label"] == label) & (table["measure"] == measure)]
                y = part["method"].map(place) + offset
                x, low, high = part["value"], part["low"], part["high"]
                dots(ax, x, low, high, y, CLASS_COLOURS[label], marker)
                ax.plot([], [], marker, color=CLASS_COLOURS[label], label=label)
            ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            ax.set_yticks(list(place.values()), [labels[method] for method in place])
        line[0].set_title(title_of(model), fontsize=9)
    for ax, words in zip(axes[-1], measures.values(), strict=True):
        ax.set_xlim(left=0)
        ax.set_xlabel(words)
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=2)
    return fig


def external_variants(table: pd.DataFrame, aim: float, beside: Mapping[str, float]) -> Figure:
    """Draw the external AUC of every variant, of one network and of the mean of its networks.

    Parameters
    ----------
    table : pd.DataFrame
        Columns ``variant, networks, auc, auc_low, auc_high``.
    aim : float
        Drawn as a line.
    beside : mapping of str to float
        AUCs that belong beside them, lines too.
    """
    variants = list(dict.fromkeys(table["variant"]))[::-1]
    place = {variant: y for y, variant in enumerate(variants)}
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 1.1 + 0.32 * len(variants)))
    ax.axvline(aim, color="0.4", ls=":", lw=0.9)
    styles = {True: (PALETTE[0], "o", 0.13), False: (PALETTE[2], "s", -0.13)}
    for one, (colour, marker, offset) in styles.items():
        part = table[(table["networks"] == "one") == one]
        if len(part):
            y = part["variant"].map(place) + offset
            dots(ax, part["auc"], part["auc_low"], part["auc_high"], y, colour, marker)
            words = "one network, averaged over all" if one else "mean of the networks"
            ax.plot([], [], marker, color=colour, label=words)
    ax.plot([], [], ":", color="0.4", lw=0.9, label=f"aim set beforehand, {aim:.2f}")
    for (words, auc), dashes in zip(beside.items(), ("--", "-."), strict=False):
        ax.axvline(auc, color="0.2", ls=dashes, lw=0.9, label=words)
    names = [variant.replace(", statistics", ",\nstatistics") for variant in variants]
    ax.set_yticks(list(place.values()), names)
    ax.set(xlabel="AUC, malignant against benign")
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def calibration_shift(parts: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw observed against predicted malignancy, at home and away, in bins of equal size.

    Parameters
    ----------
    parts : Mapping
        Name to (malignant (n,) bool, score (n,) 0-1).
    """
    fig, axes = plt.subplots(1, 2, figsize=(PRINT_WIDTH, 2.9), width_ratios=(3, 2))
    curve, spread = axes
    curve.plot([0, 1], [0, 1], ":", color="0.4", lw=0.9)
    for (name, (truth, score)), colour, marker in zip(parts.items(), PALETTE, "os", strict=False):
        order = np.array_split(np.argsort(score, kind="stable"), _BINS)
        x = [score[part].mean() for part in order]
        ends = [wilson(int(truth[part].sum()), len(part)) for part in order]
        curve.vlines(x, *zip(*ends, strict=True), color=colour, lw=1)
        y = [truth[part].mean() for part in order]
        curve.plot(x, y, color=colour, marker=marker, lw=1.2, label=name)
        spread.ecdf(score, color=colour, label=name, ls="-" if marker == "o" else "--")
    curve.set(xlabel="predicted probability of malignancy", ylabel="share malignant")
    spread.set(xlabel="predicted probability", ylabel="share of images at or below")
    handles, names = curve.get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=2)
    return fig
