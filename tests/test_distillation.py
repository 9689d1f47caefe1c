"""Students learn from what teachers say of their training images, and of no other."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.special import softmax

from busi_utils.audit.folds import inner_split
from busi_utils.recipes import RECIPES
from busi_utils.study import distillation
from busi_utils.study.cell_training import prepare, run_cell
from busi_utils.study.cells import Cell
from busi_utils.training.losses import distillation_loss

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)
STUDENT = Cell("phantom", "clean", "small", "short-taught", 1, 2)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_loss_is_the_cross_entropy_of_softened_probabilities(temperature):
    teachers, student = (softmax(RNG.normal(size=(6, 3)), axis=1) for _ in range(2))
    soft, other = (softmax(np.log(p) / temperature, axis=1) for p in (teachers, student))
    expected = -(temperature**2) * (soft * np.log(other)).sum(axis=1)
    found = distillation_loss(tf.constant(teachers), tf.constant(student), temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.fixture
def study(short_study, monkeypatch):
    monkeypatch.setattr(distillation, "TEACHERS_RECIPE", "short-upper_blocks")
    taught = {"teachers": ("small",), "distilled_share": 1.0, "temperature": 2.0}
    recipe = replace(RECIPES["short-upper_blocks"], **taught)
    monkeypatch.setitem(RECIPES, "short-taught", recipe)
    return short_study()


def test_teachers_know_the_students_training_images_only(study):
    (teacher,) = distillation.teachers_of(STUDENT)
    assert (teacher.fold, teacher.seed) == (STUDENT.fold, STUDENT.seed)
    assert distillation.teachers_of(teacher) == []
    train, validation, test = inner_split(study.folds("clean"), STUDENT.fold, seed=STUDENT.seed)
    run, taught_by = prepare(study, STUDENT), prepare(study, teacher)
    assert taught_by.ids == run.ids == (train, validation, test)
    bank, said = run.trainer.bank, run.trainer.taught
    known = said[bank.rows(train), 2:]
    np.testing.assert_allclose(known.sum(axis=-1), 1, rtol=1e-5)
    assert np.isnan(said[bank.rows(validation + test)]).all()


def test_a_student_follows_its_teacher_and_not_the_labels(study, monkeypatch):
    def first_class(study, networks, image_ids):
        list(networks)  # trained and kept
        n, views = len(study.bank_files("clean")), 2 + RECIPES["short-taught"].views
        return np.tile(np.float32([0.98, 0.01, 0.01]), (n, views, 1))

    monkeypatch.setattr("busi_utils.study.cell_training.taught", first_class)
    run_cell(study, STUDENT)
    table = pd.read_csv(STUDENT.predictions(study.workspace))
    assert (table["p_normal"] > table[["p_benign", "p_malignant"]].max(axis=1)).mean() > 0.9
    assert (table["label"] != "normal").any()
