"""Frames of another hospital that must not be used, or not as patients of their own."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from small_external import edited

from busi_utils.analysis.external import ExternalData
from busi_utils.analysis.lesion_boxes import lesions_away
from busi_utils.analysis.three_classes import three_classes
from busi_utils.audit.external_sets import read_external
from busi_utils.errors import StudyError
from busi_utils.workspace import Workspace


def _add(folder, name, like, label):
    """Add a frame that is pixel-equal to another, under another name and label."""
    for place in ("images", "masks"):
        shutil.copy(folder / place / f"{like}.png", folder / place / f"{name}.png")
    with (folder / "INFO.csv").open("a", encoding="utf-8") as file:
        file.write(f"{name}.png;1x1;{label};No;No;No\n")


def _plain(folder):
    images = read_external("busuclm", folder)
    return images[images["excluded_because"] == ""]


def test_patients_who_share_an_image_are_one(busuclm):
    before = _plain(busuclm)
    first, last = before.iloc[0], before.iloc[-1]
    assert first["patient"] != last["patient"]
    _add(busuclm, "ZZZZ_000", first["image_id"], first["label"])
    _add(busuclm, "ZZZZ_001", last["image_id"], last["label"])  # joins a third patient to both
    images = read_external("busuclm", busuclm).set_index("image_id")
    one = f"{first['patient']} = {last['patient']} = ZZZZ"
    assert images.loc[[first["image_id"], last["image_id"], "ZZZZ_000"], "patient"].eq(one).all()
    assert images["patient"].nunique() == before["patient"].nunique() - 1
    assert images.loc["ZZZZ_000", "excluded_because"] == f"copy of {first['image_id']}"
    assert list(_plain(busuclm)["image_id"]) == list(before["image_id"])


def test_copies_with_different_labels_are_not_used(busuclm):
    first = _plain(busuclm).iloc[0]
    other = "Benign" if first["label"] == "malignant" else "Malignant"
    _add(busuclm, "ZZZZ_000", first["image_id"], other)
    images = read_external("busuclm", busuclm).set_index("image_id")
    reasons = images.loc[[first["image_id"], "ZZZZ_000"], "excluded_because"]
    assert reasons.eq("copies with different labels").all()


def test_combined_frames_are_not_used(busuclm):
    first = _plain(busuclm).iloc[0]["image_id"]
    rows = (busuclm / "INFO.csv").read_text(encoding="utf-8-sig").splitlines()
    row = next(row for row in rows if row.startswith(first))
    edited(busuclm / "INFO.csv", row, f"{row.rpartition(';')[0]};Yes")
    images = read_external("busuclm", busuclm).set_index("image_id")
    assert images.loc[first, "excluded_because"] == "combined frame"
    edited(busuclm / "INFO.csv", f"{row.rpartition(';')[0]};Yes", f"{row.rpartition(';')[0]};Both")
    with pytest.raises(StudyError, match=r"INFO\.csv, row \d+, has 'Both' as 'Combined': correct"):
        read_external("busuclm", busuclm)


def _lesions(folder, tmp_path):
    images = _plain(folder).drop(columns=["path", "mask"]).reset_index(drop=True)
    data = ExternalData("busuclm", images, str(folder))
    (tmp_path / "results").mkdir(exist_ok=True)
    return lesions_away(data, Workspace(tmp_path))


def test_an_outline_that_fits_no_image_is_not_measured(busuclm, tmp_path):
    row = _plain(busuclm).query("label != 'normal'").iloc[0]
    with Image.open(row["mask"]) as image:
        image.resize((image.width, image.height // 2)).save(row["mask"])
    found = _lesions(busuclm, tmp_path).set_index("image_id")
    assert list(found.index) == list(_plain(busuclm).query("label != 'normal'")["image_id"])
    assert found.loc[row["image_id"]].isna().all()
    assert found.drop(index=row["image_id"]).notna().all(axis=None)
    again = _lesions(busuclm, tmp_path).set_index("image_id")  # as it was kept
    assert again["share"].isna().equals(found["share"].isna())
    assert np.allclose(again, found, atol=1e-6, equal_nan=True)


def test_a_black_mask_of_a_lesion_is_refused(busuclm, tmp_path):
    row = _plain(busuclm).query("label != 'normal'").iloc[0]
    with Image.open(row["mask"]) as image:
        Image.new("RGB", image.size).save(row["mask"])
    with pytest.raises(StudyError, match=r"The mask .* of a lesion is black: restore it"):
        _lesions(busuclm, tmp_path)


def test_a_set_without_masks_has_no_ruler(busuclm, tmp_path):
    shutil.rmtree(busuclm / "masks")
    with pytest.raises(StudyError, match=r"busuclm holds no lesion masks, which the ruler meas"):
        _lesions(busuclm, tmp_path)


def test_a_frame_without_a_patient_is_refused(busuclm):
    _add(busuclm, "17_000", _plain(busuclm).iloc[0]["image_id"], "Benign")
    with pytest.raises(StudyError, match=r"INFO\.csv, row \d+, names no patient: a name begins"):
        read_external("busuclm", busuclm)


def test_no_network_is_asked_where_a_class_has_no_frame(busuclm, tmp_path, monkeypatch):
    info = busuclm / "INFO.csv"
    text = info.read_text(encoding="utf-8-sig")
    info.write_text(re.sub(r";Malignant;\w+;", ";Malignant;Yes;", text), encoding="utf-8-sig")
    monkeypatch.setenv("BUSUCLM_DATA", str(busuclm))
    (tmp_path / "results").mkdir()
    study = SimpleNamespace(dataset="busi", workspace=Workspace(tmp_path))
    with pytest.raises(StudyError, match="No malignant image of BUS-UCLM is left to be used: name"):
        three_classes(study, "busuclm", "mobilenetv2", "tuned", [0], (0, 10))
