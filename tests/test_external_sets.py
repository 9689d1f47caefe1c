import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from small_busi import encode, texture
from small_external import BUSBRA_COUNTS, BUSUCLM_COUNTS, edited, table_of

from busi_phantom.external_layout import DEVICE
from busi_phantom.render import render_phantoms
from busi_utils.audit import external_sets
from busi_utils.audit.external_layouts import read_listing
from busi_utils.audit.external_sets import COLUMNS, ExternalSet, read_external, read_external_mask
from busi_utils.audit.images import pixel_sha256, read_grey
from busi_utils.errors import StudyError


def test_busbra_round_trip(external_phantoms):
    images = read_external("busbra", external_phantoms / "busbra")
    table = table_of(external_phantoms / "busbra")
    assert tuple(images.columns) == COLUMNS
    assert list(images.index) == list(range(9))
    assert images["label"].value_counts().to_dict() == BUSBRA_COUNTS
    for ours, theirs in {
        "image_id": "ID",
        "patient": "Case",
        "birads": "BIRADS",
        "histology": "Histology",
    }.items():
        assert list(images[ours]) == list(table[theirs])
    assert set(images["device"]) == {DEVICE}
    assert not images["annotated"].any()
    assert (images["excluded_because"] == "").all()
    rendered = render_phantoms(list(images["label"]), 3, "B")
    for row, phantom, box in zip(images.itertuples(), rendered, table["BBOX"], strict=True):
        assert row.sha256 == pixel_sha256(phantom.image)
        mask = read_external_mask(row.mask, phantom.image.shape)
        assert (mask == np.logical_or.reduce(phantom.masks)).all()
        assert list(cv2.boundingRect(mask.astype(np.uint8))) == json.loads(box)


def test_views_of_a_case_share_their_patient(external_phantoms):
    images = read_external("busbra", external_phantoms / "busbra")
    views = images.groupby("patient")["image_id"].agg(lambda ids: {name[-1] for name in ids})
    assert sorted(map(sorted, views)) == [["l", "r"]] * 2 + [["s"]] * 5
    described = images.groupby("patient")[["label", "birads", "histology"]].nunique()
    assert (described == 1).all(axis=None)


def test_busuclm_round_trip(external_phantoms):
    images = read_external("busuclm", external_phantoms / "busuclm")
    folder = external_phantoms / "busuclm"
    assert (folder / "INFO.csv").read_bytes()[:3] == b"\xef\xbb\xbf"
    table = pd.read_csv(folder / "INFO.csv", sep=";", encoding="utf-8-sig")
    assert tuple(images.columns) == COLUMNS
    assert images["label"].value_counts().to_dict() == BUSUCLM_COUNTS
    assert list(images["image_id"] + ".png") == list(table["Image"])
    assert list(images["patient"]) == list(table["Image"].str[:4])
    assert images["patient"].nunique() == 3
    assert images["annotated"].dtype == bool
    assert images["annotated"].any()
    assert list(images["annotated"]) == list(table["Marks"] == "Yes")
    doppler = (table["Doppler"] == "Yes").to_numpy()
    assert 0 < doppler.sum() < len(doppler)
    assert list(images["excluded_because"]) == ["Doppler frame" if d else "" for d in doppler]
    assert {Image.open(path).mode for path in images["path"]} == {"RGB", "RGBA"}
    rendered = render_phantoms(list(images["label"]), 3, "B")
    plain = ~images["annotated"] & ~doppler
    assert plain.any()
    for row, phantom, untouched in zip(images.itertuples(), rendered, plain, strict=True):
        assert (row.sha256 == pixel_sha256(phantom.image)) == untouched
        mask = read_external_mask(row.mask, phantom.image.shape)
        expected = np.any([np.zeros_like(mask), *phantom.masks], axis=0)
        assert (mask == expected).all()


def test_busuclm_masks_are_coloured_by_class(external_phantoms):
    images = read_external("busuclm", external_phantoms / "busuclm")
    expected = {"normal": set(), "benign": {(0, 255, 0)}, "malignant": {(255, 0, 0)}}
    for row in images.itertuples():
        colours = {colour for _, colour in Image.open(row.mask).getcolors()}
        assert colours - {(0, 0, 0)} == expected[row.label]


def test_an_rgba_frame_is_its_rgb_pixels(busuclm):
    images = read_external("busuclm", busuclm)
    row = next(row for row in images.itertuples() if Image.open(row.path).mode == "RGBA")
    with Image.open(row.path) as image:
        colour = image.convert("RGB")
        image.putalpha(90)
        image.save(row.path)
    again = read_external("busuclm", busuclm).set_index("image_id")
    assert again.loc[row.image_id, "sha256"] == row.sha256
    colour.save(row.path)
    again = read_external("busuclm", busuclm).set_index("image_id")
    assert again.loc[row.image_id, "sha256"] == row.sha256
    assert (read_grey(row.path) == np.asarray(colour.convert("L"))).all()


def test_sizes_in_the_table_are_not_those_of_the_files(busbra):
    before = read_external("busbra", busbra)
    table = table_of(busbra).assign(Width="1", Height="2")
    table.to_csv(busbra / "bus_data.csv", index=False)
    pd.testing.assert_frame_equal(read_external("busbra", busbra), before)


