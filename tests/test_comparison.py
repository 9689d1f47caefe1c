"""Notebook 03: paired tests, trials, costs, figures."""

import json

import numpy as np
import pandas as pd
import pytest
from two_networks import N, rewrite, two_networks

from busi_utils.analysis import comparison, costs
from busi_utils.errors import StudyError
from busi_utils.plots import comparison as comparison_figures
from busi_utils.stats.bootstrap import bootstrap_difference
from busi_utils.stats.metrics import encode
from busi_utils.stats.paired_tests import mcnemar_exact
from busi_utils.study.cells import grid, prediction_table
from busi_utils.study.rows import read_row, summarise
from busi_utils.study.study import Study
from busi_utils.study.trials import best_trial, trials


@pytest.fixture
def study(tmp_path) -> Study:
    return two_networks(tmp_path)


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
    small = pd.DataFrame({"model": ["mobilenetv1"], "size": 64, "milliseconds": 3.0})
    monkeypatch.setattr(costs, "model_costs", lambda models, size: small)
    for size, expected in ((64, 3.0), (64, 3.0), (224, 2.0)):
        found = costs.costs_of(study, ["mobilenetv1"], size)
        assert list(found["milliseconds"]) == [expected]


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


def test_the_trial_that_is_picked_is_the_best_over_the_seeds_that_are_there(study):
    def perfect(table):
        p = np.eye(3)[encode(table["label"].to_numpy())]
        return prediction_table(table["image_id"], table["label"], p)

    ways = ["original", "tuned"]
    before = best_trial(study, "clean", "mobilenetv2", ["tuned"])
    for cell in grid("phantom", ["clean"], ["mobilenetv2"], ["tuned"], range(before["seeds"])):
        rewrite(study, cell, "validation", perfect)
    best = best_trial(study, "clean", "mobilenetv2", ways)
    assert (best["recipe"], best["balanced_accuracy"]) == ("tuned", 1)
    assert best["seeds"] == before["seeds"]
