"""The figure of notebook 06 that no other notebook draws."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from busi_utils.plots.theme import PALETTE, PRINT_WIDTH, log_axis


def latency(table: pd.DataFrame) -> Figure:
    """Draw the time of one image, median to 95th percentile, a line a way of asking.

    Parameters
    ----------
    table : pd.DataFrame
        Columns ``way, threads, p50_ms, p95_ms``; one mark a row, lines in the order of ``way``.
    """
    ways = list(dict.fromkeys(table["way"]))
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 0.8 + 0.26 * len(ways)))
    for number, (threads, part) in enumerate(table.groupby("threads")):
        y = part["way"].map(ways.index) + 0.18 * number
        colour, words = PALETTE[number], "thread" if threads == 1 else "threads"
        ax.hlines(y, part["p50_ms"], part["p95_ms"], color=colour, lw=1.2)
        style = {"color": colour, "marker": "os"[number % 2], "ls": "", "ms": 5}
        ax.plot(part["p50_ms"], y, **style, label=f"{threads} {words}")
    ax.set_yticks(range(len(ways)), ways)
    ax.invert_yaxis()
    log_axis(ax)
    ax.set_xlabel("milliseconds an image, median to 95th percentile")
    fig.legend(loc="outside lower center", ncols=2)
    return fig
