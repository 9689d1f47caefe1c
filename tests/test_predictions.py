"""Out-of-fold predictions: put together whole, or refused with one clear sentence."""

import numpy as np
import pandas as pd
import pytest

from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.study.predictions import PROBABILITIES, out_of_fold
from busi_utils.workspace import Workspace, write_csv

CELL = ("busi", "clean", "mobilenetv2", "tuned")


@pytest.fixture
def study(tmp_path):
    """A workspace with 30 images in 5 folds and predictions of seeds 0 and 3, rows shuffled."""
    workspace, rng = Workspace(tmp_path), np.random.default_rng(0)
    labels = np.array(CLASSES)[np.arange(30) % 3]
    images = pd.DataFrame(
        {
            "image_id": [f"{label} ({i})" for i, label in enumerate(labels)],
            "label": labels,
            "group": [f"g{i // 2:02d}" for i in range(30)],
            "fold": np.arange(30) // 2 % 5,
        }
    )
    write_csv(workspace.folds("busi", "clean"), images)
    for seed in (0, 3):
        for fold in range(5):
            part = images[images["fold"] == fold].sample(frac=1, random_state=seed)
            p = rng.dirichlet(np.ones(3), len(part))
            frame = part[["image_id", "label"]].assign(**dict(zip(PROBABILITIES, p.T, strict=True)))
            write_csv(cell_file(workspace, seed, fold), frame, float_format="%.6f")
    return workspace, images


def cell_file(workspace, seed, fold):
    return workspace.predictions.joinpath(*CELL) / f"seed{seed}_fold{fold}.csv"


def change(workspace, edit, seed=3, fold=2):
    path = cell_file(workspace, seed, fold)
    write_csv(path, edit(pd.read_csv(path)))


def test_every_image_once_per_seed_in_the_order_of_the_folds_file(study):
    workspace, images = study
    whole = out_of_fold(workspace, *CELL)
    assert whole.seeds == (0, 3)
    assert whole.p.shape == (2, 30, 3)
    pd.testing.assert_frame_equal(whole.images, images)
    assert whole.y.tolist() == (np.arange(30) % 3).tolist()
    assert whole.groups.tolist() == images["group"].tolist()
    files = pd.concat(pd.read_csv(cell_file(workspace, 3, fold)) for fold in range(5))
    expected = files.set_index("image_id").loc[images["image_id"], PROBABILITIES]
    np.testing.assert_array_equal(whole.p[1], expected)


def test_the_seed_ensemble_is_the_mean_of_the_files(study):
    workspace, images = study
    found = out_of_fold(workspace, *CELL).ensemble
    files = [pd.read_csv(cell_file(workspace, seed, k)) for seed in (0, 3) for k in range(5)]
    tidy = pd.concat(files)
    assert len(tidy) == 2 * len(found) == 60
    mean = tidy.groupby("image_id")[PROBABILITIES].mean()
    np.testing.assert_allclose(found, mean.loc[images["image_id"]], atol=1e-12)


def test_named_seeds_are_taken_alone(study):
    workspace, _ = study
    assert out_of_fold(workspace, *CELL, seeds=[3]).seeds == (3,)
    cell_file(workspace, 0, 1).unlink()  # and a gap in another seed is no concern
    assert out_of_fold(workspace, *CELL, seeds=[3]).p.shape == (1, 30, 3)


def test_missing_folds_are_named_and_never_left_out(study):
    workspace, _ = study
    cell_file(workspace, 0, 1).unlink()
    cell_file(workspace, 3, 4).unlink()
    with pytest.raises(StudyError, match=r"seed0_fold1\.csv, seed3_fold4\.csv") as caught:
        out_of_fold(workspace, *CELL)
    assert "\n" not in str(caught.value)


def test_nothing_there_is_said(study):
    workspace, _ = study
    with pytest.raises(StudyError, match="no predictions"):
        out_of_fold(workspace, "busi", "clean", "xception", "tuned")
    with pytest.raises(StudyError, match="folds_busi_grouped"):
        out_of_fold(workspace, "busi", "grouped", "xception", "tuned")


def add_fold_member(frame):
    extra = frame.iloc[:1].assign(image_id="benign (999)")
    return pd.concat([frame, extra])


def swap_label(frame):
    return frame.assign(label=["benign" if v == "malignant" else v for v in frame["label"]])


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda f: f.drop(columns="p_benign"), "columns"),
        (lambda f: f.rename(columns={"label": "class"}), "columns"),
        (lambda f: f.assign(p_benign=f["p_benign"] + 0.01), "sum to 1"),
        (lambda f: f.assign(p_benign=np.nan), "row 2: p_benign .* is no number from 0 to 1"),
        (lambda f: f.assign(p_benign=-f["p_benign"]), "row 2: p_benign .* no number from 0 to 1"),
        (lambda f: f.assign(p_benign="high"), "no number"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "twice"),
        (lambda f: f.assign(label="tumour"), "label 'tumour' is none of"),
        (lambda f: f.iloc[1:], "is missing"),
        (add_fold_member, "'benign \\(999\\)' is not of this fold"),
        (swap_label, "disagree on the label"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(study, edit, words):
    workspace, _ = study
    change(workspace, edit)
    with pytest.raises(StudyError, match=words) as caught:
        out_of_fold(workspace, *CELL)
    assert "seed3_fold2.csv" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b"image_id,label\n1,2,3,4,5\n"])
def test_a_file_that_is_no_table_is_refused(study, content):
    workspace, _ = study
    cell_file(workspace, 0, 0).write_bytes(content)
    with pytest.raises(StudyError, match="seed0_fold0"):
        out_of_fold(workspace, *CELL)
