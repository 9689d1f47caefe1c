"""The data set on disk is BUSI's in form, and its ledger tells the truth about every fault."""

import json
import re

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image, UnidentifiedImageError

from busi_phantom.busi_layout import LEDGER_COLUMNS, write_phantom_dataset
from busi_phantom.faults import BROKEN, TWINS, burn_marks
from busi_phantom.render import render_phantoms
from busi_utils.errors import StudyError

COUNTS = {"benign": 18, "malignant": 8, "normal": 4}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "set"
    return folder, write_phantom_dataset(folder, COUNTS, seed=1, broken=True)


def image_of(folder, image_id):
    path = folder / image_id.split(" ")[0] / f"{image_id}.png"
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def rows_of(ledger, fault):
    found = ledger[ledger["fault"] == fault]
    assert len(found), f"nothing planted of {fault}"
    return list(found.itertuples())


def numbers(detail):
    return {key: float(value) for key, value in re.findall(r"(\w+)=([-+.\d]+)", detail)}


def correlation(a, b):
    return np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1]


def test_names_are_those_of_busi(planted):
    folder, _ = planted
    pattern = re.compile(r"(benign|malignant|normal) \(\d+\)(_mask(_[1-9])?)?\.png")
    files = [p for p in folder.rglob("*.png")]
    assert all(pattern.fullmatch(p.name) and p.name.startswith(p.parent.name) for p in files)
    for label, count in COUNTS.items():
        images = [p for p in (folder / label).iterdir() if "_mask" not in p.name]
        assert len(images) >= count + len(TWINS) - 1
        assert all(p.with_name(f"{p.stem}_mask.png").exists() for p in images)
    assert not image_of(folder, "normal (1)_mask").any()
    assert Image.open(folder / "benign" / "benign (1)_mask.png").mode == "1"
    assert Image.open(folder / "benign" / "benign (1).png").mode == "L"


