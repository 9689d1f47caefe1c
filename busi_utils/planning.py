"""What is still to be trained, and how long it will take by the records of cells alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from statistics import median

from .cells import Cell
from .paths import Workspace

_SECONDS = ("seconds", "seconds_frozen_part")


def plan(cells: Sequence[Cell], jobs: int, dataset: str, workspace: Workspace) -> list[str]:
    """Describe missing cells, one line per (cohort, model, recipe), with the time they will take.

    Parameters
    ----------
    cells : sequence of Cell
        What is to be trained.
    jobs : int
        Processes at a time; they are taken to share the machine without loss.
    dataset : str
        Where to look for records.
    workspace : Workspace
        Holds the records.

    Returns
    -------
    list of str
        A row without a record of its model and recipe, on whatever cohort, has no estimate.
    """
    lines = []
    key = lambda cell: (cell.cohort, cell.model, cell.recipe)  # noqa: E731
    for row, members in groupby(sorted(cells), key):
        number = len(list(members))
        seconds = _seconds_of_one(workspace, dataset, *row[1:])
        time = (
            "no earlier run to judge by" if seconds is None else duration(number * seconds / jobs)
        )
        lines.append(f"  {' '.join(row)}: {number} cells, {time}")
    return lines


def _seconds_of_one(workspace: Workspace, dataset: str, model: str, recipe: str) -> float | None:
    """Return the median time of a cell alike, None if there was none."""
    paths = (workspace.predictions / dataset).glob(f"*/{model}/{recipe}/seed*_fold*.json")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    times = [sum(r[name] for name in _SECONDS) for r in records if _SECONDS[1] in r]
    return median(times) if times else None


def duration(seconds: float) -> str:
    """Return a time in words: seconds below 100, else minutes."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
