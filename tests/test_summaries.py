"""Rows of results against scikit-learn."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

from busi_utils import CLASSES
from busi_utils.analysis.reported import MOMENTUM, REPORTED_INTERVAL, stale_statistics
from busi_utils.audit.folds import save_folds
from busi_utils.errors import StudyError
from busi_utils.models import MODELS, build_backbone
from busi_utils.study.cells import Cell, prediction_table, read_record, save_cell
from busi_utils.study.rows import (
    accuracy_by_seed,
    confusion,
    difference,
    initial_weights_of,
    read_row,
    summarise,
)
from busi_utils.study.study import Study
from busi_utils.training.weights import known_weights
from busi_utils.workspace import Workspace, workspace_for, write_json

RNG = np.random.default_rng(8)


def _cohort(n: int) -> pd.DataFrame:
    labels = [CLASSES[k % 3] for k in range(n)]
    names = [f"{label} ({k})" for k, label in enumerate(labels)]
    table = pd.DataFrame({"image_id": names, "label": labels, "group": names})
    return table.assign(fold=[(k // 3) % 5 for k in range(n)])


def _write(study: Study, cohort: str, recipe: str, seed: int, init: str = "random") -> None:
    folds = study.folds(cohort)
    for fold in range(5):
        part = folds[folds["fold"] == fold]
        p = RNG.dirichlet([1, 1, 1], len(part)).round(6)
        table = prediction_table(part["image_id"], part["label"], p)
        history = [{"accuracy_while_training": value} for value in (0.5, 0.7)]
        record = {"init": init, "train_accuracy": 0.9, "epochs_run": 2, "history": history}
        cell = Cell("phantom", cohort, "mobilenetv2", recipe, seed, fold)
        save_cell(cell, table, table, record, study.workspace)


@pytest.fixture
def study(tmp_path) -> Study:
    workspace = Workspace(tmp_path)
    save_folds(_cohort(60), "phantom", "raw", workspace)
    save_folds(_cohort(45), "phantom", "clean", workspace)
    study = Study("phantom", workspace)
    for seed in (0, 1):
        _write(study, "raw", "original", seed)
        _write(study, "clean", "original", seed)
    return study


def test_rows_agree_with_scikit_learn(study):
    row = ("raw", "mobilenetv2", "original")
    table = summarise(study, [row], ["accuracy"], seed=0, n_replicates=200)
    found = read_row(study, row)
    per_seed = [accuracy_score(found.y, p.argmax(1)) for p in found.p]
    assert accuracy_by_seed(study, row) == pytest.approx(per_seed)
    assert table.loc[0, "accuracy"] == pytest.approx(np.mean(per_seed))
    assert table.loc[0, "accuracy_low"] < table.loc[0, "accuracy"] < table.loc[0, "accuracy_high"]
    assert (table.loc[0, "init"], table.loc[0, "seeds"], table.loc[0, "n"]) == ("random", 2, 60)
    assert table.loc[0, "logged_accuracy"] == pytest.approx(0.7)
    expected = np.mean([confusion_matrix(found.y, p.argmax(1)) for p in found.p], axis=0)
    np.testing.assert_allclose(confusion(found), expected)


def test_a_difference_is_taken_on_the_images_that_both_hold(study):
    row, reference = ("raw", "mobilenetv2", "original"), ("clean", "mobilenetv2", "original")
    result = difference(study, row, reference, "accuracy", seed=0, n_replicates=200)
    ours, theirs = read_row(study, row), read_row(study, reference)
    shared = ours.images["image_id"].isin(theirs.images["image_id"]).to_numpy()
    a = np.mean([accuracy_score(ours.y[shared], p[shared].argmax(1)) for p in ours.p])
    b = np.mean([accuracy_score(theirs.y, p.argmax(1)) for p in theirs.p])
    assert result["n"] == 45
    assert result["value"] == pytest.approx(a - b)
    same = difference(study, row, row, "accuracy", seed=0, n_replicates=200)
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)


def test_worth_is_the_paired_difference_that_the_table_shows(study):
    _write(study, "clean", "tuned", 0)
    rows = [("clean", "mobilenetv2", "original"), ("clean", "mobilenetv2", "tuned")]
    table = summarise(study, rows, ["accuracy", "macro_auc"], 0, 200, reference=rows[0])
    shown = 100 * (table["accuracy"] - table.loc[0, "accuracy"])
    np.testing.assert_allclose(table["worth_value"], shown)
    alone = difference(study, rows[1], rows[0], "accuracy", seed=0, n_replicates=200)
    bounds = table.loc[1, ["worth_low", "worth_high"]].astype(float)
    np.testing.assert_allclose(bounds, [100 * alone["low"], 100 * alone["high"]])


def test_a_row_never_mixes_initialisations(study):
    _write(study, "raw", "original", 1, init="imagenet")
    with pytest.raises(StudyError, match="mixes initialisations"):
        summarise(study, [("raw", "mobilenetv2", "original")], ["accuracy"], 0, 100)


def test_stale_statistics_follow_the_momentum_of_the_network():
    norms = [
        layer
        for layer in build_backbone(MODELS["mobilenetv2"], 32).layers
        if type(layer).__name__ == "BatchNormalization"
    ]
    assert {layer.momentum for layer in norms} == {MOMENTUM}
    history = [{"accuracy_while_training": epoch / 10} for epoch in range(1, 4)]
    table = pd.DataFrame({"n_train": [64, 65], "best_epoch": [2, 2], "history": [history] * 2})
    found = stale_statistics(table)
    assert (found["updates"], found["logged_then"]) == (5, 0.2)
    assert found["kept"] == pytest.approx((0.999**4 + 0.999**6) / 2)


def test_the_interval_of_the_reported_accuracy():
    assert [round(100 * bound, 1) for bound in REPORTED_INTERVAL] == [62.0, 76.5]


def test_every_file_that_the_study_started_from_is_described():
    published = Study("busi", workspace_for("busi"))
    table = initial_weights_of(published, list(MODELS))
    known = known_weights()
    assert set(table["model"]) == set(known.loc[known["sha256"] != "", "model"])
    assert "not described here" not in set(table["origin"])


def test_another_weights_file_is_said_to_be_another(study):
    cell = Cell("phantom", "raw", "mobilenetv2", "original", 0, 0)
    record = read_record(cell, study.workspace) | asdict(cell) | {"weights_sha256": "0" * 64}
    write_json(cell.record(study.workspace), record)
    table = initial_weights_of(study, ["mobilenetv2"])
    assert list(table["origin"]) == ["not described here"]
