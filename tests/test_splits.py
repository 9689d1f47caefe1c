"""What copies across a random split do, on predictions whose gain is known."""

import numpy as np
import pandas as pd
import pytest

from busi_utils.analysis import split_effects as splits
from busi_utils.audit.folds import save_folds
from busi_utils.study.cells import grid, prediction_table, save_cell
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

N = 100
NAMES = np.array([f"benign ({k})" for k in range(N)])
GROUPS = np.array([f"g{k // 2}" if k < 40 else f"g{k}" for k in range(N)])  # 20 pairs, 60 alone
RAW = np.array([k % 5 for k in range(N)])  # parts every pair
GROUPED = np.array([(k // 2) % 5 for k in range(N)])  # keeps it


def _right_where(right: np.ndarray) -> np.ndarray:
    """Probabilities of a network that calls these images benign and the others malignant."""
    p = np.zeros((N, 3))
    p[np.arange(N), np.where(right, 1, 2)] = 1.0
    return p


@pytest.fixture
def study(tmp_path) -> Study:
    workspace = Workspace(tmp_path)
    k = np.arange(N)
    rights = {"raw": (k < 30) | (k >= 50), "grouped": (k < 10) | (k >= 55), "clean": k < 50}
    for cohort, fold in (("raw", RAW), ("grouped", GROUPED), ("clean", GROUPED)):
        folds = pd.DataFrame({"image_id": NAMES, "label": "benign", "group": GROUPS, "fold": fold})
        save_folds(folds, "phantom", cohort, workspace)
        for cell in grid("phantom", [cohort], ["mobilenetv2"], ["original"], [0]):
            test = fold == cell.fold
            table = prediction_table(
                NAMES[test], folds["label"][test], _right_where(rights[cohort])[test]
            )
            save_cell(cell, table, None, {"init": "phantom"}, workspace)
    return Study("phantom", workspace)


def test_images_with_a_copy_across_the_split_are_set_against_the_others(study):
    [line] = splits.leak_by_copies(study, [("mobilenetv2", "original")], 0, 500).to_dict("records")
    assert (line["n_copied"], line["n_others"]) == (40, 60)
    assert line["copied"] == pytest.approx(100 * 20 / 40)
    assert line["others"] == pytest.approx(100 * 5 / 60)
    assert line["contrast"] == pytest.approx(line["copied"] - line["others"])
    assert line["contrast_low"] < line["contrast"] < line["contrast_high"]


def test_only_a_cohort_of_the_same_images_tells_what_other_folds_do(study):
    rows = [("clean", 0.70), ("grouped", 0.74), ("clean", 0.60), ("grouped", 0.59)]
    table = pd.DataFrame(rows, columns=["cohort", "accuracy"]).assign(
        model=list("aabb"), recipe="original"
    )
    table.loc[len(table)] = ["clean", 0.9, "a", "tuned"]  # trained on one cohort only
    found = splits.other_folds(study, table)
    assert found["cohorts"] == ["grouped"]
    assert (found["least"], found["most"]) == pytest.approx((-1.0, 4.0))
    fewer = study.folds("grouped").iloc[1:]
    save_folds(fewer, "phantom", "grouped", study.workspace)
    again = Study("phantom", study.workspace)
    assert splits.other_folds(again, table) == {"cohorts": []}
