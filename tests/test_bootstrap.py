"""The vectorised cluster bootstrap against a literal loop over resamples, and its invariances."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_intervals import bootstrap_metrics
from test_metrics import predictions

from benchmarks.statistics import bench_bootstrap, bench_delong, scikit_learn_metrics
from busi_utils.stats.bootstrap import (
    bootstrap_difference,
    bootstrap_p,
    bootstrap_replicates,
    percentile_intervals,
    resampled_weights,
)

N = 120
GROUPS = np.random.default_rng(0).integers(0, 70, N)


def test_replicates_equal_a_literal_loop_that_stacks_the_drawn_groups():
    y, p = predictions(N, seed=1, decimals=2)
    ours = bootstrap_replicates(y, {"m": p}, GROUPS, seed=5, n_replicates=12)["m"]
    weights = np.concatenate(list(resampled_weights(GROUPS, 5, 12)), axis=1)
    for replicate in range(12):
        drawn = np.repeat(np.arange(N), weights[:, replicate].astype(int))
        expected = scikit_learn_metrics(y[drawn], p[drawn])
        for name, value in expected.items():
            got = ours[name].iloc[replicate + 1]
            np.testing.assert_allclose(got, value, atol=1e-10, err_msg=name)


def test_interval_is_the_percentiles_of_the_replicates_and_row_zero_the_value():
    y, p = predictions(N, seed=2)
    replicates = bootstrap_replicates(y, {"m": p}, GROUPS, seed=5, n_replicates=300)["m"]
    table = bootstrap_metrics(y, p, GROUPS, seed=5, n_replicates=300).set_index("metric")
    assert list(table.columns) == ["value", "low", "high"]
    drawn = replicates["accuracy"].iloc[1:]
    assert table.loc["accuracy", "value"] == np.mean(p.argmax(axis=1) == y)
    assert table.loc["accuracy", "low"] == pytest.approx(np.percentile(drawn, 2.5))
    assert table.loc["accuracy", "high"] == pytest.approx(np.percentile(drawn, 97.5))


def test_whole_groups_are_drawn_as_many_as_there_are():
    weights = np.concatenate(list(resampled_weights(GROUPS, 3, 500)), axis=1)
    assert weights.shape == (N, 500)
    counts = pd.DataFrame(weights).groupby(GROUPS)
    assert (counts.nunique() == 1).all(axis=None)  # images of a group share their weight
    one_each = counts.first()
    assert (one_each.sum() == one_each.shape[0]).all()
    size = one_each.shape[0]
    variance = one_each.to_numpy().var()  # multinomial: mean 1, variance 1 - 1 / groups
    assert variance == pytest.approx(1 - 1 / size, rel=0.03)


def test_chunks_bound_memory_but_do_not_change_the_draws():
    whole = np.concatenate(list(resampled_weights(GROUPS, 3, 50)), axis=1)
    for values in (N * 7, N * 50, 1):
        parts = list(resampled_weights(GROUPS, 3, 50, chunk_values=values))
        assert max(part.size for part in parts) <= max(values, N)
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_neither_the_order_of_images_nor_the_names_of_groups_matter(seed):
    y, p = predictions(N, seed, decimals=2)
    order = np.random.default_rng(seed).permutation(N)
    names = np.array([f"group {g:03d}" for g in GROUPS])
    a = bootstrap_metrics(y, p, GROUPS, seed=1, n_replicates=50)
    b = bootstrap_metrics(y[order], p[order], names[order], seed=1, n_replicates=50)
    pd.testing.assert_frame_equal(a, b, rtol=0, atol=1e-12)


def test_copies_of_a_group_leave_value_and_interval_as_they_were():
    """Every image twice in its group is no new evidence; as own groups it would seem to be."""
    y, p = predictions(N, seed=6)
    twice = np.tile(np.arange(N), 2)
    once = bootstrap_metrics(y, p, GROUPS, seed=1, n_replicates=400)
    doubled = bootstrap_metrics(y[twice], p[twice], GROUPS[twice], seed=1, n_replicates=400)
    pd.testing.assert_frame_equal(once, doubled, rtol=0, atol=1e-12)
    naive = bootstrap_metrics(y[twice], p[twice], np.arange(2 * N), seed=1, n_replicates=400)
    width = (once["high"] - once["low"]).sum()
    assert (naive["high"] - naive["low"]).sum() < 0.8 * width


def test_several_models_share_the_resamples():
    y, p = predictions(N, seed=7)
    _, q = predictions(N, seed=8)
    both = bootstrap_replicates(y, {"p": p, "q": q}, GROUPS, seed=2, n_replicates=60)
    alone = bootstrap_metrics(y, q, GROUPS, seed=2, n_replicates=60)
    assert list(alone.columns) == ["metric", "value", "low", "high"]
    pd.testing.assert_frame_equal(percentile_intervals(both["q"]), alone)


def test_difference_is_paired():
    y, p = predictions(N, seed=9)
    same = bootstrap_difference(y, p, p, GROUPS, seed=3, n_replicates=60)
    assert (same[["value", "low", "high"]].abs() < 1e-15).all(axis=None)
    q = np.roll(p, 1, axis=0)
    ab = bootstrap_difference(y, p, q, GROUPS, seed=3, n_replicates=60).set_index("metric")
    ba = bootstrap_difference(y, q, p, GROUPS, seed=3, n_replicates=60).set_index("metric")
    np.testing.assert_allclose(ab["low"], -ba["high"], atol=1e-12)
    gap = np.mean(p.argmax(1) == y) - np.mean(q.argmax(1) == y)
    assert ab.loc["accuracy", "value"] == pytest.approx(gap)


def test_seeds_are_averaged_as_metrics_not_as_probabilities():
    y, p = predictions(N, seed=10)
    q = np.roll(p, 1, axis=0)
    models = {"both": np.stack([p, q]), "p": p, "q": q}
    out = bootstrap_replicates(y, models, GROUPS, 1, n_replicates=30)
    mean = (out["p"] + out["q"]) / 2
    pd.testing.assert_frame_equal(out["both"], mean, rtol=0, atol=1e-12)


def test_undefined_metrics_have_no_interval_and_rare_gaps_are_left_out():
    y, p = predictions(60, seed=11, classes=2)
    table = bootstrap_metrics(y, p, np.arange(60), seed=1, n_replicates=50).set_index("metric")
    assert table.loc["auc_normal"].isna().all()
    assert table.loc["macro_auc"].notna().all()
    frame = pd.DataFrame({"a": [1.0, 1.0, np.nan, 3.0], "b": [np.nan] * 4})
    limits = percentile_intervals(frame).set_index("metric")
    assert limits.loc["a", "low"] == pytest.approx(1.05)
    assert limits.loc["b"].isna().all()


def test_groups_must_match_the_images():
    y, p = predictions(N, seed=1)
    with pytest.raises(ValueError, match="groups"):
        bootstrap_metrics(y, p, GROUPS[:-1], seed=1, n_replicates=50)


def test_the_benchmark_compares_equal_results():
    small = {"images": 90, "groups": 60, "models": 2, "replicates": 20, "loop_replicates": 2}
    row = bench_bootstrap(**small)
    assert row["largest_difference"] < 1e-10
    assert row["ratio"] == row["reference_seconds"] / row["seconds"]
    assert bench_delong(images=60, models=3)["largest_difference"] < 1e-10


def test_the_p_value_is_the_level_at_which_the_interval_reaches_zero():
    drawn = np.random.default_rng(3).normal(1.0, 0.6, 4000)
    p = bootstrap_p(pd.Series([1.0, *drawn, np.nan]))
    low, high = np.quantile(drawn, [p / 2, 1 - p / 2])
    assert min(abs(low), abs(high)) < 0.01
    assert bootstrap_p(pd.Series([-1.0, *-drawn])) == p
    assert bootstrap_p(pd.Series([0.0, 0.0, 0.0])) == 1.0
    assert bootstrap_p(pd.Series([2.0, *np.full(99, 2.0)])) == pytest.approx(2 / 100)
