"""Metrics against scikit-learn with sample weights, their edges and their invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from benchmarks.statistics import scikit_learn_metrics
from busi_utils.stats.metrics import encode, metrics, weighted_metrics
from busi_utils.stats.ranking import WeightedRanking, mean_auc, threshold_at_specificity


def predictions(n, seed, decimals=6, classes=3):
    """Informative probabilities, rounded so that ties are common, and labels."""
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(3 - classes, 3), rng.integers(3 - classes, 3, n - classes)]
    logits = rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p = np.round(p, decimals)
    p[:, 1] = 1 - p[:, 0] - p[:, 2]
    return y, np.clip(np.round(p, decimals), 0, 1)


@pytest.mark.parametrize("decimals", [6, 2, 1])
@pytest.mark.parametrize("classes", [3, 2])
@pytest.mark.parametrize("whole", [True, False])
def test_weighted_metrics_equal_scikit_learn(decimals, classes, whole):
    y, p = predictions(90, seed=decimals, decimals=decimals, classes=classes)
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, (90, 6)) if whole else rng.random((90, 6)) + 0.1
    ours = weighted_metrics(y, p, weights)
    for column in range(weights.shape[1]):
        for name, value in scikit_learn_metrics(y, p, weights[:, column].astype(float)).items():
            np.testing.assert_allclose(ours[name][column], value, atol=1e-10, err_msg=name)


def test_one_image_one_count_equals_scikit_learn_and_brier_its_multiclass_score():
    y, p = predictions(200, seed=0)
    ours = metrics(y, p)
    for name, value in scikit_learn_metrics(y, p).items():
        assert ours[name] == pytest.approx(value, abs=1e-10), name
    assert ours["brier"] == pytest.approx(
        sk.brier_score_loss(y, p / p.sum(axis=1, keepdims=True), scale_by_half=False), abs=1e-5
    )
    assert ours["macro_auc"] == pytest.approx(
        sk.roc_auc_score(y, p / p.sum(axis=1, keepdims=True), multi_class="ovr"), abs=1e-5
    )


def test_ece_by_hand():
    """Confidences 0.8 (right), 0.8 (wrong) share a bin; 0.6 (right) has its own."""
    p = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    ours = metrics(np.array([0, 2, 2]), p)
    assert ours["ece"] == pytest.approx(2 / 3 * abs(0.5 - 0.8) + 1 / 3 * abs(1 - 0.6))
    assert ours["brier"] == pytest.approx((0.06 + 1.46 + 0.24) / 3)


def test_an_absent_class_is_nan_and_left_out_of_the_means():
    y, p = predictions(80, seed=3, classes=2)
    assert 0 not in y
    ours = metrics(y, p)
    for name in ("recall_normal", "precision_normal", "auc_normal", "auprc_normal"):
        assert np.isnan(ours[name])
    assert ours["macro_auc"] == (ours["auc_benign"] + ours["auc_malignant"]) / 2
    assert ours["balanced_accuracy"] == (ours["recall_benign"] + ours["recall_malignant"]) / 2
    assert (p.argmax(axis=1) == 0).any()  # and calling an image normal counts as an error
    assert ours["accuracy"] == np.mean(p.argmax(axis=1) == y)


def test_a_single_class_has_accuracy_but_no_ranking():
    ours = metrics(np.array([1, 1]), np.array([[0.1, 0.8, 0.1], [0.6, 0.2, 0.2]]))
    assert ours["accuracy"] == 0.5
    assert np.isnan(ours["macro_auc"])
    assert np.isnan(ours["sensitivity_at_90_specificity"])


def test_the_threshold_is_the_lowest_that_keeps_the_specificity():
    negatives = np.arange(10) / 10
    score = np.r_[negatives, 0.85, 0.95]
    positive = np.r_[np.zeros(10, bool), True, True]
    assert threshold_at_specificity(positive, score, 0.9) == 0.85
    assert threshold_at_specificity(positive, score, 0.8) == 0.8
    sensitivity = WeightedRanking(positive, score, np.ones((12, 1))).sensitivity()
    assert sensitivity[0] == 1.0  # one of ten negatives above it: exactly 90 % is enough
    everyone = threshold_at_specificity(np.zeros(3, bool), np.ones(3))
    assert everyone > 1.0  # no attained score separates: flag nobody


def test_roc_reading_on_training_scores_agrees_with_the_threshold():
    y, p = predictions(150, seed=8, decimals=2)
    threshold = threshold_at_specificity(y == 2, p[:, 2])
    reading = metrics(y, p)["sensitivity_at_90_specificity"]
    assert reading == pytest.approx(np.mean(p[y == 2, 2] >= threshold))


scores = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=2, max_size=30
)


@settings(max_examples=150)
@given(scores)
def test_auc_with_ties_and_weights_is_the_mann_whitney_statistic(rows):
    positive, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    weights = weight[:, None].astype(float)
    auc = WeightedRanking(positive, score.astype(float), weights).auc()
    a, b = np.flatnonzero(positive), np.flatnonzero(~positive)
    above = (score[a][:, None] > score[b]) + 0.5 * (score[a][:, None] == score[b])
    pairs = weight[a][:, None] * weight[b]
    if pairs.sum() == 0:
        assert np.isnan(auc[0])
    else:
        assert auc[0] == pytest.approx((above * pairs).sum() / pairs.sum(), abs=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(5, 40))
def test_order_and_whole_weights_do_not_matter(seed, n):
    """Permuting images changes nothing; weight 2 is the same as the image standing there twice."""
    y, p = predictions(n, seed, decimals=2)
    rng = np.random.default_rng(seed)
    order, weight = rng.permutation(n), rng.integers(1, 4, n)
    plain = metrics(y, p)
    assert metrics(y[order], p[order]) == pytest.approx(plain, abs=1e-12, nan_ok=True)
    repeated = metrics(np.repeat(y, weight), np.repeat(p, weight, axis=0))
    weighted = {k: v[0] for k, v in weighted_metrics(y, p, weight[:, None]).items()}
    assert weighted == pytest.approx(repeated, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("y", "p", "words"),
    [
        ([0, 1], [[1, 0, 0]], "must be"),
        ([0, 3], [[1, 0, 0], [0, 1, 0]], "integers"),
        ([0.0, 1.0], [[1, 0, 0], [0, 1, 0]], "integers"),
        ([0, 1], [[1, 0, 0], [0, np.nan, 0]], "between 0 and 1"),
        ([0, 1], [[1, 0, 0], [0, 0.9, 0]], "sum to 1"),
        ([], np.zeros((0, 3)), "must be"),
    ],
)
def test_what_is_no_prediction_is_refused(y, p, words):
    with pytest.raises(ValueError, match=words):
        metrics(np.array(y), np.array(p))


def test_encode_follows_the_order_of_the_classes_and_refuses_others():
    assert encode(np.array(["malignant", "normal", "benign"])).tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="tumour"):
        encode(np.array(["tumour"]))


@pytest.mark.parametrize("name", ["accuracy", "ece", "macro_auc", "auprc_benign"])
def test_a_wanted_metric_is_the_one_of_the_full_set(name):
    y, p = predictions(60, seed=2, decimals=2)
    weights = np.random.default_rng(0).integers(0, 4, (60, 7)).astype(float)
    some = weighted_metrics(y, p, weights, wanted=[name, "brier"])
    assert list(some) == [name, "brier"]
    np.testing.assert_array_equal(some[name], weighted_metrics(y, p, weights)[name])


def test_an_unknown_metric_is_refused_by_name():
    y, p = predictions(20, seed=2)
    with pytest.raises(ValueError, match=r"acuracy: no such metric; choose among accuracy"):
        weighted_metrics(y, p, np.ones((20, 1)), wanted=["acuracy"])


def test_the_mean_auc_of_scores_is_that_of_the_rankings_under_weights_that_groups_share():
    rng = np.random.default_rng(3)
    positive, groups = rng.random(80) < 0.4, rng.integers(0, 30, 80)
    scores = np.round(rng.random((3, 80)), 1)  # with ties
    weights = rng.integers(0, 4, (30, 50))[groups].astype(float)
    weights[:, 0] = 1
    weights[positive, 1] = 0
    expected = np.mean([WeightedRanking(positive, s, weights).auc() for s in scores], axis=0)
    found = mean_auc(positive, scores, groups)(weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.isnan(found[1])
    assert found[0] == pytest.approx(np.mean([sk.roc_auc_score(positive, s) for s in scores]))