def test_ledger_on_disk_is_the_one_returned(planted):
    folder, ledger = planted
    assert list(ledger.columns) == LEDGER_COLUMNS
    on_disk = pd.read_csv(folder / "ledger.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(ledger, on_disk)
    assert set(ledger["fault"]) >= {*TWINS, *BROKEN, "cross_class", "text", "calipers"}
    assert not ledger.duplicated(["image_id", "fault"]).any()


def test_exact_and_cross_class_twins_equal_their_originals(planted):
    folder, ledger = planted
    for row in rows_of(ledger, "exact"):
        assert (image_of(folder, row.image_id) == image_of(folder, row.twin_of)).all()
        assert row.label == row.twin_of.split(" ")[0]
    first = rows_of(ledger, "cross_class")[0]
    assert first.label != first.twin_of.split(" ")[0]
    assert (image_of(folder, first.image_id) == image_of(folder, first.twin_of)).all()


def test_cropped_twin_is_a_part_of_its_original(planted):
    folder, ledger = planted
    for row in rows_of(ledger, "cropped"):
        at = {key: int(value) for key, value in numbers(row.detail).items()}
        box = np.s_[at["y"] : at["y"] + at["height"], at["x"] : at["x"] + at["width"]]
        for suffix in ("", "_mask"):
            original = image_of(folder, row.twin_of + suffix)
            twin = image_of(folder, row.image_id + suffix)
            assert (twin == original[box]).all()
            assert twin.size < original.size
        assert (image_of(folder, row.twin_of + "_mask") > 0).sum() == (twin > 0).sum()


def test_rescaled_and_brightness_twins_are_what_the_ledger_says(planted):
    folder, ledger = planted
    for row in rows_of(ledger, "rescaled"):
        twin, original = image_of(folder, row.image_id), image_of(folder, row.twin_of)
        scale = numbers(row.detail)["scale"]
        assert abs(scale - 1) > 0.05
        assert twin.shape == pytest.approx(np.multiply(original.shape, scale), abs=1)
        back = cv2.resize(twin, original.shape[::-1], interpolation=cv2.INTER_LINEAR)
        assert correlation(back, original) > 0.93
    for row in rows_of(ledger, "brightness"):
        twin, original = image_of(folder, row.image_id), image_of(folder, row.twin_of)
        change = numbers(row.detail)
        expected = np.clip(original * change["gain"] + change["offset"], 0, 255)
        assert (np.abs(twin - expected) <= 1).mean() > 0.98  # marks may have been burnt in since
        assert abs(change["offset"]) >= 8


def test_marks_are_noted_wherever_pixels_differ_from_the_plain_rendering(planted):
    folder, ledger = planted
    marked = set(ledger[ledger["fault"].isin(["text", "calipers"])]["image_id"])
    for label, count in COUNTS.items():
        for k, phantom in enumerate(render_phantoms([label] * count, seed=1), start=1):
            name = f"{label} ({k})"
            assert (image_of(folder, name) != phantom.image).any() == (name in marked)
    for row in rows_of(ledger, "exact"):
        assert (row.image_id in marked) == (row.twin_of in marked)


def test_marks_are_bright_small_and_leave_the_input_alone():
    for phantom in render_phantoms(["benign", "malignant", "normal"] * 3, seed=2):
        before = phantom.image.copy()
        rng = np.random.default_rng(0)
        image, marks = burn_marks(rng, phantom.image, phantom.masks)
        changed = image != before
        assert (phantom.image == before).all()
        assert 0 < changed.mean() < 0.03
        assert image[changed].mean() > before[changed].mean() + 20
        assert set(marks) <= {"text", "calipers"}
        assert "calipers" not in marks or phantom.masks


def test_annotations_follow_the_class_and_pass_on_to_twins(tmp_path):
    ledger = write_phantom_dataset(tmp_path / "set", {"benign": 60, "normal": 60}, seed=0)
    marked = ledger[ledger["fault"].isin(["text", "calipers"])].drop_duplicates("image_id")
    share = marked.groupby("label")["image_id"].count()
    assert share["benign"] > 3 * share.get("normal", 0)
    names = set(marked["image_id"])
    heirs = ledger[ledger["twin_of"].isin(names)]
    assert len(heirs)
    assert "cropped" not in set(heirs["fault"])
    assert set(heirs["image_id"]) <= names


def test_several_masks_are_noted(planted):
    folder, ledger = planted
    more = {p.stem.split("_mask")[0] for p in folder.rglob("*_mask_1.png")}
    assert {row.image_id for row in rows_of(ledger, "several_masks")} == more
    for name in more:
        first, second = (image_of(folder, f"{name}_mask{s}") > 0 for s in ("", "_1"))
        assert first.any()
        assert second.any()
        assert (first & second).sum() < 0.5 * min(first.sum(), second.sum())


def test_broken_files_are_as_promised(planted):
    folder, ledger = planted
    named = {fault: rows_of(ledger, fault)[0].image_id for fault in BROKEN}
    path = {fault: folder / BROKEN[fault] / f"{name}.png" for fault, name in named.items()}
    with pytest.raises(OSError, match="truncated"):
        Image.open(path["truncated"]).load()
    assert path["zero_byte"].stat().st_size == 0
    with pytest.raises(UnidentifiedImageError):
        Image.open(path["non_image"])
    rgba = image_of(folder, named["rgba"])
    assert rgba.shape[2] == 4
    assert (rgba[..., 3] == 255).all()
    assert image_of(folder, named["sixteen_bit"]).dtype == np.uint16
    mask = image_of(folder, named["mis_sized"] + "_mask")
    assert mask.shape != image_of(folder, named["mis_sized"]).shape
    assert not path["mask_without_image"].exists()
    assert path["mask_without_image"].with_name(named["mask_without_image"] + "_mask.png").exists()


def test_more_originals_leave_the_first_ones_unchanged(planted, tmp_path):
    folder, _ = planted
    write_phantom_dataset(tmp_path / "more", {"benign": 20}, seed=1)
    for k in range(1, 19):
        name = f"benign ({k})"
        assert (image_of(folder, name) == image_of(tmp_path / "more", name)).all()


def test_same_parameters_same_bytes_and_no_faults_when_none_are_asked(tmp_path):
    ledgers = [
        write_phantom_dataset(tmp_path / name, {"benign": 1, "normal": 1}, seed=9, plant=False)
        for name in ("a", "b")
    ]
    assert ledgers[0].empty
    files = [sorted(p for p in (tmp_path / n).rglob("*") if p.is_file()) for n in ("a", "b")]
    assert len(files[0]) == 6
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_a_complete_set_is_reused_and_a_damaged_or_other_one_rewritten(tmp_path):
    folder, counts = tmp_path / "set", {"benign": 2}
    write_phantom_dataset(folder, counts, seed=0)
    image = folder / "benign" / "benign (1).png"
    stamp, good = image.stat().st_mtime_ns, image.read_bytes()
    write_phantom_dataset(folder, counts, seed=0)
    assert image.stat().st_mtime_ns == stamp
    image.unlink()
    write_phantom_dataset(folder, counts, seed=0)
    assert image.read_bytes() == good
    write_phantom_dataset(folder, counts, seed=1)
    assert image.read_bytes() != good
    assert json.loads((folder / "phantom.json").read_text())["parameters"]["seed"] == 1
    assert not list(tmp_path.glob(".set.part"))


def test_a_folder_of_others_is_never_touched(tmp_path):
    foreign = tmp_path / "mine" / "benign" / "benign (1).png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"precious")
    with pytest.raises(StudyError, match="did not write"):
        write_phantom_dataset(tmp_path / "mine", {"benign": 1}, seed=0)
    assert foreign.read_bytes() == b"precious"
    write_phantom_dataset(tmp_path / "set", {"benign": 1}, seed=0)
    note = tmp_path / "set" / "benign" / "notes.txt"
    note.write_text("mine")
    with pytest.raises(StudyError, match=r"first: benign/notes\.txt"):
        write_phantom_dataset(tmp_path / "set", {"benign": 2}, seed=0)
    assert note.read_text() == "mine"


def test_an_interrupted_rewriting_leaves_the_old_set(tmp_path, monkeypatch):
    folder = tmp_path / "set"
    write_phantom_dataset(folder, {"benign": 1}, seed=0)
    before = {p: p.read_bytes() for p in folder.rglob("*.png")}

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("busi_phantom.planting.png", disk_full)
    with pytest.raises(StudyError, match="No space left"):
        write_phantom_dataset(folder, {"benign": 1}, seed=1)
    assert before == {p: p.read_bytes() for p in folder.rglob("*.png")}


@pytest.mark.parametrize(
    ("counts", "scanner", "message"),
    [({"cyst": 1}, "A", "no class"), ({"benign": -1}, "A", "negative"), ({}, "C", "no scanner")],
)
def test_wrong_parameters_are_refused(tmp_path, counts, scanner, message):
    with pytest.raises(StudyError, match=message):
        write_phantom_dataset(tmp_path / "set", counts, seed=0, scanner=scanner)
