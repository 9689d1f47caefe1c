"""References are fitted on the folds of the study and read back like any other cell."""

import numpy as np
import pandas as pd
import pytest

from busi_utils import CLASSES
from busi_utils.audit.folds import save_folds
from busi_utils.errors import StudyError
from busi_utils.recipes import CHANGES, MIRROR
from busi_utils.stats.metrics import encode
from busi_utils.study import baselines as references
from busi_utils.study.baselines import learning_curve_cells, reference_cells, run_references
from busi_utils.study.cells import grid
from busi_utils.study.rows import read_row, summarise
from busi_utils.study.study import Study
from busi_utils.training import classifiers
from busi_utils.workspace import Workspace

N = 90


@pytest.fixture
def study(tmp_path) -> Study:
    rng = np.random.default_rng(4)
    labels = [CLASSES[k % 3] for k in range(N)]
    names = [f"{label} ({k})" for k, label in enumerate(labels)]
    folds = pd.DataFrame({"image_id": names, "label": labels, "group": names})
    workspace = Workspace(tmp_path)
    save_folds(folds.assign(fold=[(k // 3) % 5 for k in range(N)]), "phantom", "clean", workspace)
    study = Study("phantom", workspace, {"phantom": tmp_path})
    manifest = pd.DataFrame(
        {
            "image_id": names,
            "sha256": names,
            "width": 100 + 50 * encode(np.array(labels)) + rng.integers(0, 80, N),
            "height": rng.integers(90, 120, N),
            "annotated": rng.random(N) < 0.4,
        }
    )
    object.__setattr__(study, "manifest", manifest.sample(frac=1, random_state=1))
    return study


def _cells(model: str) -> list:
    return [c for c in reference_cells("phantom", ["clean"], []) if c.model == model]


def test_every_fold_is_predicted_from_the_others(study):
    cells = _cells("metadata")
    assert run_references(study, cells, say=lambda line: None) == 5
    assert run_references(study, cells, say=lambda line: None) == 0
    found = read_row(study, ("clean", "metadata", "reference"))
    x = classifiers.metadata_features(
        study.manifest.set_index("image_id").loc[found.images["image_id"]]
    )
    held_out = (found.images["fold"] == 2).to_numpy()
    expected = classifiers.metadata(x[~held_out], found.y[~held_out], x[held_out], seed=0)
    np.testing.assert_allclose(found.p[0][held_out], expected, atol=1e-6)
    assert np.mean(found.p[0].argmax(1) == found.y) > 1 / 3 + 0.15  # widths differ by class


def test_a_reference_is_a_row_like_any_other(study):
    run_references(study, _cells("majority"), say=lambda line: None)
    table = summarise(study, [("clean", "majority", "reference")], ["accuracy"], 0, 200)
    assert (table.loc[0, "init"], table.loc[0, "seeds"]) == ("none", 1)
    assert table.loc[0, "accuracy"] == pytest.approx(1 / 3)
    assert np.isnan(table.loc[0, "logged_accuracy"])


def test_without_images_only_stored_results_are_read(study):
    run_references(study, _cells("majority"), say=lambda line: None)
    object.__setattr__(study, "sources", {})
    assert run_references(study, _cells("majority"), say=lambda line: None) == 0
    with pytest.raises(StudyError, match="no images were named"):
        run_references(study, _cells("metadata"), say=lambda line: None)


def test_a_learning_curve_learns_from_shares_of_the_training_part(study, monkeypatch):
    seen: list[int] = []

    def logistic(x, y, groups, unseen, seed):
        seen.append(len(x))
        return np.full((len(unseen), 3), 1 / 3), 1.0

    monkeypatch.setattr(
        references, "run_alone", lambda *_: ({"": np.zeros((N, 2))}, references._NO_START)
    )
    monkeypatch.setattr(classifiers, "logistic_on_features", logistic)
    cells = learning_curve_cells("phantom", "clean", ["mobilenetv2"], [0, 1])
    assert run_references(study, cells, say=lambda line: None) == len(cells) == 35
    outer = N - N // 5
    assert {round(outer * share) for share in (1 / 8, 1 / 4, 1 / 2, 1)} == set(seen)
    found = read_row(study, ("clean", "mobilenetv2", "logistic-groups_25"))
    assert found.seeds == (0, 1)


def test_a_classifier_of_changed_images_sees_those_images(study, monkeypatch):
    seen: list[float] = []

    def logistic(x, y, groups, unseen, seed):
        seen.extend(np.unique(np.concatenate([x, unseen])))
        return np.full((len(unseen), 3), 1 / 3), 1.0

    features = {change: np.full((N, 2), k) for k, change in enumerate(CHANGES.values())}
    monkeypatch.setattr(references, "run_alone", lambda *_: (features, references._NO_START))
    monkeypatch.setattr(classifiers, "logistic_on_features", logistic)
    for k, recipe in enumerate(CHANGES):
        seen.clear()
        cells = grid("phantom", ["clean"], ["mobilenetv2"], [recipe], [0])
        assert run_references(study, cells, say=lambda line: None) == 5
        assert set(seen) == {k}


def test_mirror_images_are_asked_about_but_not_learnt_from(study, monkeypatch):
    def logistic(x, y, groups, unseen, seed):
        assert set(np.unique(x)) == {0}
        p = np.zeros((len(unseen), 3))
        p[np.arange(len(p)), np.where(unseen[:, 0] == 1, 2, 0)] = 1  # of a mirror image: malignant
        return p, 1.0

    features = {"": np.zeros((N, 2)), "mirror": np.ones((N, 2))}
    monkeypatch.setattr(references, "run_alone", lambda *_: (features, references._NO_START))
    monkeypatch.setattr(classifiers, "logistic_on_features", logistic)
    cells = grid("phantom", ["clean"], ["mobilenetv2"], [MIRROR], [0])
    assert run_references(study, cells, say=lambda line: None) == 5
    assert np.all(read_row(study, ("clean", "mobilenetv2", MIRROR)).p == [0.5, 0, 0.5])
