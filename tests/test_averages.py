"""Batch norm's running averages, against Keras' own, and one training read several ways."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from busi_utils import recipes
from busi_utils.study import cell_training
from busi_utils.study.average_readings import AverageReadings
from busi_utils.study.cell_training import prepare, run_cell, train_cell
from busi_utils.study.cells import Cell, read_record
from busi_utils.study.study import jobs_of
from busi_utils.training import averages

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(3)


def _model(momentum: float) -> keras.Model:
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((4, 4, 2))
    for _ in range(2):
        x = keras.layers.Conv2D(3, 2)(x)
        x = keras.layers.BatchNormalization(momentum=momentum)(x)
    return keras.Model(inputs, x)


def test_blending_the_batches_statistics_is_what_keras_does():
    ours, theirs = _model(0.0), _model(0.9)
    average = averages.statistics_of(ours)
    for _ in range(5):
        batch = tf.constant(RNG.normal(size=(8, 4, 4, 2)), tf.float32)
        ours(batch, training=True), theirs(batch, training=True)
        average = averages.blend(average, averages.statistics_of(ours), 0.9)
    for mine, kept in zip(average, averages.statistics_of(theirs), strict=True):
        np.testing.assert_allclose(mine, kept, rtol=1e-5, atol=1e-6)


def test_remeasured_statistics_are_the_mean_over_batches():
    model = _model(0.999)
    batches = [tf.constant(RNG.normal(2, 3, (16, 4, 4, 2)), tf.float32) for _ in range(3)]
    averages.remeasure(model, batches)
    first = model.layers[1]
    seen = [np.asarray(first(batch)).reshape(-1, 3) for batch in batches]
    mean, variance = averages.statistics_of(model)[0]
    np.testing.assert_allclose(mean, np.mean([s.mean(0) for s in seen], 0), rtol=1e-4)
    np.testing.assert_allclose(variance, np.mean([s.var(0) for s in seen], 0), rtol=1e-4)
    assert {n.momentum for n in averages.batch_norms(model)} == {0.999}


def test_the_distance_counts_standard_deviations():
    measured = [(np.array([0.0, 1.0]), np.array([4.0, 0.25]))]
    stored = [(np.array([2.0, 1.5]), np.array([1.0, 1.0]))]
    assert averages.distance(stored, measured) == pytest.approx(1.0, abs=2e-3)
    assert averages.distance(measured, measured) == 0
    two = averages.mean_distances([*stored, *measured], [*measured, *measured])
    assert two == pytest.approx([1.0, 0.0], abs=2e-3)


def test_variances_off_by_a_factor_count_alike_up_and_down():
    measured = [(np.zeros(2), np.array([4.0, 9.0])), (np.zeros(1), np.array([5.0]))]
    stored = [(np.ones(2), np.array([1.0, 36.0])), (np.ones(1), np.array([5.0]))]
    found = averages.variance_factors(stored, measured)
    assert found == pytest.approx([4.0, 1.0], rel=2e-3)


def test_recipes_of_one_training_share_a_job():
    cells = [
        Cell("busi", "clean", "mobilenetv2", recipe, seed, 0)
        for recipe in (*recipes.ONE_TRAINING, "tuned")
        for seed in (0, 1)
    ]
    assert sorted(len(job) for job in jobs_of(cells)) == [1, 1, 4, 4]


def test_one_training_gives_what_each_recipe_alone_gives(short_study, monkeypatch):
    """Also after an interruption, from the state that the first epoch left on the disk."""
    for name in recipes.ONE_TRAINING:
        changes = {"init": "random", "views": 2, "epochs": 4, "patience": 1, "batch_size": 8}
        changes["learning_rate"] = 1e-2
        if recipes.RECIPES[name].patience is None:
            del changes["patience"]
        monkeypatch.setitem(recipes.RECIPES, name, replace(recipes.RECIPES[name], **changes))
    alone, together = short_study(), short_study()
    cells = [Cell("phantom", "clean", "small", name, 1, 0) for name in recipes.ONE_TRAINING]
    for cell in cells:
        run_cell(alone, cell)
    half = AverageReadings(together, cells[0])
    half._epoch()
    half._save()
    AverageReadings(together, cells[0]).run()
    assert not together.missing(cells)
    found = []
    for cell in cells:
        one, other = (
            np.loadtxt(cell.predictions(s.workspace), delimiter=",", skiprows=1, usecols=(2, 3, 4))
            for s in (alone, together)
        )
        np.testing.assert_allclose(one, other, atol=1e-4)
        found.append(one)
        records = [read_record(cell, s.workspace) for s in (alone, together)]
        for key in ("best_epoch", "epochs_run", "hyper_parameters", "config_hash"):
            assert records[0][key] == records[1][key], (cell.recipe, key)
    # The readings differ: the test would see it if one were taken for another.
    assert len({reading.round(3).tobytes() for reading in found}) > 2


def test_weights_averaged_over_the_last_epochs_survive_an_interruption(
    short_study, monkeypatch, tmp_path
):
    monkeypatch.setattr(cell_training, "CACHE", tmp_path)  # no checkpoint of another run
    name = "tuned-averaged_epochs"
    changes = {"init": "random", "cut": "pixels", "head": "original", "mask_weight": 0.0}
    changes |= {"views": 2, "epochs": 4, "averaged_epochs": 2, "bn_remeasured": False}
    monkeypatch.setitem(recipes.RECIPES, name, replace(recipes.RECIPES[name], **changes))
    cell = Cell("phantom", "clean", "small", name, 1, 0)
    study, seen = short_study(), []

    def stop_after_three(line: str) -> None:
        seen.append(line)
        if "epoch 3/4" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_cell(study, cell, stop_after_three)
    resumed = train_cell(study, cell, seen.append).trainer
    assert sum("epoch" in line for line in seen) == 4
    run, ends = prepare(study, cell), []
    run.trainer.checkpoint.unlink()
    run.trainer._save = lambda: ends.append(run.trainer._top())
    run.trainer.fit(*run.parts[:2])
    for mean, third, fourth in zip(resumed._top(), *ends[-2:], strict=True):
        if mean.dtype.kind != "f":
            continue  # the state of dropout's generator
        np.testing.assert_allclose(mean, (third + fourth) / 2, rtol=1e-4, atol=1e-6)
    assert any(np.abs(a - b).max() > 1e-5 for a, b in zip(ends[-2], ends[-1], strict=True))
