"""What a difference of networks allows to be said: shown, equivalent and undecided are apart."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from two_networks import two_networks

from busi_utils.analysis.equivalence import BESIDE, finding, judged, network_differences
from busi_utils.study.rows import read_row


def _row(p_holm, value, low, high):
    return {"p_holm": p_holm, "worth_value": value, "inner_low": low, "inner_high": high}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (_row(0.01, 4.0, 2.0, 6.0), "better"),
        (_row(0.01, -4.0, -6.0, -2.0), "worse"),
        (_row(0.40, 0.5, -1.0, 2.0), "equivalent"),
        (_row(0.40, 0.5, -1.0, 3.0), "no difference shown"),  # the margin itself is outside
        (_row(0.40, 0.5, -3.1, 2.0), "no difference shown"),
        (_row(0.06, 4.0, 0.1, 8.0), "no difference shown"),  # wide is not equal
    ],
)
def test_not_shown_and_equivalent_are_apart(row, says):
    assert finding(row) == says


def test_differences_are_paired_over_all_seeds_that_are_there(tmp_path):
    study = two_networks(tmp_path)
    for recipe in ("original", "tuned"):
        folder = study.workspace.predictions / "phantom/clean/xception" / recipe
        for file in folder.glob("seed1_*") if recipe == "tuned" else ():
            file.unlink()  # its second seed was not trained
    pairs = [
        ("network", "Xception", ("clean", "xception", r), ("clean", "mobilenetv2", r))
        for r in ("original", "tuned")
    ]
    pairs.append(("network", "itself", pairs[0][3], pairs[0][3]))
    table = network_differences(study, pairs, 0, 800)
    assert table[["seeds", "reference_seeds"]].to_numpy().tolist() == [[2, 2], [1, 2], [2, 2]]
    assert table["finding"].tolist() == ["better", "better", "equivalent"]
    found = {row: read_row(study, row) for row in pairs[1][2:]}
    score = [
        np.mean([balanced_accuracy_score(one.y, p.argmax(axis=1)) for p in one.p])
        for one in found.values()
    ]
    line = table.iloc[1]
    assert line["worth_value"] == pytest.approx(100 * (score[0] - score[1]))
    assert line["worth_low"] < line["inner_low"] < line["worth_value"]
    assert line["worth_value"] < line["inner_high"] < line["worth_high"]
    assert line["seen"] == pytest.approx(
        (2.393980 + 0.841621) * line["error"], rel=1e-5
    )  # 0.05 / 6 above
    assert line["error"] == pytest.approx((line["worth_high"] - line["worth_low"]) / 3.92, rel=0.15)
    for name in BESIDE:  # the two gain in all, the row beside itself in nothing
        assert table[f"{name}_p_holm"].tolist()[2] == 1
        assert (table[f"{name}_p_holm"][:2] < 0.05).all()
    assert judged(table) == {"comparisons": 3, "gains": 2, "losses": 0, "excluded": 1}
