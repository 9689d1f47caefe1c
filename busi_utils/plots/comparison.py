"""The figures of notebook 03."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from busi_utils.analysis.comparison import NETWORK, title_of
from busi_utils.models import MODELS
from busi_utils.plots.theme import CEILING, PALETTE, PRINT_WIDTH, dots, log_axis, model_style
from busi_utils.recipe_words import label_of
from busi_utils.recipes import MEAN

_MARKERS = ("o", "s", "D", "^", "v")


def forest(table: pd.DataFrame, recipes: Sequence[str], metric: str) -> Figure:
    """Draw one line per network, one mark with its interval per recipe.

    Parameters
    ----------
    table : pd.DataFrame
        See `summaries.summarise`; rows of other recipes are left out. A mean of networks is drawn
        as what its members were trained by.
    recipes : sequence of str
        In the order of the legend.
    metric : str
        Column to draw, with its interval.
    """
    rows = table.assign(recipe=table["recipe"].str.replace(MEAN, ""))
    rows = rows[rows["recipe"].isin(recipes)]
    best = rows.groupby("model")[metric].max().sort_values(kind="stable")
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 0.9 + 0.32 * len(best)))
    offsets = np.linspace(0.26, -0.26, len(recipes)) if len(recipes) > 1 else [0.0]
    for recipe, offset, marker, colour in zip(recipes, offsets, _MARKERS, PALETTE, strict=False):
        part = rows[rows["recipe"] == recipe].set_index("model").reindex(best.index)
        y = np.arange(len(best)) + offset
        dots(ax, part[metric], part[f"{metric}_low"], part[f"{metric}_high"], y, colour, marker)
        ax.plot([], [], marker, color=colour, label=label_of(recipe))
    ax.set_yticks(range(len(best)), [title_of(model) for model in best.index])
    for y in np.arange(len(best) - 1) + 0.5:
        ax.axhline(y, color="0.9", lw=0.6)
    ax.set(xlabel=f"{metric.replace('_', ' ')} on clean, out of fold", ylim=(-0.6, len(best) - 0.4))
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def worth(table: pd.DataFrame) -> Figure:
    """Draw differences in points with their intervals, one block per kind of change (and training).

    Parameters
    ----------
    table : pd.DataFrame
        See `comparison.differences`.
    """
    words = table["kind"] + ", " + table["recipe"].map(label_of)
    titles = table["kind"].where(table["kind"] != NETWORK, words)
    kinds = list(dict.fromkeys(titles))
    heights = [int((titles == kind).sum()) for kind in kinds]
    fig, axes = plt.subplots(
        len(kinds),
        1,
        sharex=True,
        squeeze=False,
        figsize=(PRINT_WIDTH, 0.6 + 0.3 * len(kinds) + 0.165 * sum(heights)),
        height_ratios=[height + 0.3 for height in heights],
    )
    for ax, kind, colour in zip(axes[:, 0], kinds, PALETTE * 2, strict=False):
        part = table[titles == kind].iloc[::-1]
        y = np.arange(len(part))
        dots(ax, part["worth_value"], part["worth_low"], part["worth_high"], y, colour, "o")
        ax.axvline(0, color="0.4", lw=0.8, ls=":")
        ax.set_yticks(y, part["label"])
        ax.set_ylim(-0.7, len(part) - 0.3)
        ax.set_title(kind, fontsize=9)
        ax.tick_params(axis="y", length=0)
    axes[-1, 0].set_xlabel("difference in accuracy, points (95 % interval)")
    return fig


def pareto(table: pd.DataFrame, costs: pd.DataFrame, recipes: Sequence[str], metric: str) -> Figure:
    """Draw quality against parameters, operations and time; one mark a network, one row a recipe.

    Parameters
    ----------
    table : pd.DataFrame
        See `summaries.summarise`.
    costs : pd.DataFrame
        See `costs.model_costs`.
    recipes : sequence of str
        One line of panels each.
    metric : str
        What is drawn upwards.
    """
    axes_of = {
        "parameters": ("parameters, millions", 1e-6),
        "gflops": ("operations per image, 10⁹", 1.0),
        "milliseconds": ("time per image, ms", 1.0),
    }
    drawn = table[table["recipe"].isin(recipes)]
    joined = drawn.merge(costs.drop(columns="title"), on="model")
    models = [model for model in MODELS if model in set(joined["model"])]
    fig, grid = plt.subplots(
        len(recipes),
        len(axes_of),
        sharex="col",
        sharey="row",
        squeeze=False,
        figsize=(PRINT_WIDTH, 0.8 + 1.75 * len(recipes)),
    )
    for ax, (label, _) in zip(grid[-1], axes_of.values(), strict=True):
        ax.set_xlabel(label)
    for line, recipe in zip(grid, recipes, strict=True):
        rows = joined[joined["recipe"] == recipe].set_index("model")
        for ax, (column, (_, scale)) in zip(line, axes_of.items(), strict=True):
            for model in [name for name in models if name in rows.index]:
                row, style = rows.loc[model], model_style(model) | {"linestyle": "none"}
                x = row[column] * scale
                ax.vlines(x, row[f"{metric}_low"], row[f"{metric}_high"], style["color"], lw=1)
                ax.plot(x, row[metric], **style, mfc=_fill(model, style["color"]))
            log_axis(ax)
            ax.margins(x=0.12)
        line[0].set_ylabel(metric.replace("_", " "))
        line[0].set_title(label_of(recipe), fontsize=9)
    handles = [
        plt.Line2D(
            [], [], **model_style(m) | {"linestyle": "none"}, mfc=_fill(m, model_style(m)["color"])
        )
        for m in models
    ]
    fig.legend(handles, [title_of(m) for m in models], loc="outside lower center", ncols=3)
    return fig


def _fill(model: str, colour: str) -> str:
    """Members of one family share colour and marker: the larger is drawn hollow."""
    return "white" if model.endswith("_large") else colour


def learning_curves(curve: pd.DataFrame, metric: str, model: str) -> Figure:
    """Draw a metric against the number of training groups, with the band of one network.

    Parameters
    ----------
    curve : pd.DataFrame
        See `comparison.learning_curve`.
    metric : str
        What is drawn upwards.
    model : str
        The network whose interval is drawn.
    """
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 3.1))
    for name, part in curve.groupby("model", sort=False):
        style = model_style(name)
        ax.plot(
            part["groups"],
            part[metric],
            **style,
            mfc=_fill(name, style["color"]),
            label=title_of(name),
        )
        if name == model:
            low, high = part[f"{metric}_low"], part[f"{metric}_high"]
            ax.fill_between(part["groups"], low, high, color=style["color"], alpha=0.15, lw=0)
    ax.set_xscale("log", base=2)
    ticks = sorted(set(curve["groups"]))
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="groups of images learnt from", ylabel=metric.replace("_", " "))
    fig.legend(loc="outside lower center", ncols=3)
    return fig


def members(curve: pd.DataFrame, ceiling: float, aims: Sequence[float]) -> Figure:
    """Draw accuracy and balanced accuracy of means of networks against their number.

    Parameters
    ----------
    curve : pd.DataFrame
        ``members`` (how many), ``metric``, and over all choices of so many ``mean, least, most``.
    ceiling : float
        See `ceiling.label_ceiling`; drawn with the accuracy.
    aims : sequence of float
        Drawn with the balanced accuracy.
    """
    fig, axes = plt.subplots(1, 2, sharey=True, figsize=(PRINT_WIDTH, 2.5))
    panels = {
        "accuracy": ("plain mean", CEILING, [ceiling], "bottom"),
        "balanced_accuracy": ("half corrected for class shares", "aim", aims, "top"),
    }
    for ax, (metric, (title, words, values, side)) in zip(axes, panels.items(), strict=True):
        part = curve[curve["metric"] == metric]
        ax.fill_between(part["members"], part["least"], part["most"], color="0.88", lw=0)
        ax.plot(part["members"], part["mean"], "o-", color=PALETTE[0])
        for value in values:
            ax.axhline(value, color="0.4", lw=0.8, ls=":")
            at = {"transform": ax.get_yaxis_transform(), "fontsize": 8}
            ax.text(0.99, value, f"{words} {100 * value:.3g} %", ha="right", va=side, **at)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="networks averaged", ylabel=metric.replace("_", " "))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].margins(y=0.08)
    return fig
