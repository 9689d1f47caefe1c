from itertools import chain

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busi_utils import CLASSES
from busi_utils.audit.folds import (
    FOLDS,
    assert_no_leak,
    folds_of,
    inner_split,
    is_grouped,
    make_folds,
    read_folds,
    save_folds,
    share_of_groups,
)
from busi_utils.audit.manifest import exclusions
from busi_utils.errors import StudyError
from busi_utils.workspace import Workspace


@st.composite
def cohorts(draw):
    """A cohort of ten to fifteen groups a class, of one to four images each."""
    rows = []
    for label in CLASSES:
        sizes = draw(st.lists(st.integers(1, 4), min_size=10, max_size=15))
        for number, size in enumerate(sizes):
            rows += [(f"{label} {number}/{k}", label, f"g{label}{number}") for k in range(size)]
    return pd.DataFrame(draw(st.permutations(rows)), columns=["image_id", "label", "group"])


def _cohort(groups=12, size=2):
    rows = [
        (f"{label} ({n}.{k})", label, f"g{label}{n}")
        for label in CLASSES
        for n in range(groups)
        for k in range(size)
    ]
    return pd.DataFrame(rows, columns=["image_id", "label", "group"])


@settings(max_examples=40)
@given(cohorts(), st.integers(0, FOLDS - 1), st.integers(0, 99))
def test_no_group_is_ever_split(table, fold, seed):
    folds = make_folds(table, "grouped")
    assert (folds.groupby("group")["fold"].nunique() == 1).all()
    parts = inner_split(folds, fold, seed=seed)
    assert sorted(chain(*parts)) == sorted(table["image_id"])
    assert set(parts[2]) == set(folds.loc[folds["fold"] == fold, "image_id"])
    of = table.set_index("image_id")["group"]
    assert sum(of[part].nunique() for part in parts) == table["group"].nunique()
    labels = table.set_index("image_id")["label"]
    assert all(set(labels[part]) == set(CLASSES) for part in (parts[0], parts[2]))


@settings(max_examples=25)
@given(cohorts(), st.sampled_from(["clean", "raw"]))
def test_folds_are_stratified_and_ignore_the_order_of_rows(table, cohort):
    table = table.drop_duplicates("group")
    folds = make_folds(table, cohort)
    counts = pd.crosstab(folds["fold"], folds["label"])
    assert counts.shape == (FOLDS, len(CLASSES))
    assert (counts.max() - counts.min() <= 2).all()
    other = make_folds(table[::-1].reset_index(drop=True), cohort)
    pd.testing.assert_frame_equal(
        folds.sort_values("image_id", ignore_index=True),
        other.sort_values("image_id", ignore_index=True),
    )


def test_the_validation_set_is_a_stratified_seventh():
    folds = make_folds(_cohort(groups=35, size=1), "clean")
    labels = folds.set_index("image_id")["label"]
    train, val, test = inner_split(folds, 2)
    assert [len(train), len(val), len(test)] == [72, 12, 21]
    assert labels[val].value_counts().tolist() == [4, 4, 4]
    assert inner_split(folds, 2) == (train, val, test)
    assert inner_split(folds, 2, seed=1)[1] != val
    assert inner_split(folds, 2, seed=1)[2] == test


def test_a_random_split_ignores_groups():
    folds = make_folds(_cohort(), "raw")
    assert not is_grouped("raw")
    assert (folds.groupby("group")["fold"].nunique() > 1).any()
    parts = inner_split(folds, 0, grouped=False)
    assert sorted(chain(*parts)) == sorted(folds["image_id"])
    with pytest.raises(StudyError, match="Leak"):
        inner_split(folds, 0)


def test_a_leak_is_told():
    table = pd.DataFrame({"group": ["a", "a", "b"], "fold": [0, 3, 1]})
    with pytest.raises(StudyError, match=r"1 duplicate groups span folds \(group a .* fold 0, 3\)"):
        assert_no_leak(table)
    assert_no_leak(table[1:])


def test_too_few_independent_images_are_told():
    with pytest.raises(StudyError, match=r"Cohort clean: class .* only 4 independent images"):
        make_folds(_cohort(groups=4, size=3), "clean")
    make_folds(_cohort(groups=4, size=3), "raw")


