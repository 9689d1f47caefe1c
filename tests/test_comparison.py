"""Notebook 03: derived rows, paired tests, trials, figures."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from busi_utils import CLASSES
from busi_utils.analysis import comparison, costs, means
from busi_utils.audit.folds import save_folds
from busi_utils.errors import StudyError
from busi_utils.plots import comparison as comparison_figures
from busi_utils.stats.bootstrap import bootstrap_difference
from busi_utils.stats.metrics import encode
from busi_utils.stats.paired_tests import mcnemar_exact
from busi_utils.study.cells import grid, prediction_table, save_cell
from busi_utils.study.postprocessing import (
    STRENGTHS,
    best_strength,
    corrected,
    derive_mean,
    derive_rows,
)
from busi_utils.study.rows import read_row, summarise
from busi_utils.study.study import Study
from busi_utils.study.trials import best_trial, trials
from busi_utils.workspace import Workspace, write_csv

N = 150
SHARES = np.array([0.2, 0.5, 0.3])
LABELS = [CLASSES[c] for c in np.repeat([0, 1, 2], [30, 75, 45])]
NAMES = [f"{label} ({k})" for k, label in enumerate(LABELS)]


@pytest.fixture
def study(tmp_path) -> Study:
    """Two networks, the second better, with predictions for two seeds."""
    folds = pd.DataFrame({"image_id": NAMES, "label": LABELS, "group": NAMES})
    folds["fold"] = [k % 5 for k in range(N)]
    workspace = Workspace(tmp_path)
    save_folds(folds, "phantom", "clean", workspace)
    study = Study("phantom", workspace)
    object.__setattr__(study, "manifest", folds[["image_id"]].assign(sha256=NAMES))
    rng = np.random.default_rng(2)
    for model, signal in (("mobilenetv2", 1.0), ("xception", 3.0)):
        for recipe in ("original", "tuned"):
            for cell in grid("phantom", ["clean"], [model], [recipe], [0, 1]):
                part = folds[folds["fold"] == cell.fold]
                inner = folds[folds["fold"] == (cell.fold + 1) % 5]
                tables = [_predicted(rows, signal, rng) for rows in (part, inner)]
                record = {"config_hash": "x", "init": "imagenet", "history": [], "n_train": 120}
                record |= {"train_accuracy": 0.9, "epochs_run": 3}
                save_cell(cell, *tables, record, workspace)
    return study


def _predicted(rows: pd.DataFrame, signal: float, rng: np.random.Generator) -> pd.DataFrame:
    """Probabilities that lean to the truth and, as networks do, to the common class."""
    z = rng.normal(size=(len(rows), 3)) + 1.5 * np.log(SHARES)
    z[np.arange(len(rows)), encode(rows["label"].to_numpy())] += signal
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return prediction_table(rows["image_id"], rows["label"], p)


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.sampled_from(STRENGTHS))
def test_a_correction_gives_probabilities_and_undoes_itself(values, strength):
    p = np.array([values]) / sum(values)
    q = corrected(p, SHARES, strength)
    assert q.sum() == pytest.approx(1)
    np.testing.assert_allclose(corrected(q, 1 / SHARES, strength), p, atol=1e-9)
    np.testing.assert_allclose(corrected(p, np.full(3, 1 / 3), strength), p, atol=1e-9)


def test_the_strength_follows_the_shift_of_class_shares():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000)  # balanced, while the classifier has learnt SHARES as its prior
    z = rng.normal(size=(3000, 3))
    z[np.arange(3000), y] += 1.5
    evidence = np.exp(1.5 * z)  # exact likelihood ratio of this shift
    for true in STRENGTHS:
        p = evidence * SHARES**true
        assert best_strength(y, p / p.sum(axis=1, keepdims=True), SHARES) == true


def test_derived_rows_use_validation_only_and_average_seeds(study):
    derive_rows(study, "clean", "mobilenetv2", "tuned", (0, 1))
    balanced = read_row(study, ("clean", "mobilenetv2", "tuned-balanced"))
    ensemble = read_row(study, ("clean", "mobilenetv2", "tuned-ensemble"))
    np.testing.assert_allclose(ensemble.p[0], balanced.p.mean(axis=0), atol=2e-6)
    source = read_row(study, ("clean", "mobilenetv2", "tuned"))
    cell = grid("phantom", ["clean"], ["mobilenetv2"], ["tuned-balanced"], [1], [3])[0]
    record = json.loads(cell.record(study.workspace).read_text())
    assert record["init"] == "imagenet"
    assert record["derived_from"] == ["clean mobilenetv2 tuned seed 1 fold 3"]
    rows = (source.images["fold"] == 3).to_numpy()
    expected = corrected(source.p[1][rows], SHARES, record["strength"])
    np.testing.assert_allclose(balanced.p[1][rows], expected, atol=1e-5)
    recall = lambda p: np.mean(p.argmax(2)[:, source.y == 0] == 0)  # noqa: E731
    assert recall(balanced.p) > recall(source.p)  # the rare class gains
    test_file = cell.predictions(study.workspace)
    before = test_file.read_bytes()
    spoilt = grid("phantom", ["clean"], ["mobilenetv2"], ["tuned"], [1], [3])[0]
    table = pd.read_csv(spoilt.predictions(study.workspace))
    table.iloc[::-1].to_csv(spoilt.predictions(study.workspace), index=False)
    derive_rows(study, "clean", "mobilenetv2", "tuned", (1,))
    assert json.loads(cell.record(study.workspace).read_text())["strength"] == record["strength"]
    assert sorted(test_file.read_bytes()) == sorted(before)


def test_a_mean_of_networks_is_their_mean_and_is_corrected_as_one_network(study):
    models = ["mobilenetv2", "xception"]
    assert derive_mean(study, "clean", models, "tuned", 1) == "mean_of_two"
    members = [read_row(study, ("clean", name, "tuned")).p[1] for name in models]
    plain = read_row(study, ("clean", "mean_of_two", "tuned-mean"))
    np.testing.assert_allclose(plain.p[0], np.mean(members, axis=0), atol=6e-7)
    assert plain.seeds == (1,)
    [cell] = grid("phantom", ["clean"], ["mean_of_two"], ["tuned-mean-balanced"], [1], [2])
    record = json.loads(cell.record(study.workspace).read_text())
    assert (record["init"], record["members"]) == ("imagenet", models)
    assert record["derived_from"] == ["clean mean_of_two tuned-mean seed 1 fold 2"]
    assert record["config_hash"] == study.config_hash(cell)
    inner = pd.read_csv(replace(cell, recipe="tuned-mean").validation(study.workspace))
    p = inner[["p_normal", "p_benign", "p_malignant"]].to_numpy()
    assert record["strength"] == best_strength(encode(inner["label"].to_numpy()), p, SHARES)
    rows = (plain.images["fold"] == 2).to_numpy()
    fair = read_row(study, ("clean", "mean_of_two", "tuned-mean-balanced"))
    expected = corrected(plain.p[0][rows], SHARES, record["strength"])
    np.testing.assert_allclose(fair.p[0][rows], expected, atol=1e-5)
    assert cell.validation(study.workspace).is_file()
    assert comparison.title_of("mean_of_two") == "Mean of two networks"


def test_a_mean_without_one_of_its_members_is_refused(study):
    models = ["mobilenetv2", "xception"]
    [cell] = grid("phantom", ["clean"], ["xception"], ["tuned"], [0], [3])
    table = pd.read_csv(cell.validation(study.workspace))
    write_csv(cell.validation(study.workspace), table.iloc[1:])
    with pytest.raises(StudyError, match="not asked about the same images"):
        derive_mean(study, "clean", models, "tuned", 0)
    cell.validation(study.workspace).unlink()
    with pytest.raises(StudyError) as told:
        derive_mean(study, "clean", models, "tuned", 0)
    assert str(told.value) == (
        "The mean of 2 networks lacks clean xception tuned seed 0 fold 3: run the study for it, or "
        "leave xception out of `tuned_models`."
    )
    with pytest.raises(StudyError, match="A mean of 0 networks has no name"):
        derive_mean(study, "clean", [], "tuned", 0)


def test_the_profile_of_a_row_holds_what_its_probabilities_are_worth(study):
    derive_rows(study, "clean", "mobilenetv2", "tuned", (0, 1))
    rows = [("clean", "mobilenetv2", recipe) for recipe in ("tuned", "tuned-ensemble")]
    known = comparison.results(study, rows, 0, 50)
    found = means.profile(study, known, comparison.at_threshold(study, rows, 0, 50), 0, 50)
    pd.testing.assert_frame_equal(found[list(known)], known)
    tuned, ensemble = found.iloc[0], found.iloc[1]
    source = read_row(study, rows[0])
    true = source.p[:, np.arange(N), source.y]
    assert tuned["nll"] == pytest.approx(-np.log(true).mean(), abs=1e-8)
    recalls = [tuned[f"recall_{name}"] for name in CLASSES]
    assert np.mean(recalls) == pytest.approx(tuned["balanced_accuracy"])
    sure = source.p.max(axis=2)
    kept = np.argsort(-sure, axis=1)[:, : N * 4 // 5]
    wrong = ~np.take_along_axis(source.right, kept, axis=1)
    assert tuned["risk"] == pytest.approx(wrong.mean())
    lacking = ["temperature", "nll_scaled", "sensitivity"]  # no inner validation images
    assert ensemble[lacking].isna().all()
    assert tuned[lacking].notna().all()


def test_members_are_drawn_with_ceiling_and_aims():
    curve = pd.DataFrame(
        {"members": [1, 2, 1, 2], "metric": ["accuracy"] * 2 + ["balanced_accuracy"] * 2}
    ).assign(mean=[0.8, 0.9, 0.7, 0.8], least=0.6, most=0.95)
    fig = comparison_figures.members(curve, 0.97, [0.88])
    words = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert words == [["ceiling 97 %"], ["aim 88 %"]]


def test_pairs_are_tested_within_a_family(study):
    rows = [("clean", model, "original") for model in ("mobilenetv2", "xception")]
    table = comparison.pairwise(study, {"original": rows, "tuned": rows[:1]})
    assert len(table) == 1
    a, b = (read_row(study, row) for row in rows)
    right = [found.p[0].argmax(axis=1) == found.y for found in (a, b)]
    assert table.loc[0, "p_mcnemar"] == mcnemar_exact(*right)[2]
    assert table.loc[0, "accuracy_difference"] == pytest.approx(right[0].mean() - right[1].mean())


def test_trials_are_read_from_inner_validation(study):
    table = trials(study, "clean").set_index(["model", "recipe"])
    assert list(table["n"].unique()) == [2 * N]
    assert (
        table.loc[("xception", "tuned"), "balanced_accuracy"]
        > table.loc[("mobilenetv2", "tuned"), "balanced_accuracy"]
    )
    assert json.loads(table.loc[("xception", "tuned"), "settings"])["cut"] == "middle"
    folder = study.workspace.results / "validation/phantom/clean/xception/tuned"
    found = pd.concat([pd.read_csv(path) for path in folder.glob("*.csv")])
    right = found[["p_normal", "p_benign", "p_malignant"]].to_numpy().argmax(1) == encode(
        found["label"].to_numpy()
    )
    assert table.loc[("xception", "tuned"), "accuracy"] == pytest.approx(right.mean())


def test_a_comparison_of_one_network_is_refused(study):
    for members in ({"original": ["mobilenetv2"]}, {"scratch": ["mobilenetv2", "xception"]}):
        with pytest.raises(StudyError, match="name two or more in `models`"):
            comparison.change_pairs("mobilenetv2", members, None)
    alone = comparison.pairwise(study, {"original": [("clean", "mobilenetv2", "original")]})
    assert alone.empty
    assert "p_mcnemar_holm" in alone


def test_costs_once_measured_are_kept(study, monkeypatch):
    kept = pd.DataFrame({"model": ["mobilenetv2", "xception"], "size": 224, "milliseconds": 1.0})
    study.workspace.tables.mkdir(parents=True)
    kept.to_csv(study.workspace.tables / f"{costs.COSTS_TABLE}.csv", index=False)
    anew = pd.DataFrame({"model": ["xception", "mobilenetv1"], "size": 224, "milliseconds": 2.0})
    monkeypatch.setattr(costs, "model_costs", lambda models, size: anew)
    found = [costs.costs_of(study, ["xception"]) for _ in range(2)]
    assert [list(table["milliseconds"]) for table in found] == [[1.0], [1.0]]
    assert costs.costs_of(study, ["xception", "mobilenetv1"]) is anew
    assert list(costs.costs_of(study, ["mobilenetv1"])["milliseconds"]) == [2.0]


def test_rows_without_validation_images_have_no_threshold(study):
    cells = grid("phantom", ["clean"], ["xception"], ["tuned"], [0, 1])
    for cell in cells:
        cell.validation(study.workspace).unlink()
    rows = [("clean", model, "tuned") for model in ("mobilenetv2", "xception")]
    table = comparison.at_threshold(study, rows, 0, 50)
    assert table["title"].tolist() == ["MobileNetV2"]


def test_the_forest_draws_every_row_of_the_recipes_named(study):
    rows = [("clean", m, "original") for m in ("mobilenetv2", "xception")]
    table = summarise(study, rows, ["accuracy"], 0, 100)
    fig = comparison_figures.forest(table, ["original", "tuned"], "accuracy")
    drawn = {x for line in fig.axes[0].lines for x in np.atleast_1d(line.get_xdata())}
    assert set(table["accuracy"]) <= drawn


def test_differences_are_those_of_the_whole_bootstrap_of_both_rows(study):
    rows = [("clean", model, "original") for model in ("xception", "mobilenetv2")]
    table = comparison.differences(study, [("network", "x", *rows)], "macro_auc", 3, 150)
    a, b = (read_row(study, row) for row in rows)
    whole = bootstrap_difference(a.y, a.p, b.p, a.groups, 3, 150).set_index("metric")
    expected = 100 * whole.loc["macro_auc", ["value", "low", "high"]]
    found = table.loc[0, ["worth_value", "worth_low", "worth_high"]]
    np.testing.assert_allclose(found.to_numpy(float), expected.to_numpy(float))
    assert table.loc[0, "n"] == N


def _on_cohorts():
    table = pd.DataFrame(
        [("clean", "logistic", 0.7, 1), ("raw", "logistic", 0.8, 1), ("clean", "tuned", 0.9, 3)],
        columns=["cohort", "recipe", "accuracy", "seeds"],
    )
    bounds = {f"accuracy_{end}": table["accuracy"] for end in ("low", "high")}
    return table.assign(model="mobilenetv2", title="MobileNetV2", **bounds)


def test_a_cohort_that_a_row_was_not_trained_on_stays_empty():
    wide = comparison.by_cohort(_on_cohorts(), "accuracy").set_index("recipe")
    assert list(wide.index) == ["logistic", "tuned"]
    assert wide.loc["logistic", ["clean", "raw"]].tolist() == [0.7, 0.8]
    assert wide.loc["tuned", "clean"] == 0.9
    assert np.isnan(wide.loc["tuned", "raw"])


def test_the_trial_that_is_picked_is_the_best_by_the_same_seed(study):
    folder = study.workspace.results / "validation" / "phantom" / "clean" / "mobilenetv2"
    for file in (folder / "tuned").glob("seed1_*"):  # perfect, but of a seed that others lack
        table = pd.read_csv(file)
        p = np.eye(3)[encode(table["label"].to_numpy())]
        write_csv(file, prediction_table(table["image_id"], table["label"], p))
    ways = ["original", "tuned"]
    by_seed = [best_trial(study, "clean", "mobilenetv2", [way], 0) for way in ways]
    expected = max(by_seed, key=lambda line: line["balanced_accuracy"])
    assert best_trial(study, "clean", "mobilenetv2", ways, 0) == expected
    assert (expected["seeds"], expected["balanced_accuracy"] < 1) == (1, True)
    assert best_trial(study, "clean", "mobilenetv2", ways, 1)["recipe"] == "tuned"
    assert best_trial(study, "clean", "mobilenetv2", ways, 1)["balanced_accuracy"] == 1
