"""Baselines: right on easy data, at chance where nothing can be learnt, blind to test images."""

import numpy as np
import pandas as pd
import pytest

from busi_utils.stats.metrics import metrics
from busi_utils.training import classifiers


def clusters(n, seed, apart=2.0, width=8):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3)
    return apart * np.eye(3, width)[y] + rng.normal(size=(n, width)), y


def test_majority_gives_the_training_frequencies():
    p = classifiers.majority(np.array([1, 1, 1, 2]), 3)
    assert p.tolist() == [[0, 0.75, 0.25]] * 3


def test_nearest_neighbour_finds_the_copy_and_no_more():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 16, 16), dtype=np.uint8)
    y = rng.integers(0, 3, 30)
    copies = np.clip(images.astype(int) + 3, 0, 255).astype(np.uint8)
    assert (classifiers.nearest_neighbour(images, y, copies) == np.eye(3)[y]).all()
    dark = classifiers.nearest_neighbour(
        np.uint8([[[0]], [[255]]]), np.array([1, 2]), images[:, :1, :1]
    )
    assert (dark.argmax(1) == np.where(images[:, 0, 0] < 128, 1, 2)).all()  # no uint8 wrap-around


def test_metadata_learns_a_shortcut_and_only_where_there_is_one():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 400)
    table = pd.DataFrame({"width": 400 + rng.integers(0, 50, 400), "height": 300})
    chance = classifiers.metadata_features(table.assign(annotated=rng.random(400) < 0.5))
    planted = classifiers.metadata_features(table.assign(annotated=y == 1))
    assert chance.shape == (400, 4)
    assert chance[0, 2] == pytest.approx(table["width"][0] / 300)
    for features, low, high in ((chance, 0.2, 0.45), (planted, 0.6, 0.8)):
        p = classifiers.metadata(features[:300], y[:300], features[300:], seed=0)
        assert low < metrics(y[300:], p)["balanced_accuracy"] < high
        np.testing.assert_array_equal(
            p, classifiers.metadata(features[:300], y[:300], features[300:], seed=0)
        )


def test_logistic_regression_learns_and_its_penalty_follows_the_signal():
    x, y = clusters(150, seed=2)
    p, c = classifiers.logistic_on_features(x[:100], y[:100], np.arange(100), x[100:], seed=0)
    assert metrics(y[100:], p)["balanced_accuracy"] > 0.75
    noise = np.random.default_rng(3).normal(size=(100, 60))
    _, weak = classifiers.logistic_on_features(noise, y[:100], np.arange(100), noise[:5], seed=0)
    assert weak < c


def test_inner_folds_keep_copies_together():
    """Copies of pure noise: only an inner split that leaks favours a weak penalty."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 30)), rng.integers(0, 3, 40)
    copies = np.repeat(np.arange(40), 6)
    _, grouped = classifiers.logistic_on_features(x[copies], y[copies], copies, x[:3], seed=0)
    _, leaking = classifiers.logistic_on_features(
        x[copies], y[copies], np.arange(240), x[:3], seed=0
    )
    assert leaking > grouped


def test_a_class_absent_from_training_has_probability_zero():
    x, y = clusters(60, seed=5)
    two = np.where(y == 0, 2, y)
    for p in (
        classifiers.majority(two, 60),
        classifiers.nearest_neighbour(x, two, x),
        classifiers.metadata(x, two, x, seed=0),
        classifiers.logistic_on_features(x, two, np.arange(60), x, seed=0)[0],
    ):
        assert p.shape == (60, 3)
        assert (p[:, 0] == 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1)