def test_a_folds_file_is_kept_for_the_same_images_only(tmp_path):
    workspace = Workspace(tmp_path)
    table = _cohort()
    folds = make_folds(table, "clean").assign(fold=lambda f: (f["fold"] + 1) % FOLDS)
    save_folds(folds, "busi", "clean", workspace)
    written = workspace.folds("busi", "clean").read_bytes()
    assert written.startswith(b"image_id,label,group,fold\n")
    pd.testing.assert_frame_equal(folds_of(table, "busi", "clean", workspace), folds)
    pd.testing.assert_frame_equal(read_folds("busi", "clean", workspace), folds)
    swapped = table.assign(group=table["group"].replace("gbenign1", "other"))
    for changed in (table[1:], swapped, table.assign(label=table["label"][::-1].to_list())):
        with pytest.raises(StudyError, match="made for other images, labels or duplicate groups"):
            folds_of(changed, "busi", "clean", workspace)
    assert workspace.folds("busi", "clean").read_bytes() == written


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folds: folds.drop(columns="group"),
        lambda folds: folds[folds["fold"] != 2],
        lambda folds: pd.concat([folds, folds[:1]]),
        lambda folds: folds.assign(fold="x"),
    ],
)
def test_a_damaged_folds_file_is_refused(tmp_path, spoil):
    workspace = Workspace(tmp_path)
    workspace.results.mkdir()
    spoil(make_folds(_cohort(), "clean")).to_csv(workspace.folds("busi", "clean"), index=False)
    with pytest.raises(StudyError, match="damaged"):
        read_folds("busi", "clean", workspace)


def test_a_folds_file_that_leaks_is_refused(tmp_path):
    workspace = Workspace(tmp_path)
    save_folds(make_folds(_cohort(), "raw"), "busi", "clean", workspace)
    with pytest.raises(StudyError, match="Leak"):
        read_folds("busi", "clean", workspace)
    with pytest.raises(StudyError, match="run notebook 01"):
        read_folds("busi", "raw", workspace)


@settings(max_examples=30)
@given(cohorts(), st.floats(0.05, 1), st.integers(0, 99))
def test_a_share_keeps_whole_groups_of_every_class_and_grows(table, share, seed):
    ids = table["image_id"].tolist()
    kept = share_of_groups(table, ids, share, seed)
    assert set(kept) <= set(share_of_groups(table, ids, min(1.0, 1.5 * share), seed))
    assert share_of_groups(table, ids, 1.0, seed) == ids
    of = table.set_index("image_id")["group"]
    assert table.loc[table["group"].isin(set(of[kept])), "image_id"].isin(kept).all()
    for label in CLASSES:
        groups = table.loc[table["label"] == label, ["image_id", "group"]]
        taken = groups.loc[groups["image_id"].isin(kept), "group"].nunique()
        assert taken == max(2, round(share * groups["group"].nunique()))


def _rows(**columns):
    same = {"cross_class": False, "annotated": False, "n_masks": 1, "width": 10, "height": 10}
    return pd.DataFrame(same | columns)


def test_one_image_stands_for_its_group():
    table = _rows(
        image_id=["a (1)", "a (2)", "a (3)", "b (1)", "b (2)", "c (1)", "c (2)"],
        duplicate_group=["a"] * 3 + ["b"] * 2 + ["c"] * 2,
        annotated=[True, False, False, True, True, False, False],
        width=[90, 20, 30, 10, 11, 10, 10],
    )
    reasons = exclusions(table, pd.Series([""] * 7))
    assert reasons.tolist() == [
        "duplicate of a (3)", "duplicate of a (3)", "", "duplicate of b (2)", "", "",
        "duplicate of c (1)",
    ]  # fmt: skip


def test_an_objection_excludes_the_whole_group():
    table = _rows(image_id=["a", "b", "c", "d"], duplicate_group=["x", "x", "y", "z"])
    reasons = exclusions(table, pd.Series(["", "axilla", "needle", "multiclass"]))
    assert reasons.tolist() == [
        "duplicate of axilla image b (Pawłowska 2023)",
        "axilla (Pawłowska 2023)",
        "needle (Pawłowska 2023)",
        "",
    ]
