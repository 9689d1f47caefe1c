"""Initial weights and masks are part of what a run depends on, and bear their name."""

import hashlib
import json
import shutil
from dataclasses import asdict, replace

import cv2
import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest

from busi_utils.audit.preparation import prepare_data
from busi_utils.errors import StudyError
from busi_utils.models import MODELS
from busi_utils.notebook import Page
from busi_utils.plots.theme import read_figures
from busi_utils.study import inputs, rows
from busi_utils.study.cells import Cell, config_hash, masks_digest, prediction_table, save_cell
from busi_utils.study.execution import run_missing
from busi_utils.study.study import Study
from busi_utils.training import weights
from busi_utils.workspace import Workspace, workspace_for, write_json

ENTRY = MODELS["mobilenetv2"]
ROW = ("clean", "mobilenetv2", "original")
CELLS = [Cell("busi", *ROW, 0, fold) for fold in range(5)]


@pytest.fixture
def study(tmp_path) -> Study:
    """A study of stored images, with images named, whose cells can be written but not trained."""
    place, stored = Workspace(tmp_path), workspace_for("busi")
    place.results.mkdir(parents=True)
    for file in (stored.manifest("busi"), stored.folds("busi", "clean")):
        shutil.copy(file, place.results)
    return Study("busi", place, {"busi": tmp_path}, weights=str(tmp_path))


def _trained(study: Study, cells: list[Cell], digest: str) -> None:
    table = prediction_table(["benign (1)"], ["benign"], np.full((1, 3), 1 / 3))
    for cell in cells:
        record = asdict(cell) | {"init": "imagenet", "weights_sha256": digest, "history": []}
        record |= {"config_hash": study.config_hash(cell, digest), "train_accuracy": 1.0}
        record |= {"epochs_run": 0}
        save_cell(cell, table, table, record, study.workspace)


def _file(study: Study, content: bytes = b"one") -> str:
    (study.workspace.root / ENTRY.weights_file).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_other_weights_make_a_cell_stale_and_the_known_ones_leave_its_hash(study):
    usual = weights.known_weights().set_index("model").loc["mobilenetv2", "sha256"].iloc[0]
    assert study.config_hash(CELLS[0], usual) == study.config_hash(CELLS[0], "")
    assert study.config_hash(CELLS[0], "0" * 64) != study.config_hash(CELLS[0], "")
    _trained(study, CELLS, _file(study))
    assert not study.missing(CELLS)
    _file(study, b"two")
    assert study.missing(CELLS) == CELLS
    unnamed = replace(study, weights="")
    assert not unnamed.missing(CELLS), "what was not named decides nothing"
    assert not replace(study, sources={}).missing(CELLS), "where nothing can be trained, neither"


def test_a_row_takes_no_second_weights_file(study):
    digest = _file(study)
    _trained(study, CELLS[1:], digest)
    other = weights.named(ENTRY, study.workspace.root / ENTRY.weights_file)
    inputs.require_start(study, inputs.rest_of_rows(study, CELLS[:1]), other)
    _trained(study, CELLS[3:4], "f" * 64)
    with pytest.raises(StudyError, match=r"fold 3 started from the weights f{8}.*WEIGHTS"):
        inputs.require_start(study, inputs.rest_of_rows(study, CELLS[:1]), other)
    _trained(study, CELLS[:1], digest)
    with pytest.raises(StudyError, match="mixes initialisations"):
        rows.records(study, ROW, [0])


def test_a_row_learns_from_one_set_of_masks(study):
    digest = _file(study)
    _trained(study, CELLS[1:], digest)
    inputs.require_same_masks(study, CELLS[0], "a" * 64)
    record = CELLS[3].record(study.workspace)
    write_json(record, json.loads(record.read_text()) | {"masks_sha256": "b" * 64})
    inputs.require_same_masks(study, CELLS[0], "b" * 64)
    with pytest.raises(StudyError, match=r"fold 3 learnt from other lesion masks.*restore"):
        inputs.require_same_masks(study, CELLS[0], "a" * 64)
    write_json(record, json.loads(record.read_text()) | {"config_hash": "another"})
    inputs.require_same_masks(study, CELLS[0], "a" * 64)


