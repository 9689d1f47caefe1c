"""The rule of claim C7, and sentences that follow their numbers."""

import pandas as pd
import pytest

from busi_utils.record import error_findings
from busi_utils.record.error_verdicts import CLEANING, PREPROCESSING, verdicts


def _changes(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"kind": kind, "label": "x", "worth_value": (low + high) / 2}
            | {"worth_low": low, "worth_high": high, "p": 0.001 if low > 0 or high < 0 else 0.5}
            for kind, low, high in rows
        ]
    )


@pytest.mark.parametrize(
    ("preprocessing", "cleaning", "expected"),
    [
        ((-9, -2), (1, 3), "confirmed"),
        ((-9, -2), (-1, 3), "partly confirmed"),
        ((-1, 2), (-3, -1), "partly confirmed"),
        ((-1, 2), (-1, 3), "refuted"),
    ],
)
def test_both_kinds_of_fault_must_matter(preprocessing, cleaning, expected):
    changes = _changes((PREPROCESSING, *preprocessing), (CLEANING, *cleaning))
    (claim, _, evidence, verdict) = verdicts(changes, "busi")[0]
    assert (claim, verdict) == ("C7", expected)
    assert "points" in evidence


def test_phantoms_decide_nothing():
    changes = _changes((PREPROCESSING, -9, -2), (CLEANING, 1, 3))
    assert verdicts(changes, "phantom")[0][3] == "unverifiable"


def _gap(low: float, high: float) -> pd.DataFrame:
    row = {"attribute": "burnt-in marks", "group": "present", "reference": "none"}
    for name in ("recall_malignant", "recall_benign"):
        row |= {name: 0.0, f"{name}_low": -5.0, f"{name}_high": 5.0}
    row |= {"recall_malignant": -16.0, "recall_malignant_low": low, "recall_malignant_high": high}
    return pd.DataFrame([row])


def test_a_subgroup_is_named_only_if_it_differs_beyond_its_interval():
    assert "burnt-in marks present against none" in error_findings.subgroup_finding(_gap(-30, -1))
    assert error_findings.subgroup_finding(_gap(-30, 1)).startswith("No subgroup differs")


def test_robustness_says_when_networks_do_not_differ():
    costs = pd.DataFrame(
        {"corruption": ["blur", "gain", "all"], "model": "mobilenetv2", "value": [3.0, 9.0, 6.0]}
    )
    paired = pd.DataFrame([{"title": "Other", "value": 1.0, "low": -1.0, "high": 3.0}])
    recall = {"recall_malignant_low": 0.0, "recall_malignant_high": 1.0}
    table = pd.DataFrame(
        [
            {"model": "mobilenetv2", "corruption": name, "severity": severity} | recall
            | {"recall_malignant": value}
            for name, severity, value in (("blur", 1, 0.1), ("blur", 5, 0.4), ("gain", 5, 0.6))
        ]
    )  # fmt: skip
    text = error_findings.robustness_finding(table, costs, paired, "mobilenetv2")
    assert "blur leaves a malignant recall of 40" in text
    assert "loses most to gain" in text
    assert "no more than chance" in text
    sure = error_findings.robustness_finding(table, costs, paired.assign(low=0.2), "mobilenetv2")
    assert "chance" not in sure
