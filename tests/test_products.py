"""Tables computed from trained networks: made once, read afterwards, made anew when stale."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest

from busi_utils.audit.folds import save_folds
from busi_utils.errors import StudyError
from busi_utils.study import image_tables as products
from busi_utils.study.cells import Cell, grid, prediction_table, save_cell
from busi_utils.study.image_tables import Product, missing_tables, read_products, run_products
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

NAMES = [f"benign ({k})" for k in range(10)]
CELLS = grid("phantom", ["clean"], ["mobilenetv2"], ["tuned"], [0])


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    """A study whose cells are trained; networks are stood in for by the number of their fold."""
    workspace = Workspace(tmp_path)
    folds = pd.DataFrame({"image_id": NAMES, "label": "benign", "group": NAMES})
    save_folds(folds.assign(fold=[k % 5 for k in range(10)]), "phantom", "clean", workspace)
    study = Study("phantom", workspace, {"phantom": tmp_path})
    object.__setattr__(study, "manifest", pd.DataFrame({"image_id": NAMES, "sha256": NAMES}))
    for cell in CELLS:
        _train(study, cell)
    monkeypatch.setattr(products, "run_alone", lambda function, *arguments: function(*arguments))
    stand_ins = lambda study, cells: ((cell, cell.fold) for cell in cells)  # noqa: E731
    monkeypatch.setattr("busi_utils.study.cell_training.trained_networks", stand_ins)
    return study


def _train(study: Study, cell: Cell, init: str = "phantom") -> None:
    table = prediction_table(NAMES[:2], ["benign"] * 2, np.full((2, 3), 1 / 3))
    expected = study.config_hash(cell)
    save_cell(cell, table, None, {"config_hash": expected, "init": init}, study.workspace)


def _compute(study, cell, network, settings, asked: list) -> pd.DataFrame:
    asked.append(cell.fold)
    return pd.DataFrame({"network": [network], "sum": [network + settings["add"]]})


def _product(asked: list, add: int = 1, **place: str) -> Product:
    return Product("tests", {"add": add}, partial(_compute, asked=asked), **place)


def _run(study: Study, product: Product) -> int:
    return run_products(study, product, CELLS, say=lambda line: None)


def test_a_table_is_computed_once_for_each_cell(study):
    asked: list[int] = []
    assert _run(study, _product(asked)) == 5
    assert _run(study, _product(asked)) == 0
    assert asked == [0, 1, 2, 3, 4]
    table = read_products(study, _product(asked), CELLS)
    assert list(table["sum"]) == [1, 2, 3, 4, 5]
    assert list(table["fold"]) == asked


def test_other_settings_or_another_network_make_a_table_stale(study):
    asked: list[int] = []
    _run(study, _product(asked))
    assert len(missing_tables(study, _product(asked, add=2), CELLS)) == 5
    _train(study, CELLS[3], init="imagenet")
    assert missing_tables(study, _product(asked), CELLS) == [CELLS[3]]


def test_a_table_that_is_missing_is_named(study):
    product = _product([])
    _run(study, product)
    product.table(CELLS[2], study.workspace).unlink()
    with pytest.raises(StudyError, match=r"fold2\.csv is missing.*notebook 04"):
        read_products(study, product, CELLS)


def test_a_cell_without_training_is_refused(study):
    CELLS[1].record(study.workspace).unlink()
    with pytest.raises(StudyError, match="fold 1 has not been trained"):
        _run(study, _product([]))


def test_tables_of_another_data_set_say_what_the_network_was_trained_on(study):
    product = _product([], dataset="busbra", cohort="external", ending="-adapted")
    _run(study, product)
    record = product.record(CELLS[0], study.workspace)
    assert "busbra/external/mobilenetv2/tuned-adapted/seed0_fold0.json" in record.as_posix()
    told = json.loads(record.read_text())
    assert (told["dataset"], told["trained_on"]["dataset"], told["init"]) == (
        "busbra",
        "phantom",
        "phantom",
    )
