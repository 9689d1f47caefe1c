"""Which notebook reads and writes what, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from busi_utils.plots.theme import PRINT_WIDTH

_FILES = {"boxstyle": "square,pad=0.5", "facecolor": "white", "edgecolor": "0.45"}
_NOTEBOOK = {"boxstyle": "round,pad=0.5", "facecolor": "#D6E6F2", "edgecolor": "#0072B2"}
_ROWS = (5.0, 4.1, 2.9, 1.5, 0.5)  # images; files of the audit; later notebooks; files; report


def workflow(notebooks: Sequence[str]) -> Figure:
    """Draw how files pass from the images through the notebooks into the report.

    Parameters
    ----------
    notebooks : sequence of str
        Names from ``01_...`` on: the first is the audit, the others work on what it hands over.
    """
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 4.3))
    ax.set(xlim=(0, 10), ylim=(0.1, 5.4))
    ax.axis("off")
    images, audited, later, made, read = _ROWS
    _box(ax, 1.5, images, "images and masks", _FILES)
    _box(ax, 5.5, images, _name(notebooks[0]), _NOTEBOOK)
    _box(ax, 5.5, audited, "results/:  manifest,  duplicates,  folds", _FILES)
    ax.add_patch(Rectangle((0.1, later - 0.55), 9.8, 1.1, facecolor="0.95", edgecolor="none"))
    step = 9.8 / (len(notebooks) - 1)
    for number, name in enumerate(notebooks[1:]):
        _box(ax, 0.1 + (number + 0.5) * step, later, _name(name), _NOTEBOOK)
    _box(ax, 2.6, made, "results/:  predictions,  run records,\nprobes,  attention", _FILES)
    _box(ax, 7.6, made, "report/metrics.json,  report/tables/,\nfigures/", _FILES)
    _box(ax, 7.6, read, "report.html,  report.pdf,  README.md", _FILES)
    _arrow(ax, (2.5, images), (5.1, images))
    _arrow(ax, (5.5, images - 0.33), (5.5, audited + 0.18))
    _arrow(ax, (5.5, audited - 0.18), (5.5, later + 0.55))
    _arrow(ax, (1.0, images - 0.2), (1.0, later + 0.55), "only to train\nwhat is missing", line=":")
    _arrow(
        ax, (2.6, later - 0.55), (2.6, made + 0.28), "read if there, else written", style="<|-|>"
    )
    _arrow(ax, (7.6, later - 0.55), (7.6, made + 0.28), "what they and 01 find")
    _arrow(ax, (7.6, made - 0.28), (7.6, read + 0.18), "make report")
    return fig


def _name(notebook: str) -> str:
    number, _, words = notebook.partition("_")
    return "\n".join([number, *words.split("_")])


def _box(ax: Axes, x: float, y: float, text: str, style: dict[str, str]) -> None:
    ax.text(x, y, text, ha="center", va="center", fontsize=8, bbox=style)


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    label: str = "",
    line: str = "-",
    style: str = "-|>",
) -> None:
    look = {"arrowstyle": style, "linestyle": line, "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=look)
    middle = (start[1] + end[1]) / 2
    ax.text(start[0] + 0.15, middle, label, va="center", fontsize=8, color="0.3")
