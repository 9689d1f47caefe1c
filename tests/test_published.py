import pandas as pd
import pytest
from small_busi import small_images, write_small_busi

from busi_utils.audit import published
from busi_utils.audit.images import pixel_sha256
from busi_utils.audit.published import check_lists, facts_of, read_published, write_published
from busi_utils.errors import StudyError


def test_the_committed_facts_agree_with_the_publications():
    facts = read_published()
    labels = facts["image_id"].str.split(" ").str[0]
    assert labels.value_counts().to_dict() == {"benign": 437, "malignant": 210, "normal": 133}
    assert facts["image_id"].is_unique
    assert facts["group"].nunique() == 587
    assert (labels.groupby(facts["group"]).nunique() > 1).sum() == 8
    said = facts["objection"].value_counts().to_dict()
    assert said == {"": 684, "axilla": 70, "multiclass": 19, "needle": 7}
    assert (facts["annotation"] != "").sum() == 235
    assert facts["curated"].sum() == 450
    twins = facts.loc[facts["sha256"].duplicated(keep=False), "image_id"]
    assert sorted(twins) == ["benign (433)", "malignant (145)"]


def test_facts_are_found_by_pixels():
    known = read_published().query("objection == 'axilla'").iloc[0]
    table = pd.DataFrame({"sha256": ["unknown", known["sha256"]]}, index=[7, 3])
    facts = facts_of(table)
    assert facts.index.tolist() == [7, 3]
    assert facts.loc[7].tolist() == ["", "", "", False]
    assert facts.loc[3, "objection"] == "axilla"
    assert facts.loc[3, "group"] == known["group"]
    assert facts["curated"].dtype == bool


@pytest.fixture
def lists(tmp_path):
    """Published lists of the small images."""
    folder = tmp_path / "lists"
    folder.mkdir()
    groups = ["class,number,group_id,group_size,objection,annotation,in_curated_busi_v1"]
    for number, name in enumerate(small_images()):
        label, digits = name[:-1].split(" (")
        said = "axilla" if name == "benign (3)" else ""
        groups.append(f"{label},{digits},G{number},1,{said},text,0")
    (folder / "busi_pawlowska_groups.csv").write_text("\n".join(groups))
    (folder / "mapping_curated_BUSI.csv").write_text("class;id\nbenign;4\nnormal;1\n")
    return folder


def test_facts_are_made_from_the_lists(lists, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "FACTS", tmp_path / "facts.csv")
    write_published(write_small_busi(tmp_path / "busi", "RGB"), lists)
    facts = read_published().set_index("image_id")
    assert facts.query("objection != ''").index.tolist() == ["benign (3)"]
    assert facts.query("curated").index.tolist() == ["benign (4)", "normal (1)"]
    for name, grey in small_images().items():
        assert facts.loc[name, "sha256"] == pixel_sha256(grey)
    check_lists(lists)
    text = (lists / "mapping_curated_BUSI.csv").read_text()
    (lists / "mapping_curated_BUSI.csv").write_text(text.replace("benign;4", "benign;5"))
    with pytest.raises(StudyError, match=r"differ from the facts in facts.csv: make these anew"):
        check_lists(lists)


def test_lists_of_other_images_are_refused(lists, tmp_path):
    busi = write_small_busi(tmp_path / "busi")
    (busi / "benign" / "benign (3).png").rename(busi / "benign" / "benign (30).png")
    (busi / "benign" / "benign (3)_mask.png").rename(busi / "benign" / "benign (30)_mask.png")
    with pytest.raises(StudyError, match=r"2 names .* for instance benign \(3\)"):
        write_published(busi, lists)
    (lists / "mapping_curated_BUSI.csv").unlink()
    with pytest.raises(StudyError, match=r"mapping_curated_BUSI.csv does not exist"):
        check_lists(lists)
    for content, words in (
        (b"id;class\n", "lists no image"),
        (b"a;b\n1;2\n", "no column class, id"),
    ):
        (lists / "mapping_curated_BUSI.csv").write_bytes(content)
        with pytest.raises(StudyError, match=words):
            check_lists(lists)
