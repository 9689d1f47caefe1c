"""Folders as hospitals and Kaggle have them: what is an image, and what must not be parted."""

import struct

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from busi_phantom.in_memory import phantom_set
from busi_utils.audit.any_folder import audit_folder
from busi_utils.audit.folder_page import audit_page, leaks
from busi_utils.audit.images import looks_like_mask
from busi_utils.audit.layouts import read_layout
from busi_utils.audit.sift import describe, matches, mirrored, working_frame
from busi_utils.audit.turned import find_turned
from busi_utils.errors import StudyError


@pytest.fixture(scope="module")
def planted():
    return phantom_set({"benign": 4, "malignant": 4}, seed=3)


def _save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(array)).save(path)


def _mask(planted, k):
    return (255 * np.any(planted.masks[k], axis=0)).astype(np.uint8)


LAYOUTS = {
    "beside": ("{c}/{k}.png", "{c}/{k}_mask.png"),
    "tumor": ("{c}/case{k}.png", "{c}/case{k}_tumor.png"),
    "copy": ("{c}/{c} ({k}).png", "{c}/{c} ({k})_mask - Copy.png"),
    "augmented": ("{c}/{c} ({k}).png", "{c}/{c} ({k})_mask_aug_0.png"),
    "in front": ("{c}/{k}.png", "{c}/mask_{k}.png"),
    "inner folders": ("{c}/images/{k}.png", "{c}/masks/{k}.png"),
    "outer folders": ("images/{c}/{k}.png", "masks/{c}/{k}.png"),
    "flat": ("{c}_{k}.png", "{c}_{k}_GT.png"),
    "original and GT": ("original/{c}{k}.png", "GT/{c}{k}.png"),
    "wrapped, other words": (
        "Set/Set/{c} tumours/{k}.png",
        "Set/Set/{c} tumours/{k}_segmentation.png",
    ),
    "numbers": ("{n}/{k}.png", "{n}/{k}_mask.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_in_circulation(planted, tmp_path, layout):
    image, mask = LAYOUTS[layout]
    for k, y in enumerate(planted.y):
        names = {"c": ("normal", "benign", "malignant")[y], "n": y, "k": k}
        _save(tmp_path / image.format(**names), planted.images[k])
        _save(tmp_path / mask.format(**names), _mask(planted, k))
        if layout == "numbers":  # five images of each make a folder a class
            _save(tmp_path / image.format(**names | {"k": f"{k}b"}), planted.images[k][::-1])
    found = read_layout(tmp_path, {"1": "benign", "2": "malignant"}).images
    assert set(found["label"]) == {"benign", "malignant"}
    assert (found["label"].value_counts() == len(found) / 2).all()
    assert found["masks"].map(len).sum() == len(planted.y)
    assert not found["image_id"].str.contains("mask|tumor_|GT|segm", regex=True).any()


def test_copies_patients_and_given_parts(planted, tmp_path):
    rows = []
    for k, y in enumerate(planted.y):
        part = "test" if k % 4 == 0 else "train"
        _save(tmp_path / part / f"{k}.png", planted.images[k])
        rows.append((f"{k}.png", ("normal", "benign", "malignant")[y], f"P{k // 2}"))
    _save(tmp_path / "train" / "turned.png", np.rot90(planted.images[0]))
    rows.append(("turned.png", "benign", "P9"))
    table = pd.DataFrame(rows, columns=["Image", "Diagnosis", "Patient ID"])
    table.to_csv(tmp_path / "list.csv", sep=";", index=False, encoding="latin-1")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._0.png").write_bytes(b"litter")
    (tmp_path / "notes.docx").write_bytes(b"words")
    _save(tmp_path / "train" / "stray.png", _mask(planted, 1))

    audit = audit_folder(tmp_path)
    assert len(audit.images) == len(rows)
    assert audit.pairs[["image_id_a", "image_id_b", "kind"]].to_numpy().tolist() == [
        ["test/0", "train/turned", "turned"]
    ]
    found = leaks(audit.images).set_index("part")
    assert found.loc["test", ["images", "with_copy", "with_patient"]].tolist() == [2, 1, 2]
    for folds in audit.folds.values():
        both = folds.merge(audit.images[["image_id", "patient", "copies"]])
        assert (both.groupby("patient")["fold"].nunique() == 1).all()
        assert (both.groupby("copies")["fold"].nunique() == 1).all()
    assert len(audit.folds["clean"]) == len(rows) - 1
    page = audit_page(audit, "a hospital")
    for words in (
        "several patients (as P0, P9)",
        "stray.png",
        "1 .docx",
        "# What is in a hospital",
    ):
        assert words in page
    assert "BUSI" not in page


def test_a_clean_small_folder_of_one_class_is_audited(planted, tmp_path):
    for k in range(3):
        _save(tmp_path / "benign" / f"{k}.png", planted.images[k])
    audit = audit_folder(tmp_path)
    assert len(audit.images) == 3
    assert audit.pairs.empty
    assert "None were found" in audit_page(audit, "few")


def test_the_original_stands_for_what_was_made_of_it(planted, tmp_path):
    image = planted.images[0]
    height, width = image.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -30, 1)
    turn[:, 2] += 40
    _save(
        tmp_path / "benign" / "a-turned.png", cv2.warpAffine(image, turn, (width + 80, height + 80))
    )
    _save(tmp_path / "benign" / "a.png", image)
    found = audit_folder(tmp_path).images.set_index("image_id")
    assert found["copies"].nunique() == 1
    assert found["stands_for_copies"].to_dict() == {"benign/a": True, "benign/a-turned": False}


def test_names_that_tell_the_patient_hold_views_together(planted, tmp_path):
    for k in range(4):
        _save(tmp_path / "malignant" / f"Patient_{k // 2:03d} view {k % 2}.png", planted.images[k])
    audit = audit_folder(tmp_path)
    assert audit.images["patient"].tolist() == ["patient_000"] * 2 + ["patient_001"] * 2
    assert audit.images["group"].nunique() == 2


def test_files_of_one_stem_have_names_of_their_own_and_odd_names_keep_the_page_whole(
    planted, tmp_path
):
    odd = 'Be"nign\n|x'
    for name in (f"{odd}/a.png", f"{odd}/a.bmp"):
        _save(tmp_path / name, planted.images[0])
    audit = audit_folder(tmp_path)
    assert audit.pairs.iloc[0, :2].tolist() == [f"{odd}/a.bmp", f"{odd}/a.png"]
    assert '| Be"nign \\|x/a.bmp | Be"nign \\|x/a.png | exact |' in audit_page(audit, odd)


def test_links_are_followed_and_what_leads_nowhere_is_told(planted, tmp_path):
    _save(tmp_path / "elsewhere" / "a.png", planted.images[0])
    folder = tmp_path / "set"
    _save(folder / "benign" / "b.png", planted.images[1])
    (folder / "malignant").symlink_to(tmp_path / "elsewhere")
    (folder / "benign" / "loop").symlink_to(folder)
    (folder / "benign" / "c.png").symlink_to(tmp_path / "nowhere.png")
    found = read_layout(folder)
    assert found.images["image_id"].tolist() == ["benign/b", "malignant/a"]
    assert "1 folders or links cannot be read" in found.notes[0]


def test_a_header_of_billions_of_pixels_is_told_as_such(planted, tmp_path):
    _save(tmp_path / "a.png", planted.images[0])
    header = struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 10**9, 10**9, 1, 24, *[0] * 6)
    (tmp_path / "b.bmp").write_bytes(b"BM" + header)
    assert any("b.bmp has over 179 megapixels" in note for note in audit_folder(tmp_path).notes)


