"""The report's first figure: the whole study in five panels, drawn from recorded numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from busi_utils.plots.theme import CEILING, PALETTE, PRINT_WIDTH, save_figure, use_theme
from busi_utils.record.formats import interval
from busi_utils.record.templates import caption
from busi_utils.workspace import Workspace

SECTIONS = ("audit", "baseline", "comparison", "errors")
"""What must have been recorded before the figure can be drawn."""
_BLUE, _ORANGE, _RED, _, _GREEN, _, _BLACK, _ = PALETTE


def draw_summary(metrics: Mapping[str, Any], workspace: Workspace, dataset: str) -> None:
    """Draw and save the figure ``summary``, unless a section that it needs is missing."""
    if any(name not in metrics for name in SECTIONS) or "tuned" not in metrics["baseline"]:
        return
    use_theme()
    text, alt = caption("summary", metrics)
    fig = summary(metrics)
    save_figure(
        fig,
        "summary",
        caption=text,
        alt=alt,
        notebook="report",
        dataset=dataset,
        parameters={"sections": list(SECTIONS)},
        workspace=workspace,
    )
    plt.close(fig)


def summary(metrics: Mapping[str, Any]) -> Figure:
    """Draw the claim, the data, what 70 % was, what the network reaches, and elsewhere.

    Parameters
    ----------
    metrics : Mapping
        ``metrics.json`` with the sections of `SECTIONS`.

    Returns
    -------
    matplotlib.figure.Figure
        Accuracies in per cent, areas under the ROC curve in [0, 1], 95 % intervals.
    """
    fig = plt.figure(figsize=(PRINT_WIDTH, 3.9))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.2, 1.1))
    claim, data, seventy = top.subplots(1, 3, width_ratios=(0.8, 1, 1.25))
    same, away = bottom.subplots(1, 2)
    _claim(claim, metrics["baseline"]["reported"])
    _data(data, metrics["audit"])
    _ranges(seventy, _readings(metrics["baseline"]), (55, 100), "C  What 70 % may be")
    _ranges(same, _reached(metrics), (65, 100), "D  The same network, with care")
    ceiling = metrics["audit"].get("ceiling", {}).get("ceiling")
    if ceiling:
        same.axvline(100 * ceiling, color="0.5", linestyle=":", linewidth=1)
        same.text(100 * ceiling, -0.62, CEILING, ha="right", va="bottom", fontsize=8, color="0.35")
    _ranges(away, _elsewhere(metrics["errors"]), (0.6, 1), "E  Another hospital")
    same.set_xlabel("accuracy, %")
    seventy.set_xlabel("accuracy, %")
    away.set_xlabel("AUC, malignant against benign")
    return fig


def _claim(ax: Axes, reported: Mapping[str, float]) -> None:
    ax.set_axis_off()
    ax.set_title("A  What was claimed")
    test, train = (f"{100 * reported[name]:.0f} %" for name in ("test", "train"))
    told = f"MobileNetV2\n{test} of test,\n{train} of training\nimages right:"
    ax.text(0, 0.95, told, va="top", fontsize=9)
    ax.text(0, 0.28, "so: too weak;\nuse EfficientNetB3", va="top", fontsize=9, style="italic")


def _data(ax: Axes, audit: Mapping[str, Any]) -> None:
    rows = [
        ("images", audit["images"], _BLUE),
        ("have a near copy", audit["images_with_twin"], _RED),
        ("one of each group", audit["clean"], _GREEN),
    ]
    for y, (label, value, colour) in enumerate(rows):
        ax.barh(y + 0.2, value, height=0.36, color=colour)
        ax.text(0, y - 0.06, f"{value:,} {label}", va="bottom", fontsize=8)
    ax.set_ylim(2.55, -0.45)
    ax.set_title("B  What the data hold")
    ax.set_axis_off()


def _readings(baseline: Mapping[str, Any]) -> list[tuple]:
    """Return rows of panel C: label, value, low, high, colour."""
    told, raw = baseline["reported"], baseline["written"]["raw"]
    rows = [("reported", told["test"], told["test_low"], told["test_high"], _BLACK)]
    rows.append(("rerun, base frozen, random split", *interval(raw, "accuracy"), _BLUE))
    for bug in baseline.get("unscaled", []):
        rows.append(("the same, pixels left at 0–255", *interval(bug, "accuracy"), _ORANGE))
    changes = baseline["changes"]
    if baseline.get("batch_norm"):
        stale, renewed = changes["unfrozen"], changes["unfrozen_bn_remeasured"]
        rows.append(("whole network (clean), stale average", *interval(stale, "accuracy"), _RED))
        rows.append(("same weights, average renewed", *interval(renewed, "accuracy"), _GREEN))
    return _in_per_cent(rows)


def _reached(metrics: Mapping[str, Any]) -> list[tuple]:
    baseline, mean = metrics["baseline"], metrics["comparison"].get("mean")
    rows = [("as written", *interval(baseline["written"]["clean"], "accuracy"), _BLUE)]
    frozen = baseline["changes"].get("unfrozen_bn_frozen")
    if frozen:
        rows.append(("whole network, batch norm frozen", *interval(frozen, "accuracy"), _ORANGE))
    rows.append(("tuned", *interval(baseline["tuned"], "accuracy"), _GREEN))
    if mean and mean["members"] > 1:
        rows.append(
            (f"mean of {mean['members']} networks", *interval(mean["plain"], "accuracy"), _BLACK)
        )
    return _in_per_cent(rows)


def _elsewhere(errors: Mapping[str, Any]) -> list[tuple]:
    away = errors["external"]
    rows = [
        ("tuned, at home", *interval(away["home"], "auc"), _GREEN),
        (f"the same on {away['title']}", *interval(away["one"], "auc"), _RED),
    ]
    named = {"ruler (box)": "two measures of an expert's box", "readers: BI-RADS": "its readers"}
    for score in errors.get("beside_readers", {}).get("scores", []):
        if score["score"] in named:
            rows.append((named[score["score"]], *interval(score, "auc"), _BLACK))
    return rows


def _in_per_cent(rows: Sequence[tuple]) -> list[tuple]:
    return [(label, *(100 * x for x in numbers), colour) for label, *numbers, colour in rows]


def _ranges(ax: Axes, rows: Sequence[tuple], limits: tuple[float, float], title: str) -> None:
    """Draw one dot with its interval a row, the label above it and the value at its right."""
    form = ".2f" if limits[1] <= 1 else ".0f"
    for y, (label, value, low, high, colour) in enumerate(rows):
        ax.plot([low, high], [y + 0.2] * 2, color=colour, linewidth=1.6)
        ax.plot(value, y + 0.2, "o", color=colour)
        ax.text(limits[0], y - 0.06, f"{label}: {value:{form}}", va="bottom", fontsize=8)
    ax.set_ylim(len(rows) - 0.45, -0.62)
    ax.set_xlim(*limits)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title(title)
