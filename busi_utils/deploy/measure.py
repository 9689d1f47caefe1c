"""``make deployment``: bytes and answers in every format, by the networks of the five folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from busi_utils.deploy import formats, tables
from busi_utils.deploy.training import RELEASED
from busi_utils.kept import keep_table, read_kept
from busi_utils.study.cell_training import is_kept
from busi_utils.study.cells import Cell, grid
from busi_utils.study.study import Study

_SEEDS = (RELEASED.seed, *(seed for seed in range(3) if seed != RELEASED.seed))
Row = tuple[str, str]
"""(model, recipe)"""


def measure(study: Study, rows: Sequence[Row], *, to_time: bool = False) -> None:
    """Write what `tables` names, but for times; rows that are there are kept.

    The released network is asked for answers, trained if need be, and of ``rows`` those whose five
    networks of one seed were kept from their training.

    Parameters
    ----------
    study : Study
        With its images.
    rows : sequence of (model, recipe)
        Networks whose bytes are counted.
    to_time : bool
        Also write the files that `latency` times, where they are missing.

    Raises
    ------
    StudyError
        If images or weights are missing.
    """
    study.require_images(RELEASED)
    main = RELEASED.model, RELEASED.recipe
    path = tables.folder(study.workspace) / "int8.csv"
    if not path.exists():
        keep_table(path, formats.tried_int8(study, _cells(study, main)), float_format="%.7g")
    kept = formats.chosen_kept(read_kept(path, tables.FORMS["int8"]))
    asked = [row for row in rows if row == main or all(_kept(study, row))]
    _complete(study, "answers", asked, lambda row: formats.answers(study, _cells(study, row), kept))
    sized = tables.read("sizes", study.workspace)
    untrained = _rows_of(sized[sized["weights"] == "untrained"])
    again = [row for row in rows if row in untrained and _kept(study, row)[0]]

    def weigh(row: Row) -> pd.DataFrame:
        return formats.sizes_of(study, _cells(study, row)[0], kept)

    _complete(study, "sizes", rows, weigh, again)
    for row in rows if to_time else ():
        if not tables.TIMED.joinpath(*row, tables.LAST).is_file():
            weigh(row)


def _cells(study: Study, row: Row) -> list[Cell]:
    """Return the five folds of the seed of which most were kept, first that of `RELEASED`."""
    seeds = [grid(study.dataset, ["clean"], [row[0]], [row[1]], [seed]) for seed in _SEEDS]
    if row == (RELEASED.model, RELEASED.recipe):
        return seeds[0]
    return max(seeds, key=lambda cells: sum(is_kept(study, cell) for cell in cells))


def _kept(study: Study, row: Row) -> list[bool]:
    return [is_kept(study, cell) for cell in _cells(study, row)]


def _rows_of(table: pd.DataFrame) -> set[Row]:
    return set(zip(table["model"], table["recipe"], strict=True))


def _complete(
    study: Study,
    name: str,
    rows: Sequence[Row],
    compute: Callable[[Row], pd.DataFrame],
    again: Sequence[Row] = (),
) -> None:
    """Measure the rows that a table lacks, and some again; each is kept once it is measured."""
    for row in rows:
        table = tables.read(name, study.workspace)
        here = (table["model"] == row[0]) & (table["recipe"] == row[1])
        if row in again or not here.any():
            parts = [part for part in (table[~here], compute(row)) if len(part)]
            path = tables.folder(study.workspace) / f"{name}.csv"
            keep_table(path, pd.concat(parts), float_format="%.7g")
