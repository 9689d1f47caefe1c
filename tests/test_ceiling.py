"""The accuracy that contradicting copies leave to an honest test."""

import pandas as pd
import pytest

from busi_utils.audit.ceiling import label_ceiling
from busi_utils.stats.paired_tests import wilson


def _manifest(**labels_of_group):
    rows = [(group, label) for group, labels in labels_of_group.items() for label in labels]
    return pd.DataFrame(rows, columns=["duplicate_group", "label"])


def test_every_label_but_the_commonest_of_a_group_is_wrong():
    manifest = _manifest(
        a=["benign"],  # no copy, so it says nothing
        b=["benign", "malignant"],
        c=["benign", "benign", "malignant"],
        d=["normal", "benign", "malignant"],
        e=["normal", "normal"],
    )
    found = label_ceiling(manifest.sample(frac=1, random_state=0))
    assert (found["images"], found["mislabelled"]) == (10, 1 + 1 + 2)
    assert found["share"] == 0.4
    assert found["groups"] == 4
    assert 0 < found["share_low"] < 0.4 < found["share_high"] < 1
    assert found["ceiling"] == pytest.approx(0.6)
    assert found["ceiling_low"] == pytest.approx(1 - found["share_high"])
    assert found["ceiling_high"] == pytest.approx(1 - found["share_low"])


def test_the_interval_draws_groups_not_images():
    one = {"a": ["benign", "malignant"], "b": ["benign", "benign"]}
    pairs = {f"{name}{k}": labels for name, labels in one.items() for k in range(20)}
    crowd = {name: labels * 10 for name, labels in pairs.items()}  # ten times the images
    few, many = label_ceiling(_manifest(**pairs)), label_ceiling(_manifest(**crowd))
    assert (few["images"], many["images"], many["groups"]) == (80, 800, 40)
    for end in ("low", "high"):
        assert many[f"ceiling_{end}"] == few[f"ceiling_{end}"]


def test_where_no_group_contradicts_itself_the_groups_are_trials():
    found = label_ceiling(_manifest(a=["benign"] * 30, b=["normal"] * 30))
    assert (found["share_low"], found["share_high"]) == pytest.approx(wilson(0, 2))


def test_without_copies_nothing_is_known():
    found = label_ceiling(_manifest(a=["benign"], b=["malignant"]))
    assert (found["images"], found["mislabelled"]) == (0, 0)
    assert (found["ceiling"], found["ceiling_low"], found["ceiling_high"]) == (1, 0, 1)
