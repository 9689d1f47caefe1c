"""What the audit counts, compares and draws."""

import shutil

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from small_busi import small_manifest

from busi_phantom.busi_layout import write_phantom_dataset
from busi_utils.audit import agreement
from busi_utils.audit import counts as audit
from busi_utils.audit import growth as scaling
from busi_utils.audit.preparation import audited, prepare_data
from busi_utils.errors import StudyError
from busi_utils.plots import audit as audit_figures
from busi_utils.record import templates
from busi_utils.workspace import Workspace

pytestmark = pytest.mark.slow

COUNTS = {"benign": 16, "malignant": 8, "normal": 7}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """An audited phantom of two sources: (sources, workspace, prepared)."""
    root = tmp_path_factory.mktemp("audit")
    sources = {"phantom": root / "a", "clinic": root / "b"}
    write_phantom_dataset(sources["phantom"], COUNTS, seed=3)
    few = {"benign": 2, "malignant": 2, "normal": 2}
    write_phantom_dataset(sources["clinic"], few, seed=4, scanner="B", plant=False)
    workspace = Workspace(root / "work")
    return sources, workspace, prepare_data(sources, "phantom", workspace)


def test_every_planted_twin_is_found(phantom):
    sources, _, prepared = phantom
    manifest = prepared.manifest
    checked = agreement.compared(manifest, sources)
    assert checked.reference["known"].sum() == (manifest["source"] == "phantom").sum() + 6
    assert checked.pairs["reference"] >= 5
    assert checked.pairs["precision"] == checked.pairs["recall"] == 1
    assert checked.disputed_pairs.empty
    assert checked.marks["precision"] == 1
    assert checked.marks["recall"] > 0.85
    missed = checked.marks["reference"] - checked.marks["common"]
    assert len(checked.disputed_marks) == missed
    assert not checked.disputed_marks["annotated"].any()


def test_an_audit_is_read_where_no_images_are(phantom, tmp_path, monkeypatch):
    _, workspace, prepared = phantom
    monkeypatch.delenv("BUSI_DATA", raising=False)
    stored = Workspace(tmp_path)
    with pytest.raises(StudyError, match="audit"):
        audited("busi", "", stored)
    stored.results.mkdir()
    for path in workspace.results.glob("*_phantom*.csv"):
        shutil.copy(path, stored.results / path.name.replace("phantom", "busi"))
    again = audited("busi", "", stored)
    assert again.manifest["image_id"].equals(prepared.manifest["image_id"])
    assert len(again.pairs) == len(prepared.pairs)
    assert again.folds.keys() == prepared.folds.keys()
    assert not again.sources


def test_files_are_images_and_masks(phantom):
    sources, _, prepared = phantom
    counts = audit.count_table(prepared.manifest).set_index(["source", "class"])
    modes = audit.file_modes(sources)
    on_disk = sum(1 for folder in sources.values() for _ in folder.glob("*/*.png"))
    assert counts.loc[("all", "all"), "files"] == modes["files"].sum() == on_disk
    images = modes.loc[modes["kind"] == "image", "files"].sum()
    assert counts.loc[("all", "all"), "images"] == images == len(prepared.manifest)
    classes = counts.loc["all"].drop("all").sum()
    assert classes.equals(counts.loc[("all", "all")])


def test_images_are_opened_by_name(phantom):
    sources, _, prepared = phantom
    manifest = prepared.manifest
    names = ["benign (2)", "clinic/normal (1)"]
    sizes = manifest.set_index("image_id").loc[names, ["height", "width"]].to_numpy().tolist()
    fig = audit_figures.image_gallery(names, names, manifest, sources)
    shown = [list(image.get_array().shape) for ax in fig.axes for image in ax.images]
    plt.close(fig)
    assert shown == sizes


def test_readings_of_the_share_of_masks():
    table = audit.share_readings(small_manifest(), claimed=45.5).set_index("reading")
    assert table.loc["one mask per lesion image among images and these", "part"] == 6
    assert table.loc["one mask per lesion image among images and these", "whole"] == 13
    assert table.loc["all masks among all files", "per_cent"] == pytest.approx(100 * 8 / 15)
    assert table["off"].abs().is_monotonic_increasing


def test_readings_of_the_total():
    table = audit.total_readings(small_manifest(), claimed=5).set_index("reading")
    assert table.loc["every image", ["images", "off"]].tolist() == [7, 2]
    assert table.loc["files left when only *_mask.png is removed", "images"] == 8
    assert table.loc["duplicate groups", "images"] == 4
    assert table.loc["cohort clean", "images"] == 2


