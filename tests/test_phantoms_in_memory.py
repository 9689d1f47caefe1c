"""Phantoms as arrays: a knob changes what it is for, and the ledger tells the truth."""

import numpy as np
import pytest

from busi_phantom.in_memory import phantom_set
from busi_phantom.render import render_phantoms
from busi_utils import CLASSES
from busi_utils.errors import StudyError

COUNTS = {"benign": 5, "malignant": 6, "normal": 4}


@pytest.fixture(scope="module")
def plain():
    return phantom_set(COUNTS, seed=2)


def test_without_knobs_it_is_what_the_renderer_gives(plain):
    assert [CLASSES[y] for y in plain.y] == [n for n in CLASSES for _ in range(COUNTS[n])]
    assert len(set(plain.scan)) == len(plain.images)
    first = plain.y.tolist().index(CLASSES.index("malignant"))
    for k, phantom in enumerate(render_phantoms(["malignant"] * 6, seed=2)):
        assert (plain.images[first + k] == phantom.image).all()


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_twins_come_on_top_and_share_a_scan(plain, share):
    kinds = ("exact", "brightness")
    planted = phantom_set(COUNTS, seed=2, twins=share, kinds=kinds)
    twins = planted.ledger[planted.ledger["fault"].isin(kinds)]
    assert set(twins["fault"]) == set(kinds)
    assert len(planted.images) == len(plain.images) + len(twins)
    assert len(twins) == sum(round(share * n) for n in COUNTS.values())
    scan = dict(zip(planted.ids, planted.scan, strict=True))
    for row in twins.itertuples():
        assert scan[row.image_id] == scan[row.twin_of]
    assert np.bincount(planted.scan).max() == 2
    assert len(set(planted.scan)) == len(plain.images)
    exact = twins[twins["fault"] == "exact"].iloc[0]
    a, b = (planted.images[planted.ids.index(n)] for n in (exact["image_id"], exact["twin_of"]))
    assert (a == b).all()


def test_more_twins_contain_fewer():
    few, many = (phantom_set(COUNTS, seed=2, twins=share) for share in (0.5, 1.0))
    pairs = [set(zip(s.ledger["twin_of"], s.ledger["detail"], strict=True)) for s in (few, many)]
    assert pairs[0] < pairs[1]


def test_text_is_burnt_into_the_class_that_was_named_and_changes_little_else(plain):
    marked = phantom_set(COUNTS, seed=2, text={"malignant": 1.0})
    assert (marked.marked == (marked.y == CLASSES.index("malignant"))).all()
    assert set(marked.ledger.loc[marked.ledger["fault"] == "text", "label"]) == {"malignant"}
    for clean, written, has in zip(plain.images, marked.images, marked.marked, strict=True):
        changed = clean != written
        assert changed.any() == has
        assert changed.mean() < 0.03


def test_what_cannot_be_made_gets_a_sentence():
    for arguments, word in (
        ({"counts": {"cyst": 1}}, "no class 'cyst'"),
        ({"kinds": ("mirrored",)}, "kind 'mirrored'"),
        ({"kinds": ()}, "none at all"),
        ({"twins": 1.5}, "between 0 and 1"),
        ({"text": {"benign": -1}}, "between 0 and 1"),
        ({"scanner": "Z"}, "no scanner 'Z'"),
    ):
        with pytest.raises(StudyError, match=word):
            phantom_set(**({"counts": COUNTS, "seed": 0} | arguments))
