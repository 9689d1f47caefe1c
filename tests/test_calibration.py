"""Calibration and selective prediction against literal computations."""

import numpy as np
import pytest
from scipy.special import softmax
from test_metrics import predictions

from busi_utils.stats.calibration import (
    apply_temperature,
    fit_temperature,
    reliability_table,
    risk_coverage,
)
from busi_utils.stats.metrics import metrics


def calibrated(n, seed):
    """Labels drawn from the very probabilities: the true temperature is 1."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, 3))
    p = softmax(logits, axis=1)
    return (rng.random((n, 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1), logits


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_the_logits_is_found(true):
    y, logits = calibrated(20_000, seed=1)
    spoiled = softmax(logits * true, axis=1)
    found = fit_temperature(y, spoiled)
    assert found == pytest.approx(true, rel=0.05)
    mended = apply_temperature(spoiled, found)
    assert metrics(y, mended)["ece"] < 0.02
    assert (mended.argmax(axis=1) == spoiled.argmax(axis=1)).all()


def test_temperature_is_the_minimum_of_the_likelihood_and_one_changes_nothing():
    y, p = predictions(200, seed=2)

    def nll(temperature):
        return -np.log(apply_temperature(p, temperature)[np.arange(200), y]).mean()

    best = fit_temperature(y, p)
    grid = np.geomspace(0.05, 20, 400)
    assert nll(best) <= min(nll(t) for t in grid) + 1e-9
    np.testing.assert_allclose(apply_temperature(p, 1.0), p, atol=3e-6)


def test_temperature_hangs_on_no_order_of_summation():
    y, p = predictions(500, seed=4)
    order = np.random.default_rng(0).permutation(500)
    assert fit_temperature(y[order], p[order]) == fit_temperature(y, p)


def test_perfect_and_useless_validation_sets_stay_in_bounds():
    sure = np.eye(3)[[0, 1, 2]] * 0.7 + 0.1
    assert fit_temperature(np.array([0, 1, 2]), sure) == pytest.approx(0.05)
    assert fit_temperature(np.array([1, 2, 0]), sure) == pytest.approx(20.0)
    certain = np.eye(3)[[0, 1, 2, 1]]  # zeros, one of them wrong: finite all the same
    assert np.isfinite(fit_temperature(np.array([0, 1, 2, 2]), certain))


def test_reliability_table_gives_back_the_calibration_error():
    y, p = predictions(300, seed=3)
    table = reliability_table(y, p)
    assert table["images"].sum() == 300
    gap = (table["accuracy"] - table["confidence"]).abs()
    assert np.average(gap, weights=table["images"]) == pytest.approx(metrics(y, p)["ece"])
    inside = table["confidence"].between(table["bin_low"], table["bin_high"])
    assert inside.all()
    assert (table["accuracy_low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["accuracy_high"]).all()


def test_risk_is_the_error_among_the_most_confident():
    y, p = predictions(100, seed=4)
    curve = risk_coverage(y, p)
    order = np.argsort(-p.max(axis=1))
    wrong = (p.argmax(axis=1) != y)[order]
    expected = [wrong[:k].mean() for k in range(1, 101)]
    np.testing.assert_allclose(curve["risk"], expected)
    assert curve["coverage"].iloc[-1] == 1.0
    assert curve["risk"].iloc[-1] == pytest.approx(1 - metrics(y, p)["accuracy"])


def test_ties_of_confidence_do_not_make_the_order_matter():
    y, p = predictions(80, seed=5, decimals=1)
    order = np.random.default_rng(0).permutation(80)
    curves = (risk_coverage(y, p)["risk"], risk_coverage(y[order], p[order])["risk"])
    np.testing.assert_allclose(*curves, atol=1e-12)
    same = np.tile([0.2, 0.5, 0.3], (80, 1))
    np.testing.assert_allclose(risk_coverage(y, same)["risk"], np.mean(y != 1))
