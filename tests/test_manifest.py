import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_busi import COUNTS, encode, small_images, texture, write_small_busi

from busi_utils.audit import manifest as manifest_module
from busi_utils.audit import published
from busi_utils.audit.cohorts import build_cohorts, cohort_files
from busi_utils.audit.images import pixel_sha256, read_grey
from busi_utils.audit.manifest import read_duplicates, read_manifest
from busi_utils.audit.preparation import prepare_data
from busi_utils.errors import StudyError
from busi_utils.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture
def busi(images_once, tmp_path):
    return shutil.copytree(images_once, tmp_path / "busi")


@pytest.fixture(scope="module")
def images_once(tmp_path_factory):
    """The folder that every `busi` is a copy of: manifests hold no path of the machine."""
    return write_small_busi(tmp_path_factory.mktemp("images") / "busi")


@pytest.fixture(scope="module")
def prepared_once(images_once, tmp_path_factory):
    """Prepared once, for tests that look at the result or go on from it: (result, workspace)."""
    workspace = Workspace(tmp_path_factory.mktemp("prepared") / "work")
    return prepare_data({"busi": images_once}, "phantom", workspace), workspace


@pytest.fixture
def prepared(prepared_once, tmp_path):
    """The same in a workspace that a test may change."""
    shutil.copytree(prepared_once[1].root, tmp_path / "prepared")
    return prepared_once[0], Workspace(tmp_path / "prepared")


@pytest.fixture(scope="module")
def said_once(images_once, tmp_path_factory):
    """Prepared with the published lists of `facts`."""
    root = tmp_path_factory.mktemp("said")
    with pytest.MonkeyPatch.context() as patch:
        _say(patch, root)
        return prepare_data({"busi": images_once}, "busi", Workspace(root / "work")), root


@pytest.fixture
def facts(monkeypatch, tmp_path):
    """Let published lists say something of the small images."""
    _say(monkeypatch, tmp_path)


