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
    assert (found["share_low"], found["share_high"]) == pytest.approx(wilson(4, 10))
    assert found["ceiling"] == pytest.approx(0.6)
    assert found["ceiling_low"] == pytest.approx(1 - found["share_high"])
    assert found["ceiling_high"] == pytest.approx(1 - found["share_low"])


def test_without_copies_nothing_is_known():
    found = label_ceiling(_manifest(a=["benign"], b=["malignant"]))
    assert (found["images"], found["mislabelled"]) == (0, 0)
    assert (found["ceiling"], found["ceiling_low"], found["ceiling_high"]) == (1, 0, 1)