def test_every_official_view_name_is_read(busbra):
    shutil.copy(busbra / "Images" / "bus_0001-s.png", busbra / "Images" / "bus_1064-r.png")
    shutil.copy(busbra / "Masks" / "mask_0001-s.png", busbra / "Masks" / "mask_1064-r.png")
    table = table_of(busbra)
    table.loc[len(table)] = table.iloc[0].to_dict() | {"ID": "bus_1064-r", "Case": "1064"}
    table.to_csv(busbra / "bus_data.csv", index=False)
    last = read_external("busbra", busbra).iloc[-1]
    assert (last["image_id"], last["patient"]) == ("bus_1064-r", "1 = 1064")  # a copy
    assert last["mask"] == str(busbra / "Masks" / "mask_1064-r.png")


def test_words_that_look_like_missing_values_are_words(busbra):
    edited(busbra / "bus_data.csv", "bus_0001-s,1,", "bus_0001-s,NA,")
    assert read_external("busbra", busbra)["patient"][0] == "NA"


def test_letter_case_blank_rows_and_litter_change_nothing(busuclm):
    before = read_external("busuclm", busuclm)
    info = busuclm / "INFO.csv"
    words = info.read_text(encoding="utf-8-sig").replace(";Benign;", ";BENIGN;")
    info.write_text(words.replace(";Yes;", ";y;").replace(";Normal;", "; normal ;") + ";;;;;\n\n")
    (busuclm / "images" / ".DS_Store").write_bytes(b"x")
    (busuclm / "images" / "Thumbs.db").write_bytes(b"x")
    pd.testing.assert_frame_equal(read_external("busuclm", busuclm), before)


def test_the_environment_names_the_folder(external_phantoms, monkeypatch):
    monkeypatch.setenv("BUSBRA_DATA", str(external_phantoms / "busbra"))
    images = read_external("busbra")
    assert images["path"].str.startswith(str(external_phantoms)).all()
    monkeypatch.delenv("BUSBRA_DATA")
    with pytest.raises(StudyError, match="No BUS-BRA was named: pass its folder or set BUSBRA_DA"):
        read_external("busbra")


def test_masks_may_be_absent_as_a_whole_but_not_in_part(busbra):
    lost = busbra / "Masks" / "mask_0001-s.png"
    lost.unlink()
    with pytest.raises(StudyError, match=r"row 2, belongs to .*mask_0001-s\.png, which does not"):
        read_external("busbra", busbra)
    shutil.rmtree(busbra / "Masks")
    assert (read_external("busbra", busbra)["mask"] == "").all()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(*[st.integers(0, 255)] * 3), st.sampled_from(["RGB", "RGBA"]))
def test_a_mask_is_whatever_is_not_black(tmp_path, colour, mode):
    pixels = np.zeros((6, 9, 3), np.uint8)
    pixels[1:4, 2:5] = colour
    Image.fromarray(pixels).convert(mode).save(tmp_path / "mask.png")
    mask = read_external_mask(tmp_path / "mask.png", (6, 9))
    assert mask.dtype == bool
    assert mask.sum() == (9 if any(colour) else 0)


def test_a_mask_of_another_scale_is_scaled_and_of_other_proportions_refused(busuclm):
    row = read_external("busuclm", busuclm).query("label == 'malignant'").iloc[0]
    shape = read_grey(row["path"]).shape
    mask = read_external_mask(row["mask"], shape)
    with Image.open(row["mask"]) as image:
        image.resize((2 * shape[1], 2 * shape[0]), Image.Resampling.NEAREST).save(row["mask"])
    assert (read_external_mask(row["mask"], shape) == mask).all()
    with pytest.raises(StudyError, match=r"The mask .* pixels but its image is 9x6, of other prop"):
        read_external_mask(row["mask"], (6, 9))


def test_a_third_set_takes_a_few_lines(tmp_path, monkeypatch):
    def read_clinic(folder):
        return read_listing(
            folder,
            "labels.tsv",
            {"image_id": "scan", "label": "finding", "patient": "subject", "device": "machine"},
            image="scans/us-{}.jpg",
            separator="\t",
        )

    clinic = ExternalSet("the clinic", "CLINIC_DATA", read_clinic)
    monkeypatch.setitem(external_sets.EXTERNAL_SETS, "clinic", clinic)
    (tmp_path / "scans").mkdir()
    for k, mode in enumerate(["L", "RGB"]):
        encode(texture(k), mode).save(tmp_path / "scans" / f"us-{k}.jpg")
    rows = "scan\tfinding\tsubject\tmachine\n1\tMalignant\tB\tM9\n0\tnormal\tA\t\n"
    (tmp_path / "labels.tsv").write_text(rows)
    images = read_external("clinic", tmp_path)
    assert list(images["image_id"]) == ["us-1", "us-0"]
    assert list(images["label"]) == ["malignant", "normal"]
    assert list(images["patient"]) == ["B", "A"]
    assert list(images["device"]) == ["M9", ""]
    assert (images[["mask", "birads", "histology", "excluded_because"]] == "").all(axis=None)
    assert images["sha256"][1] == pixel_sha256(read_grey(tmp_path / "scans" / "us-0.jpg"))