def test_changed_masks_are_noticed(small_phantom, tmp_path):
    data, prepared = small_phantom
    copy, place = tmp_path / "data", Workspace(tmp_path / "work")
    shutil.copytree(data, copy)
    shutil.copytree(prepared.root, place.root)
    study = Study("phantom", place, {"phantom": copy}, size=64)
    inputs.require_masks(study)
    before = masks_digest(study.manifest)
    mask = next(copy.rglob("benign*_mask.png"))
    drawn = np.zeros_like(cv2.imread(str(mask), 0))
    drawn[:9, :9] = 255  # a mask that is black altogether is refused at once
    cv2.imwrite(str(mask), drawn)
    image = mask.name.removesuffix("_mask.png")
    tuned = Cell("phantom", "clean", "mobilenetv2", "tuned", 0, 0)
    with pytest.raises(StudyError, match=f"mask of '{image[:9]}.*notebook 01".replace("(", r"\(")):
        run_missing(study, [tuned], say=lambda line: None)
    again = Workspace(tmp_path / "again")
    after = masks_digest(prepare_data({"phantom": copy}, "phantom", again).manifest)
    hashes = {config_hash(tuned, "", 64, masks) for masks in (before, after)}
    assert len(hashes) == 2
    plain = replace(tuned, recipe="original")
    assert config_hash(plain, "", 64, before) == config_hash(plain, "", 64, after)


def test_the_masks_of_busi_leave_hashes_as_they_are():
    assert masks_digest(Study("busi", workspace_for("busi")).manifest) == ""


def test_weights_bear_the_name_of_what_they_are(tmp_path, monkeypatch):
    file = tmp_path / ENTRY.weights_file
    file.write_bytes(b"some other weights")
    found = weights.named(ENTRY, file)
    assert found.init == f"unknown weights {found.sha256[:8]}"
    table = weights.known_weights().copy()
    table.loc[table["file"] == ENTRY.keras_file, "md5"] = hashlib.md5(
        b"some other weights"
    ).hexdigest()
    monkeypatch.setattr(weights, "known_weights", lambda: table)
    found = weights.named(ENTRY, file)
    assert (found.init, found.origin[:14]) == ("imagenet", "Keras' own fil")
    assert weights.named(MODELS["xception"], file).init.startswith("unknown"), "of another network"
    known = set(table.loc[table["md5"] != "", "file"])
    assert known <= {entry.keras_file for entry in MODELS.values()}
    assert set(table["model"]) <= set(MODELS)


@pytest.mark.slow
@pytest.mark.parametrize(("value", "words"), [(np.nan, "not finite"), (1e30, "absurd")])
def test_weights_that_nothing_has_learnt_are_refused(tmp_path, value, words):
    from busi_utils.training.pretraining import SHIPPED

    file = tmp_path / "mobilenetv3_small.weights.h5"
    shutil.copy(SHIPPED / file.name, file)
    with h5py.File(file, "r+") as stored:
        arrays = []
        stored.visititems(
            lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None
        )
        arrays[3][...] = value
    with pytest.raises(StudyError, match=f"{file.name} holds .*{words}.*download"):
        weights.load_backbone(MODELS["mobilenetv3_small"], 64, weights.InitialWeights("x", file))


def test_unknown_weights_are_named_in_captions_and_above_the_report(tmp_path, monkeypatch):
    from busi_report.report import _banner

    place = Workspace(tmp_path)
    assert _banner(place, "busi") == ""
    table = prediction_table(["benign (1)"], ["benign"], np.full((1, 3), 1 / 3))
    save_cell(CELLS[0], table, table, {"init": "unknown weights 12345678"}, place)
    assert "unknown weights 12345678" in _banner(place, "busi")
    worded = ("A finding.", "A line.")
    monkeypatch.setattr("busi_utils.notebook.templates.caption", lambda name, values: worded)
    page = Page("02_mobilenetv2_baseline", "busi", str(tmp_path))
    fig, axes = plt.subplots()
    axes.plot([0, 1])
    page.save_figure(fig, "workflow")
    assert read_figures(place)["workflow"]["caption"].endswith("from unknown weights 12345678.")
