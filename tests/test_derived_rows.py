"""Rows derived from others: corrected for class shares, and means of networks."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_networks import SHARES, N, rewrite, two_networks

from busi_utils import CLASSES
from busi_utils.analysis import comparison, means
from busi_utils.errors import StudyError
from busi_utils.stats.metrics import encode
from busi_utils.study.cells import grid
from busi_utils.study.chosen_on_validation import calibrated
from busi_utils.study.postprocessing import (
    STRENGTHS,
    best_strength,
    corrected,
    derive_mean,
    derive_rows,
)
from busi_utils.study.rows import read_row
from busi_utils.study.study import Study


@pytest.fixture
def study(tmp_path) -> Study:
    return two_networks(tmp_path)


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
    plain = read_row(study, ("clean", "mobilenetv2", "tuned-seeds"))
    np.testing.assert_allclose(plain.p[0], source.p.mean(axis=0), atol=2e-6)
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
    rewrite(study, spoilt, "predictions", lambda table: table.iloc[::-1])
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
    rewrite(study, cell, "validation", lambda table: table.iloc[1:])
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
    chosen = ["temperature", "nll_scaled", "sensitivity"]
    assert tuned[chosen].notna().all()
    assert ensemble[chosen].notna().all()  # though it has no inner validation images of its own


def test_a_mean_of_seeds_takes_the_mean_of_what_its_seeds_choose(study):
    derive_rows(study, "clean", "mobilenetv2", "tuned", (0, 1))
    means_of = {"tuned-seeds": "tuned", "tuned-ensemble": "tuned-balanced"}
    for mean, source in means_of.items():
        each = calibrated(study, ("clean", "mobilenetv2", source))[1]
        found, temperatures = calibrated(study, ("clean", "mobilenetv2", mean))
        assert found.p.shape == (1, N, 3)
        np.testing.assert_allclose(temperatures, [each.mean(axis=0)], rtol=1e-12)
