"""The list of files in notebook 00 is whole, and the notebook opens where nothing is yet."""

import io
from pathlib import Path

import nbformat
import pytest
from small_notebooks import write_notebook

from busi_report.runner import Run, run_notebooks
from busi_utils.record.handover import HANDOVERS, columns_of, handover_table, recorded_by
from busi_utils.workspace import REPOSITORY, Workspace


def test_every_stored_file_is_of_one_kind_and_every_kind_is_stored():
    place = Workspace(REPOSITORY)
    kinds = [set(kind.found("busi", place)) for kind in HANDOVERS]
    assert all(kinds)
    listed = set().union(*kinds)
    assert len(listed) == sum(map(len, kinds))
    for path in filter(Path.is_file, place.results.rglob("[!.]*.*")):
        known = path in listed or path.with_suffix(".csv") in listed  # a run record beside it
        assert known, f"{path.relative_to(REPOSITORY)} is of no kind in record/handover.py"


def test_an_empty_workspace_has_no_files_of_any_kind(tmp_path):
    table = handover_table("phantom", Workspace(tmp_path))
    assert table["number"].sum() == 0
    assert set(table["columns"]) == {""}


def test_columns_and_keys(tmp_path):
    table, record, empty = (tmp_path / name for name in ("a.csv", "a.json", "b.csv"))
    table.write_text("image_id,area,m0,m1,m2,m3\n")
    record.write_text('{"seed": 0, "fold": 1}')
    empty.touch()
    assert columns_of(table) == "image_id, area, m0 ... m3"
    assert columns_of(record) == "seed, fold"
    assert columns_of(empty) == "b.csv cannot be read"


def test_what_a_notebook_records_is_counted_in_its_source(tmp_path):
    codes = ('page.save_figure(f, "a")\nkept_table("b")', 'page.record_verdict(\n    "C4a", rule)')
    path = write_notebook(tmp_path / "07_new.ipynb", *codes)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "# 07 · Something new?\n\nText"
    nbformat.write(notebook, path)
    assert recorded_by(path) == {
        "notebook": "07_new",
        "title": "Something new?",
        "figures": 1,
        "tables": 1,
        "claims": "C4a",
    }


@pytest.mark.parametrize("damage", [None, "folds_phantom_clean.csv"])
def test_the_door_opens_before_anything_has_been_run(tmp_path, damage):
    place = Workspace(tmp_path)
    if damage:
        place.results.mkdir()
        (place.results / damage).write_text("half a file")
    values = {"dataset": "phantom", "workspace": str(tmp_path)}
    (path,) = run_notebooks(Run(place, values, only="00"), out=io.StringIO())
    outputs = str([cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells])
    assert "Not there yet" in outputs
    assert (place.figures / "workflow.svg").is_file()