@pytest.mark.parametrize("name", ["absent", "archive.zip", "no images"])
def test_what_cannot_be_audited_gets_a_sentence(tmp_path, name):
    (tmp_path / "archive.zip").write_bytes(b"PK")
    (tmp_path / "no images").mkdir()
    with pytest.raises(StudyError, match=r"(correct the path|unpack it|holds no image)"):
        audit_folder(tmp_path / name)


def test_contradicting_tables_are_refused(planted, tmp_path):
    _save(tmp_path / "a.png", planted.images[0])
    (tmp_path / "t.csv").write_text("image,label\na.png,benign\na.png,malignant\n")
    with pytest.raises(StudyError, match="two things of 'a'"):
        read_layout(tmp_path)


def test_a_table_that_writes_folders_tells_images_of_one_name_apart(planted, tmp_path):
    for k, place in enumerate(("benign/0", "benign/1", "malignant/0", "malignant/1")):
        _save(tmp_path / f"{place}.png", planted.images[k])
        _save(tmp_path / (place.replace("/", "/msk/") + ".png"), _mask(planted, k))
    rows = ["benign/msk/0.png,benign/0.png,P1", "benign\\msk\\1.png,benign\\1.png,nan"]
    (tmp_path / "t.csv").write_text("\n".join(["mask,image,patient", *rows]) + "\n")
    images = read_layout(tmp_path).images.set_index("image_id")
    assert list(images["patient"]) == ["P1", "", "", ""]
    assert list(images["label"]) == ["benign"] * 2 + ["malignant"] * 2
    assert (images["masks"].map(len) == 1).all()
    (tmp_path / "t.csv").write_text("image,label\n0.png,benign\n1.png,benign\n")
    with pytest.raises(StudyError, match="'0', which lies in folders of several classes: write"):
        read_layout(tmp_path)


TURNS = {
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "quarter": np.rot90,
    "half": lambda image: np.rot90(image, 2),
    "fifteen degrees": lambda image: cv2.warpAffine(
        image,
        cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), 15, 1),
        image.shape[::-1],
    ),
}


@pytest.mark.parametrize("turn", TURNS)
def test_turned_and_mirrored_copies_are_found_and_nothing_else(planted, turn):
    copies = [np.ascontiguousarray(TURNS[turn](image)) for image in planted.images[:4]]
    frames = [working_frame(image) for image in (*planted.images, *copies)]
    found = find_turned(frames, [describe(frame)[1] for frame in frames])
    n = len(planted.images)
    assert {(i, j) for i, j, *_ in found} == {(k, n + k) for k in range(4)}


def test_a_mirrored_image_has_the_features_that_were_told(planted):
    frame = working_frame(planted.images[0])
    seen = describe(np.ascontiguousarray(frame[:, ::-1]))[1]
    told = mirrored(describe(frame)[1], frame.shape[1])
    first, second = matches(told, seen)
    assert len(first) > 30
    assert np.median(np.abs(told.points[first] - seen.points[second])) < 0.01
    assert np.median(np.abs(told.descriptors[first].astype(int) - seen.descriptors[second])) == 0


def test_a_mask_is_known_by_its_grey_levels(planted):
    mask = _mask(planted, 0)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", mask)[1], 0)
    assert looks_like_mask(mask)
    assert looks_like_mask(jpeg)
    assert not any(looks_like_mask(image) for image in planted.images)
