"""Paired tests against literal computations and known values."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_metrics import predictions

from busi_utils.stats.metrics import metrics
from busi_utils.stats.paired_tests import (
    compare_all,
    delong,
    delong_covariance,
    holm,
    mcnemar_exact,
    wilson,
)


def literal_delong(positive, scores):
    """DeLong's covariance by comparing every positive with every negative."""
    kernels = [
        (s[positive][:, None] > s[~positive]) + 0.5 * (s[positive][:, None] == s[~positive])
        for s in scores
    ]
    v10 = np.stack([k.mean(axis=1) for k in kernels])
    v01 = np.stack([k.mean(axis=0) for k in kernels])
    m, n = positive.sum(), (~positive).sum()
    return v10.mean(axis=1), np.cov(v10) / m + np.cov(v01) / n


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(5, 60), st.integers(1, 3), st.integers(2, 4))
def test_delong_covariance_equals_the_literal_one(seed, n, decimals, models):
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.r_[True, True, False, False, rng.random(n - 4) < 0.4])
    scores = np.round(rng.normal(size=(models, n)) + positive, decimals)  # rounding makes ties
    aucs, covariance = delong_covariance(positive, scores)
    expected_aucs, expected = literal_delong(positive, scores)
    np.testing.assert_allclose(aucs, expected_aucs, atol=1e-10)
    np.testing.assert_allclose(covariance, expected, atol=1e-10)


def test_delong_p_and_interval_follow_from_the_covariance():
    rng = np.random.default_rng(1)
    positive = rng.random(200) < 0.3
    a, b = positive + rng.normal(size=200), 0.5 * positive + rng.normal(size=200)
    result = delong(positive, a, b)
    _, s = literal_delong(positive, np.stack([a, b]))
    error = np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    z = result.difference / error
    assert result.p == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert (result.low, result.high) == pytest.approx(
        (result.difference - 1.959964 * error, result.difference + 1.959964 * error), abs=1e-6
    )
    back = delong(positive, b, a)
    assert (back.difference, back.p) == pytest.approx((-result.difference, result.p))


def test_delong_keeps_its_level_under_the_null():
    """Two equally good correlated scores: about 5 % of 600 tests reject (3 sd: 2.3-7.7 %)."""
    rng = np.random.default_rng(2)
    positive = np.arange(120) < 50
    shared = rng.normal(size=(600, 120)) + positive
    noise = rng.normal(size=(2, 600, 120))
    rejected = [
        delong(positive, s + a, s + b).p < 0.05 for s, a, b in zip(shared, *noise, strict=True)
    ]
    assert 0.023 < np.mean(rejected) < 0.077


def test_equal_and_opposite_rankings():
    positive = np.array([True, True, False, False])
    score = np.array([0.9, 0.8, 0.2, 0.1])
    assert delong(positive, score, score**2).p == 1.0
    assert delong(positive, score, -score).p == 0.0
    with pytest.raises(ValueError, match="two of either kind"):
        delong(np.array([True, False, False]), score[:3], score[:3])


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 3), (10, 2), (1, 15)])
def test_mcnemar_is_the_binomial_test_of_the_discordant(only_a, only_b):
    right_a = np.r_[np.ones(20, bool), np.ones(only_a, bool), np.zeros(only_b, bool)]
    right_b = np.r_[np.ones(20, bool), np.zeros(only_a, bool), np.ones(only_b, bool)]
    n = only_a + only_b
    tail = sum(comb(n, k) for k in range(min(only_a, only_b) + 1)) / 2**n
    a, b, p = mcnemar_exact(right_a, right_b)
    assert (a, b) == (only_a, only_b)
    assert p == pytest.approx(min(1.0, 2 * tail))


def test_wilson_and_holm_known_values():
    low, high = wilson(106, 152)
    z, q, n = 1.959964, 106 / 152, 152
    centre = (q + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(q * (1 - q) / n + z**2 / (4 * n**2))
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-6)
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.5]), [0.04, 0.09, 0.09, 0.5])
    assert len(holm([])) == 0


def test_compare_all_holds_every_pair_once_with_both_tests():
    y, p = predictions(150, seed=1)
    _, noise = predictions(150, seed=2)
    models = {"a": (y, p), "b": (y, 0.5 * p + 0.5 * noise), "c": (y, noise)}
    table = compare_all(models).set_index(["model_a", "model_b"])
    assert list(table.index) == [("a", "b"), ("a", "c"), ("b", "c")]
    row = table.loc[("a", "c")]
    ours, theirs = metrics(y, p), metrics(y, noise)
    assert row["accuracy_difference"] == pytest.approx(ours["accuracy"] - theirs["accuracy"])
    assert row["auc_a"] == pytest.approx(ours["auc_malignant"])
    assert row["auc_b"] == pytest.approx(theirs["auc_malignant"])
    assert row["p_delong"] == pytest.approx(delong(y == 2, p[:, 2], noise[:, 2]).p)
    assert row["p_mcnemar"] < 0.001
    np.testing.assert_allclose(table["p_delong_holm"], holm(table["p_delong"]))
    np.testing.assert_allclose(table["p_mcnemar_holm"], holm(table["p_mcnemar"]))


def test_compare_all_refuses_other_images_and_is_empty_for_one_model():
    y, p = predictions(50, seed=1)
    with pytest.raises(ValueError, match="same images"):
        compare_all({"a": (y, p), "b": (y[::-1], p)})
    empty, full = compare_all({"a": (y, p)}), compare_all({"a": (y, p), "b": (y, p)})
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