def _say(patch, folder):
    said = {"benign (3)": "axilla", "malignant (2)": "needle", "normal (1)": "multiclass"}
    shared = {"benign (2)": "benign (1)", "malignant (5)": "malignant (6)"}
    rows = [
        (pixel_sha256(grey), name, shared.get(name, name), said.get(name, ""), "", name[-2] != "4")
        for name, grey in small_images().items()
    ]
    columns = ["sha256", "image_id", "group", "objection", "annotation", "curated"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(folder / "facts.csv", index=False)
    patch.setattr(published, "FACTS", folder / "facts.csv")


def _results(workspace):
    return {path.name: path.read_bytes() for path in sorted(workspace.results.glob("[!.]*"))}


def test_the_manifest_tells_every_image(busi, prepared):
    result, workspace = prepared
    table = read_manifest("phantom", workspace)
    pd.testing.assert_frame_equal(table, result.manifest)
    assert table["label"].value_counts().to_dict() == COUNTS
    row = table.set_index("image_id").loc["benign (1)"]
    assert (row["path"], row["source"]) == ("benign/benign (1).png", "busi")
    assert (row["width"], row["height"], row["n_masks"]) == (120, 96, 1)
    assert row["lesion_fraction"] == round(24 * 30 / (120 * 96), 6)
    assert row["sha256"] == pixel_sha256(read_grey(busi / row["path"]))
    twins = table[table["duplicate_group"] == row["duplicate_group"]]
    assert twins["image_id"].tolist() == ["benign (1)", "benign (2)"]
    assert twins["excluded_because"].tolist() == ["", "duplicate of benign (1)"]
    pairs = read_duplicates("phantom", workspace)
    assert ["benign (1)", "benign (2)", "exact", 1.0] in pairs.to_numpy().tolist()


@pytest.mark.parametrize(("mode", "backwards"), [("RGB", False), ("RGBA", True), ("L", True)])
def test_encoding_and_file_order_change_nothing(said_once, facts, tmp_path, mode, backwards):
    one, other = Workspace(said_once[1] / "work"), Workspace(tmp_path / "other")
    copy = write_small_busi(tmp_path / "copy", mode, backwards=backwards)
    prepare_data({"busi": copy}, "busi", other)
    assert _results(one) == _results(other)
    assert len(_results(one)) == 9


def test_a_second_source_joins_the_groups_of_the_first(busi, tmp_path):
    mirror = write_small_busi(tmp_path / "mirror", "RGB")
    sources = {"busi": busi, "kaggle": mirror}
    table = prepare_data(sources, "phantom", Workspace(tmp_path)).manifest.set_index("image_id")
    assert len(table) == 2 * sum(COUNTS.values())
    for name in small_images():
        first, second = table.loc[name], table.loc[f"kaggle/{name}"]
        assert first["duplicate_group"] == second["duplicate_group"]
        assert second["excluded_because"].startswith("duplicate of")
    files = cohort_files("raw", table.reset_index(), sources)
    assert files["path"].str.startswith(str(mirror)).sum() == sum(COUNTS.values())


def test_a_twin_in_another_class_excludes_the_group(busi, tmp_path):
    shutil.copy(busi / "benign" / "benign (1).png", busi / "malignant" / "malignant (1).png")
    prepared = prepare_data({"busi": busi}, "phantom", Workspace(tmp_path))
    table = prepared.manifest
    crossing = table["image_id"].isin(["benign (1)", "benign (2)", "malignant (1)"])
    assert (table["cross_class"] == crossing).all()
    assert ((table["excluded_because"] == "cross-class duplicates") == crossing).all()
    assert not prepared.folds["grouped"]["image_id"].isin(table.loc[crossing, "image_id"]).any()


def test_cohorts_follow_their_definitions(said_once):
    prepared, _ = said_once
    cohorts = {name: set(table["image_id"]) for name, table in prepared.folds.items()}
    everything = set(small_images())
    assert cohorts["clean"] == everything - {"benign (2)", "benign (3)", "malignant (2)"}
    assert cohorts["grouped"] == cohorts["raw"] == everything
    assert cohorts["raw_with_masks"] == everything | {f"{name}_mask" for name in everything}
    dropped = {"benign (3)", "malignant (2)", "normal (1)", "benign (2)", "malignant (6)"}
    assert cohorts["pawlowska"] == everything - dropped
    assert prepared.folds["pawlowska"]["group"].is_unique
    fours = {"benign (4)", "malignant (4)", "normal (4)"}
    assert cohorts["curated450"] == everything - fours - {"benign (2)"}


@pytest.mark.usefixtures("facts")
def test_a_published_cohort_too_small_for_folds_is_left_out_and_told(said_once, images_once):
    """Else a genuine part of BUSI could not be read at all."""
    manifest = said_once[0].manifest
    few = manifest[~manifest["image_id"].isin(["normal (5)", "normal (6)"])]
    with pytest.warns(UserWarning, match="is left out: . independent normal images"):
        cohorts = build_cohorts(few, {"busi": images_once})
    assert set(cohorts) == {"clean", "grouped", "raw", "raw_with_masks"}


def test_data_without_published_facts_have_no_published_cohorts(busi, prepared):
    result, _ = prepared
    assert set(result.folds) == {"clean", "grouped", "raw", "raw_with_masks"}
    with pytest.raises(StudyError, match=r"No cohort 'pawlowska' .* choose clean, grouped"):
        cohort_files("pawlowska", result.manifest, {"busi": busi})


def test_cohort_files_hold_the_pixels_they_name(busi, prepared, tmp_path):
    manifest = prepared[0].manifest
    files = cohort_files("raw_with_masks", manifest, {"busi": busi})
    assert list(files.columns) == ["image_id", "label", "group", "path", "sha256"]
    assert files["image_id"].is_unique
    assert [pixel_sha256(read_grey(path)) for path in files["path"]] == files["sha256"].tolist()
    with pytest.raises(StudyError, match="does not exist"):
        build_cohorts(manifest, {"busi": tmp_path / "nowhere"})


def test_a_manifest_of_the_same_images_is_kept(prepared, tmp_path, monkeypatch):
    first, workspace = prepared
    written = _results(workspace)
    monkeypatch.delattr(manifest_module, "_group")
    again = prepare_data({"busi": write_small_busi(tmp_path / "b", "RGB")}, "phantom", workspace)
    pd.testing.assert_frame_equal(again.manifest, first.manifest)
    assert _results(workspace) == written


def test_other_images_never_replace_what_results_rest_on(busi, prepared):
    _, workspace = prepared
    written = _results(workspace)
    Image.fromarray(texture(99)).save(busi / "normal" / "normal (7).png")
    with pytest.raises(StudyError, match=r"made for other images"):
        prepare_data({"busi": busi}, "phantom", workspace)
    assert _results(workspace) == written


def test_all_bad_files_come_in_one_message_and_nothing_is_written(busi, tmp_path):
    (busi / "benign" / "benign (4).png").write_bytes(b"")
    (busi / "normal" / "normal (2).png").write_text("not an image")
    content = (busi / "normal" / "normal (3).png").read_bytes()
    (busi / "normal" / "normal (3).png").write_bytes(content[:1500])
    Image.fromarray(np.full((96, 120), 40000, np.uint16)).save(busi / "normal" / "normal (4).png")
    Image.new("1", (5, 5)).save(busi / "malignant" / "malignant (1)_mask.png")
    encode(texture(7), "RGBA").save(busi / "normal" / "normal (5).png")
    (busi / "benign" / "benign (6).png").unlink()
    with pytest.raises(StudyError) as error:
        prepare_data({"busi": busi}, "phantom", Workspace(tmp_path / "work"))
    lines = str(error.value).splitlines()
    assert lines[0].startswith("6 problems in the data, nothing was written")
    for name, fault in [
        ("benign (4).png", "empty"),
        ("normal (2).png", "not a PNG, JPEG"),
        ("normal (3).png", "truncated"),
        ("normal (4).png", "8 bits"),
        ("benign (6)_mask.png", "not there"),
        ("malignant (1)_mask.png", "5x5 pixels but its image is 120x96"),
    ]:
        assert any(name in line and fault in line for line in lines[1:]), name
    assert not (tmp_path / "work" / "results").exists()


@pytest.mark.parametrize(
    ("name", "picture", "words"),
    [
        ("normal/normal (1)_tumor.png", np.zeros((96, 120)), "looks like a mask"),
        ("normal/line.png", np.arange(3000)[:, None] % 255, "a side under 32"),
        ("benign/benign (4)_mask.png", np.full((96, 120), 255), "shows no outline"),
        ("benign/benign (4) - Copy.png", texture(8), "named after 'benign (4)'"),
    ],
)
def test_what_is_no_image_or_no_outline_is_named(busi, tmp_path, name, picture, words):
    Image.fromarray(np.asarray(picture).astype(np.uint8)).save(busi / name)
    with pytest.raises(StudyError, match="1 problem in the data") as told:
        prepare_data({"busi": busi}, "phantom", Workspace(tmp_path / "work"))
    assert name in str(told.value)
    assert words in str(told.value)


def test_images_that_are_not_busis_never_bear_its_name(busi, tmp_path):
    with pytest.raises(StudyError, match=r"is not BUSI, 0 of its 21 images.*make audit DATA="):
        prepare_data({"busi": busi}, "busi", Workspace(tmp_path / "work"))
    assert not (tmp_path / "work" / "results").exists()


def test_missing_or_cut_manifests_are_told(busi, tmp_path):
    workspace = Workspace(tmp_path)
    for read in (read_manifest, read_duplicates):
        with pytest.raises(StudyError, match="run notebook 01"):
            read("busi", workspace)
    workspace.results.mkdir()
    workspace.manifest("busi").write_text("image_id,label\n")
    with pytest.raises(StudyError, match="has columns image_id, label, not"):
        read_manifest("busi", workspace)
