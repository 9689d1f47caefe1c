"""Ratios and sums over the first of a list, under resampling, against literal computations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_intervals import bootstrap_metrics
from test_metrics import predictions

from busi_utils.stats.bootstrap import resampled_weights
from busi_utils.stats.calibration import risk_coverage
from busi_utils.stats.resampling import (
    as_line,
    bootstrap_means,
    bootstrap_ratios,
    leading_sums,
    replicate,
    summable,
)


def test_a_ratio_of_sums_has_the_interval_that_the_bootstrap_of_metrics_gives():
    y, p = predictions(120, seed=1)
    groups = np.arange(120) // 2
    right = p.argmax(axis=1) == y
    ratios = {
        "accuracy": (right, np.ones(120)),
        "recall_malignant": (right & (y == 2), y == 2),
        "empty": (np.zeros(120), np.zeros(120)),
    }
    line = as_line(bootstrap_ratios(ratios, groups, 5, 500))
    expected = bootstrap_metrics(y, p, groups, 5, 500).set_index("metric")
    for name in ("accuracy", "recall_malignant"):
        ours = [line[name], line[f"{name}_low"], line[f"{name}_high"]]
        np.testing.assert_allclose(ours, expected.loc[name].to_numpy(dtype=float))
    assert np.isnan([line["empty"], line["empty_low"], line["empty_high"]]).all()


def test_sums_are_the_same_bits_in_any_order():
    rng = np.random.default_rng(0)
    values, weights = rng.random(1500), rng.poisson(1, size=(1500, 40)).astype(float)
    exact = summable(values)
    np.testing.assert_allclose(exact, values, rtol=0, atol=2**-43)
    for order in (np.arange(1500)[::-1], rng.permutation(1500)):
        np.testing.assert_array_equal(exact @ weights, exact[order] @ weights[order])
        np.testing.assert_array_equal(exact @ weights, np.cumsum(exact[:, None] * weights, 0)[-1])


def test_a_mean_is_taken_over_the_images_that_have_a_value():
    values = pd.DataFrame({"a": [1.0, np.nan, 4.0, 7.0], "b": [np.nan] * 4})
    groups = np.array(["x", "x", "y", "z"])
    table = bootstrap_means(values, groups, 1, 200)
    assert table["a"][0] == pytest.approx(values["a"].mean())
    assert table["b"].isna().all()
    weights = np.concatenate(list(resampled_weights(groups, 1, 200)), axis=1)
    known = [0, 2, 3]
    expected = np.average(np.tile(values["a"][known], (200, 1)).T, axis=0, weights=weights[known])
    np.testing.assert_allclose(table["a"][1:], expected)


def test_row_zero_is_the_value_and_the_rest_are_the_resamples():
    groups = np.repeat(np.arange(10), 3)
    values = np.arange(30.0)
    table = replicate(lambda w: {"sum": values @ w}, groups, 2, 50)
    weights = np.concatenate(list(resampled_weights(groups, 2, 50)), axis=1)
    np.testing.assert_allclose(table["sum"], [values.sum(), *(values @ weights)])


def test_a_line_scales_value_and_bounds():
    line = as_line(pd.DataFrame({"a": [0.5, *np.linspace(0, 1, 1001)]}), 100)
    assert line == pytest.approx({"a": 50, "a_low": 2.5, "a_high": 97.5})


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), min_size=1),
    st.integers(1, 30),
)
def test_leading_sums_are_expectations_over_the_order_of_ties(images, amount):
    score, drawn, mark = (np.array(column, dtype=float) for column in zip(*images, strict=True))
    found = leading_sums(score, mark[None], drawn[:, None], [amount])[0, 0, 0]
    left, expected = min(amount, drawn.sum()), 0.0
    for value in sorted(set(score), reverse=True):
        tied = score == value
        held = drawn[tied].sum()
        taken = min(left, held)
        expected += taken * (drawn[tied] @ mark[tied] / held if held else 0)
        left -= taken
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("decimals", [6, 1])
def test_leading_sums_give_the_risk_coverage_curve(decimals):
    y, p = predictions(70, seed=3, decimals=decimals)
    counts = np.arange(1, 71)
    wrong = (p.argmax(axis=1) != y).astype(float)
    sums = leading_sums(p.max(axis=1), wrong[None], np.ones((70, 1)), list(counts))
    np.testing.assert_allclose(sums[:, 0, 0] / counts, risk_coverage(y, p)["risk"])
