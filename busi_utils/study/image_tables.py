"""Tables that only a trained network can fill: what it says to changed or other images, and why.

Like predictions they lie in ``results/``, one file a cell beside a record of what they were made
from; what is there and up to date is read, what is missing is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from busi_utils.errors import StudyError
from busi_utils.forms import ANY, Form
from busi_utils.locks import locked
from busi_utils.study.cells import Cell, read_record
from busi_utils.study.execution import run_alone
from busi_utils.study.predictions import read_cell_table, read_run_record
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace, write_csv, write_json

if TYPE_CHECKING:
    from busi_utils.training.heads import Network


@dataclass(frozen=True)
class Product:
    """One kind of table.

    Attributes
    ----------
    kind : str
        Folder under ``results/``.
    settings : dict
        All that the table depends on besides the network; plain values.
    compute : callable
        ``(study, cell, network, settings) -> pd.DataFrame``, a function of a module.
    form : Form
        Of the table.
    dataset, cohort, ending : str
        Where the table is filed: under another data set and cohort than those that the network was
        trained on, and with an ending of the recipe's name.
    """

    kind: str
    settings: dict[str, Any]
    compute: Callable[[Study, Cell, Network, dict[str, Any]], pd.DataFrame]
    form: Form = ANY
    dataset: str = ""
    cohort: str = ""
    ending: str = ""

    def place(self, cell: Cell) -> Cell:
        """Return the cell under whose name the table is filed."""
        return replace(
            cell,
            dataset=self.dataset or cell.dataset,
            cohort=self.cohort or cell.cohort,
            recipe=cell.recipe + self.ending,
        )

    def table(self, cell: Cell, workspace: Workspace) -> Path:
        """File of the table."""
        return self.place(cell).file(workspace, self.kind, ".csv")

    def record(self, cell: Cell, workspace: Workspace) -> Path:
        """File that says what the table was made from."""
        return self.place(cell).file(workspace, self.kind, ".json")


def missing_tables(study: Study, product: Product, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells whose table is absent or was made from something else."""

    def is_there(cell: Cell) -> bool:
        record = product.record(cell, study.workspace)
        if not (record.is_file() and product.table(cell, study.workspace).is_file()):
            return False
        told = read_run_record(record)
        told.pop("sha256", None)
        return told == _record(study, product, cell)

    return [cell for cell in cells if not is_there(cell)]


def run_products(
    study: Study, product: Product, cells: Sequence[Cell], say: Callable[[str], None] = print
) -> int:
    """Compute every table that is missing; return how many that were.

    The networks of one model and recipe share a process. A network that was not kept from its
    training is trained again.

    Raises
    ------
    StudyError
        If images are needed and none were named, or a cell has not been trained.
    """
    todo = missing_tables(study, product, cells)
    say(f"{product.kind}: {len(cells)} tables wanted, {len(todo)} to compute")
    if not todo:
        return 0
    if untrained := study.missing(todo):
        raise StudyError(f"{untrained[0]} has not been trained: run the study for it first.")
    study.require_images(todo[0])
    with locked(study.workspace, "study", wait_s=0):
        key = lambda c: (c.model, c.recipe)  # noqa: E731
        for (model, recipe), same in groupby(sorted(todo, key=key), key):
            run_alone(_compute, study, product, list(same))
            say(f"  {model} {recipe} done")
    return len(todo)


def read_products(study: Study, product: Product, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the tables of cells below each other, with their seed and fold.

    Raises
    ------
    StudyError
        If one is missing or not up to date.
    """
    if absent := missing_tables(study, product, cells):
        raise StudyError(
            f"{product.table(absent[0], study.workspace)} is missing or out of date: run notebook "
            "04 with DATA=<folder>."
        )
    tables = [
        read_cell_table(product.table(cell, study.workspace), product.form).assign(
            seed=cell.seed, fold=cell.fold
        )
        for cell in cells
    ]
    return pd.concat(tables, ignore_index=True)


def _record(study: Study, product: Product, cell: Cell) -> dict[str, Any]:
    return asdict(product.place(cell)) | {
        "trained_on": asdict(cell),
        "config_hash": study.config_hash(cell),
        "init": read_record(cell, study.workspace)["init"],
        "settings": product.settings,
    }


def _compute(study: Study, product: Product, cells: list[Cell]) -> None:
    from busi_utils.study.cell_training import trained_networks

    for cell, network in trained_networks(study, cells):
        table = product.compute(study, cell, network, product.settings)
        digest = write_csv(product.table(cell, study.workspace), table, float_format="%.6f")
        told = _record(study, product, cell) | {"sha256": {product.kind: digest}}
        write_json(product.record(cell, study.workspace), told)
