"""Lesion shapes of drawn masks, and subgroup rates against literal computations."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, recall_score

from busi_utils import CLASSES
from busi_utils.analysis import subgroups
from busi_utils.analysis.subgroups import EVERY, FEWEST, lesion_shapes, shapes_of, subgroup_tables
from busi_utils.errors import StudyError
from busi_utils.study.predictions import OutOfFold
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

N = 300
RNG = np.random.default_rng(4)


def _masks() -> dict[str, list[np.ndarray]]:
    wide, tall, corner, pair = (np.zeros((80, 100), np.uint8) for _ in range(4))
    wide[20:40, 10:70] = 255
    tall[10:70, 30:50] = 255
    tall[2:7, 60:95] = 255  # above it a smaller lesion, wider than tall
    corner[10:70, 10:20] = 255
    corner[60:70, 10:70] = 255
    pair[10:20, 10:20] = 255
    second = np.zeros_like(pair)
    second[20:60, 15:25] = 255  # touches the first: one region across two mask files
    return {"wide": [wide], "tall": [tall], "corner": [corner], "pair": [pair, second]}


@pytest.fixture
def drawn(tmp_path) -> tuple[pd.DataFrame, dict[str, str]]:
    rows = []
    for label in CLASSES:
        (tmp_path / "data" / label).mkdir(parents=True)
    folder = tmp_path / "data" / "benign"
    for name, masks in (_masks() | {"empty": [np.zeros((80, 100), np.uint8)]}).items():
        Image.fromarray(np.full((80, 100), 90, np.uint8)).save(folder / f"{name}.png")
        for k, mask in enumerate(masks):
            ending = "_mask" + (f"_{k}" if k else "")
            Image.fromarray(mask).save(folder / f"{name}{ending}.png")
        fraction = float(np.any(masks, axis=0).mean())
        rows.append((name, "benign", "busi", f"benign/{name}.png", 100, 80, fraction))
    columns = ["image_id", "label", "source", "path", "width", "height", "lesion_fraction"]
    return pd.DataFrame(rows, columns=columns), {"busi": str(tmp_path / "data")}


def test_shapes_are_those_of_the_largest_region(drawn):
    table = lesion_shapes(*drawn).set_index("image_id")
    assert table.index.tolist() == ["wide", "tall", "corner", "pair"]  # the empty mask has none
    sizes = table[["width_px", "height_px"]].to_numpy().tolist()
    assert sizes == [[60, 20], [20, 60], [60, 60], [15, 50]]
    assert table["taller"].tolist() == [False, True, False, True]
    assert table.loc[["wide", "tall"], "solidity"].tolist() == [1, 1]
    # The hull of the corner: its square less the triangle between the ends of its two arms.
    assert table.loc["corner", "solidity"] == pytest.approx(1100 / (3600 - 50 * 50 / 2), abs=0.02)


def test_shapes_are_measured_once_and_read_without_images(drawn, tmp_path, monkeypatch):
    manifest, sources = drawn
    study = Study("busi", Workspace(tmp_path), sources)
    offline = Study("busi", Workspace(tmp_path))
    for one in (study, offline):
        object.__setattr__(one, "manifest", manifest)
    with pytest.raises(StudyError, match=r"lesions_busi\.csv is missing"):
        shapes_of(offline)
    measured = shapes_of(study)
    monkeypatch.setattr(subgroups, "lesion_shapes", None)
    for one in (study, offline):
        kept = shapes_of(one)
        pd.testing.assert_frame_equal(kept, measured.round(4))
    object.__setattr__(offline, "manifest", manifest.iloc[1:])
    with pytest.raises(StudyError, match="of other images"):
        shapes_of(offline)


@pytest.fixture
def cohort() -> tuple[OutOfFold, pd.DataFrame, pd.DataFrame]:
    """Two seeds; marked images are mostly benign and worse, tall lesions are rare."""
    y = RNG.permutation(np.repeat([0, 1, 2], [50, 150, 100]))
    marked = RNG.random(N) < np.array([0.5, 0.5, 0.4])[y]
    signal = np.where(marked, 0.8, 2.0)[:, None]
    logits = RNG.normal(size=(2, N, 3)) + signal * np.eye(3)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    names = [f"{CLASSES[c]} ({k})" for k, c in enumerate(y)]
    images = pd.DataFrame({"image_id": names, "label": np.take(CLASSES, y), "group": names})
    found = OutOfFold(images.assign(fold=np.arange(N) % 5), (0, 1), p)
    manifest = pd.DataFrame({"image_id": names, "label": images["label"], "annotated": marked})
    manifest["n_masks"] = np.where(np.arange(N) % 40 == 1, 2, 1)
    manifest["lesion_fraction"] = np.where(y > 0, RNG.uniform(0.01, 0.5, N), 0.0)
    manifest["width"], manifest["height"] = RNG.integers(300, 900, N), 500
    lesions = manifest.loc[y > 0, "image_id"]
    shapes = pd.DataFrame({"image_id": lesions, "taller": np.arange(len(lesions)) % 4 == 0})
    return found, manifest.sample(frac=1, random_state=0), shapes


def test_subgroup_rates_are_those_of_scikit_learn(cohort):
    found, manifest, shapes = cohort
    table, differences = subgroup_tables(found, manifest, shapes, 0, 300)
    rows = table.set_index(["attribute", "group"])
    known = manifest.set_index("image_id").loc[found.images["image_id"]]
    parts = {(EVERY, EVERY): np.ones(N, bool)}
    parts |= {("burnt-in marks", "none"): ~known["annotated"].to_numpy()}
    parts |= {("burnt-in marks", "present"): known["annotated"].to_numpy()}
    for key, part in parts.items():
        called = [p[part].argmax(axis=1) for p in found.p]
        expected = np.mean([accuracy_score(found.y[part], c) for c in called])
        assert rows.loc[key, "accuracy"] == pytest.approx(expected)
        recalls = np.mean([recall_score(found.y[part], c, average=None) for c in called], axis=0)
        ours = rows.loc[key, [f"recall_{name}" for name in CLASSES]].to_numpy(dtype=float)
        np.testing.assert_allclose(ours, recalls)
        assert rows.loc[key, "balanced_accuracy"] == pytest.approx(recalls.mean())
        assert rows.loc[key, list(CLASSES)].tolist() == np.bincount(found.y[part]).tolist()
    gap = differences.set_index(["attribute", "group"]).loc[("burnt-in marks", "present")]
    values = [rows.loc[("burnt-in marks", g), "accuracy"] for g in ("present", "none")]
    assert gap["reference"] == "none"
    assert gap["accuracy"] == pytest.approx(100 * (values[0] - values[1]))
    assert gap["accuracy_high"] < 0  # marked images were made harder
    assert gap["accuracy_p"] == pytest.approx(2 / 301)  # no replicate at 0 or above
    assert 2 / 301 <= gap["recall_normal_p"] <= 1


def test_attributes_hold_the_images_that_they_are_about(cohort):
    found, manifest, shapes = cohort
    table, _ = subgroup_tables(found, manifest, shapes, 0, 20)
    images = table.groupby("attribute", sort=False)["images"].sum()
    assert images[[EVERY, "burnt-in marks", "image size"]].tolist() == [N] * 3
    assert images[["lesions", "lesion area", "lesion shape"]].tolist() == [250] * 3
    of_area = table[table["attribute"] == "lesion area"]["malignant"]
    assert len(of_area) == 4
    assert np.ptp(of_area) <= 1
    taller = table.set_index("group").loc["taller than wide"]
    assert taller["images"] == shapes["taller"].sum()


def test_too_few_images_have_no_recall(cohort):
    found, manifest, shapes = cohort
    table, differences = subgroup_tables(found, manifest, shapes, 0, 50)
    several = table.set_index("group").loc["several"]
    assert several[list(CLASSES)].max() < FEWEST
    assert several["images"] > 0
    rates = ["balanced_accuracy", *(f"recall_{name}" for name in CLASSES)]
    assert several[rates].isna().all()
    assert np.isfinite(several[["accuracy", "accuracy_low", "accuracy_high"]].astype(float)).all()
    gap = differences.set_index("group").loc["several"]
    assert gap[rates].isna().all()
    assert gap[[f"{name}_p" for name in rates[1:]]].isna().all()


def test_equal_values_stay_together(cohort):
    found, manifest, shapes = cohort
    table, differences = subgroup_tables(found, manifest.assign(width=500), shapes, 0, 20)
    assert (table["attribute"] == "image size").sum() == 1
    assert "image size" not in set(differences["attribute"])
    thirds = subgroups._thirds(pd.Series([1, 1, 1, 1, 2, np.nan, 3]), "cm")
    assert thirds.isna().tolist() == [False] * 5 + [True, False]
    assert (thirds == thirds.iloc[0]).sum() == 4
    assert thirds.cat.categories[0] == "≤ 1 cm"


def test_unknown_images_are_named(cohort):
    found, manifest, shapes = cohort
    first = found.images["image_id"].iloc[0]
    with pytest.raises(StudyError, match="manifest does not list"):
        subgroup_tables(found, manifest[manifest["image_id"] != first], shapes, 0, 20)
    with pytest.raises(StudyError, match="lesion shapes lacks"):
        subgroup_tables(found, manifest, shapes.iloc[1:], 0, 20)