def test_the_flow_ends_in_the_clean_cohort():
    flow = audit.flow_table(small_manifest())
    assert flow["all"].tolist() == [7, 5, 3, 2]
    assert flow["removed"].tolist() == [0, 2, 2, 1]
    caption, alt = templates.caption("cohort_flow", {"flow": flow, "what": "BUSI"})
    assert caption == (
        "Of 7 images of BUSI 2 remain: duplicates cost 1, axilla and needle images 2, "
        "conflicting labels 2."
    )
    assert alt.endswith("no axilla or needle 3; one per group (clean) 2")
    assert flow.loc[3, ["normal", "benign", "malignant"]].tolist() == [1, 1, 0]


def test_groups_and_conflicts():
    groups = audit.group_table(small_manifest())
    assert groups.to_numpy().tolist() == [[1, 1, 1, 0, 0], [2, 3, 6, 1, 0]]
    conflicts = audit.label_conflicts(small_manifest())
    assert conflicts["images"].tolist() == ["benign (3), malignant (1)"]


def test_leaking_share_counts_images_with_a_twin_in_another_fold():
    folds = pd.DataFrame({"group": ["a", "a", "b", "b", "c"], "fold": [0, 1, 2, 2, 3]})
    folds = folds.assign(label="benign")
    assert audit.leaking_share(folds) == pytest.approx(0.4)
    row = audit.cohort_table({"raw": folds}).iloc[0]
    assert row[["benign", "images", "groups", "smallest_fold", "largest_fold"]].tolist() == [
        5, 5, 3, 1, 2,
    ]  # fmt: skip


def test_agreement_counts_pairs():
    found = pd.Series(["a", "a", "a", "b", "c"])
    reference = pd.Series(["x", "x", "y", "y", "z"])
    numbers = agreement.pair_agreement(found, reference)
    assert numbers == {
        "found": 3, "reference": 2, "common": 1, "precision": 1 / 3, "recall": 0.5,
    }  # fmt: skip
    nothing = agreement.pair_agreement(pd.Series([1, 2]), pd.Series([1, 2]))
    assert nothing == {"found": 0, "reference": 0, "common": 0}
    disputed = agreement.disagreeing_pairs(pd.Series(list("pqrst")), found, reference)
    assert set(disputed.itertuples(index=False, name=None)) == {
        ("p", "r", "found"), ("q", "r", "found"), ("r", "s", "reference"),
    }  # fmt: skip


def test_growth_is_measured_once(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    table = scaling.duplicate_scaling("phantom", [10, 20], 0, workspace)
    assert table["images"].tolist() == [10, 20]
    assert table["planted"].tolist() == table["found"].tolist() == [1, 2]
    assert table["false"].sum() == 0
    monkeypatch.setattr(scaling, "find_duplicates", None)
    again = scaling.duplicate_scaling("phantom", [20, 10], 0, workspace)
    assert again["found"].tolist() == [1, 2]
    with pytest.raises(StudyError, match="at least two"):
        scaling.duplicate_scaling("phantom", [10], 0, workspace)


def test_figures_show_every_pair_and_class(phantom):
    sources, _, prepared = phantom
    manifest, pairs = prepared.manifest, prepared.pairs
    marked = agreement.reference_of(manifest, sources)["annotated"]
    chosen = audit_figures.example_pairs(pairs, manifest, marked)
    assert chosen["sort"].is_unique
    assert not chosen.duplicated(["image_id_a", "image_id_b"]).any()
    assert {"exact", "across classes", "cropped"} <= set(chosen["sort"])
    names = chosen[["image_id_a", "image_id_b"]].to_numpy().ravel().tolist()
    fig = audit_figures.pair_gallery(chosen, manifest, sources)
    assert sum(len(ax.images) for ax in fig.axes) == len(names)
    titles = [panel.get_suptitle() for panel in fig.subfigs if panel.axes]
    assert [title.split(", r = ")[0] for title in titles] == chosen["sort"].tolist()
    fig = audit_figures.cohort_flow(audit.flow_table(manifest))
    assert str(len(manifest)) in {text.get_text().strip() for text in fig.axes[0].texts}
    share = audit.marked_share(manifest)
    assert share["annotated"].sum() == manifest["annotated"].sum()
    assert ((share["low"] <= share["share"]) & (share["share"] <= share["high"])).all()
    _, sizes = audit_figures.shortcuts(manifest, share).axes
    assert len({line.get_linestyle() for line in sizes.lines}) == len(sizes.lines) == 3
    plt.close("all")


def test_a_clean_folder_has_its_figures_too():
    """No pair of copies, and no image with marks."""
    manifest = small_manifest().assign(width=500, annotated=False)
    none = pd.DataFrame(columns=["image_id_a", "image_id_b", "kind", "score"])
    unmarked = pd.Series(False, index=manifest.index)
    chosen = audit_figures.example_pairs(none, manifest, unmarked)
    assert "No two images" in audit_figures.pair_gallery(chosen, manifest, {}).texts[0].get_text()
    share = audit.marked_share(manifest)
    assert share["share"].eq(0).all()
    audit_figures.shortcuts(manifest, share.assign(low=1e-17))
    plt.close("all")
